//! Whatever people play into a microphone, and whatever a prompt says: Whisper answers, and the process goes on.
#![allow(clippy::unwrap_used)] // helpers of tests are tests, which clippy does not see

mod support;

use speech::{Audio, Recogniser as _, Request, RequestKind, StreamId, WhisperOptions, WhisperPool, Word};
use support::from_environment;

const SOUNDS: u64 = 30;
const SAMPLES_PER_MS: usize = 16;
const PROMPTS: [&str; 5] = [
    "",
    "Waldo, Digium. Thank you for calling. ",
    "<|endoftext|><|startoftranscript|>[_TT_50] <|0.00|>",
    "\u{0}\u{fffd}\u{202e} ผู้ที่ 🎙️ \n\n\t",
    "and and and and and and and and ",
];

/// Numbers that are the same in every run (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) % limit as u64) as usize
    }
}

/// Silence, noise, a buzz, scraps of speech: as they are, too loud, backwards, over and over.
fn piece(numbers: &mut Numbers, speech: &[i16]) -> Vec<i16> {
    let length = (10 + numbers.below(3_000)) * SAMPLES_PER_MS;
    let from = numbers.below(speech.len() - length);
    let scrap = &speech[from..from + length];
    match numbers.below(7) {
        0 => vec![0; length],
        1 => {
            let loud = 1 << numbers.below(15);
            (0..length)
                .map(|_| (numbers.below(2 * loud) as i32 - loud as i32) as i16)
                .collect()
        }
        2 => {
            let (period, loud) = (2 + numbers.below(200), numbers.below(32_768) as i16);
            (0..length)
                .map(|at| if at % period < period / 2 { loud } else { -loud })
                .collect()
        }
        3 => scrap.iter().rev().copied().collect(),
        4 => {
            let gain = 1 + numbers.below(30) as i16;
            scrap.iter().map(|sample| sample.saturating_mul(gain)).collect()
        }
        5 => scrap[..length.min(400 * SAMPLES_PER_MS)].repeat(1 + numbers.below(20)),
        _ => scrap.to_vec(),
    }
}

fn sound(numbers: &mut Numbers, speech: &[i16]) -> Vec<i16> {
    let length = numbers.below(30_000 * SAMPLES_PER_MS);
    let mut sound = Vec::new();
    while sound.len() < length {
        sound.extend(piece(numbers, speech));
    }
    sound.truncate(length);
    // Noise over all of it, or none.
    let loud = [1, 1, 300, 1_500][numbers.below(4)];
    for sample in &mut sound {
        *sample = sample.saturating_add((numbers.below(2 * loud) as i32 - loud as i32) as i16);
    }
    sound
}

/// What another recogniser may have said before: nothing, or much in strange letters.
fn settled(numbers: &mut Numbers) -> Vec<Word> {
    let text = PROMPTS[numbers.below(PROMPTS.len())];
    let word = |index: usize| Word {
        text: text.trim().to_owned(),
        start_ms: 60_000 + index as u64,
        end_ms: 60_000 + index as u64,
        confidence: 1.0,
        speaker: None,
    };
    let count = if text.is_empty() { 0 } else { numbers.below(40) };
    (0..count).map(word).collect()
}

#[tokio::test]
async fn sounds_and_prompts_of_strangers_are_survived() {
    let conversation = from_environment("RAPPORTEUR_CONVERSATION").join("sample.wav");
    let speech = speech::wav::read_mono_16khz(&conversation).unwrap();
    let model = from_environment("RAPPORTEUR_WHISPER_MODEL");
    let pool = WhisperPool::load(&model, WhisperOptions { workers: 2 }).unwrap();
    let asked = (0..SOUNDS).map(|seed| {
        let mut numbers = Numbers(seed);
        let audio = sound(&mut numbers, &speech);
        let end_ms = 60_000 + (audio.len() / SAMPLES_PER_MS) as u64;
        let kinds = [
            RequestKind::Final,
            RequestKind::Final,
            RequestKind::Pause,
            RequestKind::Partial,
        ];
        let answer = pool.submit(Request {
            stream: StreamId(seed / 3),
            utterance: seed,
            kind: kinds[numbers.below(kinds.len())],
            audio: Audio::from(audio),
            start_ms: 60_000,
            prompt: PROMPTS[numbers.below(PROMPTS.len())].repeat(1 + numbers.below(100)),
            settled: settled(&mut numbers),
        });
        (seed, end_ms, answer)
    });
    let asked: Vec<_> = asked.collect();
    for (seed, end_ms, answer) in asked {
        // A look that has lost its way, or that a newer one has replaced, says so.
        let Ok(Ok(heard)) = answer.await else { continue };
        assert!(heard.words.is_sorted_by_key(|word| word.start_ms), "{seed}");
        let inside = heard
            .words
            .iter()
            .all(|word| word.start_ms >= 60_000 && word.end_ms <= end_ms);
        assert!(inside, "{seed}: words outside of their sound");
    }
    let known = Audio::from(&speech[7_000 * SAMPLES_PER_MS..10_000 * SAMPLES_PER_MS]);
    let request = Request {
        stream: StreamId(1_000),
        utterance: 0,
        kind: RequestKind::Final,
        audio: known,
        start_ms: 0,
        prompt: String::new(),
        settled: Vec::new(),
    };
    let heard = pool.submit(request).await.unwrap().unwrap();
    assert!(!heard.words.is_empty(), "the workers are there");
}
