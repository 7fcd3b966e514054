//! A quick look at an utterance that is still growing. Of what Whisper does for a record it leaves out what costs most and a
//! partial can do without: the words that are settled are given instead of found again, there is no prompt, and words are
//! not timed by attention: their times are estimates.

use whisper_rs::{WhisperContext, WhisperError, WhisperState, WhisperTokenId};

use super::decode::prepare;
use super::guard;
use super::rules::Rules;
use super::tokens::tokens_of;
use super::vocabulary::Vocabulary;
use super::window::QUICK;
use crate::word::line;
use crate::{RecogniseError, Request, SAMPLES_PER_MS, Word};

/// Nobody says more tokens in a second,
const TOKENS_PER_SECOND: usize = 8;
/// and beyond that.
const SPARE_TOKENS: usize = 12;
/// As much as fits before the decoder's own text.
const SETTLED_TOKENS: usize = 200;

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
        words => tokens_of(context, &line(words))
            .filter(|tokens| tokens.len() <= SETTLED_TOKENS)
            .ok_or(RecogniseError::Astray)?,
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
    prepare(state, samples, QUICK.frames(audio_ms))?;
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
