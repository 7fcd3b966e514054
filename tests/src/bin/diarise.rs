//! Says who speaks when in a recording, as the agent would have said it: `diarise FILE.wav` prints JSON. `cargo figures
//! speakers` runs it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::json;
use speech::{
    Diariser, Listener, ListenerEvent, ListenerOptions, SpeakerModel, TurnId, VoiceEvent, VoiceModel,
};

/// A turn with the label that it got at first, and the one that it has now.
#[derive(Serialize)]
struct Turn {
    start_ms: u64,
    end_ms: u64,
    overlaps: bool,
    first: Option<u32>,
    label: Option<u32>,
}

#[derive(Default)]
struct Said {
    turns: BTreeMap<TurnId, Turn>,
    corrected: usize,
    merged: usize,
}

impl Said {
    fn take(&mut self, events: Vec<VoiceEvent>) {
        for event in events {
            match event {
                VoiceEvent::Labelled { turn, label } => {
                    if let Some(said) = self.turns.get_mut(&turn) {
                        (said.first, said.label) = (label, label);
                    }
                }
                VoiceEvent::Corrected { turn, to, .. } => {
                    self.corrected += 1;
                    if let Some(said) = self.turns.get_mut(&turn) {
                        said.label = to;
                    }
                }
                VoiceEvent::Merged { from, into } => {
                    self.merged += 1;
                    self.turns
                        .values_mut()
                        .filter(|said| said.label == Some(from))
                        .for_each(|said| said.label = Some(into));
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
        let (turns, events) = diariser.hear(utterance, &audio.to_vec());
        compute_ms += begun.elapsed().as_secs_f64() * 1000.0;
        heard_ms += audio.len() / 16;
        for (number, turn) in turns.turns.iter().enumerate() {
            let id = TurnId {
                utterance,
                turn: number,
            };
            let place = Turn {
                start_ms: start_ms + u64::from(turn.start_ms),
                end_ms: start_ms + u64::from(turn.end_ms),
                overlaps: turn.overlaps,
                first: None,
                label: None,
            };
            said.turns.insert(id, place);
        }
        said.take(events);
    }
    let turns: Vec<&Turn> = said.turns.values().collect();
    let result = json!({ "turns": turns, "corrected": said.corrected, "merged": said.merged, "compute_ms": compute_ms, "heard_ms": heard_ms });
    #[allow(clippy::print_stdout)] // its purpose
    {
        println!("{result}");
    }
    Ok(())
}
