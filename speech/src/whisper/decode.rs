//! One run of Whisper over one utterance.

use whisper_rs::{FullParams, SamplingStrategy, WhisperContext, WhisperError, WhisperState};

use super::before::Memory;
use super::guard;
use super::look::look;
use super::rest::Utterance;
use super::tokens::{end_of, tokens_of};
use super::vocabulary::Vocabulary;
use super::window::{FULL_CONTEXT, Window};
use super::words::words_of;
use crate::word::line;
use crate::{RecogniseError, Request, RequestKind, SAMPLES_PER_MS, Word};

/// Under this much audio Whisper says nothing.
const SHORTEST_MS: usize = 100;
/// Whisper hears shorter utterances better with silence behind them.
const PADDED_MS: usize = 1_100;
/// What Whisper takes as prompt at most is half its text context of 448 tokens. What was said last is at the end.
const PROMPT_TOKENS: usize = 192;
/// Whisper takes no more at once.
const LONGEST_MS: usize = 30_000;
/// It is asked for what it left once in so much audio at most.
const REST_MS: usize = 5_000;

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
    let samples = padded(&audio);
    if request.kind == RequestKind::Partial {
        return look(context, state, vocabulary, request, &samples);
    }
    let utterance = Utterance::of(audio);
    let is_noisy = utterance.is_noisy();
    let window = Window::careful(is_noisy);
    let words = if is_noisy {
        hear_behind(context, state, memory, window, request, &utterance.audio)?
    } else {
        None
    };
    let words = match words {
        Some(words) => words,
        None => alone(context, state, request, &samples, window.frames(audio_ms))?,
    };
    let words = hear_rest(context, state, window, request, &utterance, words)?;
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

/// Recognises by itself what was left unheard behind these words, as often as Whisper leaves something.
fn hear_rest(
    context: &WhisperContext,
    state: &mut WhisperState,
    window: Window,
    request: &Request,
    utterance: &Utterance,
    mut words: Vec<Word>,
) -> Result<Vec<Word>, RecogniseError> {
    for _ in 0..=utterance.audio.len() / (REST_MS * SAMPLES_PER_MS) {
        let Some(begin) = utterance.unheard_from(&words, request.start_ms) else {
            break;
        };
        let audio = &utterance.audio[begin..];
        let audio_ms = (audio.len() / SAMPLES_PER_MS) as u64;
        let rest = Request {
            start_ms: request.start_ms + (begin / SAMPLES_PER_MS) as u64,
            audio: audio.into(),
            prompt: format!("{} {}", request.prompt, line(&words)),
            ..request.clone()
        };
        let heard = alone(context, state, &rest, &padded(audio), window.frames(audio_ms))?;
        if heard.is_empty() || guard::is_torrent(&heard, audio_ms) {
            break;
        }
        words.extend(heard);
    }
    Ok(words)
}

/// Samples as Whisper takes them.
fn padded(audio: &[i16]) -> Vec<f32> {
    let mut samples: Vec<f32> = audio.iter().map(|&sample| f32::from(sample) / 32_768.0).collect();
    samples.resize(samples.len().max(PADDED_MS * SAMPLES_PER_MS), 0.0);
    samples
}

/// The end of a prompt, as far as Whisper takes it. One that cannot be tokenised helps nobody.
fn prompt_tokens(context: &WhisperContext, prompt: &str) -> Vec<i32> {
    let mut tokens = match end_of(prompt.trim()) {
        "" => Vec::new(),
        text => tokens_of(context, text).unwrap_or_default(),
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
    let samples = &samples[..samples.len().min(LONGEST_MS * SAMPLES_PER_MS)];
    let seconds = samples.len() / (SAMPLES_PER_MS * 1000);
    // Threads of one run wait for one another by spinning; two of them beside other load once took 6 s for a decode.
    params.set_n_threads(1);
    params.set_audio_ctx(audio_context);
    params.set_max_tokens(seconds as i32 * 8 + 16);
    params.set_no_context(true);
    // Once, and no more: what it goes on with by itself, behind the last time it names, may be a moment so short that timing a
    // word in it (a median over seven steps of 20 ms) ends the process. What is left is heard by [`hear_rest`].
    params.set_single_segment(true);
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
