//! Somebody who has not agreed is not recognised: none of their words is anywhere, no partial and no segment, while others
//! are captioned; when they agree they are captioned at once. The ledger says for how long their microphone was open.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;
use system_tests::meeting::{Meeting, items, plain};
use system_tests::participant::Heard;

const LIMIT: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn who_declines_is_not_recognised() -> Result<()> {
    let meeting = Meeting::begin("A meeting in which somebody declines").await?;
    let mut alice = meeting.guest("Alice").await?;
    let mut ben = meeting.guest("Ben").await?;
    let people = meeting.api.get(&meeting.path("participants")).await?;
    let person = items(&people)
        .find(|person| person["identity"] == alice.identity.as_str())
        .context("Alice")?;
    let consent = meeting.path(&format!(
        "participants/{}/consent",
        person["id"].as_str().context("id")?
    ));
    let says = async |granted: bool| meeting.api.put(&consent, &json!({ "granted": granted })).await;

    let answer = says(false).await?;
    assert_eq!(answer["recognised"], false);
    meeting
        .wait_for_event("track_unsubscribed", &alice.identity)
        .await?;
    let hers = meeting.speech("two_cities.wav", Duration::ZERO, Duration::from_millis(8_500))?;
    let his = meeting.speech("beckett.wav", Duration::ZERO, Duration::from_secs(60))?;
    let (one, other) = tokio::join!(
        alice.participant.play("hers", &hers),
        ben.participant.play("his", &his)
    );
    one.and(other)?;
    // His words come through the same recogniser, after hers would have.
    ben.ears.final_caption(&ben.identity, "better", LIMIT).await?;
    let of_hers = |heard: &Heard| match heard {
        Heard::Caption { speaker, text, .. } => {
            *speaker == alice.identity || plain(text).contains("of times")
        }
        _ => false,
    };
    assert!(!ben.ears.heard().iter().any(of_hers), "her words are in the room");
    assert_eq!(meeting.said(&alice.identity).await?, "");

    let answer = says(true).await?;
    assert_eq!(answer["history"].as_array().map(Vec::len), Some(2));
    let events = meeting.path("events?limit=1000");
    meeting
        .api
        .wait_for(&events, LIMIT, |events| {
            let heard = |event: &&serde_json::Value| {
                event["kind"] == "track_subscribed" && event.to_string().contains(&alice.identity)
            };
            items(events).filter(heard).count() == 2
        })
        .await?;
    alice.participant.play("hers again", &hers).await?;
    alice
        .ears
        .final_caption(&alice.identity, "worst of times", LIMIT)
        .await?;

    let ledger = meeting.api.get(&meeting.path("coverage?limit=1000")).await?;
    let hers = ledger["tracks"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|track| track["identity"] == alice.identity.as_str())
        .context("her track")?;
    assert!(hers["declined_ms"].as_i64() > Some(8_000), "{hers}");
    assert_eq!(hers["gap_ms"], 0, "{hers}");
    meeting.end().await
}
