//! What one simulated participant has heard so far, and waiting for the next thing with a bound.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::meeting::plain;
use crate::participant::{Heard, Via};

/// The reports of one participant, in order of arrival.
pub struct Ears {
    receiver: mpsc::Receiver<Heard>,
    heard: Vec<Heard>,
}

impl Ears {
    /// Listens to the reports of a participant.
    pub fn new(receiver: mpsc::Receiver<Heard>) -> Self {
        Self {
            receiver,
            heard: Vec::new(),
        }
    }

    /// Everything heard so far.
    pub fn heard(&mut self) -> &[Heard] {
        while let Ok(report) = self.receiver.try_recv() {
            self.heard.push(report);
        }
        &self.heard
    }

    /// The first report, past or future, that `wanted` accepts.
    ///
    /// # Errors
    /// `limit` passes first; the error names `what` and lists what was heard instead.
    pub async fn wait_for(
        &mut self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Heard) -> bool,
    ) -> Result<Heard> {
        if let Some(found) = self.heard().iter().find(|report| wanted(report)) {
            return Ok(found.clone());
        }
        let deadline = Instant::now() + limit;
        loop {
            match tokio::time::timeout_at(deadline, self.receiver.recv()).await {
                Ok(Some(report)) => {
                    self.heard.push(report.clone());
                    if wanted(&report) {
                        return Ok(report);
                    }
                }
                Ok(None) => bail!(
                    "waiting for {what}: the participant is gone; heard\n{}",
                    list(&self.heard)
                ),
                Err(_) => bail!(
                    "waiting for {what}: nothing for {limit:?}; heard\n{}",
                    list(&self.heard)
                ),
            }
        }
    }

    /// Waits for the final caption of `speaker` that contains `words` (lower case, no punctuation), however it came.
    ///
    /// # Errors
    /// `limit` passes first.
    pub async fn final_caption(&mut self, speaker: &str, words: &str, limit: Duration) -> Result<Heard> {
        self.wait_for(&format!("a final caption with {words:?}"), limit, |report| {
            matches!(report, Heard::Caption { speaker: who, text, r#final: true, .. }
                if who == speaker && plain(text).contains(words))
        })
        .await
    }

    /// The texts of all finals that came by text stream, in order of arrival.
    pub fn finals(&mut self) -> Vec<String> {
        self.heard()
            .iter()
            .filter_map(|report| match report {
                Heard::Caption {
                    text,
                    r#final: true,
                    via: Via::TextStream,
                    ..
                } => Some(text.clone()),
                _ => None,
            })
            .collect()
    }
}

/// One report a line, the last first: a failure's output is cut at its end.
fn list(heard: &[Heard]) -> String {
    let lines: Vec<String> = heard.iter().rev().map(|report| format!("  {report:?}")).collect();
    lines.join("\n")
}
