//! The participants on stage and everything they hear, in the order of arrival.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::delays::Seen;
use super::participant::{Heard, Participant, Via};
use super::screen::Screen;
use super::script::Who;
use super::voices;
use crate::api::Invitation;

/// Reports that wait to be read; participants wait when there are more.
const WAITING_LIMIT: usize = 4096;

/// A file that was played.
#[derive(Clone, Debug)]
pub struct Played {
    /// Who spoke.
    pub who: Who,
    /// What was said, where it is known.
    pub text: Option<String>,
    /// Short, for the summary.
    pub name: String,
    /// Wall clock.
    pub from_unix_ms: i64,
    /// Where the voice begins in the file.
    pub voice_from_ms: i64,
    /// Wall clock; the same as `from_unix_ms` while it plays.
    pub to_unix_ms: i64,
}

/// The stage.
pub(super) struct Stage {
    participants: Vec<Participant>,
    /// Who is who in LiveKit.
    pub identities: Vec<String>,
    reports: mpsc::Receiver<(Who, Heard)>,
    /// Everything so far.
    pub heard: Vec<(Who, Heard)>,
    /// What was or is played, in order.
    pub played: Vec<Played>,
    /// The terminal.
    pub screen: Screen,
}

impl Stage {
    /// Sends everybody into the room.
    ///
    /// # Errors
    /// The participant program is not built.
    pub(super) fn enter(
        invitations: &[Invitation],
        screen: Screen,
        binaries: &Path,
        folder: &Path,
    ) -> Result<Self> {
        let (sender, reports) = mpsc::channel(WAITING_LIMIT);
        let participants = invitations
            .iter()
            .enumerate()
            .map(|(who, invitation)| {
                Participant::start(who, invitation, binaries, folder, false, sender.clone())
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            participants,
            identities: invitations.iter().map(|one| one.identity.clone()).collect(),
            reports,
            heard: Vec::new(),
            played: Vec::new(),
            screen,
        })
    }

    /// Shows and keeps what is heard until `found` accepts a report. What was heard before does not count.
    ///
    /// # Errors
    /// `limit` passes first, or somebody dropped out; the error names `what`.
    pub(super) async fn until(
        &mut self,
        what: &str,
        limit: Duration,
        mut found: impl FnMut(Who, &Heard) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            let Ok(report) = timeout_at(deadline, self.reports.recv()).await else {
                bail!("waited {limit:?} for {what}");
            };
            let Some((who, heard)) = report else {
                bail!("everybody left while waiting for {what}")
            };
            self.take(who, &heard);
            let over = found(who, &heard);
            if let Heard::Disconnected { reason } = &heard {
                bail!("participant {} left while waiting for {what}: {reason}", who + 1);
            }
            self.heard.push((who, heard));
            if over {
                return Ok(());
            }
        }
    }

    /// Goes on showing and keeping for a while.
    ///
    /// # Errors
    /// Somebody dropped out.
    pub(super) async fn listen(&mut self, time: Duration) -> Result<()> {
        let deadline = Instant::now() + time;
        while let Ok(Some((who, heard))) = timeout_at(deadline, self.reports.recv()).await {
            self.take(who, &heard);
            if let Heard::Disconnected { reason } = &heard {
                bail!("participant {} left: {reason}", who + 1);
            }
            self.heard.push((who, heard));
        }
        Ok(())
    }

    fn take(&mut self, who: Who, heard: &Heard) {
        // Everybody hears every caption: the first participant's are shown, and each one's chat and state.
        let caption = matches!(heard, Heard::Caption { .. } | Heard::Chat { .. });
        if who == 0 || !caption {
            self.screen.show(heard);
        }
        let open = self
            .played
            .iter_mut()
            .find(|played| played.who == who && played.to_unix_ms == i64::MAX);
        if let Some(played) = open {
            match heard {
                Heard::Playing { at_unix_ms } => played.from_unix_ms = *at_unix_ms,
                Heard::Played { at_unix_ms } => played.to_unix_ms = *at_unix_ms,
                _ => {}
            }
        }
    }

    /// Begins to play a file.
    ///
    /// # Errors
    /// The file cannot be read, or the participant is gone.
    pub(super) fn begin(&mut self, who: Who, name: &str, file: &Path, text: Option<&str>) -> Result<()> {
        self.played.push(Played {
            who,
            text: text.map(str::to_owned),
            name: name.to_owned(),
            from_unix_ms: 0,
            voice_from_ms: voices::begins_ms(file)?,
            to_unix_ms: i64::MAX,
        });
        self.participants[who].play(file)
    }

    /// Waits until nobody plays any more.
    ///
    /// # Errors
    /// `limit` passes first, or somebody dropped out.
    pub(super) async fn silence(&mut self, limit: Duration) -> Result<()> {
        let mut open = self
            .played
            .iter()
            .filter(|played| played.to_unix_ms == i64::MAX)
            .count();
        if open == 0 {
            return Ok(());
        }
        self.until("the end of a recording", limit, |_, heard| {
            open -= usize::from(matches!(heard, Heard::Played { .. }));
            open == 0
        })
        .await
    }

    /// Writes a chat message.
    ///
    /// # Errors
    /// The participant is gone.
    pub(super) fn chat(&mut self, who: Who, text: &str) -> Result<()> {
        self.screen.chat(&self.identities[who], text);
        self.participants[who].say(text)
    }

    /// The captions that the participants heard by text stream, as seen by the one who is not their speaker.
    pub(super) fn captions(&self) -> Vec<Seen> {
        self.caption_events(Via::TextStream)
            .filter(|(who, speaker, _)| self.identities[*who] != **speaker)
            .map(|(_, _, seen)| seen)
            .collect()
    }

    /// The segments whose final came as the legacy packet.
    pub(super) fn finals_by_packet(&self) -> Vec<String> {
        self.caption_events(Via::Packet)
            .filter(|(_, _, seen)| seen.r#final)
            .map(|(_, _, seen)| seen.segment)
            .collect()
    }

    fn caption_events(&self, wanted: Via) -> impl Iterator<Item = (Who, &String, Seen)> {
        self.heard.iter().filter_map(move |(who, heard)| match heard {
            Heard::Caption {
                segment,
                speaker,
                text,
                r#final,
                at_unix_ms,
                via,
            } if *via == wanted => Some((
                *who,
                speaker,
                Seen {
                    segment: segment.clone(),
                    text: text.clone(),
                    r#final: *r#final,
                    at_unix_ms: *at_unix_ms,
                },
            )),
            _ => None,
        })
    }
}
