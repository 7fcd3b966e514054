//! The voice detector against the original's scores, and against sounds that are no voice.
#![allow(clippy::unwrap_used)] // helpers of tests are tests, which clippy does not see

mod support;

use speech::{VoiceDetector, VoiceModel, VoiceModelError};
use support::from_environment;

const FRAME: usize = 320;

fn model() -> VoiceModel {
    VoiceModel::load(&from_environment("RAPPORTEUR_VOICE_MODEL")).unwrap()
}

/// Numbers that look random and are the same everywhere, -2048 to 2047.
fn noise() -> impl Iterator<Item = i32> {
    std::iter::successors(Some(1_u32), |seed| {
        Some(seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223))
    })
    .skip(1)
    .map(|seed| (seed >> 20) as i32 - 2048)
}

fn triangle(n: i32, period: i32, phase: i32) -> i32 {
    2 * (2 * ((n + phase) % period) - period).abs() - period
}

/// The network hears the samples and says what it should, chunk by chunk.
fn scores_are(expected: &[f32], samples: impl Iterator<Item = f32>) {
    let samples: Vec<f32> = samples.take(expected.len() * 512).collect();
    let mut network = model().network();
    for (number, (chunk, expected)) in samples.as_chunks::<512>().0.iter().zip(expected).enumerate() {
        let score = network.score(chunk);
        assert!(
            (score - expected).abs() < 1e-4,
            "{number}: {score}, not {expected}"
        );
    }
}

/// What ONNX Runtime 1.31 says with `silero_vad.onnx` of Silero's package, 6.2.3, about a buzz that comes and goes.
#[test]
fn scores_of_a_buzz_are_those_of_the_original() {
    const ORIGINAL: [f32; 24] = [
        0.060562, 0.059718, 0.043813, 0.71488, 0.937735, 0.962488, 0.916687, 0.815969, 0.500957, 0.945547,
        0.975111, 0.97633, 0.97001, 0.863771, 0.63703, 0.886506, 0.956306, 0.905047, 0.951867, 0.966603,
        0.961951, 0.982552, 0.992656, 0.994543,
    ];
    let samples = (0..).zip(noise()).map(|(n, noise)| {
        let buzz = triangle(n, 107, 0) * 40 + triangle(n, 53, 0) * 30 + triangle(n, 31, 7) * 25;
        (buzz * (n / 1600 % 2) + noise.div_euclid(8)) as f32 / 32_768.0
    });
    scores_are(&ORIGINAL, samples);
}

/// The same about the first two seconds of a recording: a breath, two words, a pause.
#[test]
fn scores_of_speech_are_those_of_the_original() {
    const ORIGINAL: [f32; 60] = [
        0.03248, 0.015588, 0.008333, 0.006015, 0.006009, 0.005071, 0.003708, 0.003746, 0.011536, 0.015399,
        0.450983, 0.89752, 0.99051, 0.999127, 0.999536, 0.999956, 0.999954, 0.99986, 0.999963, 0.999972,
        0.999987, 0.999988, 0.999993, 0.999976, 0.999977, 0.999955, 0.999947, 0.999873, 0.999841, 0.999796,
        0.999857, 0.999816, 0.999887, 0.999775, 0.999413, 0.971992, 0.833834, 0.489581, 0.156047, 0.060318,
        0.029692, 0.021866, 0.021742, 0.047115, 0.035717, 0.021809, 0.025859, 0.031062, 0.026924, 0.019503,
        0.022646, 0.018031, 0.021069, 0.023092, 0.024391, 0.024543, 0.021384, 0.077551, 0.311379, 0.991443,
    ];
    let recording = from_environment("RAPPORTEUR_RECORDINGS").join("beckett.wav");
    let samples = speech::wav::read_mono_16khz(&recording).unwrap();
    scores_are(
        &ORIGINAL,
        samples.into_iter().map(|sample| f32::from(sample) / 32_768.0),
    );
}

/// The share of frames that are taken for voice.
fn share(samples: &[i16], counts: impl Fn(usize) -> bool) -> f64 {
    let mut detector = model().detector();
    let heard: Vec<bool> = samples
        .as_chunks::<FRAME>()
        .0
        .iter()
        .map(|frame| detector.is_voice(frame))
        .collect();
    let counted: Vec<bool> = (0..heard.len())
        .filter(|&n| counts(n))
        .map(|n| heard[n])
        .collect();
    counted.iter().filter(|&&voice| voice).count() as f64 / counted.len() as f64
}

/// Clicks of a keyboard, hum of the mains, a tune; each as loud as somebody who speaks.
fn sounds(length: usize) -> Vec<(&'static str, Vec<i16>)> {
    let random: Vec<i32> = noise().take(length).collect();
    let time = |n: usize| n as f64 / 16_000.0;
    let clicks = (0..length).map(|n| {
        let since = n % 4_321;
        (f64::from(random[n]) * 3.0 * (-(since as f64) / 60.0).exp()) as i16
    });
    let hum = (0..length).map(|n| {
        let harmonics =
            (1..9).map(|k| (time(n) * 50.0 * f64::from(k) * std::f64::consts::TAU).sin() / f64::from(k));
        (harmonics.sum::<f64>() * 1_500.0) as i16
    });
    let tune = (0..length).map(|n| {
        let note = 220.0 * 2_f64.powf(f64::from(random[n / 8_000 * 8_000].rem_euclid(24)) / 12.0);
        let decay = (-3.0 * time(n % 8_000)).exp();
        let tones =
            (1..5).map(|k| (time(n) * note * f64::from(k) * std::f64::consts::TAU).sin() / f64::from(k));
        (tones.sum::<f64>() * decay * 2_000.0) as i16
    });
    vec![
        ("clicks", clicks.collect()),
        ("hum", hum.collect()),
        ("tune", tune.collect()),
    ]
}

#[test]
fn sounds_that_are_no_voice_are_not_taken_for_one() {
    for (name, sound) in sounds(30 * 16_000) {
        let taken = share(&sound, |_| true);
        assert!(taken < 0.05, "{name}: {taken:.3} of the time");
    }
}

#[test]
fn speech_is_heard_through_them() {
    let speech =
        speech::wav::read_mono_16khz(&from_environment("RAPPORTEUR_RECORDINGS").join("two_cities.wav"))
            .unwrap();
    // Where the clean recording is loud somebody speaks.
    let loud: Vec<bool> = speech
        .as_chunks::<FRAME>()
        .0
        .iter()
        .map(|frame| {
            frame.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / FRAME as f64 > 500.0_f64.powi(2)
        })
        .collect();
    for (name, sound) in sounds(speech.len())
        .into_iter()
        .chain([("nothing", vec![0; speech.len()])])
    {
        let mixed: Vec<i16> = speech
            .iter()
            .zip(&sound)
            .map(|(a, b)| a.saturating_add(b / 3))
            .collect();
        let heard = share(&mixed, |n| loud[n]);
        assert!(heard > 0.93, "with {name}: {heard:.3}");
    }
}

#[test]
fn a_file_that_is_no_model_is_named() {
    let path = std::env::temp_dir().join(format!("no-voice-model-{}", std::process::id()));
    assert!(matches!(
        VoiceModel::load(&path),
        Err(VoiceModelError::Unreadable { .. })
    ));
    std::fs::write(&path, b"not a model at all").unwrap();
    assert!(matches!(
        VoiceModel::load(&path),
        Err(VoiceModelError::Format { .. })
    ));
    // A safetensors file of something else.
    let header = br#"{"lstm_cell.bias_ih":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let mut other = (header.len() as u64).to_le_bytes().to_vec();
    other.extend(header);
    other.extend([0; 4]);
    std::fs::write(&path, other).unwrap();
    let error = VoiceModel::load(&path).unwrap_err();
    assert!(matches!(error, VoiceModelError::Shape { .. }), "{error:?}");
    assert!(error.to_string().contains("no-voice-model"), "{error}");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn the_end_of_voice_is_known_to_a_chunk() {
    // A buzz of two seconds in the length of whole frames, shifted against the network's chunks.
    for lead in 0..4 {
        let mut detector = model().detector();
        let buzz =
            |n: i32| (triangle(n, 107, 0) * 40 + triangle(n, 53, 0) * 30 + triangle(n, 31, 7) * 25) as i16;
        let samples: Vec<i16> = std::iter::repeat_n(0, lead * FRAME)
            .chain((0..100 * FRAME as i32).map(buzz))
            .chain(std::iter::repeat_n(0, 50 * FRAME))
            .collect();
        let mut was_voice = false;
        for frame in samples.as_chunks::<FRAME>().0 {
            let is_voice = detector.is_voice(frame);
            if was_voice && !is_voice {
                assert!((32..64).contains(&detector.quiet_ms()), "{}", detector.quiet_ms());
            }
            was_voice = is_voice;
        }
    }
}
