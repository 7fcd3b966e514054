//! The captions page, on a phone: a reviewer's, which can do what everybody's can, and correct. Captions of speaking people change and settle under their names as text; after a
//! restart of the dispatcher and after a reload everything is there once, in order; the keyboard reaches every control.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use system_tests::browser::{Browser, PHONE, key};
use system_tests::meeting::{Guest, Meeting};

use crate::house::{browser, review_link};

const PAGE_LIMIT: Duration = Duration::from_secs(15);
/// From a word to its caption on a machine that also runs a browser.
const CAPTION_LIMIT: Duration = Duration::from_secs(30);
/// A click comes before it in the recording.
const SPEECH_BEGINS: Duration = Duration::from_millis(900);
/// What somebody is called who tries to write into the page.
const HOSTILE: &str = "<b>Ben</b>";
/// The settled captions as the page shows them: who and what, one entry a segment.
const SHOWN: &str = "[...document.querySelectorAll('#transcript .turn')].flatMap((turn) => \
    [...turn.querySelectorAll('.words > span')].map((words) => \
    [turn.querySelector('.who').firstChild.textContent, words.textContent]))";

#[tokio::test(flavor = "multi_thread")]
async fn captions_run_live() -> Result<()> {
    let mut meeting = Meeting::begin("Plan for the new rooms").await?;
    let browser = browser(&meeting, None).await?;
    browser.look(PHONE).await?;
    browser.open(&review_link(&meeting, "Dr Ada Low").await?).await?;
    browser
        .wait_until(
            "an open page that waits for words",
            PAGE_LIMIT,
            "document.querySelector('#state').innerText === 'Live' && document.querySelector('#empty').offsetHeight > 0",
        )
        .await?;

    let Guest {
        participant: alice,
        ears: _alice_hears,
        ..
    } = meeting.guest("Alice Moore").await?;
    let Guest {
        participant: ben,
        ears: _ben_hears,
        ..
    } = meeting.guest(HOSTILE).await?;
    let first = meeting.speech("two_cities.wav", SPEECH_BEGINS, Duration::from_millis(8_500))?;
    let speaking = tokio::spawn(async move { alice.play("first", &first).await.map(|()| alice) });
    browser
        .wait_until(
            "a caption that changes, with its name",
            CAPTION_LIMIT,
            "/Alice Moore[^]*best of times/i.test(document.querySelector('#partials').innerText) \
             && document.querySelector('#empty').offsetHeight === 0",
        )
        .await?;
    let alice = speaking.await??;
    browser
        .wait_for("the settled caption", CAPTION_LIMIT, SHOWN, |shown| {
            let mut said = shown.as_array().into_iter().flatten();
            said.any(|said| said[0] == "Alice Moore" && said[1].to_string().contains("best of times"))
        })
        .await?;

    // What is said while the dispatcher is away is shown when it is back.
    let away = meeting.speech("beckett.wav", Duration::ZERO, Duration::from_secs(10))?;
    let speaking = tokio::spawn(async move { ben.play("away", &away).await.map(|()| ben) });
    meeting.house.dispatcher.stop().await;
    browser
        .wait_until(
            "the page to notice",
            PAGE_LIMIT,
            "document.querySelector('#connection').innerText === 'Reconnecting …'",
        )
        .await?;
    let ben = speaking.await??;
    meeting.house.dispatcher.launch().await?;
    browser
        .wait_until(
            "the page to come back",
            PAGE_LIMIT,
            "document.querySelector('#connection').innerText === 'Connected'",
        )
        .await?;
    let second = meeting.speech(
        "two_cities.wav",
        Duration::from_millis(8_500),
        Duration::from_millis(13_200),
    )?;
    alice.play("second", &second).await?;
    let record = everything_settled(&meeting, "incredulity").await?;
    assert!(record.iter().any(|said| said[0] == HOSTILE), "{record:?}");
    browser
        .wait_for("everything once, in order", CAPTION_LIMIT, SHOWN, |shown| {
            *shown == json!(record)
        })
        .await?;
    assert_eq!(
        browser
            .run("return document.querySelectorAll('#transcript b').length;")
            .await?,
        0,
        "a name became markup"
    );

    browser.reload().await?;
    browser
        .wait_for("the past after a reload", PAGE_LIMIT, SHOWN, |shown| {
            *shown == json!(record)
        })
        .await?;
    fits(&browser).await?;
    by_keyboard(&browser).await?;
    corrects_by_keyboard(&meeting, &browser, record.len()).await?;

    alice.leave().await?;
    ben.leave().await?;
    browser.quit().await?;
    meeting.end().await
}

/// Waits until a word of the last sentence is stored; returns who said what, in the record's order.
async fn everything_settled(meeting: &Meeting, last: &str) -> Result<Vec<Value>> {
    let transcript = meeting
        .api
        .wait_for(
            &meeting.path("transcript?limit=500"),
            CAPTION_LIMIT,
            |transcript| {
                let segments = transcript["segments"].as_array();
                segments.and_then(|all| all.last()).is_some_and(|segment| {
                    segment["speaker"]["name"] == "Alice Moore"
                        && segment["text"].to_string().to_lowercase().contains(last)
                })
            },
        )
        .await?;
    let segments = transcript["segments"].as_array().cloned().unwrap_or_default();
    Ok(segments
        .iter()
        .map(|segment| json!([segment["speaker"]["name"], segment["text"]]))
        .collect())
}

async fn fits(browser: &Browser) -> Result<()> {
    let widths = browser
        .run("return [document.documentElement.scrollWidth, document.querySelector('#scroll').scrollWidth, innerWidth];")
        .await?;
    assert_eq!(widths[2], 390);
    assert!(
        widths[0].as_i64() <= widths[2].as_i64() && widths[1].as_i64() <= widths[2].as_i64(),
        "wider than the phone: {widths}"
    );
    Ok(())
}

async fn by_keyboard(browser: &Browser) -> Result<()> {
    let size = "return getComputedStyle(document.querySelector('.words')).fontSize;";
    let before = browser.run(size).await?;
    browser.tab_to("larger").await?;
    browser.press(key::ENTER).await?;
    assert_ne!(browser.run(size).await?, before, "the text is not larger");
    browser.tab_to("theme").await?;
    let colour = "return getComputedStyle(document.body).backgroundColor;";
    let before = browser.run(colour).await?;
    browser.press(key::SPACE).await?;
    assert_ne!(browser.run(colour).await?, before, "still in the same colours");
    browser.tab_to("scroll").await
}

/// Goes to the last caption but one, corrects it, and takes it back.
async fn corrects_by_keyboard(meeting: &Meeting, browser: &Browser, captions: usize) -> Result<()> {
    let place = captions - 2;
    let caption = format!("document.querySelectorAll('#transcript [data-segment]')[{place}]");
    let heard = browser.run(&format!("return {caption}.textContent;")).await?;
    browser
        .run("document.querySelector('#transcript [data-segment][tabindex=\"0\"]').focus();")
        .await?;
    browser.press(key::UP).await?;
    browser.press(key::ENTER).await?;
    browser.press(" Indeed.").await?;
    browser.press(key::ENTER).await?;
    let corrected = format!("{} Indeed.", heard.as_str().context("no caption")?);
    browser
        .wait_for(
            "the corrected caption",
            PAGE_LIMIT,
            &format!("{caption}.textContent"),
            |text| *text == json!(corrected),
        )
        .await?;
    let transcript = meeting.api.get(&meeting.path("transcript?limit=500")).await?;
    let segment = &transcript["segments"][place];
    assert_eq!(
        (&segment["text"], &segment["corrected_by"]),
        (&json!(corrected), &json!("Dr Ada Low"))
    );
    assert_eq!(segment["recognised_text"], heard);
    // Escape leaves it as it is.
    browser.press(key::ENTER).await?;
    browser.press("Nonsense.").await?;
    browser.press(key::ESCAPE).await?;
    assert_eq!(
        browser.run(&format!("return {caption}.textContent;")).await?,
        json!(corrected)
    );
    browser
        .run("document.querySelector('#transcript [data-segment][tabindex=\"0\"]').click();")
        .await?;
    browser.run("[...document.querySelectorAll('.correction button')].find((button) => button.textContent === 'As heard').click();").await?;
    browser
        .wait_for(
            "the caption as it was heard",
            PAGE_LIMIT,
            &format!("{caption}.textContent"),
            |text| *text == heard,
        )
        .await?;
    Ok(())
}
