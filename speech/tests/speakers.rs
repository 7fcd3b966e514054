//! The speaker networks against the originals in PyTorch, and the diariser on voices.
#![allow(clippy::unwrap_used)] // helpers of tests are tests, which clippy does not see

mod support;

use std::collections::BTreeMap;

use speech::{
    Diariser, EMBEDDING_SIZE, Listener, ListenerEvent, ListenerOptions, NumberedRun, SpeakerModel,
    SpeakerModelError, SpeakerNumber, TurnId, VoiceEvent, VoiceModel,
};
use support::from_environment;

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

/// Who speaks in each ten milliseconds, by the reference: `SPEAKER file channel begin length ... name`.
fn reference(file: &std::path::Path) -> Vec<Vec<String>> {
    let mut speaking = vec![Vec::new(); 3_000];
    for line in std::fs::read_to_string(file).unwrap().lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let begin: f64 = fields[3].parse().unwrap();
        let end = begin + fields[4].parse::<f64>().unwrap();
        for who in &mut speaking[(begin * 100.0) as usize..(end * 100.0) as usize] {
            who.push(fields[7].to_owned());
        }
    }
    speaking
}

/// What was said of a recording in which people are known to speak, in hundredths of a second in which one speaks alone.
#[derive(Debug)]
struct Told {
    wrong: usize,
    unknown: usize,
    total: usize,
    /// Whose each label is: whoever speaks most under it.
    names: Vec<String>,
}

/// A recording as the agent hears it: utterance by utterance.
fn told(samples: &[i16], truth: &[Vec<String>]) -> Told {
    let voice = VoiceModel::load(&from_environment("RAPPORTEUR_VOICE_MODEL")).unwrap();
    let mut listener = Listener::new(ListenerOptions::default(), voice.detector());
    let mut diariser = Diariser::new(model());
    let mut said: BTreeMap<TurnId, (usize, usize, Option<u32>)> = BTreeMap::new();
    let mut events = listener.push(samples);
    events.extend(listener.flush());
    for event in events {
        let ListenerEvent::Finalise {
            utterance,
            audio,
            start_ms,
            ..
        } = event
        else {
            continue;
        };
        let (turns, events) = diariser.hear(utterance, &audio.to_vec());
        for (turn, heard) in turns.turns.iter().enumerate() {
            let at = |ms: u32| (start_ms as usize + ms as usize) / 10;
            said.insert(
                TurnId { utterance, turn },
                (at(heard.start_ms), at(heard.end_ms), None),
            );
        }
        for event in events {
            match event {
                VoiceEvent::Labelled { turn, label } | VoiceEvent::Corrected { turn, to: label, .. } => {
                    said.get_mut(&turn).unwrap().2 = label;
                }
                VoiceEvent::Merged { from, into } => {
                    said.values_mut()
                        .filter(|turn| turn.2 == Some(from))
                        .for_each(|turn| turn.2 = Some(into));
                }
                VoiceEvent::Recognised { .. } => panic!("nobody is enrolled"),
            }
        }
    }
    let mut meant: BTreeMap<u32, BTreeMap<&str, usize>> = BTreeMap::new();
    for (from, to, label) in said.values() {
        for who in truth[*from..(*to).min(truth.len())]
            .iter()
            .filter(|who| who.len() == 1)
            .flatten()
        {
            *meant
                .entry(label.unwrap_or(0))
                .or_default()
                .entry(who.as_str())
                .or_default() += 1;
        }
    }
    let name = |label: u32| meant[&label].iter().max_by_key(|(_, count)| **count).unwrap().0;
    let names = diariser.voices().labels().map(|label| (*name(label)).to_owned());
    let mut told = Told {
        wrong: 0,
        unknown: 0,
        total: 0,
        names: names.collect(),
    };
    for (label, times) in &meant {
        for (who, count) in times {
            told.total += count;
            match *label {
                0 => told.unknown += count,
                label if name(label) != who => told.wrong += count,
                _ => {}
            }
        }
    }
    told
}

/// Half a minute of two women on the telephone.
#[test]
fn two_people_in_a_real_conversation_are_told_apart() {
    let folder = from_environment("RAPPORTEUR_CONVERSATION");
    let samples = speech::wav::read_mono_16khz(&folder.join("sample.wav")).unwrap();
    let told = told(&samples, &reference(&folder.join("sample.rttm")));
    assert_eq!(told.names.len(), 2, "{told:?}");
    assert_ne!(told.names[0], told.names[1]);
    // Where one person speaks alone: hardly ever a wrong name, and not much without one.
    assert!(told.wrong * 100 < told.total * 5, "{told:?}");
    assert!(told.unknown * 100 < told.total * 20, "{told:?}");
    assert!(told.total > 1_500, "too little was heard: {told:?}");
}

/// What each of the two women says alone.
fn alone() -> BTreeMap<String, Vec<i16>> {
    let folder = from_environment("RAPPORTEUR_CONVERSATION");
    let samples = speech::wav::read_mono_16khz(&folder.join("sample.wav")).unwrap();
    let mut alone: BTreeMap<String, Vec<i16>> = BTreeMap::new();
    for (who, sound) in reference(&folder.join("sample.rttm"))
        .iter()
        .zip(samples.chunks(160))
    {
        if let [who] = &who[..] {
            alone.entry(who.clone()).or_default().extend(sound);
        }
    }
    alone
}

/// Two people may be taken for one by the segmentation network: what is heard as one sound is short.
#[test]
fn who_speaks_for_long_is_heard_in_short_pieces() {
    for (who, sound) in alone() {
        let (turns, _) = Diariser::new(model()).hear(0, &sound[..8 * 16_000]);
        let mut sounds: Vec<_> = turns.turns.iter().filter_map(|turn| turn.sound).collect();
        sounds.dedup();
        assert!(sounds.len() >= 3, "{who}: {:?}", turns.turns);
        for turn in &turns.turns {
            assert!(turn.end_ms - turn.start_ms <= 3_500, "{who}: {turn:?}");
        }
    }
}

/// What the two say alone, so that each falls in with the other again and again without a pause.
#[test]
fn people_who_take_turns_quickly_are_told_apart() {
    const TURN: usize = 180;
    let alone = alone();
    let turns: Vec<_> = alone
        .iter()
        .map(|(who, sound)| sound.chunks_exact(TURN * 160).map(move |turn| (who, turn)))
        .collect();
    let shortest = turns.iter().map(ExactSizeIterator::len).min().unwrap();
    let (mut mixed, mut spoken) = (Vec::new(), Vec::new());
    for round in 0..shortest {
        for (who, sound) in turns.iter().filter_map(|turns| turns.clone().nth(round)) {
            mixed.extend_from_slice(sound);
            spoken.extend(std::iter::repeat_n(vec![who.clone()], TURN));
        }
    }
    assert!(mixed.len() > 15 * 16_000, "{}", mixed.len());
    let told = told(&mixed, &spoken);
    assert_eq!(told.names.len(), 2, "{told:?}");
    assert_ne!(told.names[0], told.names[1]);
    assert!(told.wrong * 100 < told.total * 15, "{told:?}");
    assert!(told.unknown * 100 < told.total * 25, "{told:?}");
}

/// The same conversation, of which a recogniser said who speaks when: it cannot say where both do.
#[test]
fn where_two_speak_at_once_is_heard_under_numbers_too() {
    let folder = from_environment("RAPPORTEUR_CONVERSATION");
    let samples = speech::wav::read_mono_16khz(&folder.join("sample.wav")).unwrap();
    let truth = reference(&folder.join("sample.rttm"));
    let model = model();
    let mut both = [0; 2];
    let mut found_both = 0;
    for (from_ms, to_ms) in model.overlaps(&[], &samples) {
        for tenth in &truth[from_ms as usize / 10..to_ms as usize / 10] {
            both[usize::from(tenth.len() > 1)] += 1;
        }
        found_both += 1;
    }
    let [alone, together] = both;
    let all = truth.iter().filter(|who| who.len() > 1).count();
    assert!(
        together * 100 > all * 60,
        "{together} of {all} hundredths in {found_both} places"
    );
    assert!(
        alone < together,
        "{alone} where one speaks alone, {together} where two do"
    );

    let run = |start_ms, end_ms, number| NumberedRun {
        start_ms,
        end_ms,
        speaker: SpeakerNumber {
            connection: 0,
            number,
        },
    };
    let runs = [
        run(12_000, 14_000, 0),
        run(22_000, 27_000, 1),
        run(27_900, 29_000, 0),
    ];
    let (turns, _) = Diariser::new(model).hear_numbered(0, &samples, &runs);
    let marked: Vec<bool> = turns.turns.iter().map(|turn| turn.overlaps).collect();
    assert_eq!(marked, [false, false, true]);
}
