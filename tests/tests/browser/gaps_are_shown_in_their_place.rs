//! An agent is killed in the middle of a sentence. The ledger has no hole and no overlap: what was heard and lost, and the
//! time without an agent, are gaps; the captions page shows them between the words before and after.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use system_tests::browser::{DESKTOP, PHONE};
use system_tests::meeting::{Guest, Meeting};

use crate::house::browser;

const LIMIT: Duration = Duration::from_secs(40);
const PAGE_LIMIT: Duration = Duration::from_secs(15);
/// The reader's pauses are shorter.
const PAUSE_MS: i64 = 1_500;
/// What the page shows, from top to bottom: when, and whether it is a gap.
const SHOWN: &str = "[...document.querySelectorAll('#transcript .words > span, #transcript .gap')].map((entry) => \
    [Number(entry.dataset.at), entry.classList.contains('gap') ? entry.innerText : ''])";

#[tokio::test(flavor = "multi_thread")]
async fn gaps_are_shown_in_their_place() -> Result<()> {
    let mut meeting = Meeting::begin("Plan for the new rooms").await?;
    let browser = browser(&meeting, None).await?;
    browser.look(PHONE).await?;
    browser.open(&meeting.link("captions_url").await?).await?;
    let Guest {
        identity,
        participant: alice,
        mut ears,
    } = meeting.guest("Alice Moore").await?;
    let before = meeting.speech("two_cities.wav", Duration::ZERO, Duration::from_secs(8))?;
    alice.play("before", &before).await?;
    ears.final_caption(&identity, "worst of times", LIMIT).await?;

    // She goes on, and the agent is killed in the middle of it.
    let lost = meeting.speech("two_cities.wav", Duration::from_secs(8), Duration::from_secs(40))?;
    let speaking = tokio::spawn(async move { alice.play("lost", &lost).await.map(|()| alice) });
    tokio::time::sleep(Duration::from_secs(4)).await;
    meeting.house.agent.kill();
    meeting.house.agent.launch().await?;
    meeting.wait_for_agent(2).await?;
    let alice = speaking.await??;
    let after = meeting.speech("beckett.wav", Duration::ZERO, Duration::from_secs(60))?;
    alice.play("after", &after).await?;
    ears.final_caption(&identity, "better", LIMIT).await?;

    let settled = |ledger: &Value| {
        let stretches = ledger["stretches"].as_array();
        stretches.is_some_and(|all| {
            all.iter()
                .all(|one| one["state"] != "open" && one["state"] != "pending")
        })
    };
    let ledger = meeting
        .api
        .wait_for(&meeting.path("coverage?limit=1000"), LIMIT, settled)
        .await?;
    let stretches: Vec<Value> = ledger["stretches"].as_array().cloned().unwrap_or_default();
    for pair in stretches.windows(2) {
        let pause_ms = pair[1]["start_ms"].as_i64().unwrap() - pair[0]["end_ms"].as_i64().unwrap();
        assert!(pause_ms >= 0, "{pause_ms} ms between {pair:#?}");
        // She speaks all the time from the gap on.
        assert!(
            pair[0]["state"] != "gap" || pause_ms <= PAUSE_MS,
            "{pause_ms} ms between {pair:#?}"
        );
    }
    let reasons: Vec<&str> = stretches
        .iter()
        .filter_map(|one| one["reason"].as_str())
        .collect();
    assert!(reasons.contains(&"no_agent"), "{reasons:?}");
    let covered = ledger["covered"].as_f64().unwrap();
    assert!(covered > 0.2 && covered < 1.0, "{covered}");
    let transcribed = stretches
        .iter()
        .filter(|one| one["state"] == "transcribed")
        .count();
    assert_eq!(transcribed, meeting.segments().await?.len());

    let shown = browser
        .wait_for("gaps on the page", PAGE_LIMIT, SHOWN, |shown| {
            shown.to_string().contains("no transcriber was in the room")
        })
        .await?;
    let entries: Vec<(i64, String)> = serde_json::from_value(shown)?;
    assert!(entries.is_sorted_by_key(|entry| entry.0), "{entries:?}");
    let place = entries.iter().position(|entry| !entry.1.is_empty()).unwrap();
    assert!(place > 0 && place + 1 < entries.len(), "{entries:?}");
    let percent = format!("{} % of speech captioned", (covered * 100.0).floor());
    browser
        .wait_until(
            "the share covered",
            PAGE_LIMIT,
            &format!("document.querySelector('#figures').innerText.includes('{percent}')"),
        )
        .await?;
    let fits = "document.documentElement.scrollWidth <= innerWidth";
    for screen in [PHONE, DESKTOP] {
        browser.look(screen).await?;
        browser.wait_until("a page that fits", PAGE_LIMIT, fits).await?;
    }
    alice.leave().await?;
    browser.quit().await?;
    meeting.end().await
}
