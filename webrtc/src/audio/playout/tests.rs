//! The jitter buffer on a virtual network: real Opus packets, made-up arrivals, no clock.

use std::time::Duration;

use proptest::prelude::*;
use ropus::{Application, Bitrate, Channels, Encoder, InbandFec};

use super::{
    super::{
        EncodedAudio, EncoderOptions,
        encode::{Frame, FrameEncoder, MediaClock},
        test_tone::*,
    },
    *,
};

mod silence;

const RATE_HZ: u32 = 16_000;
const FORMAT: PcmFormat = PcmFormat {
    rate_hz: RATE_HZ,
    channels: 1,
};
const PITCH_HZ: f64 = 440.0;
const AMPLITUDE: f64 = 8_000.0;
const LEVEL: u8 = 15;

/// A packet and when it arrives, in microseconds.
type Arrival = (i64, RtpAudio);

/// 20 ms packets of a steady tone, each arriving as it is sent.
fn tone_packets(count: usize) -> Vec<Arrival> {
    tone_packets_at(count, 65_500, u32::MAX - 48_000)
}

/// The same from a sequence number and a timestamp on: both wrap early by default.
fn tone_packets_at(count: usize, sequence: u16, timestamp: u32) -> Vec<Arrival> {
    packets_of(tone_at, count, sequence, timestamp)
}

fn tone_at(start: usize, samples: usize) -> Vec<i16> {
    tone_from(RATE_HZ, PITCH_HZ, AMPLITUDE, start, samples)
}

fn packets_of(
    sound: impl Fn(usize, usize) -> Vec<i16>,
    count: usize,
    sequence: u16,
    timestamp: u32,
) -> Vec<Arrival> {
    let mut encoder = Encoder::builder(RATE_HZ, Channels::Mono, Application::Voip)
        .bitrate(Bitrate::Bits(32_000))
        .complexity(5)
        .inband_fec(InbandFec::Enabled)
        .packet_loss_perc(20)
        .build()
        .unwrap();
    let mut buffer = [0; 1_275];
    (0..count)
        .map(|n| {
            let length = encoder.encode(&sound(n * 320, 320), &mut buffer).unwrap();
            let packet = RtpAudio {
                sequence: sequence.wrapping_add(n as u16),
                timestamp: timestamp.wrapping_add(n as u32 * 960),
                payload: Bytes::copy_from_slice(&buffer[..length]),
                level_dbov: Some(LEVEL),
                marker: n == 0,
                copy: false,
            };
            (n as i64 * 20_000, packet)
        })
        .collect()
}

/// The tone, louder and softer four times a second: a steady one is no speech to the encoder, which
/// then adds no copies for error correction.
fn syllables(start: usize, samples: usize) -> Vec<i16> {
    let loudness =
        |n: usize| 0.55 - 0.45 * (std::f64::consts::TAU * 4.0 * n as f64 / f64::from(RATE_HZ)).cos();
    let tone = tone_at(start, samples);
    tone.iter()
        .enumerate()
        .map(|(n, sample)| (f64::from(*sample) * loudness(start + n)) as i16)
        .collect()
}

/// A reproducible stream of numbers.
fn numbers(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 11
    }
}

struct Heard {
    pcm: Vec<i16>,
    stats: PlayoutStats,
    playout: Playout,
}

impl Heard {
    /// The share of 100 ms stretches, from half a second on, in which the tone stands nearly alone.
    fn clean(&self) -> f64 {
        let stretches: Vec<&[i16]> = self.pcm[RATE_HZ as usize / 2..].chunks_exact(1_600).collect();
        let clean = stretches.iter().filter(|pcm| {
            let tone = amplitude_at(pcm, RATE_HZ, PITCH_HZ);
            let all = (2.0 * mean_square(pcm)).sqrt();
            all > 0.5 * AMPLITUDE && tone > 0.9 * all
        });
        clean.count() as f64 / stretches.len() as f64
    }

    fn concealed_ms(&self) -> u64 {
        self.stats.concealed_samples / 48
    }
}

/// Plays arrivals for `length_ms`, in steps of 10 ms.
fn play(mut arrivals: Vec<Arrival>, length_ms: i64) -> Heard {
    arrivals.sort_by_key(|(at, _)| *at);
    let start = Instant::now() + Duration::from_secs(3_600);
    let mut playout = Playout::new(FORMAT).unwrap();
    let mut arrivals = arrivals.into_iter().peekable();
    let mut pcm = Vec::new();
    let at = |us: i64| {
        if us < 0 {
            start - Duration::from_micros(us.unsigned_abs())
        } else {
            start + Duration::from_micros(us as u64)
        }
    };
    for tick in 0..length_ms / 10 {
        // The ticker's phase has nothing to do with the network's.
        let now = tick * 10_000 + 3_000;
        while let Some((us, packet)) = arrivals.next_if(|(us, _)| *us <= now) {
            playout.insert(&packet, at(us));
        }
        playout.pull(at(now), &mut pcm);
    }
    assert_eq!(
        pcm.len() as i64,
        length_ms * i64::from(RATE_HZ) / 1_000,
        "10 ms for every step"
    );
    Heard {
        pcm,
        stats: playout.stats,
        playout,
    }
}

#[test]
fn without_loss_every_packet_is_heard_through_the_wrap_of_both_counters() {
    let heard = play(tone_packets(500), 10_000);
    assert!((pitch_hz(&heard.pcm[8_000..], RATE_HZ) - PITCH_HZ).abs() < 0.5);
    assert!(heard.clean() > 0.99, "{}", heard.clean());
    assert_eq!(heard.concealed_ms(), 0);
    assert_eq!(heard.stats.packets_discarded, 0);
    let mean_delay_ms = heard.stats.delay_s / heard.stats.emitted_samples as f64 * 1_000.0;
    assert!(mean_delay_ms < 40.0, "{mean_delay_ms} ms on a perfect network");
}

#[test]
fn lost_packets_are_recovered_or_concealed_and_the_tone_stays() {
    let packets = packets_of(syllables, 1_000, 65_500, u32::MAX - 48_000);
    // A packet lost now and then keeps the delay what it is with many.
    let mut nearly_all = packets.clone();
    nearly_all.retain(|(at, _)| at % 8_000_000 != 0);
    let whole = play(nearly_all, 20_000);
    for (percent, least_kept) in [(5, 0.95), (20, 0.7)] {
        let mut number = numbers(7);
        let mut arrivals = packets.clone();
        arrivals.retain(|_| number() % 100 >= percent);
        let lost = 1_000 - arrivals.len() as u64;
        let heard = play(arrivals, 20_000);
        assert!(
            (pitch_hz(&heard.pcm[8_000..], RATE_HZ) - PITCH_HZ).abs() < 1.0,
            "{percent} %"
        );
        // In how many stretches of 100 ms the tone is about as strong as without loss.
        let pairs = heard.pcm[8_000..]
            .chunks_exact(1_600)
            .zip(whole.pcm[8_000..].chunks_exact(1_600));
        let ratios = pairs.map(|(heard, whole)| {
            amplitude_at(heard, RATE_HZ, PITCH_HZ) / amplitude_at(whole, RATE_HZ, PITCH_HZ)
        });
        let kept = ratios.filter(|ratio| (0.6..1.4).contains(ratio)).count() as f64 / 195.0;
        assert!(kept > least_kept, "{percent} %: {kept}");
        assert!(
            heard.stats.packets_recovered * 2 > lost,
            "{} of {lost}",
            heard.stats.packets_recovered
        );
        assert_eq!(heard.stats.total_samples, 20 * 48_000);
    }
}

#[test]
fn what_is_missing_before_a_marker_was_never_sent() {
    for marker in [false, true] {
        let mut arrivals = packets_of(syllables, 60, 1, 1);
        let with_copy = |(_, packet): &Arrival| opus_packet::has_error_correction(&packet.payload);
        let second = (20..60).find(|n| with_copy(&arrivals[*n])).unwrap();
        arrivals[second].1.marker = marker;
        arrivals.remove(second - 1);
        let heard = play(arrivals, 1_200);
        assert_eq!(heard.stats.packets_recovered, u64::from(!marker));
    }
}

#[test]
fn reordered_and_doubled_packets_do_no_harm() {
    let mut number = numbers(3);
    let mut arrivals = tone_packets(500);
    for (at, _) in &mut arrivals {
        // Every third packet is overtaken by the two after it.
        *at += if number().is_multiple_of(3) { 45_000 } else { 0 };
    }
    let ordered = arrivals.clone();
    arrivals.extend(ordered.into_iter().map(|(at, packet)| (at + 300_000, packet)));
    let heard = play(arrivals, 10_500);
    assert!(
        heard.clean() > 0.93,
        "{}: all but what it takes to learn",
        heard.clean()
    );
    assert_eq!(heard.stats.packets_discarded, 500, "the doubles");
    let target_ms = heard.playout.delay.target() / MS;
    assert!(
        target_ms < 70,
        "{target_ms} ms: doubles say nothing about the network"
    );
}

#[test]
fn two_hundred_milliseconds_of_jitter_cost_delay_and_not_sound() {
    let mut number = numbers(11);
    let mut arrivals = tone_packets(1_500);
    for (at, _) in &mut arrivals {
        *at += (number() % 200_000) as i64;
    }
    let heard = play(arrivals, 30_000);
    assert!(heard.clean() > 0.95, "{}", heard.clean());
    let late_from_2s = heard.concealed_ms();
    assert!(late_from_2s < 900, "{late_from_2s} ms concealed of 30 s");
    let target_ms = heard.playout.delay.target() / MS;
    assert!((180..=220).contains(&target_ms), "{target_ms} ms");
}

#[test]
fn a_stall_loses_no_words_and_its_delay_is_worked_off() {
    // Everything sent between 5.0 and 5.6 s arrives at once at 5.6 s.
    let mut arrivals = tone_packets(1_500);
    for (at, _) in &mut arrivals {
        if (5_000_000..5_600_000).contains(at) {
            *at = 5_600_000;
        }
    }
    let heard = play(arrivals, 30_000);
    assert_eq!(heard.stats.packets_discarded, 0, "what is late is waited for");
    let removed_ms = heard.stats.removed_samples / 48;
    assert!(
        (400..700).contains(&removed_ms),
        "{removed_ms} ms taken out again"
    );
    assert!((pitch_hz(&heard.pcm[100_000..], RATE_HZ) - PITCH_HZ).abs() < 2.0);
}

#[test]
fn clocks_that_drift_apart_are_followed_for_ten_minutes() {
    let packets = tone_packets(30_000);
    for ppm in [-200, 200] {
        let mut arrivals = packets.clone();
        for (at, _) in &mut arrivals {
            *at -= *at * ppm / 1_000_000;
        }
        let heard = play(arrivals, 599_000);
        assert!(heard.clean() > 0.99, "{ppm} ppm: {}", heard.clean());
        assert!(
            heard.concealed_ms() < 200,
            "{ppm} ppm: {} ms",
            heard.concealed_ms()
        );
        let corrected_ms = (heard.stats.removed_samples as i64 - heard.stats.inserted_samples as i64) / 48;
        assert!(
            (corrected_ms - 600 * ppm / 1_000).abs() < 60,
            "{ppm} ppm: {corrected_ms} ms corrected"
        );
        let packets = heard.playout.packets.len();
        assert!(packets < 5, "{ppm} ppm: {packets} packets have piled up");
    }
}

#[test]
fn a_pause_of_the_sender_is_silence_of_the_same_length() {
    // The sender says nothing from 3 s to 6 s, and its timestamps say so.
    let mut arrivals = tone_packets(450);
    arrivals.retain(|(at, _)| !(3_000_000..6_000_000).contains(at));
    for (at, packet) in &mut arrivals {
        if *at >= 6_000_000 {
            packet.sequence = packet.sequence.wrapping_sub(150);
        }
    }
    let heard = play(arrivals, 9_000);
    assert!(amplitude_at(&heard.pcm[16_000..46_000], RATE_HZ, PITCH_HZ) > 7_000.0);
    assert!(mean_square(&heard.pcm[52_000..95_000]) < 10.0, "the pause");
    assert!(amplitude_at(&heard.pcm[97_600..140_000], RATE_HZ, PITCH_HZ) > 7_000.0);
    assert_eq!(heard.stats.packets_discarded, 0);
}

#[test]
fn a_sender_that_starts_anew_is_heard_again() {
    let mut arrivals = tone_packets_at(150, 100, 5_000);
    for (at, packet) in tone_packets_at(150, 40_000, 3_000_000_000) {
        arrivals.push((at + 3_000_000, packet));
    }
    // In between, one packet that belongs nowhere.
    let (_, mut stray) = arrivals[60].clone();
    (stray.sequence, stray.timestamp) = (9_999, 1_999_999_999);
    arrivals.push((1_210_000, stray));
    let heard = play(arrivals, 6_000);
    assert!(
        (pitch_hz(&heard.pcm[8_000..46_000], RATE_HZ) - PITCH_HZ).abs() < 0.5,
        "the stray is ignored"
    );
    assert!((pitch_hz(&heard.pcm[52_000..94_000], RATE_HZ) - PITCH_HZ).abs() < 0.5);
}

#[test]
fn a_flood_is_bounded() {
    let mut arrivals = tone_packets(2_000);
    arrivals.iter_mut().for_each(|(at, _)| *at = 100_000);
    let heard = play(arrivals, 1_000);
    assert!(heard.playout.packets.len() <= MAX_PACKETS);
    assert!(heard.stats.packets_discarded >= 1_700);
}

fn any_packet() -> impl Strategy<Value = (i64, RtpAudio)> {
    let near = (0_u16..200, 0_u32..500_000);
    let far = (any::<u16>(), any::<u32>());
    let numbers = prop_oneof![8 => near, 1 => far];
    let payload = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..80),
        // A plausible header in front makes the decoder go further.
        (any::<u8>(), proptest::collection::vec(any::<u8>(), 1..300)).prop_map(|(toc, mut bytes)| {
            bytes[0] = toc & 0xfc;
            bytes
        }),
    ];
    let level = proptest::option::of(any::<u8>());
    (0_i64..3_000_000, numbers, payload, level, any::<bool>()).prop_map(
        |(at, (sequence, timestamp), payload, level_dbov, marker)| {
            (
                at,
                RtpAudio {
                    sequence,
                    timestamp,
                    payload: payload.into(),
                    level_dbov,
                    marker,
                    copy: false,
                },
            )
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_packets_panics_or_grows_the_buffers(
        arrivals in proptest::collection::vec(any_packet(), 0..300)
    ) {
        let heard = play(arrivals, 4_000);
        prop_assert!(heard.playout.packets.len() <= MAX_PACKETS);
        prop_assert!(heard.playout.span() <= MAX_SPAN_RTP);
        prop_assert!(heard.playout.pcm.capacity() <= 48_000);
    }
}
