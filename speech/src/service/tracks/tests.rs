//! The list of tracks with actors that are played here.

use std::sync::Arc;

use super::*;
use crate::Audio;

type Inboxes = Arc<Mutex<Vec<Inbox>>>;

/// Tracks whose actors are left to the test.
fn tracks() -> (Arc<Tracks>, Inboxes) {
    let inboxes = Inboxes::default();
    let begun = inboxes.clone();
    (Tracks::new(move |inbox| begun.lock().push(inbox)), inboxes)
}

fn request(stream: u64, kind: RequestKind) -> Request {
    Request {
        stream: StreamId(stream),
        utterance: 0,
        kind,
        audio: Audio::from([]),
        start_ms: 0,
        prompt: String::new(),
        settled: Vec::new(),
    }
}

fn last(stream: u64) -> Request {
    request(stream, RequestKind::Final)
}

/// Takes the only track's inbox.
fn begun(inboxes: &Inboxes) -> Inbox {
    let mut inboxes = inboxes.lock();
    assert_eq!(inboxes.len(), 1, "one actor a track");
    inboxes.remove(0)
}

#[tokio::test]
async fn a_track_has_one_actor_that_answers_each_request_once() {
    let (tracks, inboxes) = tracks();
    let answers = [
        tracks.submit(last(1)),
        tracks.submit(request(1, RequestKind::Partial)),
    ];
    tracks.forget(StreamId(1));
    tracks.forget(StreamId(2));
    let mut inbox = begun(&inboxes);
    assert_eq!(inbox.id(), StreamId(1));
    assert_eq!(tracks.load().waiting_finals, 1);
    for answer in answers {
        let Told::Request(ticket, _) = inbox.next().await else {
            panic!("no request");
        };
        inbox.answer(ticket, Err(RecogniseError::Late));
        // It is answered already.
        inbox.answer(ticket, Err(RecogniseError::Failed));
        assert_eq!(answer.await.unwrap(), Err(RecogniseError::Late));
    }
    assert_eq!(tracks.load().waiting_finals, 0);
    assert!(matches!(inbox.next().await, Told::Forget));
}

#[tokio::test]
async fn a_track_does_not_leave_what_was_just_asked_of_it() {
    let (tracks, inboxes) = tracks();
    drop(tracks.submit(last(1)));
    let mut inbox = begun(&inboxes);
    assert!(!inbox.leave(), "there is a request before it");
    assert!(matches!(inbox.next().await, Told::Request(..)));
    assert!(inbox.leave());
    // It is off the list: the next request begins another one.
    drop(tracks.submit(last(1)));
    begun(&inboxes);
}

#[tokio::test]
async fn what_finds_no_place_is_refused_and_not_counted() {
    let (tracks, inboxes) = tracks();
    let mut kept: Vec<_> = (0..COMMANDS_MAX).map(|_| tracks.submit(last(1))).collect();
    let refused = tracks.submit(last(1)).await.unwrap();
    assert_eq!(refused, Err(RecogniseError::Overloaded));
    kept.extend((2..=TRACKS_MAX as u64).map(|stream| tracks.submit(last(stream))));
    let refused = tracks.submit(last(1_000)).await.unwrap();
    assert_eq!(refused, Err(RecogniseError::Overloaded));
    assert_eq!(tracks.load().waiting_finals, kept.len());
    assert_eq!(inboxes.lock().len(), TRACKS_MAX);
}

#[tokio::test]
async fn when_the_client_is_gone_what_waits_is_answered_first() {
    let (tracks, inboxes) = tracks();
    let answer = tracks.submit(last(1));
    let mut inbox = begun(&inboxes);
    drop(tracks);
    assert!(!inbox.leave());
    let Told::Request(ticket, _) = inbox.next().await else {
        panic!("no request");
    };
    assert!(matches!(inbox.next().await, Told::Close));
    inbox.answer(ticket, Err(RecogniseError::Failed));
    assert_eq!(answer.await.unwrap(), Err(RecogniseError::Failed));
    assert!(inbox.leave());
}
