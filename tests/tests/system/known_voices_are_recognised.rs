//! Somebody who was named at one microphone is recognised at another one of the same room, and who agreed that the
//! organisation keeps their voice in its next meeting.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use system_tests::meeting::{Meeting, items};

use crate::two_people::{LIMIT, dialogue, told_apart};

/// Waits until a voice at somebody's microphone has her name, and says whose label it is and whom the organisation knows.
async fn named(meeting: &Meeting, identity: &str) -> Result<(i64, Value)> {
    let is_hers = |voice: &&Value| voice["identity"] == identity && voice["name"] == "Sheila";
    let voices = meeting
        .api
        .wait_for(&meeting.path("voices"), LIMIT, |voices| {
            items(voices).any(|voice| is_hers(&voice))
        })
        .await?;
    let hers: Vec<&Value> = items(&voices).filter(is_hers).collect();
    assert_eq!(hers.len(), 1, "{voices}");
    let mut others = items(&voices).filter(|voice| voice["identity"] == identity && !is_hers(voice));
    assert!(others.all(|voice| voice["name"].is_null()), "{voices}");
    let label = hers[0]["label"].as_i64().context("a label")?;
    Ok((label, hers[0]["person_id"].clone()))
}

/// A segment with words of hers.
fn segment_of(segments: &[Value], identity: &str, label: i64) -> Option<String> {
    let is_hers = |part: &Value| part["label"] == label;
    let segment = segments.iter().find(|segment| {
        let parts = segment["voices"].as_array();
        segment["speaker"]["identity"] == identity && parts.is_some_and(|parts| parts.iter().any(is_hers))
    })?;
    segment["id"].as_str().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_known_is_recognised_at_the_next_microphone_and_in_the_next_meeting() -> Result<()> {
    let mut meeting = Meeting::begin("Somebody whom the organisation will know").await?;
    meeting.move_to_room_with("voices", json!("one")).await?;
    // Somebody sits down with them: it is said while the meeting runs.
    let several = json!({"voices": "several"});
    meeting.api.patch(&meeting.path(""), &several).await?;
    let table = meeting.guest("The table").await?;
    let speech = dialogue(&meeting, [1_000, 8_500, 16_900], false)?;
    table.participant.play("here", &speech).await?;
    let (_, hers) = told_apart(&meeting, &table.identity, 0).await?;
    let named_here = meeting.path(&format!("voices/{}/{hers}", table.identity));
    meeting.api.put(&named_here, &json!({"name": "Sheila"})).await?;

    let door = meeting.guest("The door").await?;
    let speech = dialogue(&meeting, [16_900, 24_300, 32_500], true)?;
    door.participant.play("there", &speech).await?;
    let (_, at_the_door) = told_apart(&meeting, &door.identity, 0).await?;
    let (label, person) = named(&meeting, &door.identity).await?;
    assert_eq!((label, person), (at_the_door, Value::Null));

    let segments = meeting.segments().await?;
    let segment = segment_of(&segments, &table.identity, hers).context("a segment of hers")?;
    let consent = json!({"name": "Sheila", "label": hers, "remember": true, "consent_by": "Sheila herself"});
    let path = meeting.path(&format!("segments/{segment}/voice"));
    let kept = meeting.api.post(&path, &consent).await?;
    assert!(kept["person_id"].is_string(), "{kept}");

    meeting.move_to_room_with("voices", json!("several")).await?;
    let later = meeting.guest("Another table").await?;
    let speech = dialogue(&meeting, [1_000, 8_500, 16_900], true)?;
    later.participant.play("later", &speech).await?;
    let (_, hers) = told_apart(&meeting, &later.identity, 0).await?;
    let (label, person) = named(&meeting, &later.identity).await?;
    assert_eq!((label, person), (hers, kept["person_id"].clone()));
    let segments = meeting.segments().await?;
    let parts = segments
        .iter()
        .filter_map(|segment| segment["voices"].as_array())
        .flatten();
    for part in parts.filter(|part| part["label"] == hers) {
        assert_eq!(part["name"], "Sheila", "{part}");
    }
    meeting.end().await
}
