//! A simulated participant: the program `participant` of the package `system-tests`, which joins with the official
//! LiveKit crate. One JSON object a line in both directions.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{ChildStdin, Command};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;

use crate::api::Invitation;
use crate::process::Process;

/// Who of those that were started reports.
pub(crate) type Who = usize;

/// How a caption came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Via {
    /// As a text stream.
    TextStream,
    /// As the legacy packet.
    Packet,
}

/// What a participant reports.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Heard {
    /// It is in the room.
    Connected {
        /// Its own identity.
        identity: String,
    },
    /// A file begins to play.
    Playing {
        /// Wall clock.
        at_unix_ms: i64,
    },
    /// The file was played to its end.
    Played {
        /// Wall clock.
        at_unix_ms: i64,
    },
    /// A caption.
    Caption {
        /// Its segment.
        segment: String,
        /// The speaking participant's identity.
        speaker: String,
        /// All of it so far.
        text: String,
        /// Settled.
        r#final: bool,
        /// Wall clock.
        at_unix_ms: i64,
        /// How it came.
        via: Via,
    },
    /// A chat message.
    Chat {
        /// The sender's identity.
        from: String,
        /// The message.
        text: String,
    },
    /// It is no longer in the room.
    Disconnected {
        /// Why.
        reason: String,
    },
    /// What the demo does not look at.
    #[serde(other)]
    Other,
}

/// A participant in a room; leaves when dropped.
#[derive(Debug)]
pub(crate) struct Participant {
    orders: ChildStdin,
    // After the pipe, so that it has been told to leave before it is ended.
    _process: Process,
}

impl Participant {
    /// Starts the program, `deaf` if it should not take the others' sound; what it reports goes to `heard`, marked with `who`.
    ///
    /// # Errors
    /// It is not built or cannot be started.
    pub(crate) fn start(
        who: Who,
        invitation: &Invitation,
        binaries: &Path,
        folder: &Path,
        deaf: bool,
        heard: mpsc::Sender<(Who, Heard)>,
    ) -> Result<Self> {
        let mut command = Command::new(binaries.join("participant"));
        if deaf {
            command.arg("--deaf");
        }
        command
            .args(["--url", &invitation.livekit_url])
            // Not an argument: those are shown to everybody on the machine.
            .env("PARTICIPANT_TOKEN", &invitation.token);
        let (process, orders, output) =
            Process::start_talking(&format!("participant-{}", who + 1), &mut command, folder)?;
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let report = serde_json::from_str(&line).unwrap_or(Heard::Other);
                if heard.blocking_send((who, report)).is_err() {
                    return;
                }
            }
            let reason = "its program ended".to_owned();
            // Nobody listens any more when the demo is over.
            let _ = heard.blocking_send((who, Heard::Disconnected { reason }));
        });
        Ok(Self {
            orders,
            _process: process,
        })
    }

    /// Plays a file.
    ///
    /// # Errors
    /// The program is gone.
    pub(crate) fn play(&mut self, file: &Path) -> Result<()> {
        self.order(&json!({"play": file}))
    }

    /// Writes a chat message.
    ///
    /// # Errors
    /// The program is gone.
    pub(crate) fn say(&mut self, text: &str) -> Result<()> {
        self.order(&json!({"say": text}))
    }

    fn order(&mut self, order: &serde_json::Value) -> Result<()> {
        writeln!(self.orders, "{order}")
            .and_then(|()| self.orders.flush())
            .context("a simulated participant is gone; its log says why")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read_and_unknown_ones_passed_over() {
        let caption = r#"{"event":"caption","segment":"s","speaker":"p","text":"Hello","final":true,
            "at_unix_ms":5,"via":"text_stream","track":null}"#;
        assert_eq!(
            serde_json::from_str::<Heard>(caption).unwrap(),
            Heard::Caption {
                segment: "s".into(),
                speaker: "p".into(),
                text: "Hello".into(),
                r#final: true,
                at_unix_ms: 5,
                via: Via::TextStream
            }
        );
        let new = r#"{"event":"something_new","with":1}"#;
        assert_eq!(serde_json::from_str::<Heard>(new).unwrap(), Heard::Other);
    }
}
