//! Data packets and text streams.

use anyhow::{Result, ensure};
use system_tests::peers::{Ground, How, Kind, Text};

use crate::LIMIT;
use crate::meeting::Meeting;

pub(crate) async fn texts_arrive_once_and_whole(ground: &Ground, kind: Kind) -> Result<()> {
    let mut meeting = Meeting::begin(ground, kind).await?;
    let texts = [
        (How::Reliable, "Grüße. ".repeat(1_500)),
        // As long as the channel takes without parts: what is in parts is lost with any of them.
        (How::Lossy, "so and so. ".repeat(100)),
        // In several packets.
        (How::Stream, stream()),
    ];
    let sent: Vec<Text> = texts.map(|(how, text)| Text { how, text }).to_vec();
    for Text { how, text } in &sent {
        meeting.theirs.say(*how, text).await?;
        meeting.ours.wait_for_text(text, LIMIT).await?;
        meeting.ours.say(*how, text).await?;
        meeting.theirs.wait_for_text(text, LIMIT).await?;
    }
    let (we, they) = (meeting.ours.texts(), meeting.theirs.texts().await?);
    ensure!(we == sent, "we have read {}", short(&we));
    ensure!(they == sent, "they have read {}", short(&they));
    meeting.end().await
}

/// Some 60 kB that hardly get shorter when they are packed.
fn stream() -> String {
    let mut words = String::new();
    for n in 0_u64..6_000 {
        words.push_str(&format!("{:x} ", n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 28));
    }
    words
}

fn short(texts: &[Text]) -> String {
    let each: Vec<String> = texts
        .iter()
        .map(|Text { how, text }| format!("{} bytes ({how:?})", text.len()))
        .collect();
    each.join(", ")
}
