//! Two peer connections of ours in one process, connected over loopback by a signalling channel
//! that is a function call.

#![allow(dead_code)] // each test file uses a part of this one

use std::{future::Future, time::Duration};

use libwebrtc::prelude::*;
use tokio::sync::mpsc::{self, UnboundedReceiver};

/// No step takes longer than this, or the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What a connection told through its callbacks.
pub(crate) struct Side {
    pub(crate) connection: PeerConnection,
    pub(crate) states: UnboundedReceiver<PeerConnectionState>,
    pub(crate) candidates: UnboundedReceiver<IceCandidate>,
    pub(crate) channels: UnboundedReceiver<DataChannel>,
}

impl Side {
    pub(crate) fn new() -> Self {
        Self::with(RtcConfiguration::default())
    }

    pub(crate) fn with(config: RtcConfiguration) -> Self {
        let connection = PeerConnectionFactory::default()
            .create_peer_connection(config)
            .expect("a connection");
        let (state_tx, states) = mpsc::unbounded_channel();
        let (candidate_tx, candidates) = mpsc::unbounded_channel();
        let (channel_tx, channels) = mpsc::unbounded_channel();
        connection.on_connection_state_change(Some(Box::new(move |state| {
            let _ = state_tx.send(state);
        })));
        connection.on_ice_candidate(Some(Box::new(move |candidate| {
            let _ = candidate_tx.send(candidate);
        })));
        connection.on_data_channel(Some(Box::new(move |channel| {
            let _ = channel_tx.send(channel);
        })));
        Self {
            connection,
            states,
            candidates,
            channels,
        }
    }

    /// Waits for a state, passing over others.
    pub(crate) async fn reaches(&mut self, wanted: PeerConnectionState) {
        within("a connection state", async {
            while self.states.recv().await.expect("the connection lives") != wanted {}
        })
        .await;
    }
}

/// Runs offer and answer from one side to the other and hands over the candidates that come with it.
pub(crate) async fn negotiate(from: &mut Side, to: &mut Side, options: OfferOptions) {
    negotiate_edited(from, to, options, str::to_owned).await;
}

/// As [`negotiate`], where the other side gets an offer that somebody between them has edited.
pub(crate) async fn negotiate_edited(
    from: &mut Side,
    to: &mut Side,
    options: OfferOptions,
    edit: impl Fn(&str) -> String,
) {
    let offer = from.connection.create_offer(options).await.expect("an offer");
    from.connection
        .set_local_description(offer.clone())
        .await
        .expect("our own offer");
    let edited = edit(&offer.to_string());
    let edited = SessionDescription::parse(&edited, SdpType::Offer).expect("an offer");
    to.connection
        .set_remote_description(edited)
        .await
        .expect("the other side's offer");
    let answer = to
        .connection
        .create_answer(AnswerOptions::default())
        .await
        .expect("an answer");
    to.connection
        .set_local_description(answer.clone())
        .await
        .expect("our own answer");
    from.connection
        .set_remote_description(answer)
        .await
        .expect("the other side's answer");
    exchange_candidates(from, to).await;
    exchange_candidates(to, from).await;
}

async fn exchange_candidates(from: &mut Side, to: &Side) {
    while let Ok(candidate) = from.candidates.try_recv() {
        to.connection
            .add_ice_candidate(candidate)
            .await
            .expect("a usable candidate");
    }
}

/// A connected pair with a data channel: `(caller, callee, channel of each)`.
pub(crate) async fn connected() -> (Side, Side, DataChannel, DataChannel) {
    let (mut caller, mut callee) = (Side::new(), Side::new());
    let ours = caller
        .connection
        .create_data_channel("talk", DataChannelInit::default())
        .expect("a channel");
    let mut opened = opens(&ours);
    negotiate(&mut caller, &mut callee, OfferOptions::default()).await;
    caller.reaches(PeerConnectionState::Connected).await;
    callee.reaches(PeerConnectionState::Connected).await;
    let theirs = within("the channel", callee.channels.recv())
        .await
        .expect("the channel");
    within("the channel to open", opened.recv()).await;
    (caller, callee, ours, theirs)
}

/// Tells when a channel opens.
pub(crate) fn opens(channel: &DataChannel) -> UnboundedReceiver<()> {
    let (tx, rx) = mpsc::unbounded_channel();
    channel.on_state_change(Some(Box::new(move |state| {
        if state == DataChannelState::Open {
            let _ = tx.send(());
        }
    })));
    rx
}

/// The messages of a channel.
pub(crate) fn messages(channel: &DataChannel) -> UnboundedReceiver<(Vec<u8>, bool)> {
    let (tx, rx) = mpsc::unbounded_channel();
    channel.on_message(Some(Box::new(move |message| {
        let _ = tx.send((message.data.to_vec(), message.binary));
    })));
    rx
}

/// Waits for something with a bound.
pub(crate) async fn within<T>(what: &str, step: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, step)
        .await
        .unwrap_or_else(|_| panic!("waited too long for {what}"))
}
