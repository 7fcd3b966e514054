//! The join page: somebody in the room sees a caption as the participant's, and a moment later which of the two people at that
//! microphone said which of its words, and what they are called; on a phone and on a laptop.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use store::{HeardVoice, SOUND_DIMENSIONS, Store, VoiceNews, VoiceTurn};
use system_tests::browser::{DESKTOP, PHONE, key};
use system_tests::meeting::Meeting;

use crate::house::browser;

const LIMIT: Duration = Duration::from_secs(45);
/// The names in front of words, and the words that are in no part of their own.
const NAMES: &str = "[...document.querySelectorAll('#transcript .name')].map((name) => name.textContent)";

/// The first half of a segment is one voice's, the rest another's.
fn halves(identity: &str, segment: &Value) -> Result<(VoiceNews, usize)> {
    let words = segment["words"].as_array().context("words")?;
    let half = words.len() / 2;
    let at = |word: usize, edge: &str| {
        words
            .get(word)
            .and_then(|word| word[edge].as_i64())
            .context("a time")
    };
    let middle_ms = at(half, "start_ms")?;
    let turn = |turn: i32, start_ms, end_ms| VoiceTurn {
        identity: identity.to_owned(),
        utterance: 0,
        turn,
        start_ms,
        end_ms,
        label: Some(turn + 1),
        overlapped: false,
    };
    let voice = |label| HeardVoice {
        identity: identity.to_owned(),
        label,
        sound: vec![0.5; SOUND_DIMENSIONS],
        heard_ms: 3_000,
        person: None,
    };
    let news = VoiceNews {
        turns: vec![
            turn(0, at(0, "start_ms")?, middle_ms),
            turn(1, middle_ms, at(words.len() - 1, "end_ms")?),
        ],
        voices: vec![voice(1), voice(2)],
        ..VoiceNews::default()
    };
    Ok((news, half))
}

#[tokio::test(flavor = "multi_thread")]
async fn voices_are_told_apart_in_the_room() -> Result<()> {
    let meeting = Meeting::begin("Two at one table").await?;
    let table = meeting.guest("The table").await?;
    let browser = browser(&meeting, None).await?;
    browser.look(PHONE).await?;
    browser.open(&meeting.link("join_url").await?).await?;
    browser.tab_to("name").await?;
    browser.press("Clara Diaz").await?;
    browser.press(key::ENTER).await?;
    let connected = "document.querySelector('#state').innerText === 'Connected'";
    browser.wait_until("the meeting", LIMIT, connected).await?;
    let speech = meeting.speech(
        "two_cities.wav",
        Duration::from_millis(500),
        Duration::from_millis(4_600),
    )?;
    table.participant.play("speech", &speech).await?;
    let settled = "document.querySelectorAll('#transcript [data-segment]').length > 0";
    browser.wait_until("a settled caption", LIMIT, settled).await?;
    assert_eq!(browser.run(&format!("return {NAMES};")).await?, json!([]));

    let store = Store::connect(&meeting.house.postgres.url, 2).await?;
    let (organisation, room) = (meeting.organisation.parse()?, meeting.room.parse()?);
    let segment = meeting
        .segments()
        .await?
        .into_iter()
        .next()
        .context("a segment")?;
    let (news, half) = halves(&table.identity, &segment)?;
    store.record_voices(organisation, room, 1, &news).await?;
    let expected = json!(["The table · speaker 1: ", "The table · speaker 2: "]);
    browser
        .wait_for("both voices", LIMIT, NAMES, |names| *names == expected)
        .await?;
    // Each has its words, and none is lost.
    let said = "[...document.querySelectorAll('#transcript [data-segment] .part')].map((part) => part.lastChild.textContent)";
    let said = browser.run(&format!("return {said};")).await?;
    let said: Vec<&str> = said
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(said.join(" "), segment["text"], "{said:?}");
    assert_eq!(said[0].split(' ').count(), half, "{said:?}");

    let named = meeting.path(&format!("voices/{}/2", table.identity));
    meeting.api.put(&named, &json!({"name": "Ben Ito"})).await?;
    let expected = json!(["The table · speaker 1: ", "Ben Ito: "]);
    for screen in [PHONE, DESKTOP] {
        browser.look(screen).await?;
        browser
            .wait_for("the name", LIMIT, NAMES, |names| *names == expected)
            .await?;
        let fits = "document.documentElement.scrollWidth <= innerWidth";
        browser.wait_until("a page that fits", LIMIT, fits).await?;
    }
    store.close().await;
    browser.quit().await?;
    meeting.end().await
}
