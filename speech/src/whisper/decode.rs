//! One run of Whisper over one utterance.

use whisper_rs::{FullParams, SamplingStrategy, WhisperContext, WhisperState};

use super::guard;
use super::queue::{RecogniseError, Request};
use crate::{SAMPLES_PER_MS, Word};

/// The encoder's whole window: 30 s at 50 frames a second.
const FULL_CONTEXT: i32 = 1500;
/// Under this much audio Whisper says nothing.
const SHORTEST_MS: usize = 100;
/// Whisper hears shorter utterances better with silence behind them.
const PADDED_MS: usize = 1_100;
/// What Whisper takes as prompt at most is half its text context of 448 tokens.
const PROMPT_TOKENS: usize = 128;

/// Recognises an utterance.
pub(super) fn decode(
    context: &WhisperContext,
    state: &mut WhisperState,
    request: &Request,
) -> Result<Vec<Word>, RecogniseError> {
    if request.audio.len() < SHORTEST_MS * SAMPLES_PER_MS {
        return Ok(Vec::new());
    }
    let audio_ms = (request.audio.len() / SAMPLES_PER_MS) as u64;
    let mut samples: Vec<f32> = request
        .audio
        .iter()
        .map(|&sample| f32::from(sample) / 32_768.0)
        .collect();
    samples.resize(samples.len().max(PADDED_MS * SAMPLES_PER_MS), 0.0);
    let prompt = match request.prompt.trim() {
        "" => Vec::new(),
        // A prompt that cannot be tokenised helps nobody; the utterance is recognised without it.
        text => context
            .tokenize(&format!(" {text}"), PROMPT_TOKENS)
            .unwrap_or_default(),
    };
    let words = run(state, request, &samples, &prompt, cut_context(audio_ms))?;
    if !guard::is_loop(&words) && !guard::is_torrent(&words, audio_ms) {
        return Ok(words);
    }
    // A cut context and a prompt are what leads it astray most often.
    let again = run(state, request, &samples, &[], FULL_CONTEXT)?;
    let once = guard::unroll(again);
    // What nobody can have said is left out: the times of such words are as wrong as their text.
    Ok(if guard::is_torrent(&once, audio_ms) {
        Vec::new()
    } else {
        once
    })
}

/// The encoder computes no more than the audio needs; measured to cost under three points of word error rate and
/// to save five sixths of the time.
fn cut_context(audio_ms: u64) -> i32 {
    ((audio_ms * 50 / 1000) as i32 + 128).clamp(384, FULL_CONTEXT)
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
#[derive(Default)]
struct Pieces {
    bytes: Vec<u8>,
    start_ms: u64,
    end_ms: u64,
    confidence: f32,
}

fn words_of(state: &WhisperState, request: &Request) -> Vec<Word> {
    let audio_end_ms = request.start_ms + (request.audio.len() / SAMPLES_PER_MS) as u64;
    let mut words = Vec::new();
    for segment in state.as_iter() {
        let mut pieces: Vec<Pieces> = Vec::new();
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
            let start_ms = request.start_ms + data.t0.max(0) as u64 * 10;
            let end_ms = request.start_ms + data.t1.max(0) as u64 * 10;
            match pieces.last_mut() {
                Some(word) if !bytes.starts_with(b" ") => {
                    word.bytes.extend_from_slice(bytes);
                    word.end_ms = word.end_ms.max(end_ms);
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
        let segment_words = pieces.into_iter().filter_map(|word| {
            let text = String::from_utf8_lossy(&word.bytes).trim().to_owned();
            let start_ms = word.start_ms.min(audio_end_ms);
            let end_ms = word.end_ms.clamp(start_ms, audio_end_ms);
            (!text.is_empty()).then_some(Word {
                text,
                start_ms,
                end_ms,
                confidence: word.confidence,
            })
        });
        let segment_words: Vec<Word> = segment_words.collect();
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
    words
}
