//! A meeting held to be measured: some participants play a track each, all at once, and one listens to nobody and reads the
//! captions as they come.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use chrono::Utc;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

use super::words::Shown;
use crate::api::{Api, RoomApi, Session};
use crate::demo::participant::{Heard, Participant, Via};
use crate::process::Process;
use crate::servers::House;

/// Our programs that it needs, and the one that makes ready what is played.
pub(super) const PROGRAMS: [&str; 4] = ["agent", "dispatcher", "participant", "programme"];

const POLL: Duration = Duration::from_millis(200);
const AGENT_LIMIT: Duration = Duration::from_secs(30);
const JOIN_LIMIT: Duration = Duration::from_secs(60);
/// The longest track.
const TRACK_LIMIT: Duration = Duration::from_secs(600);
/// Nothing new for so long means that all is said.
const SETTLED: Duration = Duration::from_secs(6);
/// Captions that are still on their way: an overloaded machine is behind by minutes.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);
/// Reports that wait to be read; participants wait when there are more.
const WAITING_LIMIT: usize = 4096;

/// What came of a track.
#[derive(Clone, Debug, Default)]
pub(super) struct Taken {
    /// What the observer saw, in the order of arrival, from the beginning of the track.
    pub shown: Vec<Shown>,
    /// What is in the record.
    pub record: String,
}

/// What came of a meeting.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    /// Of each track.
    pub taken: Vec<Taken>,
    /// The agent's processor time from the first sound to the last caption.
    pub agent_core_seconds: f64,
    /// How long a worker of the recogniser was busy, and how much speech was recognised.
    pub recogniser: Recogniser,
}

/// What a recogniser did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recogniser {
    pub busy_s: f64,
    pub recognised_s: f64,
}

/// Holds a meeting in a house with one organisation.
///
/// # Errors
/// No agent comes, or somebody drops out.
pub(super) async fn hold(
    house: &House,
    api: &Api,
    organisation: &str,
    binaries: &Path,
    tracks: &[&Path],
) -> Result<Held> {
    // One voice a microphone: the others tell nobody apart either.
    let room = json!({"title": "Captions", "starts_at": Utc::now(), "voices": "one"});
    let room = api.schedule_as(organisation, &room).await?;
    let record = api.room(organisation, &room.id);
    let there = |sessions: &[Session]| sessions.iter().any(|session| session.joined_at.is_some());
    wait_for_agent(&record, "come", there).await?;
    let (sender, mut reports) = mpsc::channel(WAITING_LIMIT);
    let (mut participants, mut identities) = (Vec::new(), Vec::new());
    // The last one is the observer.
    for who in 0..=tracks.len() {
        let invitation = api
            .invite(organisation, &room.id, &format!("Speaker {}", who + 1), "client")
            .await?;
        let participant =
            Participant::start(who, &invitation, binaries, &house.folder, true, sender.clone())?;
        participants.push(participant);
        identities.push(invitation.identity);
    }
    wait_until_heard(&record, participants.len()).await?;
    let computed = || house.agent.process().and_then(Process::cpu_seconds);
    let before = computed().context("the agent is gone")?;
    for (participant, track) in participants.iter_mut().zip(tracks) {
        participant.play(track)?;
    }
    let mut log = Log {
        begun_ms: vec![None; tracks.len()],
        captions: Vec::new(),
    };
    let deadline = Instant::now() + TRACK_LIMIT;
    let mut playing = tracks.len();
    while playing > 0 {
        let Ok(Some((who, heard))) = timeout_at(deadline, reports.recv()).await else {
            bail!("the tracks were not played within {TRACK_LIMIT:?}");
        };
        playing -= usize::from(matches!(heard, Heard::Played { .. }));
        log.take(who, heard)?;
    }
    let deadline = Instant::now() + SETTLE_LIMIT;
    while let Ok(Some((who, heard))) =
        timeout_at(deadline.min(Instant::now() + SETTLED), reports.recv()).await
    {
        log.take(who, heard)?;
    }
    let agent_core_seconds = computed().context("the agent is gone")? - before;
    let segments = record.transcript().await?;
    let taken = (0..tracks.len())
        .map(|who| {
            let said = segments
                .iter()
                .filter(|segment| segment.speaker.identity == identities[who]);
            let texts: Vec<&str> = said.map(|segment| segment.text.as_str()).collect();
            Taken {
                shown: log.shown(who, &identities[who]),
                record: texts.join(" "),
            }
        })
        .collect();
    drop(participants);
    record.cancel().await?;
    let over = |sessions: &[Session]| sessions.iter().all(|session| session.ended_at.is_some());
    wait_for_agent(&record, "leave", over).await?;
    let usage = record.usage().await?;
    let sum = |kind: &str| -> f64 {
        let of_kind = usage.iter().filter(|used| used.kind == kind);
        of_kind.map(|used| used.quantity).sum()
    };
    Ok(Held {
        taken,
        agent_core_seconds,
        recogniser: Recogniser {
            busy_s: sum("recogniser_compute"),
            recognised_s: sum("speech_recognised"),
        },
    })
}

async fn wait_for_agent(record: &RoomApi, what: &str, done: impl Fn(&[Session]) -> bool) -> Result<()> {
    let begun = Instant::now();
    while !done(&record.sessions().await?) {
        if begun.elapsed() > AGENT_LIMIT {
            bail!("the agent did not {what} within {AGENT_LIMIT:?}: see dispatcher.log and agent.log");
        }
        sleep(POLL).await;
    }
    Ok(())
}

async fn wait_until_heard(record: &RoomApi, wanted: usize) -> Result<()> {
    let begun = Instant::now();
    loop {
        let events = record.events().await?;
        let tracks = events
            .iter()
            .filter(|event| event.kind == "track_subscribed")
            .count();
        if tracks >= wanted {
            return Ok(());
        }
        if begun.elapsed() > JOIN_LIMIT {
            bail!("the agent listens to {tracks} of {wanted} microphones: see agent.log");
        }
        sleep(POLL).await;
    }
}

struct Log {
    /// Wall clock.
    begun_ms: Vec<Option<i64>>,
    /// Speaker's identity, and what was shown when on the wall clock.
    captions: Vec<(String, Shown)>,
}

impl Log {
    fn take(&mut self, who: usize, heard: Heard) -> Result<()> {
        let observer = self.begun_ms.len();
        match heard {
            Heard::Playing { at_unix_ms } if who < observer => self.begun_ms[who] = Some(at_unix_ms),
            Heard::Caption {
                segment,
                speaker,
                text,
                r#final,
                at_unix_ms,
                via: Via::TextStream,
            } if who == observer => {
                let settled = if r#final { text.clone() } else { String::new() };
                let shown = Shown {
                    segment,
                    text,
                    settled,
                    at_ms: at_unix_ms,
                };
                self.captions.push((speaker, shown));
            }
            Heard::Disconnected { reason } => bail!("participant {} left: {reason}", who + 1),
            _ => {}
        }
        Ok(())
    }

    fn shown(&self, who: usize, identity: &str) -> Vec<Shown> {
        let Some(begun_ms) = self.begun_ms[who] else {
            return Vec::new();
        };
        let own = self.captions.iter().filter(|(speaker, _)| speaker == identity);
        own.map(|(_, shown)| Shown {
            at_ms: shown.at_ms - begun_ms,
            ..shown.clone()
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_belong_to_their_speaker_and_count_from_their_track() {
        let mut log = Log {
            begun_ms: vec![None; 2],
            captions: Vec::new(),
        };
        log.take(1, Heard::Playing { at_unix_ms: 1_000 }).unwrap();
        let caption = |speaker: &str, r#final, via| Heard::Caption {
            segment: "s".into(),
            speaker: speaker.into(),
            text: "Hello".into(),
            r#final,
            at_unix_ms: 1_700,
            via,
        };
        // Seen by a speaker, as a packet, of another speaker, and at last as wanted.
        log.take(0, caption("b", true, Via::TextStream)).unwrap();
        log.take(2, caption("b", true, Via::Packet)).unwrap();
        log.take(2, caption("a", false, Via::TextStream)).unwrap();
        log.take(2, caption("b", true, Via::TextStream)).unwrap();
        let shown = log.shown(1, "b");
        assert_eq!(shown.len(), 1);
        assert_eq!((shown[0].at_ms, shown[0].settled.as_str()), (700, "Hello"));
        assert!(log.shown(0, "a").is_empty());
        let gone = Heard::Disconnected { reason: "x".into() };
        assert!(log.take(0, gone).is_err());
    }
}
