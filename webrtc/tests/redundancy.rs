//! Sound goes as RED (RFC 2198) on the sections where it was agreed on, whatever others of the connection say.

mod pair;
mod sound;

use libwebrtc::{prelude::*, stats::RtcStats};
use pair::{Side, negotiate_edited};
use sound::{hear, hum};

const OFFERED: &str = "SAVPF 111 63\r\n";
const PREFERRED: &str = "SAVPF 63 111\r\n";

/// An offer whose first section has no RED, and whose other ones prefer it.
fn first_plain(offer: &str) -> String {
    let without = |section: &str| {
        let listed = section
            .replace(OFFERED, "SAVPF 111\r\n")
            .replace(PREFERRED, "SAVPF 111\r\n");
        let lines = listed.split_inclusive('\n');
        lines.filter(|line| !line.contains(":63 ")).collect::<String>()
    };
    let mut sections = offer.split("m=audio");
    let session = sections.next().expect("a session").to_owned();
    let edited = sections.enumerate().map(|(n, section)| match n {
        0 => without(section),
        _ => section.replace(OFFERED, PREFERRED),
    });
    edited.fold(session, |text, section| text + "m=audio" + &section)
}

/// As what each track comes, in the order of sections.
async fn codecs(side: &Side) -> Vec<String> {
    let mut codecs = Vec::new();
    for receiver in side.connection.receivers() {
        let stats = receiver.get_stats().await.expect("statistics");
        let used = stats.iter().find_map(|stats| match stats {
            RtcStats::InboundRtp(inbound) => Some(inbound.stream.codec_id.clone()),
            _ => None,
        });
        codecs.extend(stats.iter().find_map(|stats| match stats {
            RtcStats::Codec(codec) if Some(&codec.rtc.id) == used.as_ref() => {
                Some(codec.codec.mime_type.clone())
            }
            _ => None,
        }));
    }
    codecs
}

/// The track of each section that is received.
fn tracks(side: &Side) -> Vec<RtcAudioTrack> {
    let receivers = side.connection.receivers().into_iter();
    receivers
        .filter_map(|receiver| receiver.streams().pop()?.audio_tracks().pop())
        .collect()
}

#[tokio::test]
async fn sections_agree_each_for_itself() {
    let (mut caller, mut callee) = (Side::new(), Side::new());
    let (_, first_feeder) = hum(&caller, "first");
    negotiate_edited(&mut caller, &mut callee, OfferOptions::default(), first_plain).await;
    let (_, second_feeder) = hum(&caller, "second");
    negotiate_edited(&mut caller, &mut callee, OfferOptions::default(), first_plain).await;
    let answer = callee
        .connection
        .current_local_description()
        .expect("an answer")
        .to_string();
    let lists: Vec<&str> = answer
        .lines()
        .filter(|line| line.starts_with("m=audio"))
        .collect();
    assert!(
        lists[0].ends_with(" 111") && lists[1].ends_with(" 63 111"),
        "{lists:?}"
    );

    let tracks = tracks(&callee);
    assert_eq!(tracks.len(), 2);
    for track in tracks {
        hear(track).await;
    }
    assert_eq!(codecs(&callee).await, ["audio/opus", "audio/red"]);
    first_feeder.abort();
    second_feeder.abort();
}
