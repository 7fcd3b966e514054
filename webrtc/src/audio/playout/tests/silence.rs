//! Silence: what need not be decoded, and that nothing of the sound around it is lost.

use super::*;

/// A tone, silence, a tone, with RFC 6464 levels.
fn packets_around_silence(silent: std::ops::Range<usize>, application: Application) -> Vec<Arrival> {
    let mut arrivals = tone_packets(1_000);
    let mut encoder = Encoder::builder(RATE_HZ, Channels::Mono, application)
        .build()
        .unwrap();
    let mut buffer = [0; 1_275];
    for (n, (_, packet)) in arrivals.iter_mut().enumerate() {
        let silent = silent.contains(&n);
        let pcm = if silent {
            vec![0; 320]
        } else {
            tone_at(n * 320, 320)
        };
        let length = encoder.encode(&pcm, &mut buffer).unwrap();
        packet.payload = Bytes::copy_from_slice(&buffer[..length]);
        packet.level_dbov = Some(if silent { 127 } else { LEVEL });
    }
    arrivals
}

/// What a decoder makes of the packets that nobody leaves out.
fn all_decoded(arrivals: &[Arrival]) -> Vec<i16> {
    let mut decoder = PacketDecoder::new(FORMAT).unwrap();
    let mut pcm = Vec::new();
    for (_, packet) in arrivals {
        decoder.decode(&packet.payload, &mut pcm).unwrap();
    }
    pcm
}

#[test]
fn silent_packets_are_not_decoded_and_the_first_word_after_them_is_whole() {
    for application in [Application::Voip, Application::RestrictedLowDelay] {
        let arrivals = packets_around_silence(100..900, application);
        let all_decoded = all_decoded(&arrivals);
        let heard = play(arrivals, 20_000);
        let decoded = heard.stats.packets_decoded;
        assert!((200..=260).contains(&decoded), "{decoded} of 1000 decoded");
        assert!(mean_square(&heard.pcm[36_000..287_000]) < 1.0);
        assert_eq!(heard.concealed_ms(), 0);

        let begin = 1_600;
        let delay = (0..begin).find(|&delay| heard.pcm[delay..][..begin] == all_decoded[..begin]);
        let delay = delay.expect("the tone comes as it was decoded");
        // In the silence the delay became less: the network is known to be steady by then.
        let difference = |less: usize| {
            let pairs = heard.pcm[287_000..]
                .iter()
                .zip(&all_decoded[287_000 + less - delay..]);
            let difference: Vec<i16> = pairs.map(|(heard, all)| heard - all).collect();
            mean_square(&difference)
        };
        let least = (0..=delay).map(difference).fold(f64::INFINITY, f64::min);
        assert!(
            least < 0.001 * AMPLITUDE * AMPLITUDE,
            "the beginning of what follows"
        );
    }
}

#[test]
fn a_sender_with_dtx_is_heard_through_its_pauses() {
    let mut number = numbers(5);
    let options = EncoderOptions {
        dtx: true,
        ..EncoderOptions::default()
    };
    let mut encoder = FrameEncoder::new(FORMAT, options).unwrap();
    let mut clock = MediaClock::starting_at(u32::MAX - 100_000);
    let start = Instant::now();
    let mut arrivals: Vec<Arrival> = Vec::new();
    for tick in 0..900_usize {
        let speaks = !(200..700).contains(&tick);
        let noise: Vec<i16> = (0..160).map(|_| (number() % 40) as i16 - 20).collect();
        let pcm = if speaks { syllables(tick * 160, 160) } else { noise };
        let slot = start + Duration::from_millis(10) * tick as u32;
        if let Some(Frame::Packet(packet)) = encoder.push(&mut clock, slot, &pcm) {
            let EncodedAudio {
                payload,
                timestamp,
                marker,
                ..
            } = packet;
            let sequence = arrivals.len() as u16;
            let packet = RtpAudio {
                sequence,
                timestamp,
                payload,
                level_dbov: None,
                marker,
                copy: false,
            };
            arrivals.push((tick as i64 * 10_000, packet));
        }
    }
    assert!(
        arrivals.len() < 300,
        "{} packets of 450 frames: DTX is at work",
        arrivals.len()
    );
    let heard = play(arrivals, 9_000);
    assert_eq!(heard.stats.packets_discarded, 0);
    assert!(amplitude_at(&heard.pcm[16_000..31_000], RATE_HZ, PITCH_HZ) > 3_500.0);
    assert!(
        dbov(mean_square(&heard.pcm[40_000..110_000])) > 60,
        "background noise at most"
    );
    assert!(amplitude_at(&heard.pcm[114_400..143_000], RATE_HZ, PITCH_HZ) > 3_500.0);
}

/// A tone, a pause of 16 s from packet 100 on as an encoder with DTX and without background noise sends it, and the
/// tone again. Without levels, as LiveKit passes it on.
fn packets_around_dtx() -> Vec<Arrival> {
    const SILENT_FRAME: &[u8] = &[0xf8, 0xff, 0xfe];
    const DTX_FRAME: &[u8] = &[0x48];
    let mut arrivals = Vec::new();
    for (n, (at, mut packet)) in tone_packets(1_000).into_iter().enumerate() {
        packet.level_dbov = None;
        match n.checked_sub(100).filter(|since| *since < 800) {
            Some(0..10) => packet.payload = Bytes::from_static(SILENT_FRAME),
            Some(since) if since % 20 != 10 => continue,
            Some(_) => packet.payload = Bytes::from_static(DTX_FRAME),
            None => {}
        }
        packet.marker = (110..=900).contains(&n);
        packet.sequence = arrivals.len() as u16;
        arrivals.push((at, packet));
    }
    arrivals
}

#[test]
fn a_pause_with_dtx_is_neither_decoded_nor_made_up_and_the_first_word_after_it_is_whole() {
    let heard = play(packets_around_dtx(), 20_000);
    let decoded = heard.stats.packets_decoded;
    assert!((200..=212).contains(&decoded), "{decoded} packets decoded");
    let audible_ms = (heard.stats.concealed_samples - heard.stats.silent_concealed_samples) / 48;
    assert!(
        audible_ms <= 40,
        "{audible_ms} ms made up by the decoder in a pause of 16 s"
    );
    assert!(heard.pcm[36_000..288_000].iter().all(|sample| *sample == 0));
    assert_eq!(heard.stats.packets_discarded, 0);
    let onset = &heard.pcm[2 * 16_000 + 16 * 16_000..];
    for stretch in onset[1_120..16_000].chunks_exact(160) {
        let tone = amplitude_at(stretch, RATE_HZ, PITCH_HZ);
        assert!(tone > 0.8 * AMPLITUDE, "{tone}");
    }
}

#[test]
fn a_sender_that_lies_about_its_silence_is_heard() {
    let mut arrivals = tone_packets(500);
    arrivals
        .iter_mut()
        .for_each(|(_, packet)| packet.level_dbov = Some(127));
    let heard = play(arrivals, 10_000);
    assert!(amplitude_at(&heard.pcm[2 * 16_000..9 * 16_000], RATE_HZ, PITCH_HZ) > 7_000.0);
}
