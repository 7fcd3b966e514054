//! A real recording through listener and Whisper, as a session does it: nothing lost, little wrong.
#![allow(clippy::unwrap_used)] // helpers of tests are tests, which clippy does not see

mod support;

use std::path::{Path, PathBuf};

use runner::score::word_errors;
use speech::{
    Agreement, Audio, Listener, ListenerEvent, ListenerOptions, Recogniser, Request, RequestKind, StreamId,
    VoiceModel, WhisperOptions, WhisperPool,
};
use support::from_environment;

fn pool() -> WhisperPool {
    WhisperPool::load(
        &from_environment("RAPPORTEUR_WHISPER_MODEL"),
        WhisperOptions { workers: 2 },
    )
    .unwrap()
}

fn voice() -> VoiceModel {
    VoiceModel::load(&from_environment("RAPPORTEUR_VOICE_MODEL")).unwrap()
}

fn request(kind: RequestKind, utterance: u64, audio: Audio, start_ms: u64) -> Request {
    Request {
        stream: StreamId(1),
        utterance,
        kind,
        audio,
        start_ms,
        prompt: String::new(),
        settled: Vec::new(),
    }
}

/// A recording with noise over it, always the same.
fn in_noise(recording: &Path) -> Vec<i16> {
    let mut samples = speech::wav::read_mono_16khz(recording).unwrap();
    let mut seed = 1u32;
    for sample in &mut samples {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *sample = sample.saturating_add((seed >> 22) as i16 - 512);
    }
    samples
}

#[tokio::test]
async fn the_opening_of_a_tale_of_two_cities() {
    let samples =
        speech::wav::read_mono_16khz(&from_environment("RAPPORTEUR_RECORDINGS").join("two_cities.wav"))
            .unwrap();
    let said = include_str!("../../runner/texts/two_cities.txt");
    let pool = pool();
    let mut listener = Listener::new(ListenerOptions::default(), voice().detector());
    let mut events = listener.push(&samples);
    events.extend(listener.flush());
    let (mut text, mut agreement, mut settled_words) = (String::new(), Agreement::default(), 0);
    let mut words: Vec<speech::Word> = Vec::new();
    for event in events {
        match event {
            ListenerEvent::SpeechStarted { .. } => agreement = Agreement::default(),
            ListenerEvent::Hypothesise {
                utterance,
                audio,
                start_ms,
                at_pause,
            } => {
                let kind = if at_pause {
                    RequestKind::Pause
                } else {
                    RequestKind::Partial
                };
                let look = Request {
                    settled: agreement.committed().to_vec(),
                    ..request(kind, utterance, audio, start_ms)
                };
                // A partial that loses its way is no harm: the next one hears more.
                if let Ok(hypothesis) = pool.submit(look).await.unwrap() {
                    let settled = agreement.update(&hypothesis).committed.len();
                    settled_words = settled_words.max(settled);
                }
            }
            ListenerEvent::Finalise {
                utterance,
                audio,
                start_ms,
                end_ms,
            } => {
                let heard = pool
                    .submit(request(RequestKind::Final, utterance, audio, start_ms))
                    .await
                    .unwrap()
                    .unwrap();
                assert!(heard.words.is_sorted_by_key(|word| word.start_ms));
                assert!(
                    heard
                        .words
                        .iter()
                        .all(|word| start_ms <= word.start_ms && word.start_ms <= word.end_ms)
                );
                assert!(heard.words.iter().all(|word| word.end_ms <= end_ms + 1000));
                words.extend(heard.words.clone());
                text.push_str(&heard.text());
                text.push(' ');
            }
            ListenerEvent::PauseOver { .. } | ListenerEvent::SpeechEnded { .. } => {}
        }
    }
    let errors = word_errors(said, &text);
    assert!(errors.rate() < 0.15, "{errors:?}: {text}");
    // The pauses of the reader, from the level of the file: no word is spoken in them.
    for pause_ms in [
        4_650..4_950,
        6_300..6_600,
        8_300..8_700,
        10_300..10_600,
        12_900..13_300,
    ] {
        let middle_ms = (pause_ms.start + pause_ms.end) / 2;
        let spoken = words
            .iter()
            .find(|word| word.start_ms < middle_ms && middle_ms < word.end_ms);
        assert!(spoken.is_none(), "{spoken:?} is in the pause {pause_ms:?}");
    }
    assert!(settled_words > 3, "no partial was ever settled");
    assert!(pool.snapshot().final_audio_ms > 20_000);
}

/// In noise each utterance is heard together with the ones before it. What they say is not said twice, and nothing is missing.
#[tokio::test]
async fn in_noise_what_was_said_before_is_heard_again_and_said_once() {
    let samples = in_noise(&from_environment("RAPPORTEUR_RECORDINGS").join("two_cities.wav"));
    let said = include_str!("../../runner/texts/two_cities.txt");
    let pool = pool();
    let mut listener = Listener::new(ListenerOptions::default(), voice().detector());
    let mut events = listener.push(&samples);
    events.extend(listener.flush());
    let mut text = String::new();
    let mut utterances = 0;
    for event in events {
        if let ListenerEvent::Finalise {
            utterance,
            audio,
            start_ms,
            ..
        } = event
        {
            let heard = pool
                .submit(request(RequestKind::Final, utterance, audio, start_ms))
                .await
                .unwrap()
                .unwrap();
            assert!(heard.words.iter().all(|word| start_ms <= word.start_ms));
            text.push_str(&heard.text());
            text.push(' ');
            utterances += 1;
        }
    }
    assert!(utterances > 2, "cut {utterances} times only");
    let errors = word_errors(said, &text);
    assert!(errors.inserted <= 4, "{errors:?}: {text}");
    assert!(errors.rate() < 0.2, "{errors:?}: {text}");
}

/// Whisper ends with the first sentence of these six seconds. Of the ten seconds, asked to go on by itself, it comes to a last
/// moment so short that timing a word in it ended the process.
#[tokio::test]
async fn what_whisper_leaves_unheard_is_heard_by_itself() {
    let samples = in_noise(&from_environment("RAPPORTEUR_CONVERSATION").join("sample.wav"));
    let pool = pool();
    for (utterance, (from_ms, until_ms)) in [(8_000, 14_000), (10_400, 20_400)].into_iter().enumerate() {
        let audio = Audio::from(&samples[from_ms * 16..until_ms * 16]);
        let request = request(RequestKind::Final, utterance as u64, audio, from_ms as u64);
        let heard = pool.submit(request).await.unwrap().unwrap();
        let (text, last) = (heard.text(), heard.words.last().unwrap());
        assert!(text.contains("Diane"), "{text}");
        assert!(
            last.end_ms + 1_500 > until_ms as u64,
            "heard until {}: {text}",
            last.end_ms
        );
        assert!(heard.words.is_sorted_by_key(|word| word.start_ms), "{text}");
    }
}

#[tokio::test]
async fn noise_and_scraps_have_no_words() {
    let pool = pool();
    let mut seed = 1u32;
    let noise: Vec<i16> = (0..48_000)
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as i16 - 128
        })
        .collect();
    for audio in [noise.as_slice(), &[0; 32_000], &[0; 100]] {
        let heard = pool
            .submit(request(RequestKind::Final, 0, Audio::from(audio), 0))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(heard.text(), "", "in {} samples", audio.len());
    }
}

#[test]
fn a_file_that_is_no_model_is_named() {
    let path = std::env::temp_dir().join(format!("no-model-{}", std::process::id()));
    std::fs::write(&path, b"not a model").unwrap();
    let error = WhisperPool::load(&path, WhisperOptions { workers: 1 })
        .unwrap_err()
        .to_string();
    assert!(error.contains("no-model") && error.contains("ggml"), "{error}");
    std::fs::remove_file(path).unwrap();
    assert!(
        WhisperPool::load(&PathBuf::new(), WhisperOptions { workers: 0 })
            .unwrap_err()
            .to_string()
            .contains("1 to 64")
    );
}
