//! An ICE restart keeps the connection and its channels, on new credentials.

mod pair;

use libwebrtc::prelude::*;
use pair::{connected, messages, negotiate, within};

fn ufrag(description: Option<SessionDescription>) -> String {
    let text = description.expect("a description").to_string();
    let line = text
        .lines()
        .find(|line| line.starts_with("a=ice-ufrag:"))
        .expect("credentials");
    line.to_owned()
}

#[tokio::test]
async fn a_restart_keeps_channels_and_changes_credentials() {
    let (mut caller, mut callee, ours, theirs) = connected().await;
    let mut received = messages(&theirs);
    for _ in 0..3 {
        let before = ufrag(caller.connection.current_local_description());
        let options = OfferOptions {
            ice_restart: true,
            ..OfferOptions::default()
        };
        negotiate(&mut caller, &mut callee, options).await;
        caller.reaches(PeerConnectionState::Connected).await;
        assert_ne!(ufrag(caller.connection.current_local_description()), before);

        ours.send(b"still here", true).expect("an open channel");
        let (message, _) = within("a message", received.recv()).await.expect("a message");
        assert_eq!(message, b"still here");
    }
}
