//! Somebody in the room says by keyboard that they are not to be transcribed, and takes it back: the page says how it is, the
//! record has both statements with their own identity, and the agent does what was said.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use system_tests::browser::{Browser, key};
use system_tests::meeting::{Meeting, items};

use crate::house::browser;

const LIMIT: Duration = Duration::from_secs(15);
const STATE: &str = "document.querySelector('#state').innerText";
const SAYS: &str =
    "[document.querySelector('#recognised').innerText, document.querySelector('#consent').innerText]";

async fn says(browser: &Browser, recognised: bool) -> Result<()> {
    let expected = if recognised {
        json!(["What you say is transcribed.", "Do not transcribe me"])
    } else {
        json!(["What you say is not transcribed.", "Transcribe me"])
    };
    browser
        .wait_for("how it is", LIMIT, SAYS, |shown| *shown == expected)
        .await
        .map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn consent_is_said_on_the_join_page() -> Result<()> {
    let meeting = Meeting::begin("First visit").await?;
    let browser = browser(&meeting, Some("two_cities.wav")).await?;
    browser.open(&meeting.link("join_url").await?).await?;
    browser.tab_to("name").await?;
    browser.press("Zoë O'Hara").await?;
    browser.press(key::ENTER).await?;
    browser
        .wait_until("the meeting", LIMIT, &format!("{STATE} === 'Connected'"))
        .await?;
    says(&browser, true).await?;
    let people = meeting.api.get(&meeting.path("participants")).await?;
    let person = items(&people).next().context("nobody entered")?;
    let identity = person["identity"].as_str().context("no identity")?;
    meeting.wait_until_heard(identity).await?;
    let id = person["id"].as_str().context("no id")?;
    let consent = meeting.path(&format!("participants/{id}/consent"));

    browser.tab_to("consent").await?;
    browser.press(key::SPACE).await?;
    says(&browser, false).await?;
    assert_eq!(meeting.api.get(&consent).await?["recognised"], false);
    meeting.wait_for_event("track_unsubscribed", identity).await?;

    // The focus is still on it.
    browser.press(key::ENTER).await?;
    says(&browser, true).await?;
    let now = meeting.api.get(&consent).await?;
    assert_eq!(now["recognised"], true);
    let statements: Vec<(&Value, &Value)> = now["history"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|said| (&said["granted"], &said["author"]))
        .collect();
    let own = json!(identity);
    assert_eq!(statements, [(&json!(false), &own), (&json!(true), &own)]);

    // Whoever declined, leaves and comes back, is still not transcribed.
    browser.press(key::ENTER).await?;
    says(&browser, false).await?;
    browser.tab_to("leave").await?;
    browser.press(key::ENTER).await?;
    browser
        .wait_until(
            "the lobby",
            LIMIT,
            "/You have left/.test(document.querySelector('#lobby').innerText)",
        )
        .await?;
    browser.press(key::ENTER).await?;
    browser
        .wait_until("the meeting again", LIMIT, &format!("{STATE} === 'Connected'"))
        .await?;
    says(&browser, false).await?;
    browser.quit().await?;
    meeting.end().await
}
