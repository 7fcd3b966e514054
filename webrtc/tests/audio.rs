//! Sound travels from a source of one connection to a stream of the other; a track that is no longer
//! sent ends, and its section serves the next one.

mod pair;
mod sound;

use libwebrtc::{prelude::*, stats::RtcStats};
use pair::{Side, negotiate};
use sound::{hear, hum, received};

#[tokio::test]
async fn a_track_is_heard_and_measured() {
    let (mut caller, mut callee) = (Side::new(), Side::new());
    let (transceiver, feeder) = hum(&caller, "voice");
    negotiate(&mut caller, &mut callee, OfferOptions::default()).await;
    let (heard, stream) = received(&callee).expect("a track");
    assert_eq!(stream, "voice");
    hear(heard).await;

    let sent = transceiver.sender().get_stats().await.expect("statistics");
    let outbound = sent.iter().find_map(|stats| match stats {
        RtcStats::OutboundRtp(outbound) => Some(outbound),
        _ => None,
    });
    let outbound = outbound.expect("statistics of what is sent");
    assert!(outbound.sent.packets_sent > 0);
    assert_eq!(
        outbound.outbound.target_bitrate, 32_000.0,
        "what a microphone gets"
    );
    let source = sent.iter().find_map(|stats| match stats {
        RtcStats::MediaSource(source) => Some(source),
        _ => None,
    });
    let source = source.expect("statistics of the sound before it is encoded");
    assert_eq!(source.rtc.id, outbound.outbound.media_source_id);
    let track = transceiver.sender().track().expect("what is sent");
    assert_eq!(source.source.track_identifier, track.id());
    let level = source.audio.total_audio_energy / source.audio.total_samples_duration;
    assert!(level.sqrt() > 0.01, "{source:?}");
    assert!(is_recent(source.rtc.timestamp as f64 / 1e3), "{source:?}");
    let receiver = callee.connection.receivers().pop().expect("a receiver");
    let stats = receiver.get_stats().await.expect("statistics");
    let inbound = stats.iter().find_map(|stats| match stats {
        RtcStats::InboundRtp(inbound) => Some(inbound),
        _ => None,
    });
    let inbound = inbound.expect("statistics of what is received");
    assert!(inbound.received.packets_received > 0);
    let level = inbound.inbound.total_audio_energy / inbound.inbound.total_samples_duration;
    assert!(level.sqrt() > 0.01, "{inbound:?}");
    assert_eq!(inbound.received.packets_lost, 0);
    assert!(is_recent(inbound.inbound.last_packet_received_timestamp));
    let all = callee.connection.get_stats().await.expect("statistics");
    let has = |wanted: fn(&RtcStats) -> bool| assert!(all.iter().any(wanted), "{all:?}");
    has(|stats| matches!(stats, RtcStats::Transport(transport) if transport.rtc.timestamp > 0));
    has(|stats| {
        matches!(stats, RtcStats::CandidatePair(pair)
            if is_recent(pair.candidate_pair.last_packet_received_timestamp))
    });
    has(|stats| matches!(stats, RtcStats::LocalCandidate(_)));
    // A certificate in DER begins with a sequence of two bytes' length.
    has(|stats| {
        matches!(stats, RtcStats::Certificate(certificate)
            if certificate.certificate.base64_certificate.starts_with("MI"))
    });
    feeder.abort();
}

/// Whether a time of the statistics, in milliseconds since 1970, is of this test.
fn is_recent(ms: f64) -> bool {
    let now_ms = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs_f64() * 1e3;
    (now_ms - 10_000.0..=now_ms + 1_000.0).contains(&ms)
}

#[tokio::test]
async fn a_section_serves_one_track_after_the_other() {
    let (mut caller, mut callee) = (Side::new(), Side::new());
    let (transceiver, feeder) = hum(&caller, "first");
    negotiate(&mut caller, &mut callee, OfferOptions::default()).await;
    let (first, _) = received(&callee).expect("a track");
    hear(first.clone()).await;

    caller
        .connection
        .remove_track(transceiver.sender())
        .expect("the sender of this connection");
    negotiate(&mut caller, &mut callee, OfferOptions::default()).await;
    assert!(received(&callee).is_none(), "nothing is sent");
    assert_eq!(first.state(), RtcTrackState::Ended);

    let (_, second_feeder) = hum(&caller, "second");
    negotiate(&mut caller, &mut callee, OfferOptions::default()).await;
    let (second, stream) = received(&callee).expect("a track");
    assert_eq!((stream.as_str(), second.state()), ("second", RtcTrackState::Live));
    hear(second).await;
    feeder.abort();
    second_feeder.abort();
}
