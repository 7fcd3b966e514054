//! A quick look at an utterance that is still growing. Of what Whisper does for a record it leaves out what costs most and a
//! partial can do without: the words that are settled are given instead of found again, there is no prompt, and words are
//! not timed by attention: their times are estimates.

use whisper_rs::{WhisperContext, WhisperError, WhisperState, WhisperTokenId};

use super::decode::prepare;
use super::guard;
use crate::word::line;
use crate::{RecogniseError, Request, SAMPLES_PER_MS, Word};

/// The encoder computes in blocks; what does not fill one costs more than what does.
const CONTEXT_BLOCK: i32 = 64;
/// Frames of silence that the encoder hears behind the audio, and the fewest frames with which it is reliable.
const CONTEXT_SPARE: i32 = 64;
const CONTEXT_SHORTEST: i32 = 192;
/// The encoder's frames in a second, and marks of time: one for each frame.
const FRAMES_PER_SECOND: i32 = 50;
const FRAME_MS: u64 = 20;
/// Nobody says more tokens in a second,
const TOKENS_PER_SECOND: usize = 8;
/// and beyond that.
const SPARE_TOKENS: usize = 12;
/// As much as fits before the decoder's own text.
const SETTLED_TOKENS: usize = 200;

/// What of a model's vocabulary a look needs to know.
#[derive(Debug)]
pub(super) struct Vocabulary {
    /// Before the text: start of transcript, and language and task where the model knows several.
    start: Vec<WhisperTokenId>,
    end: usize,
    /// The mark of time zero; the others follow.
    first_mark: usize,
    /// Not text, and no text's beginning.
    blank: Vec<usize>,
    /// Brackets, notes and the like: how subtitles describe what is no speech.
    descriptions: Vec<usize>,
}

impl Vocabulary {
    /// Some token.
    pub(super) fn any(&self) -> WhisperTokenId {
        self.end as WhisperTokenId
    }

    pub(super) fn of(context: &WhisperContext) -> Self {
        let mut start = vec![context.token_sot()];
        if context.is_multilingual() {
            let english = whisper_rs::get_lang_id("en").unwrap_or_default();
            start.extend([context.token_lang(english), context.token_transcribe()]);
        }
        let end = context.token_eot() as usize;
        let text = |token: usize| context.token_to_bytes(token as i32).unwrap_or_default();
        let is_description = |token: &usize| {
            let text = text(*token).trim_ascii();
            let odd = |byte: &u8| b"\"#()*+/:;<=>@[\\]^_`{|}~".contains(byte);
            !text.is_empty() && (text.iter().all(odd) || text == "\u{266a}".as_bytes() || text == b"--")
        };
        Self {
            start,
            end,
            first_mark: context.token_beg() as usize,
            blank: (0..end).filter(|&token| text(token) == b" ").collect(),
            descriptions: (0..end).filter(is_description).collect(),
        }
    }
}

/// Recognises what is new in a growing utterance; the settled words come first in what it returns.
pub(super) fn look(
    context: &WhisperContext,
    state: &mut WhisperState,
    vocabulary: &Vocabulary,
    request: &Request,
    samples: &[f32],
) -> Result<Vec<Word>, RecogniseError> {
    let audio_ms = (request.audio.len() / SAMPLES_PER_MS) as u64;
    let settled = match request.settled.as_slice() {
        [] => Vec::new(),
        words => context
            .tokenize(&format!(" {}", line(words)), SETTLED_TOKENS)
            .map_err(|_| RecogniseError::Astray)?,
    };
    let found = search(context, state, vocabulary, &settled, samples, audio_ms).map_err(|error| {
        tracing::warn!(%error, stream = request.stream.0, utterance = request.utterance, "whisper failed");
        RecogniseError::Failed
    })?;
    let mut words = request.settled.clone();
    words.extend(timed(found, request, audio_ms));
    if guard::is_loop(&words) || guard::is_torrent(&words, audio_ms) {
        return Err(RecogniseError::Astray);
    }
    if guard::is_phantom(&words, 0.0) {
        return Ok(Vec::new());
    }
    Ok(words)
}

/// The encoder's frames for so much audio.
fn frames(audio_ms: u64) -> i32 {
    let needed = (audio_ms * FRAMES_PER_SECOND as u64 / 1000) as i32 + CONTEXT_SPARE;
    let blocks = (needed.max(CONTEXT_SHORTEST) + CONTEXT_BLOCK - 1) / CONTEXT_BLOCK;
    (blocks * CONTEXT_BLOCK).min(super::decode::FULL_CONTEXT)
}

/// A word as it was found.
#[derive(Debug, Default)]
struct Found {
    bytes: Vec<u8>,
    confidence: f32,
}

/// Whether the search has lost its way; what it would say next only costs time.
fn is_loop(found: &[Found]) -> bool {
    let normal: Vec<String> = found
        .iter()
        .map(|word| crate::word::normal(&String::from_utf8_lossy(&word.bytes)))
        .collect();
    guard::repeats(&normal)
}

/// Greedy search behind the settled tokens, by Whisper's own rules for marks of time.
fn search(
    context: &WhisperContext,
    state: &mut WhisperState,
    vocabulary: &Vocabulary,
    settled: &[WhisperTokenId],
    samples: &[f32],
    audio_ms: u64,
) -> Result<Vec<Found>, WhisperError> {
    prepare(state, samples, frames(audio_ms))?;
    state.encode(0, 1)?;
    let mut tokens = vocabulary.start.clone();
    tokens.push(vocabulary.first_mark as i32);
    tokens.extend(settled);
    let Some((&last, before)) = tokens.split_last() else {
        return Ok(Vec::new());
    };
    // The scores of a batch's first token are the ones that can be read: the last one goes alone.
    state.decode(before, 0, 1)?;
    state.decode(&[last], before.len(), 1)?;
    let mut rules = Rules::new(vocabulary, settled.is_empty(), audio_ms);
    let mut found: Vec<Found> = Vec::new();
    let limit = audio_ms as usize * TOKENS_PER_SECOND / 1000 + SPARE_TOKENS;
    let fresh = limit.saturating_sub(settled.len()).max(SPARE_TOKENS);
    for past in (tokens.len()..).take(fresh) {
        let (token, confidence) = rules.choose(state.get_logits()?);
        if token == vocabulary.end || rules.is_over(token) {
            break;
        }
        if token < vocabulary.end {
            let bytes = context.token_to_bytes(token as i32)?;
            if bytes.starts_with(b" ") && is_loop(&found) {
                break;
            }
            match found.last_mut() {
                Some(word) if !bytes.starts_with(b" ") => {
                    word.bytes.extend_from_slice(bytes);
                    word.confidence = word.confidence.min(confidence);
                }
                _ => found.push(Found {
                    bytes: bytes.to_vec(),
                    confidence,
                }),
            }
        }
        state.decode(&[token as i32], past, 1)?;
    }
    Ok(found)
}

/// Which token may come next: text between an opening and a closing mark of time, marks only forwards, and a mark where
/// all marks together are likelier than any text. Without marks a decoder with a cut context repeats itself.
struct Rules<'a> {
    vocabulary: &'a Vocabulary,
    is_first: bool,
    /// Marks in a row at the end; the opening one and what is settled behind it come before the first choice.
    marks: usize,
    earliest_mark: usize,
    audio_ms: u64,
}

impl<'a> Rules<'a> {
    fn new(vocabulary: &'a Vocabulary, is_first: bool, audio_ms: u64) -> Self {
        Self {
            vocabulary,
            is_first,
            marks: if is_first { 2 } else { 0 },
            earliest_mark: vocabulary.first_mark,
            audio_ms,
        }
    }

    /// The next token and how sure it is.
    fn choose(&mut self, scores: &[f32]) -> (usize, f32) {
        let vocabulary = self.vocabulary;
        let (end, first_mark) = (vocabulary.end, vocabulary.first_mark);
        let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weight = |token: usize| (scores[token] - highest).exp();
        let is_barred = |token: usize| {
            vocabulary.descriptions.binary_search(&token).is_ok()
                || (self.is_first && (token == end || vocabulary.blank.contains(&token)))
        };
        let texts = match self.marks {
            // A mark has closed a segment: another one opens the next, or this is the end.
            1 => end..end + 1,
            _ => 0..end + 1,
        };
        let earliest = match self.marks {
            0 | 1 => self.earliest_mark.min(scores.len()),
            _ => scores.len(),
        };
        let best_text = texts
            .filter(|&token| !is_barred(token))
            .max_by(|&a, &b| scores[a].total_cmp(&scores[b]))
            .unwrap_or(end);
        let best_mark = (earliest..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
        let all_marks: f32 = (earliest..scores.len()).map(weight).sum();
        let token = match best_mark {
            Some(mark) if all_marks > weight(best_text) => mark,
            _ => best_text,
        };
        let total: f32 = (0..scores.len()).map(weight).sum();
        self.is_first = false;
        if token >= first_mark {
            self.marks += 1;
            // A segment has a length.
            self.earliest_mark = token + usize::from(self.marks == 2);
        } else {
            self.marks = 0;
        }
        (token, weight(token) / total)
    }

    /// Whether the token is a mark behind which there is no audio.
    fn is_over(&self, token: usize) -> bool {
        let Some(frame) = token.checked_sub(self.vocabulary.first_mark) else {
            return false;
        };
        frame as u64 * FRAME_MS + 100 >= self.audio_ms
    }
}

/// The new words, spread by their length over the time that is not the settled words'.
fn timed(found: Vec<Found>, request: &Request, audio_ms: u64) -> Vec<Word> {
    let end_ms = request.start_ms + audio_ms;
    let start_ms = request
        .settled
        .last()
        .map_or(request.start_ms, |word| word.end_ms)
        .min(end_ms);
    let texts: Vec<(String, f32)> = found
        .into_iter()
        .map(|word| {
            (
                String::from_utf8_lossy(&word.bytes).trim().to_owned(),
                word.confidence,
            )
        })
        .filter(|(text, _)| !text.is_empty())
        .collect();
    let all: u64 = texts.iter().map(|(text, _)| text.len() as u64).sum();
    let mut before = 0;
    texts
        .into_iter()
        .map(|(text, confidence)| {
            let at = |letters: u64| start_ms + (end_ms - start_ms) * letters / all.max(1);
            let from = before;
            before += text.len() as u64;
            Word {
                text,
                start_ms: at(from),
                end_ms: at(before),
                confidence,
                speaker: None,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text 0 to 9 (9 is blank), 10 the end, 11 no text, marks of time from 12 on.
    fn vocabulary() -> Vocabulary {
        Vocabulary {
            start: vec![11],
            end: 10,
            first_mark: 12,
            blank: vec![9],
            descriptions: vec![8],
        }
    }

    fn scores(likely: &[(usize, f32)]) -> Vec<f32> {
        let mut scores = vec![-20.0; 60];
        for &(token, score) in likely {
            scores[token] = score;
        }
        scores
    }

    #[test]
    fn marks_come_in_pairs_and_only_forwards() {
        let vocabulary = vocabulary();
        let mut rules = Rules::new(&vocabulary, true, 600);
        assert_eq!(
            rules.choose(&scores(&[(13, 9.0), (3, 1.0)])).0,
            3,
            "behind the opening mark is text"
        );
        let close = rules.choose(&scores(&[(20, 9.0), (3, 1.0)])).0;
        assert_eq!((close, rules.is_over(close)), (20, false), "160 ms of 600");
        let open = rules.choose(&scores(&[(3, 9.0), (15, 5.0), (20, 2.0)])).0;
        assert_eq!(open, 20, "no text between closing and opening, and no way back");
        assert_eq!(rules.choose(&scores(&[(25, 9.0), (4, 1.0)])).0, 4);
        assert!(rules.is_over(12 + 25), "500 ms of 600");
    }

    #[test]
    fn all_marks_together_outweigh_a_text() {
        let vocabulary = vocabulary();
        let mut rules = Rules::new(&vocabulary, false, 600);
        let spread: Vec<(usize, f32)> = (20..40).map(|mark| (mark, 1.0)).chain([(3, 2.0)]).collect();
        assert!(rules.choose(&scores(&spread)).0 >= 20);
        let mut rules = Rules::new(&vocabulary, false, 600);
        assert_eq!(rules.choose(&scores(&[(20, 1.0), (3, 2.0)])).0, 3);
    }

    #[test]
    fn an_utterance_does_not_begin_with_nothing_and_noises_are_not_described() {
        let vocabulary = vocabulary();
        let likely = scores(&[(9, 9.0), (8, 8.0), (10, 7.0), (2, 1.0)]);
        assert_eq!(Rules::new(&vocabulary, true, 600).choose(&likely).0, 2);
        assert_eq!(Rules::new(&vocabulary, false, 600).choose(&likely).0, 9);
        let (token, confidence) = Rules::new(&vocabulary, false, 600).choose(&scores(&[(2, 5.0), (3, 5.0)]));
        assert!(token == 2 || token == 3);
        assert!((confidence - 0.5).abs() < 0.01);
    }

    #[test]
    fn a_search_that_says_the_same_again_and_again_is_over() {
        let said = |times: usize| -> Vec<Found> {
            let word = |text: &str| Found {
                bytes: text.into(),
                confidence: 0.9,
            };
            (0..times).flat_map(|_| [word(" And"), word(" on,")]).collect()
        };
        assert_eq!((is_loop(&said(3)), is_loop(&said(4))), (false, true));
    }

    #[test]
    fn the_encoder_has_whole_blocks_and_never_too_few() {
        assert_eq!((frames(300), frames(5_000), frames(60_000)), (192, 320, 1500));
        assert!(
            (0..30_000)
                .step_by(100)
                .all(|ms| frames(ms) % 64 == 0 || frames(ms) == 1500)
        );
    }

    #[test]
    fn new_words_lie_behind_the_settled_ones() {
        let settled = Word {
            text: "It".into(),
            start_ms: 1_000,
            end_ms: 1_200,
            confidence: 0.9,
            speaker: None,
        };
        let request = Request {
            stream: crate::StreamId(1),
            utterance: 0,
            kind: crate::RequestKind::Partial,
            audio: crate::Audio::from([]),
            start_ms: 700,
            prompt: String::new(),
            settled: vec![settled],
        };
        let found = |text: &str| Found {
            bytes: text.into(),
            confidence: 0.5,
        };
        let words = timed(vec![found(" was"), found(" "), found(" thethe")], &request, 1_400);
        let times: Vec<_> = words
            .iter()
            .map(|word| (word.text.as_str(), word.start_ms, word.end_ms))
            .collect();
        assert_eq!(times, [("was", 1_200, 1_500), ("thethe", 1_500, 2_100)]);
    }
}
