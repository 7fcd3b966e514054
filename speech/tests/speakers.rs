//! The speaker networks against the originals in PyTorch, and the diariser on voices.
#![allow(clippy::unwrap_used)] // helpers of tests are tests, which clippy does not see

use std::path::PathBuf;

use speech::{EMBEDDING_SIZE, SpeakerModel, SpeakerModelError};

fn from_environment(name: &str) -> PathBuf {
    std::env::var_os(name)
        .map(PathBuf::from)
        .unwrap_or_else(|| panic!("{name} is not set: run `cargo verify`"))
}

fn model() -> SpeakerModel {
    SpeakerModel::load(&from_environment("RAPPORTEUR_SPEAKER_MODEL")).unwrap()
}

/// Numbers that look random and are the same everywhere, -2048 to 2047.
fn noise() -> impl Iterator<Item = i32> {
    std::iter::successors(Some(1_u32), |seed| {
        Some(seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223))
    })
    .skip(1)
    .map(|seed| (seed >> 20) as i32 - 2048)
}

fn triangle(n: i32, period: i32) -> i32 {
    2 * (2 * (n % period) - period).abs() - period
}

/// 2.5 s of a buzz that comes and goes, with noise.
fn buzz() -> Vec<i16> {
    let sample = |(n, noise): (i32, i32)| {
        let buzz = triangle(n, 107) * 40 + triangle(n, 53) * 30 + triangle(n + 7, 31) * 25;
        (buzz * (n / 1600 % 5)).div_euclid(4) + noise.div_euclid(8)
    };
    (0..40_000)
        .zip(noise())
        .map(sample)
        .map(|sample| sample as i16)
        .collect()
}

fn close(found: &[f32], expected: &[f32], tolerance: f32) {
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            (found - expected).abs() < tolerance,
            "{index}: {found} instead of {expected}"
        );
    }
}

/// 3D-Speaker's CAM++ in PyTorch 2 on Kaldi's filter bank (kaldi-native-fbank 1.22), mean taken off.
#[test]
fn embeddings_are_those_of_the_original() {
    const ORIGINAL: [f32; 24] = [
        -0.1105, -0.0393, 0.0132, -0.0717, -0.0535, 0.0669, -0.0061, -0.0711, -0.0925, 0.041, 0.0099, 0.0813,
        0.1114, -0.0222, 0.0171, 0.0194, -0.0075, -0.0569, -0.0594, -0.0531, 0.0999, -0.0202, -0.1387,
        0.1786,
    ];
    let found = model().embed(&buzz()).unwrap();
    close(&found, &ORIGINAL, 5e-4);
    let length: f32 = found.iter().map(|value| value * value).sum();
    assert!((length - 1.0).abs() < 1e-4 && found.len() == EMBEDDING_SIZE);
}

/// pyannote's segmentation 3.0 in PyTorch 2.
#[test]
fn segmentation_is_that_of_the_original() {
    let original: [(usize, [f32; 7]); 4] = [
        (0, [0.1988, 0.0095, 0.72, 0.0469, 0.0056, 0.0007, 0.0186]),
        (20, [0.0202, 0.0055, 0.9013, 0.0577, 0.0023, 0.0004, 0.0125]),
        (80, [0.0051, 0.0028, 0.9398, 0.0468, 0.0007, 0.0001, 0.0047]),
        (140, [0.0033, 0.0031, 0.9335, 0.0487, 0.0016, 0.0003, 0.0096]),
    ];
    let found = model().segment(&buzz());
    assert_eq!(found.len(), 145);
    for (frame, expected) in original {
        close(&found[frame], &expected, 2e-3);
    }
}

#[test]
fn sounds_of_any_length_and_kind_are_harmless() {
    let model = model();
    for length in [0, 1, 399, 991, 3_599] {
        assert!(model.embed(&vec![1_000; length]).is_none(), "{length}");
        assert_eq!(
            model.segment(&vec![1_000; length]).len(),
            usize::from(length >= 991) * (1 + (length.max(991) - 991) / 270)
        );
    }
    for samples in [
        vec![0; 16_000],
        vec![i16::MIN; 16_000],
        (0..16_000)
            .map(|n| if n % 2 == 0 { i16::MIN } else { i16::MAX })
            .collect(),
    ] {
        let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
        assert!(model.embed(&samples).is_none_or(|found| finite(&found)));
        assert!(model.segment(&samples).iter().all(|row| finite(row)));
    }
    assert!(
        model
            .embed(&vec![0; 16_000 * 60])
            .is_none_or(|found| found[0].is_finite())
    );
}

#[test]
fn what_is_no_speaker_model_is_refused() {
    let path = std::env::temp_dir().join(format!("no-speaker-model-{}", std::process::id()));
    let load = || SpeakerModel::load(&path).unwrap_err();
    assert!(matches!(load(), SpeakerModelError::Unreadable { .. }));
    std::fs::write(&path, b"not a model at all").unwrap();
    assert!(matches!(load(), SpeakerModelError::Format { .. }));
    // The voice detector's file instead of ours.
    std::fs::copy(from_environment("RAPPORTEUR_VOICE_MODEL"), &path).unwrap();
    let error = load();
    assert!(matches!(error, SpeakerModelError::Shape { .. }), "{error:?}");
    assert!(error.to_string().contains("no-speaker-model"), "{error}");
    std::fs::remove_file(path).unwrap();
}
