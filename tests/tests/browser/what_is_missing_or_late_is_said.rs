//! What the captions page says beside the captions: everything stands where it began, what was added later with a mark, and
//! under load it is said what is left out, as long as it is.

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

fn said(name: &str, start_ms: i64, text: &str, late: bool) -> NewSegment {
    let end_ms = start_ms + 1_000;
    NewSegment {
        id: Uuid::now_v7(),
        identity: format!("p-{name}"),
        speaker_name: name.to_owned(),
        track_id: format!("TR_{name}"),
        start_ms,
        end_ms,
        heard_start_ms: start_ms,
        heard_end_ms: end_ms,
        late,
        usage: Vec::new(),
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

    // The last four at once: what Bob said while Alice spoke is settled before her words, and what he said before hers, after.
    for (name, start_ms, text, late) in [
        ("Alice", 1_000, "First.", false),
        ("Alice", 9_000, "Third.", false),
        ("Alice", 5_000, "Second.", true),
        ("Bob", 14_000, "Fifth.", false),
        ("Alice", 12_000, "Fourth.", false),
        ("Alice", 15_500, "Sixth.", false),
        ("Alice", 17_000, "Eighth.", false),
        ("Bob", 16_000, "Seventh.", false),
    ] {
        let segment = said(name, start_ms, text, late);
        store.append_segment(organisation, room, 1, &segment).await?;
    }
    let expected = json!([
        ["First.", ""],
        ["Second.", "added later"],
        ["Third. Fourth.", ""],
        ["Fifth.", ""],
        ["Sixth.", ""],
        ["Seventh.", ""],
        ["Eighth.", ""],
    ]);
    let shown = |value: &serde_json::Value| *value == expected;
    browser
        .wait_for("everything in its place", LIMIT, SHOWN, shown)
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
