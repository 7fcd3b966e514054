//! Two people share a microphone: a man who reads aloud and a woman on the telephone take turns on one track. Their words
//! come under two labels, which stay when the agent is killed and replaced, and a label that has a name keeps it.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use system_tests::meeting::{Meeting, items};

use crate::two_people::{LIMIT, dialogue, told_apart};

#[tokio::test(flavor = "multi_thread")]
async fn two_voices_have_two_labels_and_the_next_agent_goes_on_with_them() -> Result<()> {
    let mut meeting = Meeting::begin("Two people at one microphone").await?;
    meeting.move_to_room_with("voices", json!("several")).await?;
    let table = meeting.guest("The table").await?;
    let before = dialogue(&meeting, [1_000, 8_500, 16_900], false)?;
    table.participant.play("before", &before).await?;
    meeting.wait_until_stored(&table.identity, "texas", LIMIT).await?;
    let (his, hers) = told_apart(&meeting, &table.identity, 0).await?;
    let named = meeting.path(&format!("voices/{}/{hers}", table.identity));
    meeting.api.put(&named, &json!({"name": "Sheila"})).await?;
    let stored = meeting.segments().await?.len();

    meeting.house.agent.kill();
    meeting.house.agent.launch().await?;
    meeting.wait_for_agent(2).await?;
    let events = meeting.path("events?limit=1000");
    meeting
        .api
        .wait_for(&events, LIMIT, |events| {
            items(events)
                .filter(|event| event["kind"] == "track_subscribed")
                .count()
                >= 2
        })
        .await?;
    // An agent that knew nobody would call her the first.
    let after = dialogue(&meeting, [16_900, 24_300, 32_500], true)?;
    table.participant.play("after", &after).await?;
    let labels = told_apart(&meeting, &table.identity, stored).await?;
    assert_eq!(labels, (his, hers), "the labels have changed");

    let segments = meeting.segments().await?;
    let parts = segments[stored..]
        .iter()
        .filter_map(|segment| segment["voices"].as_array())
        .flatten();
    for part in parts {
        let name = (part["label"] == hers).then_some("Sheila");
        assert_eq!(part["name"].as_str(), name, "{part}");
    }
    let voices = meeting.api.get(&meeting.path("voices")).await?;
    let known: BTreeSet<i64> = items(&voices)
        .filter_map(|voice| voice["label"].as_i64())
        .collect();
    assert_eq!(known, BTreeSet::from([his, hers]), "{voices}");
    let usage = meeting.path("usage");
    meeting
        .api
        .wait_for(&usage, LIMIT, |usage| {
            usage.to_string().contains("voices_compute")
        })
        .await?;
    meeting.end().await
}

/// Nobody said that there are two: it is found out, and what was said before that is told apart too.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_voice_is_noticed() -> Result<()> {
    let meeting = Meeting::begin("Somebody else at the microphone").await?;
    let table = meeting.guest("The table").await?;
    let speech = dialogue(&meeting, [1_000, 8_500, 16_900], false)?;
    table.participant.play("both", &speech).await?;
    meeting.wait_for_event("several_voices", &table.identity).await?;
    told_apart(&meeting, &table.identity, 0).await?;
    let events = meeting.api.get(&meeting.path("events?limit=1000")).await?;
    let told = items(&events).filter(|event| event["kind"] == "several_voices");
    ensure!(told.count() == 1, "{events}");
    let first = meeting
        .segments()
        .await?
        .into_iter()
        .next()
        .context("a segment")?;
    assert!(first["voices"].is_array(), "{first}");
    meeting.end().await
}
