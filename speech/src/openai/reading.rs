//! What the endpoint says, as words. Endpoints differ: what is missing is made up for, what cannot be is refused. Pure.

use serde::Deserialize;

use super::spread::{CONFIDENCE_UNKNOWN, spread};
use crate::{SAMPLES_PER_MS, Word};

/// Nobody says more,
const WORDS_PER_SECOND_MAX: u64 = 8;
/// but a short call may have so many words beyond that.
const SPARE_WORDS: u64 = 4;
/// Whisper's own rule for silence (openai/whisper, `transcribe`): a segment that probably has no speech, and of whose words
/// the model is not sure.
const NO_SPEECH: f64 = 0.6;
const UNSURE_LOGPROB: f64 = -1.0;
/// How far behind the end of the audio a word may lie and be believed all the same.
const OVERHANG_S: f64 = 1.0;

/// What came is no transcript of this audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rubbish;

#[derive(Deserialize)]
struct Answer {
    text: String,
    #[serde(default)]
    words: Option<Vec<Timed>>,
    #[serde(default)]
    segments: Option<Vec<Segment>>,
}

#[derive(Deserialize)]
struct Timed {
    word: String,
    start: Option<f64>,
    end: Option<f64>,
    /// Not OpenAI's, but some others'.
    probability: Option<f64>,
}

#[derive(Deserialize)]
struct Segment {
    start: Option<f64>,
    end: Option<f64>,
    avg_logprob: Option<f64>,
    no_speech_prob: Option<f64>,
    /// Some endpoints have the words in here.
    words: Option<Vec<Timed>>,
}

impl Segment {
    fn is_silence(&self) -> bool {
        self.no_speech_prob.is_some_and(|share| share > NO_SPEECH)
            && self.avg_logprob.is_some_and(|mean| mean < UNSURE_LOGPROB)
    }

    fn confidence(&self) -> Option<f32> {
        let share = self.avg_logprob?.exp();
        (0.0..=1.0).contains(&share).then_some(share as f32)
    }
}

/// The words of an answer in JSON, `json` or `verbose_json`.
pub(super) fn read_json(body: &[u8], audio: &[i16], start_ms: u64) -> Result<Vec<Word>, Rubbish> {
    let Answer {
        text,
        words,
        segments,
    } = serde_json::from_slice(body).map_err(|_| Rubbish)?;
    let mut segments = segments.unwrap_or_default();
    if !segments.is_empty() && segments.iter().all(Segment::is_silence) {
        return Ok(Vec::new());
    }
    let nested = segments.iter_mut().flat_map(|segment| segment.words.take());
    let timed = words.unwrap_or_else(|| nested.flatten().collect());
    let timed: Vec<Timed> = timed
        .into_iter()
        .filter(|word| !word.word.trim().is_empty())
        .collect();
    let is_credible = timed.iter().filter(|word| is_possible(word, audio)).count() * 2 > timed.len();
    if !is_credible {
        return read_text(&text, audio, start_ms);
    }
    // The text has the punctuation, the words have the times.
    let written: Vec<&str> = text.split_whitespace().collect();
    let is_same_count = written.len() == timed.len();
    let audio_ms = (audio.len() / SAMPLES_PER_MS) as u64;
    let mut from_ms = 0;
    let words = timed.iter().enumerate().map(|(index, word)| {
        let ms = |seconds: Option<f64>| {
            seconds
                .map_or(0, |seconds| (seconds * 1000.0) as u64)
                .min(audio_ms)
        };
        from_ms = ms(word.start).max(from_ms);
        Word {
            text: if is_same_count {
                written[index]
            } else {
                word.word.trim()
            }
            .to_owned(),
            start_ms: start_ms + from_ms,
            end_ms: start_ms + ms(word.end).max(from_ms),
            confidence: confidence(word, &segments),
            speaker: None,
        }
    });
    not_a_torrent(words.collect(), audio)
}

/// The words of an answer that has no times.
pub(crate) fn read_text(text: &str, audio: &[i16], start_ms: u64) -> Result<Vec<Word>, Rubbish> {
    not_a_torrent(spread(text.split_whitespace(), audio, start_ms), audio)
}

fn is_possible(word: &Timed, audio: &[i16]) -> bool {
    let audio_s = (audio.len() / SAMPLES_PER_MS) as f64 / 1000.0;
    let (Some(start), Some(end)) = (word.start, word.end) else {
        return false;
    };
    0.0 <= start && start <= end && end <= audio_s + OVERHANG_S
}

fn confidence(word: &Timed, segments: &[Segment]) -> f32 {
    let own = word.probability.filter(|share| (0.0..=1.0).contains(share));
    let at = word.start.unwrap_or_default();
    let around = segments
        .iter()
        .find(|segment| segment.start <= Some(at) && segment.end >= Some(at));
    own.map(|share| share as f32)
        .or_else(|| around?.confidence())
        .unwrap_or(CONFIDENCE_UNKNOWN)
}

fn not_a_torrent(words: Vec<Word>, audio: &[i16]) -> Result<Vec<Word>, Rubbish> {
    let seconds = ((audio.len() / SAMPLES_PER_MS) as u64).div_ceil(1000);
    if words.len() as u64 > seconds * WORDS_PER_SECOND_MAX + SPARE_WORDS {
        return Err(Rubbish);
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    static TWO_SECONDS: [i16; 32_000] = [1_000; 32_000];

    fn read(json: &str) -> Vec<(String, u64, u64)> {
        read_json(json.as_bytes(), &TWO_SECONDS, 5_000)
            .unwrap()
            .into_iter()
            .map(|word| (word.text, word.start_ms, word.end_ms))
            .collect()
    }

    #[test]
    fn times_come_from_the_words_and_punctuation_from_the_text() {
        let words = read(
            r#"{"text":"Hello, world.","duration":2,"words":[{"word":"Hello","start":0.5,"end":0.9},
            {"word":"world","start":1.0,"end":1.5}]}"#,
        );
        assert_eq!(
            words,
            [
                ("Hello,".to_owned(), 5_500, 5_900),
                ("world.".to_owned(), 6_000, 6_500)
            ]
        );
    }

    #[test]
    fn impossible_times_are_mended_or_made_up() {
        // One runs backwards and one is behind the end: they are laid between their neighbours.
        let words = read(
            r#"{"text":"a b c d e","words":[{"word":"a","start":0.5,"end":0.6},{"word":"b","start":0.2,"end":0.1},
            {"word":"c","start":0.7,"end":0.9},{"word":"d","start":1.5,"end":2.4},{"word":"e","start":1e300,"end":1e301}]}"#,
        );
        let times: Vec<_> = words
            .iter()
            .map(|(_, start, end)| (start - 5_000, end - 5_000))
            .collect();
        assert_eq!(
            times,
            [(500, 600), (500, 500), (700, 900), (1_500, 2_000), (2_000, 2_000)]
        );
        let words = read(
            r#"{"text":"a b","words":[{"word":"a","start":-1,"end":-1},{"word":"b","start":9,"end":8}]}"#,
        );
        assert_eq!(
            words,
            [("a".to_owned(), 5_000, 6_000), ("b".to_owned(), 6_000, 7_000)]
        );
    }

    #[test]
    fn text_alone_is_enough_and_segments_may_hold_the_words() {
        assert_eq!(read(r#"{"text":" yes "}"#), [("yes".to_owned(), 5_000, 7_000)]);
        assert!(read(r#"{"text":""}"#).is_empty());
        let nested = r#"{"text":"yes","segments":[{"start":0,"end":2,"avg_logprob":-0.1,
            "words":[{"word":" yes","start":0.25,"end":0.5,"probability":0.75}]}]}"#;
        assert_eq!(read(nested), [("yes".to_owned(), 5_250, 5_500)]);
        let word = &read_json(nested.as_bytes(), &TWO_SECONDS, 0).unwrap()[0];
        assert_eq!(word.confidence, 0.75);
    }

    #[test]
    fn silence_is_believed_and_a_torrent_is_not() {
        let silence = r#"{"text":"Thank you.","segments":[{"no_speech_prob":0.9,"avg_logprob":-1.5}]}"#;
        assert!(read(silence).is_empty());
        let text = "no ".repeat(100);
        assert_eq!(read_text(&text, &TWO_SECONDS, 0), Err(Rubbish));
        for rubbish in ["", "[]", "null", "<html>", r#"{"text":7}"#, r#"{"error":{}}"#] {
            assert_eq!(
                read_json(rubbish.as_bytes(), &TWO_SECONDS, 0),
                Err(Rubbish),
                "{rubbish}"
            );
        }
    }

    proptest! {
        #[test]
        fn whatever_the_times_the_words_stay_within_the_audio(
            times in prop::collection::vec((any::<f64>(), any::<f64>()), 0..16),
            sane in prop::collection::vec((0.0..2.0f64, 0.0..3.0f64), 0..16),
        ) {
            let all = times.iter().chain(&sane).filter(|(start, end)| start.is_finite() && end.is_finite());
            let words: Vec<_> = all.map(|(start, end)| serde_json::json!({"word": "w", "start": start, "end": end})).collect();
            let text = "w ".repeat(words.len());
            let body = serde_json::json!({"text": text, "words": words}).to_string();
            if let Ok(words) = read_json(body.as_bytes(), &TWO_SECONDS, 5_000) {
                for word in &words {
                    prop_assert!((5_000..=7_000).contains(&word.start_ms) && word.start_ms <= word.end_ms && word.end_ms <= 7_000);
                }
                prop_assert!(words.windows(2).all(|pair| pair[0].start_ms <= pair[1].start_ms));
            }
        }

        #[test]
        fn no_bytes_are_a_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_json(&body, &TWO_SECONDS, 0);
        }
    }
}
