//! Words that Whisper says without having heard them: loops, and phrases it learned from subtitles of silence.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::Word;
use crate::word::line;

/// Phrases that Whisper makes out of noise. Real speakers say some of them too, so they are dropped only when Whisper
/// itself was unsure.
const PHANTOMS: [&str; 10] = [
    "you",
    "thank you",
    "okay",
    "thanks for watching",
    "thank you for watching",
    "thank you very much",
    "bye",
    "bye bye",
    "please subscribe",
    "subtitles by the amara org community",
];
/// Mean confidence under which a phantom phrase is not believed.
const PHANTOM_CONFIDENCE: f32 = 0.6;
/// Nobody says more,
const WORDS_PER_SECOND_LIMIT: f64 = 8.0;
/// and in this much of an utterance nobody says anything: what comes before its first and after its last voice.
const QUIET_MS: u64 = 500;
/// What a short call may have beyond that.
const SPARE_WORDS: usize = 2;

/// As many of the prompt's words in a row are no chance.
const ECHO_WORDS: usize = 6;

/// The attention is known in steps of this.
const STEP_MS: u64 = 20;
/// So many soundless words before the last one are no hasty speaker.
const SOUNDLESS_BEFORE_LAST: usize = 3;

/// A line of so many words that is said again takes more than one part in so many of the time it took before.
const REPEAT_WORDS: usize = 3;
const REPEAT_PARTS: u64 = 3;

/// Text that zlib makes smaller than this share of it says the same over and over (the measure of Whisper's authors; for
/// what is shorter it means nothing).
const COMPRESSION_RATIO_LIMIT: f64 = 2.4;
const COMPRESSION_FROM_BYTES: usize = 100;

/// Whether the words repeat themselves as a decoder does that has lost its way: the same one to eight words at least
/// four times in a row, at least eight times for a single word; or so much of them that they compress too well.
pub(super) fn is_loop(words: &[Word]) -> bool {
    repeats(&normal(words)) || compression_ratio(&line(words)) > COMPRESSION_RATIO_LIMIT
}

/// Bytes of the text by bytes of it compressed; 1 where it is too short, or cannot be compressed.
fn compression_ratio(text: &str) -> f64 {
    if text.len() < COMPRESSION_FROM_BYTES {
        return 1.0;
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    match encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()) {
        Ok(compressed) => text.len() as f64 / compressed.len() as f64,
        Err(_) => 1.0,
    }
}

/// Whether the words say again what the prompt says: the model reads it out instead of listening. Who does repeat so much is
/// heard without the prompt too.
pub(super) fn echoes(words: &[Word], prompt: &str) -> bool {
    let said: Vec<String> = words.iter().map(Word::normal).collect();
    let told: Vec<String> = prompt.split_whitespace().map(crate::word::normal).collect();
    said.windows(ECHO_WORDS)
        .any(|said| told.windows(ECHO_WORDS).any(|told| told == said))
}

fn normal(words: &[Word]) -> Vec<String> {
    words.iter().map(Word::normal).collect()
}

/// The same of words as `Word::normal` gives them, of which some may still come.
pub(super) fn repeats(normal: &[String]) -> bool {
    (1..=8usize).any(|length| {
        let needed = if length == 1 { 8 } else { 4 };
        normal.len() >= length * needed
            && normal.windows(length * needed).any(|window| {
                window
                    .chunks_exact(length)
                    .all(|chunk| chunk == &window[..length])
            })
    })
}

/// Whether these are more words than a mouth can say in the time: a click becomes a whole sentence.
pub(super) fn is_torrent(words: &[Word], audio_ms: u64) -> bool {
    let seconds = audio_ms.saturating_sub(QUIET_MS) as f64 / 1000.0;
    words.len() > (seconds * WORDS_PER_SECOND_LIMIT).ceil() as usize + SPARE_WORDS
}

/// How many words at the end of a line the model went on to say where there was nothing to hear: the attention passes over
/// all of them in one step. One such word may be real and cut short; several never were, in all that was looked at. The very
/// last word is given whatever time is left, so it counts with the several before it.
pub(super) fn soundless_tail(words: &[Word]) -> usize {
    let is_soundless = |word: &&Word| word.end_ms.saturating_sub(word.start_ms) <= STEP_MS;
    let soundless = |words: &[Word]| words.iter().rev().take_while(is_soundless).count();
    match (soundless(words), words) {
        (0, [before @ .., _]) if soundless(before) >= SOUNDLESS_BEFORE_LAST => soundless(before) + 1,
        (0 | 1, _) => 0,
        (several, _) => several,
    }
}

/// How many words at the end say once more what the words before them say, faster than anybody can: the model goes on where the
/// sound has ended.
pub(super) fn hasty_repeat(words: &[Word]) -> usize {
    let normal = normal(words);
    let lasted_ms = |line: &[Word]| match line {
        [first, .., last] => last.end_ms.saturating_sub(first.start_ms),
        _ => 0,
    };
    let is_hasty = |count: &usize| {
        let (again, before) = (words.len() - count, words.len() - 2 * count);
        normal[before..again] == normal[again..]
            && lasted_ms(&words[again..]) * REPEAT_PARTS <= lasted_ms(&words[before..again])
    };
    (REPEAT_WORDS..=words.len() / 2).rev().find(is_hasty).unwrap_or(0)
}

/// Cuts a loop down to its first round.
pub(super) fn unroll(mut words: Vec<Word>) -> Vec<Word> {
    let normal = normal(&words);
    for length in 1..=8usize {
        for start in 0..normal.len().saturating_sub(length) {
            let pattern = &normal[start..start + length];
            let rounds = normal[start..]
                .chunks_exact(length)
                .take_while(|chunk| *chunk == pattern)
                .count();
            if rounds >= if length == 1 { 8 } else { 4 } {
                words.drain(start + length..start + length * rounds);
                return words;
            }
        }
    }
    words
}

/// Whether the words are a phrase that Whisper makes out of noise.
pub(super) fn is_phantom(words: &[Word], no_speech: f32) -> bool {
    if words.is_empty() {
        return false;
    }
    let confidence = words.iter().map(|word| word.confidence).sum::<f32>() / words.len() as f32;
    let line = words
        .iter()
        .map(Word::normal)
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    let silence = no_speech > 0.8 && confidence < 0.5;
    // "[BLANK_AUDIO]", "(music)": a description, not words.
    let described = words
        .first()
        .is_some_and(|w| w.text.starts_with(['[', '(', '*', '♪']))
        && words.last().is_some_and(|w| {
            w.text
                .trim_end_matches(['.', ','])
                .ends_with([']', ')', '*', '♪'])
        });
    line.is_empty()
        || described
        || silence
        || (PHANTOMS.contains(&line.as_str()) && confidence < PHANTOM_CONFIDENCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str, confidence: f32) -> Vec<Word> {
        text.split_whitespace()
            .map(|word| Word {
                text: word.into(),
                start_ms: 0,
                end_ms: 0,
                confidence,
                speaker: None,
            })
            .collect()
    }

    #[test]
    fn six_words_of_the_prompt_in_a_row_are_an_echo() {
        let prompt = "Hey Robin, Robin. It was the best of times, it was the worst of times.";
        let said = |text| echoes(&words(text, 0.9), prompt);
        assert!(said("It was the best of times it was the age of wisdom,"));
        assert!(!said("it was the age of wisdom, it was the age of foolishness"));
        assert!(!said("it was the best"));
        assert!(!echoes(&words("it was the best of times and more", 0.9), ""));
    }

    #[test]
    fn a_loop_is_found_and_speech_that_repeats_itself_is_not() {
        assert!(is_loop(&words(&"and then ".repeat(6), 0.9)));
        assert!(is_loop(&words(&"no ".repeat(9), 0.9)));
        assert!(!is_loop(&words(
            "it was the best of times, it was the worst of times, it was the age of wisdom",
            0.9
        )));
        assert!(!is_loop(&words("no no no no that is not what I said", 0.9)));
    }

    #[test]
    fn a_text_that_compresses_too_well_is_a_loop() {
        // No phrase follows itself four times, but there is nothing new in it.
        let wandering = "we will see what we can do and then we will see what they can do and ".repeat(3);
        assert!(!repeats(&normal(&words(&wandering, 0.9))) && is_loop(&words(&wandering, 0.9)));
        let novel = include_str!("../../../runner/texts/two_cities.txt");
        let ratio = compression_ratio(novel);
        assert!(
            ratio < COMPRESSION_RATIO_LIMIT,
            "{ratio}: repeats itself as people do"
        );
    }

    #[test]
    fn a_click_is_no_sentence() {
        let sentence = words("I'm not going to be able to do that.", 0.9);
        assert!(is_torrent(&sentence, 700), "nine words in a fifth of a second");
        assert!(!is_torrent(&sentence, 2_000));
        assert!(!is_torrent(&words("Yes, of course.", 0.9), 900));
    }

    #[test]
    fn words_without_a_sound_are_cut_from_the_end() {
        let line = |times: &[(u64, u64)]| -> Vec<Word> {
            let mut line = words(&"word ".repeat(times.len()), 0.9);
            for (word, &(start_ms, end_ms)) in line.iter_mut().zip(times) {
                (word.start_ms, word.end_ms) = (start_ms, end_ms);
            }
            line
        };
        let looped = line(&[(110, 500), (500, 860), (860, 860), (860, 880), (1360, 1360)]);
        assert_eq!(soundless_tail(&looped), 3);
        assert_eq!(
            soundless_tail(&line(&[(0, 200), (200, 200)])),
            0,
            "cut off in mid-word"
        );
        assert_eq!(soundless_tail(&line(&[(0, 0), (0, 0), (0, 300)])), 0);
        let said_again = line(&[(0, 300), (300, 300), (300, 300), (300, 310), (310, 390)]);
        assert_eq!(soundless_tail(&said_again), 4, "the last one has what is left");
        assert_eq!(soundless_tail(&[]), 0);
    }

    #[test]
    fn a_line_that_is_said_again_at_once_was_not_said_again() {
        let said = |text: &str, ends_ms: &[u64]| {
            let mut line = words(text, 0.9);
            for (index, word) in line.iter_mut().enumerate() {
                let start_ms = if index == 0 { 0 } else { ends_ms[index - 1] };
                (word.start_ms, word.end_ms) = (start_ms, ends_ms[index]);
            }
            hasty_repeat(&line)
        };
        let twice = "We were going to heaven. We were going to heaven.";
        let squeezed = [270, 490, 730, 1_000, 1_330, 1_330, 1_330, 1_330, 1_390, 1_390];
        assert_eq!(said(twice, &squeezed), 5);
        let repeated = [270, 490, 730, 1_000, 1_330, 1_500, 1_700, 1_900, 2_100, 2_400];
        assert_eq!(said(twice, &repeated), 0, "somebody says it twice");
        assert_eq!(said("well no no", &[300, 600, 620]), 0, "a word is no line");
        assert_eq!(said("", &[]), 0);
    }

    #[test]
    fn an_unrolled_loop_is_said_once() {
        let line = |words: Vec<Word>| {
            words
                .into_iter()
                .map(|word| word.text)
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(
            line(unroll(words("so we go on and on and on and on and on then", 0.9))),
            "so we go on and on then"
        );
    }

    #[test]
    fn a_phantom_needs_doubt() {
        assert!(is_phantom(&words("Thank you.", 0.3), 0.1));
        assert!(!is_phantom(&words("Thank you.", 0.9), 0.1));
        assert!(is_phantom(&words("[BLANK_AUDIO]", 0.9), 0.1));
        assert!(!is_phantom(
            &words("the retention period is thirty days", 0.3),
            0.1
        ));
    }
}
