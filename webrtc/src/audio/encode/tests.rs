//! The encoder on made-up time: what goes in is found again by a decoder.

use ropus::{DecodeMode, Decoder};

use super::{
    super::{level::SILENCE_DBOV, test_tone::*},
    *,
};

const TICK: Duration = Duration::from_millis(10);

struct Sender {
    encoder: FrameEncoder,
    clock: MediaClock,
    format: PcmFormat,
    now: Instant,
    samples: usize,
}

impl Sender {
    fn new(rate_hz: u32, channels: usize, options: EncoderOptions) -> Self {
        let format = PcmFormat { rate_hz, channels };
        Self {
            encoder: FrameEncoder::new(format, options).unwrap(),
            clock: MediaClock::starting_at(u32::MAX - 10_000),
            format,
            now: Instant::now(),
            samples: 0,
        }
    }

    fn send(&mut self, ticks: usize, amplitude: f64) -> Vec<EncodedAudio> {
        let step = self.format.rate_hz as usize / 100;
        let frames = (0..ticks).filter_map(|_| {
            let mono = tone_from(self.format.rate_hz, 440.0, amplitude, self.samples, step);
            let pcm: Vec<i16> = mono
                .iter()
                .flat_map(|sample| std::iter::repeat_n(*sample, self.format.channels))
                .collect();
            let frame = self.encoder.push(&mut self.clock, self.now, &pcm);
            self.samples += step;
            self.now += TICK;
            frame
        });
        let frames: Vec<Frame> = frames.collect();
        let packets = frames.into_iter().filter_map(|frame| match frame {
            Frame::Packet(packet) => Some(packet),
            Frame::Suppressed => None,
        });
        packets.collect()
    }
}

fn decoded(packets: &[EncodedAudio]) -> Vec<i16> {
    let mut decoder = Decoder::new(48_000, Channels::Mono).unwrap();
    let mut pcm = vec![0; 5_760];
    let frames = packets.iter().map(|packet| {
        let length = decoder
            .decode(&packet.payload, &mut pcm, DecodeMode::Normal)
            .unwrap();
        pcm[..length].to_vec()
    });
    frames.collect::<Vec<_>>().concat()
}

#[test]
fn any_source_becomes_twenty_millisecond_frames_of_the_same_sound() {
    for (rate_hz, channels, stereo) in [
        (48_000, 1, false),
        (16_000, 1, true),
        (24_000, 2, true),
        (48_000, 2, false),
        (44_100, 2, false),
    ] {
        let options = EncoderOptions {
            stereo,
            ..EncoderOptions::default()
        };
        let mut sender = Sender::new(rate_hz, channels, options);
        let packets = sender.send(200, 8_000.0);
        assert_eq!(packets.len(), 100, "{rate_hz} Hz");
        assert!(
            packets
                .windows(2)
                .all(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp) == 960),
            "{rate_hz} Hz, through a wrap"
        );
        assert!(packets[0].marker && packets[1..].iter().all(|packet| !packet.marker));
        assert!(
            packets[10..]
                .iter()
                .all(|packet| packet.level_dbov == 15 && packet.voice)
        );
        let pcm = decoded(&packets);
        assert!(
            (pitch_hz(&pcm[9_600..], 48_000) - 440.0).abs() < 0.5,
            "{rate_hz} Hz"
        );
        let stereo_coded = packets.iter().any(|packet| packet.payload[0] & 4 != 0);
        assert!(!stereo_coded || (stereo && channels == 2), "{rate_hz} Hz");
    }
}

#[test]
fn the_negotiated_bit_rate_is_kept() {
    for bitrate_bps in [12_000, 24_000, 64_000] {
        let options = EncoderOptions {
            max_bitrate_bps: Some(bitrate_bps),
            ..EncoderOptions::default()
        };
        let packets = Sender::new(48_000, 1, options).send(500, 8_000.0);
        let bits: usize = packets.iter().map(|packet| packet.payload.len() * 8).sum();
        assert!(
            bits as f64 / 5.0 < f64::from(bitrate_bps) * 1.15,
            "{bits} bits in 5 s of {bitrate_bps}"
        );
    }
}

#[test]
fn silence_is_sent_in_full_and_a_marker_follows_it() {
    let mut sender = Sender::new(48_000, 1, EncoderOptions::default());
    sender.send(100, 8_000.0);
    let silence = sender.send(100, 0.0);
    assert_eq!(silence.len(), 50);
    assert!(
        silence
            .iter()
            .all(|packet| packet.level_dbov == SILENCE_DBOV && !packet.voice)
    );
    assert!(silence.iter().all(|packet| !packet.marker));
    assert!(sender.send(2, 8_000.0)[0].marker);
}

#[test]
fn long_silence_is_not_encoded_over_and_over_and_sound_after_it_is_whole() {
    for rate_hz in [16_000, 48_000] {
        let mut sender = Sender::new(rate_hz, 1, EncoderOptions::default());
        let mut packets = sender.send(100, 8_000.0);
        packets.extend(sender.send(400, 0.0));
        assert!(packets[80..].iter().all(|packet| packet.payload == SILENT_PACKET));
        packets.extend(sender.send(100, 8_000.0));
        let pcm = decoded(&packets);
        assert!(pcm[2 * 48_000..5 * 48_000].iter().all(|sample| *sample == 0));
        for start_ms in [20, 40, 60, 100] {
            let onset = &pcm[48 * (5_000 + start_ms)..48 * (5_020 + start_ms)];
            let amplitude = amplitude_at(onset, 48_000, 440.0);
            assert!(
                (amplitude - 8_000.0).abs() < 1_500.0,
                "{amplitude} after {start_ms} ms, {rate_hz} Hz"
            );
        }
    }
}

#[test]
fn with_dtx_silence_is_hardly_sent_and_time_goes_on() {
    let options = EncoderOptions {
        dtx: true,
        ..EncoderOptions::default()
    };
    let mut sender = Sender::new(48_000, 1, options);
    let before = sender.send(100, 8_000.0);
    let silence = sender.send(500, 0.0);
    assert!(silence.len() < 60, "{} packets in 5 s of silence", silence.len());
    assert!(
        silence.len() > 8 && silence[5..].iter().all(|packet| !packet.marker),
        "refreshed quietly"
    );
    let after = sender.send(100, 8_000.0);
    assert!(after[0].marker);
    let elapsed = after[0].timestamp.wrapping_sub(before[0].timestamp);
    assert_eq!(elapsed, 6 * 48_000);
}

#[test]
fn timestamps_follow_time_over_steps_that_never_came() {
    let mut sender = Sender::new(48_000, 1, EncoderOptions::default());
    let before = sender.send(3, 8_000.0);
    sender.now += Duration::from_secs(2);
    let after = sender.send(4, 8_000.0);
    assert!(after[0].marker);
    assert_eq!(
        after[0].timestamp.wrapping_sub(before[0].timestamp),
        2 * 48_000 + 3 * 480
    );
}

#[test]
fn a_source_that_is_a_little_fast_or_late_does_not_upset_the_timestamps() {
    let mut sender = Sender::new(48_000, 1, EncoderOptions::default());
    let start = sender.now;
    let mut packets = Vec::new();
    for n in 0..1_000 {
        sender.now = start + Duration::from_millis(n * 10 + n * 7 % 50);
        packets.extend(sender.send(1, 8_000.0));
    }
    assert!(
        packets
            .windows(2)
            .all(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp) == 960)
    );
}

#[test]
fn dtx_leaves_a_steady_tone_alone() {
    // To the encoder's own detector, which listens for speech, it is noise after a while.
    for (channels, stereo) in [(1, false), (2, true)] {
        let options = EncoderOptions {
            dtx: true,
            stereo,
            ..EncoderOptions::default()
        };
        let mut sender = Sender::new(48_000, channels, options);
        let packets = sender.send(300, 8_000.0);
        assert_eq!(packets.len(), 150, "{channels} channels");
        let pcm = decoded(&packets);
        assert!((pitch_hz(&pcm[48_000..], 48_000) - 440.0).abs() < 0.5);
    }
}
