//! Leaving a room so that nothing of it stays behind. `livekit` 0.10.0 ties a room, its tracks and its connection into a
//! circle for each participant who has a track, and unties it only when the server says that they have left. Who leaves a
//! room in which others are would keep all of it for ever, some hundred kilobytes each time. So the server's word is
//! given to the crate by us, as the last thing that it hears.
//!
//! The same circle is tied again when somebody is said to have left while the crate, in another task, is taking on a track of
//! theirs: it adds the track after everything of them was taken away. So it is told a little later, when their tracks have come.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use livekit::prelude::*;
use livekit_protocol as proto;
use prost::Message as _;
use proto::leave_request::Action;
use proto::signal_response::Message;
use serde::Deserialize;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::Connection;

/// The crate takes a message in milliseconds, on a busy machine too in less than this.
const LIMIT: Duration = Duration::from_secs(2);
/// A track that is wanted comes with the next round of negotiation, if it comes.
const TRACKS_LIMIT: Duration = Duration::from_secs(1);
/// The same where the server says that somebody has left: what it says behind it waits too.
const TRACKS_OF_WHO_LEFT_LIMIT: Duration = Duration::from_millis(100);
const POLL: Duration = Duration::from_millis(2);
/// Who is there after so long has not heard it.
const SAID_FOR: Duration = Duration::from_millis(50);

/// Whose connection: the room's name and the participant's identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Whose {
    room: String,
    identity: String,
}

#[derive(Default)]
struct Known {
    room: Weak<Room>,
    connection: Weak<Connection>,
}

static KNOWN: Mutex<Option<HashMap<Whose, Known>>> = Mutex::new(None);

fn with_known<T>(of: &Whose, with: impl FnOnce(&mut Known) -> T) -> T {
    let mut known: MutexGuard<'_, _> = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    known.retain(|_, known| known.room.strong_count() > 0 || known.connection.strong_count() > 0);
    with(known.entry(of.clone()).or_default())
}

impl Whose {
    /// As the token says.
    pub(super) fn of_token(token: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Claims {
            sub: String,
            video: Video,
        }
        #[derive(Deserialize)]
        struct Video {
            room: String,
        }
        let claims = token.split('.').nth(1)?;
        let claims = BASE64_URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
        let claims: Claims = serde_json::from_slice(&claims).ok()?;
        Some(Self {
            room: claims.video.room,
            identity: claims.sub,
        })
    }

    fn of_room(room: &Room) -> Self {
        Self {
            room: room.name(),
            identity: room.local_participant().identity().to_string(),
        }
    }

    /// A connection was opened, for the first time or after an interruption.
    pub(super) fn connected(&self, connection: &Arc<Connection>) {
        with_known(self, |known| known.connection = Arc::downgrade(connection));
    }

    /// What has to be heard before this message: that all have left, when the room is closed, or when the server sends us out
    /// while we are leaving (somebody else has come by our name).
    pub(super) fn before(&self, message: Option<&Message>, parting: bool) -> Option<Vec<u8>> {
        let Some(Message::Leave(leave)) = message else {
            return None;
        };
        let is_closed = matches!(
            leave.reason(),
            proto::DisconnectReason::RoomDeleted | proto::DisconnectReason::RoomClosed
        );
        if leave.action() != Action::Disconnect || !(is_closed || parting) {
            return None;
        }
        let room = with_known(self, |known| known.room.upgrade())?;
        Some(all_left(&room))
    }

    /// Waits until this message may be heard: one that says that somebody has left, until their tracks are taken on.
    pub(super) async fn may_hear(&self, message: Option<&Message>) {
        let left = who_left(message);
        if left.is_empty() {
            return;
        }
        let tracks_are_on_their_way = |room: Arc<Room>| {
            let mut participants = room.remote_participants().into_values();
            participants.any(|one| left.contains(&one.identity().0) && has_tracks_on_their_way(&one))
        };
        let begun = Instant::now();
        while begun.elapsed() < TRACKS_OF_WHO_LEFT_LIMIT
            && with_known(self, |known| known.room.upgrade()).is_some_and(tracks_are_on_their_way)
        {
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Whether a track of theirs is wanted and has not come.
fn has_tracks_on_their_way(participant: &RemoteParticipant) -> bool {
    let publications = participant.track_publications();
    publications
        .values()
        .any(|one| one.is_desired() && one.is_allowed() && !one.is_subscribed())
}

/// Who has left, if a message of the server says so.
fn who_left(message: Option<&Message>) -> Vec<String> {
    let Some(Message::Update(update)) = message else {
        return Vec::new();
    };
    let left = |one: &&proto::ParticipantInfo| one.state() == proto::participant_info::State::Disconnected;
    let all = update.participants.iter();
    all.filter(left).map(|one| one.identity.clone()).collect()
}

/// What the server says, as far as it is understood.
pub(super) fn message(frame: &[u8]) -> Option<Message> {
    proto::SignalResponse::decode(frame).ok()?.message
}

/// A room was joined; from now on [`leave`] works, and its closing leaves nothing behind.
pub fn joined(room: &Arc<Room>) {
    with_known(&Whose::of_room(room), |known| known.room = Arc::downgrade(room));
}

/// Leaves, having let go of everybody in the room. Its events say of each that they have left, which is not so.
///
/// # Errors
/// The room was left already.
pub async fn leave(room: &Room) -> RoomResult<()> {
    part(room).await;
    room.close().await
}

async fn part(room: &Room) {
    let Some(connection) = with_known(&Whose::of_room(room), |known| known.connection.upgrade()) else {
        return;
    };
    let begun = Instant::now();
    connection.parting.store(true, Ordering::Relaxed);
    let mut said: Option<Instant> = None;
    while begun.elapsed() < LIMIT {
        let participants = room.remote_participants();
        // A room that is closed meanwhile takes no word any more.
        if participants.is_empty() || room.connection_state() == ConnectionState::Disconnected {
            return;
        }
        let come = begun.elapsed() >= TRACKS_LIMIT || !participants.values().any(has_tracks_on_their_way);
        // Again for who came with a message that the crate had not worked off when it was said first.
        if come && said.is_none_or(|said| said.elapsed() >= SAID_FOR) {
            connection.hear(all_left(room));
            said = Some(Instant::now());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Leaves the room when it is dropped. A session that panics does not leave, and a `Room` of `livekit` 0.10.0 that is only
/// dropped stays in its room: its twenty tasks (650 kB) hold one another and what would end them, until the media server
/// sends it out.
#[derive(Debug)]
pub struct Stay(Option<Arc<Room>>);

impl Stay {
    /// In this room.
    pub fn of(room: Arc<Room>) -> Self {
        Self(Some(room))
    }

    /// The room was left in order.
    pub fn over(mut self) {
        self.0 = None;
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        // Without a runtime there are no tasks either.
        if let (Some(room), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(async move { leave(&room).await });
        }
    }
}

/// Whether a message of the server would bring somebody back.
pub(super) fn is_about_others(message: Option<&Message>) -> bool {
    matches!(message, Some(Message::Update(_)))
}

fn all_left(room: &Room) -> Vec<u8> {
    let participants = room.remote_participants();
    let left = participants.values().map(|participant| proto::ParticipantInfo {
        sid: participant.sid().to_string(),
        identity: participant.identity().to_string(),
        state: proto::participant_info::State::Disconnected as i32,
        ..Default::default()
    });
    let update = proto::ParticipantUpdate {
        participants: left.collect(),
    };
    let response = proto::SignalResponse {
        message: Some(Message::Update(update)),
    };
    response.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use livekit_api::access_token::{AccessToken, VideoGrants};

    use super::*;

    #[test]
    fn a_token_says_whose_it_is() {
        let grants = VideoGrants {
            room_join: true,
            room: "a room".into(),
            ..Default::default()
        };
        let token = AccessToken::with_api_key("key", "a-secret-for-tests-of-more-than-32-characters")
            .with_identity("agent-1")
            .with_grants(grants)
            .to_jwt()
            .unwrap();
        let whose = Whose::of_token(&token).unwrap();
        assert_eq!(
            (whose.room.as_str(), whose.identity.as_str()),
            ("a room", "agent-1")
        );
        for bad in ["", "a.b.c", "only"] {
            assert_eq!(Whose::of_token(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_about_others_is_told_from_the_rest() {
        let frame = |message| {
            let response = proto::SignalResponse {
                message: Some(message),
            };
            response.encode_to_vec()
        };
        let is_about_others = |frame: &[u8]| is_about_others(message(frame).as_ref());
        assert!(is_about_others(&frame(Message::Update(
            proto::ParticipantUpdate {
                participants: vec![proto::ParticipantInfo::default()],
            }
        ))));
        assert!(!is_about_others(&frame(Message::Pong(5))));
        assert!(!is_about_others(&[0xff, 0xff]));
    }

    #[test]
    fn only_the_end_of_a_known_room_is_announced() {
        let whose = Whose {
            room: "nobody's".into(),
            identity: "agent-1".into(),
        };
        let leave = |reason, action| {
            let leave = proto::LeaveRequest {
                reason: reason as i32,
                action: action as i32,
                ..Default::default()
            };
            let response = proto::SignalResponse {
                message: Some(Message::Leave(leave)),
            };
            response.encode_to_vec()
        };
        for frame in [
            leave(proto::DisconnectReason::RoomDeleted, Action::Disconnect),
            leave(proto::DisconnectReason::ServerShutdown, Action::Reconnect),
            vec![0xff, 0xff, 0xff],
        ] {
            assert_eq!(whose.before(message(&frame).as_ref(), false), None);
        }
    }
}
