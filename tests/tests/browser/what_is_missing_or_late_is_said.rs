//! What the captions page says beside the captions: what was added later stands in its place with a mark, and under load it
//! is said what is left out, as long as it is.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use store::{NewSegment, Pressure, Store, Word};
use system_tests::browser::PHONE;
use system_tests::meeting::Meeting;
use uuid::Uuid;

use crate::house::browser;

const LIMIT: Duration = Duration::from_secs(15);
/// Each paragraph from top to bottom: its words, and its mark.
const SHOWN: &str = "[...document.querySelectorAll('#transcript .turn')].map((turn) => \
    [turn.querySelector('.words').innerText.trim(), turn.querySelector('.mark')?.innerText ?? ''])";
const NOTICE: &str =
    "document.querySelector('#load').hidden ? '' : document.querySelector('#load').innerText";

fn said(start_ms: i64, text: &str, late: bool) -> NewSegment {
    let end_ms = start_ms + 1_000;
    NewSegment {
        id: Uuid::now_v7(),
        identity: "p-alice".to_owned(),
        speaker_name: "Alice Moore".to_owned(),
        track_id: "TR_1".to_owned(),
        start_ms,
        end_ms,
        heard_start_ms: start_ms,
        heard_end_ms: end_ms,
        late,
        text: text.to_owned(),
        words: vec![Word {
            text: text.to_owned(),
            start_ms,
            end_ms,
            confidence: 0.9,
        }],
        engine: "test".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_late_is_said() -> Result<()> {
    let meeting = Meeting::begin("Plan for the new rooms").await?;
    let store = Store::connect(&meeting.house.postgres.url, 2).await?;
    let (organisation, room) = (meeting.organisation.parse()?, meeting.room.parse()?);
    let browser = browser(&meeting, None).await?;
    browser.look(PHONE).await?;
    browser.open(&meeting.link("captions_url").await?).await?;

    for (start_ms, text, late) in [
        (1_000, "First.", false),
        (9_000, "Third.", false),
        (5_000, "Second.", true),
    ] {
        let segment = said(start_ms, text, late);
        store.append_segment(organisation, room, 1, &segment).await?;
    }
    let expected = json!([["First.", ""], ["Second.", "added later"], ["Third.", ""]]);
    let shown = |value: &serde_json::Value| *value == expected;
    browser
        .wait_for("what was added later, in its place", LIMIT, SHOWN, shown)
        .await?;

    for (pressure, says) in [
        (
            Pressure::NoPartials,
            "captions appear when a sentence is complete",
        ),
        (Pressure::NoAudio, "some of it is not captioned"),
        (Pressure::None, ""),
    ] {
        store.record_pressure(organisation, room, 1, pressure).await?;
        browser
            .wait_for("the notice", LIMIT, NOTICE, |notice| {
                let notice = notice.as_str().unwrap_or("?");
                notice.is_empty() == says.is_empty() && notice.contains(says)
            })
            .await?;
    }

    // Whoever opens the page now reads the same.
    browser.reload().await?;
    browser
        .wait_for("the same after a reload", LIMIT, SHOWN, shown)
        .await?;
    store.close().await;
    browser.quit().await?;
    meeting.end().await
}
