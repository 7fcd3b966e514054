//! Says who speaks when in a recording, as the agent would have said it: `diarise FILE.wav` prints JSON. `cargo figures
//! speakers` runs it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::json;
use speech::{
    Diariser, Listener, ListenerEvent, ListenerOptions, SpeakerModel, TurnId, VoiceEvent, VoiceModel,
};

#[derive(Default)]
struct Said {
    /// Begin and end in milliseconds, overlap, the label at first and the label now.
    turns: BTreeMap<TurnId, (u64, u64, bool, Option<u32>, Option<u32>)>,
    corrected: usize,
    merged: usize,
}

impl Said {
    fn take(&mut self, events: Vec<VoiceEvent>) {
        for event in events {
            match event {
                VoiceEvent::Labelled { turn, label } => {
                    if let Some(said) = self.turns.get_mut(&turn) {
                        (said.3, said.4) = (label, label);
                    }
                }
                VoiceEvent::Corrected { turn, to, .. } => {
                    self.corrected += 1;
                    if let Some(said) = self.turns.get_mut(&turn) {
                        said.4 = to;
                    }
                }
                VoiceEvent::Merged { from, into } => {
                    self.merged += 1;
                    self.turns
                        .values_mut()
                        .filter(|said| said.4 == Some(from))
                        .for_each(|said| said.4 = Some(into));
                }
                VoiceEvent::Recognised { .. } => {}
            }
        }
    }
}

fn main() -> Result<()> {
    let file = std::env::args().nth(1).context("usage: diarise FILE.wav")?;
    let from_environment = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .with_context(|| format!("{name} is not set"))
    };
    let voice = VoiceModel::load(&from_environment("RAPPORTEUR_VOICE_MODEL")?)?;
    let model = SpeakerModel::load(&from_environment("RAPPORTEUR_SPEAKER_MODEL")?)?;
    let samples = system_tests::speech_file::read(file.as_ref())?;
    let mut listener = Listener::new(ListenerOptions::default(), voice.detector());
    let mut diariser = Diariser::new(model);
    let mut said = Said::default();
    let (mut compute_ms, mut heard_ms) = (0.0, 0);
    let mut events = listener.push(&samples);
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
        let begun = Instant::now();
        let (turns, events) = diariser.hear(utterance, &audio);
        compute_ms += begun.elapsed().as_secs_f64() * 1000.0;
        heard_ms += audio.len() / 16;
        for (number, turn) in turns.turns.iter().enumerate() {
            let id = TurnId {
                utterance,
                turn: number,
            };
            let (begin, end) = (
                start_ms + u64::from(turn.start_ms),
                start_ms + u64::from(turn.end_ms),
            );
            said.turns.insert(id, (begin, end, turn.overlaps, None, None));
        }
        said.take(events);
    }
    let turns: Vec<_> = said
        .turns
        .values()
        .map(|(start_ms, end_ms, overlaps, first, now)| {
            json!({ "start_ms": start_ms, "end_ms": end_ms, "overlaps": overlaps, "first": first, "label": now })
        })
        .collect();
    let result = json!({ "turns": turns, "corrected": said.corrected, "merged": said.merged, "compute_ms": compute_ms, "heard_ms": heard_ms });
    #[allow(clippy::print_stdout)] // its purpose
    {
        println!("{result}");
    }
    Ok(())
}
