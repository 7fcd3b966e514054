//! The room adapter: the only code that touches `livekit` types. It subscribes to every microphone of a person,
//! hands their sound over in small frames, turns the room's events into plain ones, and speaks for the session.

mod ears;
mod link;
pub mod signal;
mod silence;
mod sound;

use std::sync::Arc;

use livekit::prelude::*;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::link::{RPC_PAYLOAD_MAX_BYTES, RoomFailure, RoomLink};
use self::signal::Stay;
pub use self::signal::send_at_once;
pub use self::sound::SAMPLE_RATE_HZ;
use super::coverage::GapReason;
use super::track::Speaker;
use super::types::EndReason;

/// Pieces of sound of all tracks that may wait for the session: ten seconds of one speaker.
const SOUND_QUEUE: usize = 512;
/// Other events that may wait for the session.
const CONTROL_QUEUE: usize = 256;

/// What a private caller is told: a JSON payload, or why there is none.
pub type AskReply = Result<String, String>;

/// What happens in the room besides sound.
#[derive(Debug)]
pub enum FromRoom {
    /// A person is in the room.
    Joined {
        /// Who.
        identity: String,
        /// Their name.
        name: String,
    },
    /// A person is gone.
    Left {
        /// Who.
        identity: String,
    },
    /// A person wrote into the chat.
    Chat {
        /// Who.
        identity: String,
        /// What.
        text: String,
    },
    /// A person called the RPC `ask`.
    Asked {
        /// Who.
        identity: String,
        /// What.
        text: String,
        /// Where the answer goes.
        reply: oneshot::Sender<AskReply>,
    },
    /// The connection was lost and is being made anew.
    ConnectionLost,
    /// It is there again.
    ConnectionBack,
    /// The connection is over.
    Disconnected(EndReason),
}

/// What happens on the tracks, in order.
#[derive(Debug)]
pub enum FromTrack {
    /// A track is heard from now on.
    Started {
        /// Its number.
        track: u64,
        /// Whose it is.
        speaker: Speaker,
    },
    /// Sound.
    Samples {
        /// The track.
        track: u64,
        /// 16 kHz mono.
        samples: Vec<i16>,
    },
    /// Some of its sound is not handed over.
    Missing {
        /// The track.
        track: u64,
        /// From how long ago until how long ago.
        ago_ms: (u64, u64),
        /// Why.
        reason: GapReason,
    },
    /// A microphone of somebody who has not agreed is open, or is not any more. It is not heard.
    Declined {
        /// Whose it is.
        speaker: Speaker,
        /// Which of the two.
        open: bool,
    },
    /// It was muted or unmuted.
    Muted {
        /// The track.
        track: u64,
        /// Which of the two.
        muted: bool,
    },
    /// It is gone, and all its sound is handed over.
    Ended {
        /// The track.
        track: u64,
    },
}

/// A joined room, for hearing it. When this is dropped the room is left, also where a session panics.
#[derive(Debug)]
pub struct RoomEvents {
    /// Everything but sound.
    pub control: mpsc::Receiver<FromRoom>,
    /// Sound.
    pub sound: mpsc::Receiver<FromTrack>,
    stay: Stay,
}

impl RoomEvents {
    /// The room was left in order.
    pub fn over(self) {
        self.stay.over();
    }
}

/// Joins. Whoever is there already is reported as if they came now.
///
/// # Errors
/// The server refuses the token or cannot be reached.
pub async fn join(url: &str, token: &str) -> Result<(RoomLink, RoomEvents), RoomFailure> {
    let mut options = RoomOptions::default();
    // Only microphones are wanted, so we choose the tracks ourselves.
    options.auto_subscribe = false;
    let (room, events) = Room::connect(url, token, options)
        .await
        .map_err(|error| RoomFailure::Join(Box::new(error)))?;
    let (to_control, control) = mpsc::channel(CONTROL_QUEUE);
    let (to_sound, sound) = mpsc::channel(SOUND_QUEUE);
    let (consents, consented) = watch::channel(None);
    let room = Arc::new(room);
    signal::joined(&room);
    let stay = Stay::of(room.clone());
    let link = RoomLink {
        consents: Arc::new(consents),
        room,
        tasks: TaskTracker::new(),
        over: CancellationToken::new(),
    };
    link.offer_ask(to_control.clone());
    link.tasks
        .spawn(ears::Ears::new(&link, to_control, to_sound, consented).listen(events));
    Ok((link, RoomEvents { control, sound, stay }))
}
