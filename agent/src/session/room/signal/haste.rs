//! An offer at once. Sound that is subscribed to comes with the next round of negotiation, and the server puts off asking for
//! one by 150 ms when the last one was less than 150 ms ago, as it is when a room was just joined. With one connection
//! for both directions it is the client who offers, and it may do so unasked: here it is asked by us.

use std::time::Duration;

use livekit_protocol as proto;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Mostly the server has prepared what was subscribed to by the first; on a busy machine by the second. Later than that it asks
/// in its own time.
const PREPARED_AFTER: [Duration; 2] = [Duration::from_millis(3), Duration::from_millis(10)];

/// Whether a message of ours subscribes to something.
pub(super) fn subscribes(frame: &[u8]) -> bool {
    let request = proto::SignalRequest::decode(frame);
    matches!(
        request.ok().and_then(|request| request.message),
        Some(proto::signal_request::Message::Subscription(wanted)) if wanted.subscribe
    )
}

/// Has the crate offer in a moment, and once more.
pub(super) fn offer_soon(own: mpsc::Sender<Vec<u8>>) {
    tokio::spawn(async move {
        let subscribed = Instant::now();
        for after in PREPARED_AFTER {
            tokio::time::sleep_until(subscribed + after).await;
            // A queue that is full has such a message in it.
            let _ = own.try_send(offer());
        }
    });
}

/// The server's request for an offer, with no more sections than there are.
fn offer() -> Vec<u8> {
    let request = proto::MediaSectionsRequirement::default();
    let response = proto::SignalResponse {
        message: Some(proto::signal_response::Message::MediaSectionsRequirement(request)),
    };
    response.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use proto::signal_request::Message;

    use super::*;

    fn frame(message: Message) -> Vec<u8> {
        let request = proto::SignalRequest {
            message: Some(message),
        };
        request.encode_to_vec()
    }

    #[test]
    fn only_a_wish_to_hear_makes_haste() {
        let wanted = |subscribe| {
            frame(Message::Subscription(proto::UpdateSubscription {
                subscribe,
                ..Default::default()
            }))
        };
        assert!(subscribes(&wanted(true)));
        assert!(!subscribes(&wanted(false)));
        assert!(!subscribes(&frame(Message::Ping(5))));
        assert!(!subscribes(&[0xff, 0xff]));
    }

    #[tokio::test]
    async fn the_crate_hears_a_request_for_an_offer_without_new_sections() {
        let (own, mut heard) = mpsc::channel(1);
        offer_soon(own);
        for _ in PREPARED_AFTER {
            let response = proto::SignalResponse::decode(heard.recv().await.unwrap().as_slice()).unwrap();
            let Some(proto::signal_response::Message::MediaSectionsRequirement(request)) = response.message
            else {
                panic!("{response:?}")
            };
            assert_eq!((request.num_audios, request.num_videos), (0, 0));
        }
        assert!(heard.recv().await.is_none());
    }
}
