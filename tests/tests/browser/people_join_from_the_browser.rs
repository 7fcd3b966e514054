//! The join page: the official LiveKit client in Chromium against our agent. A person enters by keyboard, speaks, and is
//! captioned under the own name; asks and is answered; mutes, comes back, and leaves.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use system_tests::browser::{Browser, key};
use system_tests::meeting::Meeting;
use system_tests::participant::Heard;

use crate::house::{browser, is_muted};

const PAGE_LIMIT: Duration = Duration::from_secs(15);
const CAPTION_LIMIT: Duration = Duration::from_secs(45);
const NAME: &str = "Zoë O'Hara";
/// What the recording says, as far as a small model is sure to hear it.
const SAID: [&str; 6] = [
    "best of times",
    "worst of times",
    "wisdom",
    "foolishness",
    "belief",
    "season",
];
const STATE: &str = "document.querySelector('#state').innerText";
const MUTE: &str = "document.querySelector('#mute').innerText";

#[tokio::test(flavor = "multi_thread")]
async fn people_join_from_the_browser() -> Result<()> {
    let meeting = Meeting::begin("First visit").await?;
    meeting
        .document(
            "fees.md",
            "# Fees\n\nThe first visit to the clinic costs forty euros.\n",
        )
        .await?;
    let mut guest = meeting.guest("Ben Carter").await?;
    let browser = browser(&meeting, Some("two_cities.wav")).await?;

    browser.open(&meeting.link("join_url").await?).await?;
    browser.tab_to("name").await?;
    browser.press(NAME).await?;
    browser.press(key::ENTER).await?;
    browser
        .wait_until("the meeting", PAGE_LIMIT, &format!("{STATE} === 'Connected'"))
        .await?;
    let joined = guest
        .ears
        .wait_for("the browser in the room", PAGE_LIMIT, |heard| {
            matches!(heard, Heard::ParticipantJoined { identity, .. } if !identity.starts_with("agent-"))
        })
        .await?;
    let Heard::ParticipantJoined { identity, .. } = joined else {
        unreachable!()
    };

    heard(&meeting, CAPTION_LIMIT, 3).await?;
    browser
        .wait_until(
            "the own words under the own name",
            PAGE_LIMIT,
            &format!(
                "[...document.querySelectorAll('#transcript .turn')].some((turn) => \
                 turn.querySelector('.who').innerText.startsWith({NAME:?}) && /times/i.test(turn.querySelector('.words').innerText))"
            ),
        )
        .await?;
    // The others see them too.
    guest.ears.final_caption(&identity, "times", PAGE_LIMIT).await?;

    mute(&meeting, &browser, &identity).await?;
    ask(&browser).await?;

    browser.tab_to("leave").await?;
    browser.press(key::ENTER).await?;
    browser
        .wait_until(
            "the lobby",
            PAGE_LIMIT,
            "/You have left/.test(document.querySelector('#lobby').innerText)",
        )
        .await?;
    guest
        .ears
        .wait_for(
            "the browser to be gone",
            PAGE_LIMIT,
            |heard| matches!(heard, Heard::ParticipantLeft { identity: who } if *who == identity),
        )
        .await?;

    // Whoever comes back is the same person and takes no second seat.
    browser.press(key::ENTER).await?;
    browser
        .wait_until(
            "the meeting again",
            PAGE_LIMIT,
            &format!("{STATE} === 'Connected'"),
        )
        .await?;
    let people = meeting.api.get(&meeting.path("participants")).await?;
    let count = people["items"].as_array().context("participants")?.len();
    assert_eq!(count, 2, "{people}");

    guest.participant.leave().await?;
    browser.quit().await?;
    meeting.end().await
}

/// Waits until so many parts of the recording are in settled captions of the person in the browser.
async fn heard(meeting: &Meeting, limit: Duration, count: usize) -> Result<()> {
    let own = |transcript: &Value| -> Vec<String> {
        let segments = transcript["segments"].as_array().into_iter().flatten();
        segments
            .filter(|segment| segment["speaker"]["name"] == NAME)
            .map(|segment| segment["text"].to_string().to_lowercase())
            .collect()
    };
    meeting
        .api
        .wait_for(&meeting.path("transcript?limit=500"), limit, |transcript| {
            let captions = own(transcript).join(" ");
            SAID.iter().filter(|words| captions.contains(**words)).count() >= count
        })
        .await?;
    Ok(())
}

/// Mutes by keyboard: the words end, and go on when it is unmuted.
async fn mute(meeting: &Meeting, browser: &Browser, identity: &str) -> Result<()> {
    browser.tab_to("mute").await?;
    browser.press(key::SPACE).await?;
    browser
        .wait_until("to be muted", PAGE_LIMIT, &format!("{MUTE} === 'Unmute'"))
        .await?;
    // The last words settle; then nothing changes while the recording goes on unheard.
    browser
        .wait_until(
            "silence",
            CAPTION_LIMIT,
            "document.querySelector('#partials').innerText === ''",
        )
        .await?;
    let server = is_muted(meeting, identity).await?;
    assert!(server, "LiveKit takes the microphone for open");
    let count = "document.querySelectorAll('#transcript .words > span').length";
    let before = browser.run(&format!("return {count};")).await?;
    browser.press(key::SPACE).await?;
    browser
        .wait_until("to be unmuted", PAGE_LIMIT, &format!("{MUTE} === 'Mute'"))
        .await?;
    browser
        .wait_for("new words", CAPTION_LIMIT, count, |now| {
            now.as_i64() > before.as_i64()
        })
        .await
        .map(drop)
}

/// Asks the assistant in the chat.
async fn ask(browser: &Browser) -> Result<()> {
    browser.tab_to("question").await?;
    browser.press("@Robin what does the first visit cost?").await?;
    browser.press(key::ENTER).await?;
    browser
        .wait_until(
            "a sourced answer",
            CAPTION_LIMIT,
            "[...document.querySelectorAll('.answer')].some((card) => \
             /forty euros/i.test(card.innerText) && /fees/i.test(card.querySelector('.sources').textContent))",
        )
        .await
}
