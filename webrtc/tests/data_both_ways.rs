//! Messages travel both ways, whole and in order, and the send buffer is accounted for exactly.

mod pair;

use libwebrtc::prelude::*;
use pair::{connected, messages, within};
use tokio::sync::mpsc;

#[tokio::test]
async fn messages_arrive_whole_and_in_order() {
    let (_caller, _callee, ours, theirs) = connected().await;
    let (mut at_ours, mut at_theirs) = (messages(&ours), messages(&theirs));
    assert_eq!((theirs.label().as_str(), theirs.id()), ("talk", ours.id()));

    for number in 0..200_u32 {
        let message: Vec<u8> = number.to_be_bytes().repeat(1 + (number as usize * 37) % 3_000);
        ours.send(&message, true).expect("an open channel");
    }
    for number in 0..200_u32 {
        let (message, binary) = within("a message", at_theirs.recv()).await.expect("a message");
        assert!(binary);
        assert_eq!(
            message,
            number.to_be_bytes().repeat(1 + (number as usize * 37) % 3_000)
        );
    }

    theirs
        .send("grüß dich".as_bytes(), false)
        .expect("an open channel");
    let (answer, binary) = within("the answer", at_ours.recv()).await.expect("the answer");
    assert_eq!((answer.as_slice(), binary), ("grüß dich".as_bytes(), false));
    assert!(matches!(
        theirs.send(&[0xff], false),
        Err(DataChannelError::Utf8(_))
    ));
}

#[tokio::test]
async fn what_was_sent_leaves_the_buffer_to_the_byte() {
    let (_caller, _callee, ours, theirs) = connected().await;
    let mut received = messages(&theirs);
    let (tx, mut drained) = mpsc::unbounded_channel();
    ours.on_buffered_amount_change(Some(Box::new(move |bytes| {
        let _ = tx.send(bytes);
    })));
    let message = vec![7; 10_000];
    for _ in 0..50 {
        ours.send(&message, true).expect("an open channel");
    }
    for _ in 0..50 {
        within("a message", received.recv()).await.expect("a message");
    }
    let mut sum = 0;
    while sum < 500_000 {
        sum += within("the buffer to drain", drained.recv())
            .await
            .expect("a report");
    }
    assert_eq!((sum, ours.buffered_amount()), (500_000, 0));
}

#[tokio::test]
async fn a_channel_without_retransmissions_works_on_a_clean_path() {
    let (caller, mut callee, _ours, _theirs) = connected().await;
    let init = DataChannelInit {
        ordered: false,
        max_retransmits: Some(0),
        ..DataChannelInit::default()
    };
    let lossy = caller
        .connection
        .create_data_channel("lossy", init)
        .expect("a channel");
    let mut opened = pair::opens(&lossy);
    let theirs = within("the channel", callee.channels.recv())
        .await
        .expect("the channel");
    let mut received = messages(&theirs);
    within("the channel to open", opened.recv()).await;
    lossy.send(b"now or never", true).expect("an open channel");
    let (message, _) = within("a message", received.recv()).await.expect("a message");
    assert_eq!(message, b"now or never");
}
