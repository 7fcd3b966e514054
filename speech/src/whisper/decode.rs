//! One run of Whisper over one utterance.

use whisper_rs::{FullParams, SamplingStrategy, WhisperContext, WhisperError, WhisperState};

use super::before::Memory;
use super::guard;
use super::look::look;
use super::vocabulary::Vocabulary;
use super::window::{FULL_CONTEXT, Window};
use crate::voice::Levels;
use crate::{RecogniseError, Request, RequestKind, SAMPLES_PER_MS, Word};

/// Under this much audio Whisper says nothing.
const SHORTEST_MS: usize = 100;
/// Whisper hears shorter utterances better with silence behind them.
const PADDED_MS: usize = 1_100;
/// What Whisper takes as prompt at most is half its text context of 448 tokens. What was said last is at the end.
const PROMPT_TOKENS: usize = 192;
/// More than any prompt has.
const TOKENS_MAX: usize = 2_048;

/// More text than this is never decoded at once: a prompt and what stands around it, or the tokens of an utterance of 30 s,
/// to be timed. Each takes 0.4 MB, its scores for the whole vocabulary, twice.
const TOKENS_AT_ONCE: usize = 256;

/// Does once what takes most memory. The system gives what was reserved only when it is used first: with tiny.en 30 MiB for
/// short utterances, 70 more with the first long prompt, 60 with one of 20 s, and 50 with the encoder's whole window. So it
/// is there from the start, and not missing in the middle of a meeting.
pub(super) fn claim_memory(state: &mut WhisperState, vocabulary: &Vocabulary) -> Result<(), WhisperError> {
    prepare(state, &[0.0; PADDED_MS * SAMPLES_PER_MS], FULL_CONTEXT)?;
    state.encode(0, 1)?;
    state.decode(&[vocabulary.any(); TOKENS_AT_ONCE], 0, 1)
}

/// Prepares the sound and the size of the encoder, and recognises nothing.
pub(super) fn prepare(
    state: &mut WhisperState,
    samples: &[f32],
    audio_context: i32,
) -> Result<(), WhisperError> {
    let mut params = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
    params.set_n_threads(1);
    params.set_audio_ctx(audio_context);
    // A run over the shortest stretch does that.
    params.set_duration_ms(100);
    params.set_print_progress(false);
    state.full(params, samples)
}

/// Recognises an utterance.
pub(super) fn decode(
    context: &WhisperContext,
    state: &mut WhisperState,
    vocabulary: &Vocabulary,
    memory: &Memory,
    request: &Request,
) -> Result<Vec<Word>, RecogniseError> {
    if request.audio.len() < SHORTEST_MS * SAMPLES_PER_MS {
        return Ok(Vec::new());
    }
    let audio_ms = (request.audio.len() / SAMPLES_PER_MS) as u64;
    let audio = request.audio.to_vec();
    let mut samples: Vec<f32> = audio.iter().map(|&sample| f32::from(sample) / 32_768.0).collect();
    samples.resize(samples.len().max(PADDED_MS * SAMPLES_PER_MS), 0.0);
    if request.kind == RequestKind::Partial {
        return look(context, state, vocabulary, request, &samples);
    }
    let is_noisy = Levels::of(&audio).are_noisy();
    let window = Window::careful(is_noisy);
    let words = if is_noisy {
        hear_behind(context, state, memory, window, request, &audio)?
    } else {
        None
    };
    let words = match words {
        Some(words) => words,
        None => alone(context, state, request, &samples, window.frames(audio_ms))?,
    };
    if !guard::is_loop(&words) && !guard::is_torrent(&words, audio_ms) {
        if is_noisy {
            memory.keep(request, &words);
        }
        return Ok(words);
    }
    // A cut context and a prompt are what leads it astray most often. Without them it takes seconds, which a partial has
    // not got; the next one hears more and does better.
    if request.kind == RequestKind::Pause {
        return Err(RecogniseError::Astray);
    }
    let once = guard::unroll(run(state, request, &samples, &[], FULL_CONTEXT)?);
    // What nobody can have said is left out: the times of such words are as wrong as their text.
    Ok(if guard::is_torrent(&once, audio_ms) {
        Vec::new()
    } else {
        once
    })
}

/// Recognises an utterance by itself.
fn alone(
    context: &WhisperContext,
    state: &mut WhisperState,
    request: &Request,
    samples: &[f32],
    frames: i32,
) -> Result<Vec<Word>, RecogniseError> {
    let prompt = prompt_tokens(context, &request.prompt);
    let words = run(state, request, samples, &prompt, frames)?;
    if guard::echoes(&words, &request.prompt) {
        return run(state, request, samples, &[], frames);
    }
    Ok(words)
}

/// Recognises an utterance together with those before it, if there are any, and finds where its own words begin.
fn hear_behind(
    context: &WhisperContext,
    state: &mut WhisperState,
    memory: &Memory,
    window: Window,
    request: &Request,
    audio: &[i16],
) -> Result<Option<Vec<Word>>, RecogniseError> {
    let audio_ms = (audio.len() / SAMPLES_PER_MS) as u64;
    let before = memory.before(request, window.room_ms(audio_ms));
    // Times may not begin before zero.
    if before.is_empty() || before.length_ms() > request.start_ms {
        return Ok(None);
    }
    let both: Vec<i16> = before.samples().chain(audio.iter().copied()).collect();
    let samples: Vec<f32> = both.iter().map(|&sample| f32::from(sample) / 32_768.0).collect();
    let longer = Request {
        start_ms: request.start_ms - before.length_ms(),
        audio: both.into(),
        ..request.clone()
    };
    let prompt = prompt_tokens(context, before.shortened(&request.prompt));
    let frames = window.frames(audio_ms + before.length_ms());
    let heard = run(state, &longer, &samples, &prompt, frames)?;
    let words = before.new_words(heard, request.start_ms);
    // They may seem to begin in the pause before.
    let inside = |word: Word| Word {
        start_ms: word.start_ms.max(request.start_ms),
        end_ms: word.end_ms.max(request.start_ms),
        ..word
    };
    Ok(words.map(|words| words.into_iter().map(inside).collect()))
}

/// The end of a prompt, as far as Whisper takes it. One that cannot be tokenised helps nobody.
fn prompt_tokens(context: &WhisperContext, prompt: &str) -> Vec<i32> {
    let mut tokens = match prompt.trim() {
        "" => Vec::new(),
        text => context
            .tokenize(&format!(" {text}"), TOKENS_MAX)
            .unwrap_or_default(),
    };
    tokens.drain(..tokens.len().saturating_sub(PROMPT_TOKENS));
    tokens
}

fn run(
    state: &mut WhisperState,
    request: &Request,
    samples: &[f32],
    prompt: &[i32],
    audio_context: i32,
) -> Result<Vec<Word>, RecogniseError> {
    let mut params = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
    let seconds = samples.len() / (SAMPLES_PER_MS * 1000);
    // Threads of one run wait for one another by spinning; two of them beside other load once took 6 s for a decode.
    params.set_n_threads(1);
    params.set_audio_ctx(audio_context);
    params.set_max_tokens(seconds as i32 * 8 + 16);
    params.set_no_context(true);
    params.set_tokens(prompt);
    params.set_token_timestamps(true);
    params.set_suppress_blank(true);
    params.set_suppress_nst(true);
    params.set_temperature_inc(0.0);
    params.set_print_special(false);
    params.set_print_progress(false);
    params.set_print_realtime(false);
    params.set_print_timestamps(false);
    state.full(params, samples).map_err(|error| {
        tracing::warn!(%error, stream = request.stream.0, utterance = request.utterance, "whisper failed");
        RecogniseError::Failed
    })?;
    Ok(words_of(state, request))
}

/// A word that is being put together from tokens.
struct Pieces {
    bytes: Vec<u8>,
    start_ms: u64,
    end_ms: u64,
    confidence: f32,
}

/// A word lasts no longer than this and so much for each of its letters: a pause before it is not its own.
const WORD_MS: (u64, u64) = (150, 60);

fn words_of(state: &WhisperState, request: &Request) -> Vec<Word> {
    let audio_end_ms = request.start_ms + (request.audio.len() / SAMPLES_PER_MS) as u64;
    let mut words = Vec::new();
    for segment in state.as_iter() {
        let mut pieces: Vec<Pieces> = Vec::new();
        // Where the token before ended, if the attention tells.
        let mut before_ms = None;
        for index in 0..segment.n_tokens() {
            let Some(token) = segment.get_token(index) else {
                continue;
            };
            let (Ok(bytes), data) = (token.to_bytes(), token.token_data()) else {
                continue;
            };
            // Special tokens ("[_TT_50]", "<|endoftext|>") are no text.
            if bytes.starts_with(b"[_") || bytes.starts_with(b"<|") {
                continue;
            }
            let at = |hundredths: i64| request.start_ms + hundredths.max(0) as u64 * 10;
            // whisper.cpp names the moment at which the attention goes on to the next token: this one's end.
            let (start_ms, end_ms) = match data.t_dtw {
                ..0 => (at(data.t0), at(data.t1)),
                end => (before_ms.unwrap_or(request.start_ms), at(end)),
            };
            before_ms = (data.t_dtw >= 0).then_some(end_ms);
            match pieces.last_mut() {
                Some(word) if !bytes.starts_with(b" ") => {
                    word.bytes.extend_from_slice(bytes);
                    // A full stop is no sound: the pause behind the word is its.
                    if !bytes.iter().all(u8::is_ascii_punctuation) {
                        word.end_ms = word.end_ms.max(end_ms);
                    }
                    word.confidence = word.confidence.min(data.p);
                }
                _ => pieces.push(Pieces {
                    bytes: bytes.to_vec(),
                    start_ms,
                    end_ms,
                    confidence: data.p,
                }),
            }
        }
        let mut segment_words: Vec<Word> = pieces
            .into_iter()
            .filter_map(|piece| word_of(piece, audio_end_ms))
            .collect();
        if before_ms.is_some() {
            let heard = segment_words.len() - guard::soundless_tail(&segment_words);
            // Of a line that is said a second time, the first word takes the pause before it for its sound.
            let is_echo = heard == 1 && segment_words.len() > 1 && !words.is_empty();
            segment_words.truncate(if is_echo { 0 } else { heard });
        }
        if !guard::is_phantom(&segment_words, segment.no_speech_probability()) {
            words.extend(segment_words);
        }
    }
    // Times of a run may overlap by a hair; words are in the order they are read.
    for index in 1..words.len() {
        let before: &Word = &words[index - 1];
        let earliest = before.start_ms;
        let word = &mut words[index];
        word.start_ms = word.start_ms.max(earliest);
        word.end_ms = word.end_ms.max(word.start_ms);
    }
    words.truncate(words.len() - guard::hasty_repeat(&words));
    words
}

fn word_of(piece: Pieces, audio_end_ms: u64) -> Option<Word> {
    let text = spelled(&String::from_utf8_lossy(&piece.bytes));
    let longest_ms = WORD_MS.0 + WORD_MS.1 * text.chars().count() as u64;
    let end_ms = piece.end_ms.min(audio_end_ms);
    let start_ms = piece.start_ms.clamp(end_ms.saturating_sub(longest_ms), end_ms);
    (!text.is_empty()).then_some(Word {
        text,
        start_ms,
        end_ms,
        confidence: piece.confidence,
        speaker: None,
    })
}

/// A word without what Whisper writes around it when the prompt was a list: a comma of its own, a row of full stops.
fn spelled(text: &str) -> String {
    let text = text.trim();
    if !text.contains(char::is_alphanumeric) {
        return String::new();
    }
    let bare = text.trim_end_matches('.');
    let stops = text.len() - bare.len();
    if bare.ends_with(['?', '!']) || stops > 3 {
        let stop = if bare.ends_with(['?', '!']) { "" } else { "." };
        return format!("{bare}{stop}");
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_list_as_prompt_leaves_behind_is_no_word() {
        let told = [
            " ,",
            "...",
            " recordings?.......",
            " today.",
            " well...",
            " end.....",
            "$",
            " 25-mg",
        ]
        .map(spelled);
        assert_eq!(
            told,
            ["", "", "recordings?", "today.", "well...", "end.", "", "25-mg"]
        );
    }

    #[test]
    fn a_word_does_not_begin_in_the_pause_before_it() {
        let piece = |text: &str, start_ms, end_ms| Pieces {
            bytes: text.into(),
            start_ms,
            end_ms,
            confidence: 0.9,
        };
        let times = |piece| word_of(piece, 5_000).map(|word| (word.start_ms, word.end_ms));
        assert_eq!(times(piece(" morning,", 300, 700)), Some((300, 700)));
        assert_eq!(times(piece(" Ben", 700, 3_000)), Some((2_670, 3_000)));
        assert_eq!(times(piece(" Ben", 4_900, 6_000)), Some((4_900, 5_000)));
        assert_eq!(times(piece(" ", 0, 100)), None);
    }
}
