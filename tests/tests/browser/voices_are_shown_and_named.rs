//! Two people at one microphone, on a phone: a caption that was shown as the participant's becomes a line for each voice when
//! it is known who speaks, speech of two at once is marked, and a reviewer names the voices by keyboard, once for this
//! meeting, and once for the next ones with the person's consent.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use store::{HeardVoice, NewSegment, SOUND_DIMENSIONS, Store, VoiceNews, VoiceTurn, Word};
use system_tests::browser::{Browser, DESKTOP, PHONE, key};
use system_tests::meeting::{Meeting, items};
use uuid::Uuid;

use crate::house::{browser, review_link};

const LIMIT: Duration = Duration::from_secs(15);
const IDENTITY: &str = "p-meeting-room";
const WORDS: &str = "Shall we begin with the rooms? No wait, first the furniture.";
/// Each caption as it reads, with its names.
const SHOWN: &str =
    "[...document.querySelectorAll('#transcript [data-segment]')].map((words) => words.textContent)";

fn segment() -> NewSegment {
    let words = (0..).zip(WORDS.split(' ')).map(|(index, text)| Word {
        text: text.to_owned(),
        start_ms: index * 500,
        end_ms: (index + 1) * 500,
        confidence: 0.9,
    });
    let words: Vec<Word> = words.collect();
    let end_ms = words.last().map_or(0, |word| word.end_ms);
    NewSegment {
        id: Uuid::now_v7(),
        identity: IDENTITY.to_owned(),
        speaker_name: "Meeting room".to_owned(),
        track_id: "TR_1".to_owned(),
        start_ms: 0,
        end_ms,
        heard_start_ms: 0,
        heard_end_ms: end_ms,
        late: false,
        usage: Vec::new(),
        text: WORDS.to_owned(),
        words,
        engine: "test".to_owned(),
    }
}

fn turn(turn: i32, stretch_ms: (i64, i64), label: i32, overlapped: bool) -> VoiceTurn {
    VoiceTurn {
        identity: IDENTITY.to_owned(),
        utterance: 0,
        turn,
        start_ms: stretch_ms.0,
        end_ms: stretch_ms.1,
        label: Some(label),
        overlapped,
    }
}

fn voice(label: i32) -> HeardVoice {
    let mut sound = vec![0.0; SOUND_DIMENSIONS];
    sound[0] = 1.0;
    HeardVoice {
        identity: IDENTITY.to_owned(),
        label,
        sound,
        heard_ms: 3_000,
        person: None,
    }
}

/// The first one asks, the second one falls in with two words and goes on.
fn news() -> VoiceNews {
    VoiceNews {
        turns: vec![
            turn(0, (0, 2_500), 1, false),
            turn(1, (2_500, 3_000), 1, true),
            turn(2, (2_500, 3_000), 2, true),
            turn(3, (3_000, 5_500), 2, false),
        ],
        voices: vec![voice(1), voice(2)],
        ..VoiceNews::default()
    }
}

fn reads(first: &str, second: &str) -> Value {
    json!([format!(
        "{first}: Shall we begin with the rooms? {second}: No wait, first the furniture."
    )])
}

async fn shows(browser: &Browser, what: &str, expected: &Value) -> Result<()> {
    // What is said together is a part of its own.
    let bare = |text: &Value| text.to_string().split_whitespace().collect::<String>();
    browser
        .wait_for(what, LIMIT, SHOWN, |shown| bare(shown) == bare(expected))
        .await
        .map(drop)
}

/// Opens the caption with the keyboard and goes to the field for a voice's name.
async fn open_voice(browser: &Browser, place: usize) -> Result<()> {
    browser
        .run("document.querySelector('#transcript [data-segment][tabindex=\"0\"]').focus();")
        .await?;
    browser.press(key::ENTER).await?;
    let there = format!(
        "return document.activeElement === document.querySelectorAll('.voice .field input')[{place}];"
    );
    for _ in 0..20 {
        if browser.run(&there).await? == json!(true) {
            return Ok(());
        }
        browser.press(key::TAB).await?;
    }
    anyhow::bail!("the Tab key does not lead to the name of voice {place}")
}

#[tokio::test(flavor = "multi_thread")]
async fn voices_are_shown_and_named() -> Result<()> {
    let meeting = Meeting::begin("Plan for the new rooms").await?;
    let store = Store::connect(&meeting.house.postgres.url, 2).await?;
    let (organisation, room) = (meeting.organisation.parse()?, meeting.room.parse()?);
    let browser = browser(&meeting, None).await?;
    browser.look(PHONE).await?;
    browser.open(&review_link(&meeting, "Dr Ada Low").await?).await?;
    store.append_segment(organisation, room, 1, &segment()).await?;
    shows(&browser, "the participant's caption", &json!([WORDS])).await?;

    store.record_voices(organisation, room, 1, &news()).await?;
    let numbered = reads("Meeting room · speaker 1", "Meeting room · speaker 2");
    shows(&browser, "a line for each voice", &numbered).await?;
    let together =
        "[...document.querySelectorAll('#transcript .over')].map((part) => part.lastChild.textContent)";
    let marked = browser.run(&format!("return {together};")).await?;
    assert_eq!(marked, json!(["rooms?"]));
    let lines = "[...document.querySelectorAll('#transcript .name')].map((name) => Math.round([...name.getClientRects()].at(-1).left))";
    let lefts = browser.run(&format!("return {lines};")).await?;
    assert_eq!(lefts[0], lefts[1], "each voice begins a line");

    open_voice(&browser, 1).await?;
    browser.press("Ben").await?;
    browser.press(key::ENTER).await?;
    shows(&browser, "the name", &reads("Meeting room · speaker 1", "Ben")).await?;
    let kept = async || -> Result<Value> {
        let path = format!("/v1/organisations/{}/people", meeting.organisation);
        meeting.api.get(&path).await
    };
    assert_eq!(items(&kept().await?).count(), 0);

    // To keep a voice takes the person's consent.
    open_voice(&browser, 0).await?;
    browser.press("Alice").await?;
    browser.press(key::TAB).await?;
    browser.press(key::SPACE).await?;
    let refused = "document.querySelector('.voice:invalid .tick:not([hidden]) + .tick:not([hidden]) input:required:invalid')";
    browser
        .wait_until("the question for consent", LIMIT, refused)
        .await?;
    browser.press(key::ENTER).await?;
    assert_eq!(
        browser.run(&format!("return !!{refused};")).await?,
        json!(true),
        "sent without consent"
    );
    assert_eq!(items(&kept().await?).count(), 0);
    // The browser leads to what is missing.
    browser
        .wait_until(
            "the focus on the consent",
            LIMIT,
            "document.activeElement.matches('.tick input:required')",
        )
        .await?;
    browser.press(key::SPACE).await?;
    browser.press(key::ENTER).await?;
    shows(&browser, "the name that is kept", &reads("Alice", "Ben")).await?;
    let people = kept().await?;
    let person = items(&people).next().context("nobody is kept")?;
    assert_eq!(
        (&person["name"], &person["consent_by"]),
        (&json!("Alice"), &json!("Dr Ada Low"))
    );

    // Whoever comes later reads the same, and it fits the screen.
    browser.open(&meeting.link("captions_url").await?).await?;
    for screen in [PHONE, DESKTOP] {
        browser.look(screen).await?;
        shows(&browser, "the names", &reads("Alice", "Ben")).await?;
        browser
            .wait_until(
                "a page that fits",
                LIMIT,
                "document.documentElement.scrollWidth <= innerWidth",
            )
            .await?;
    }
    let forms = browser
        .run("return document.querySelectorAll('[role=button]').length;")
        .await?;
    assert_eq!(forms, 0, "only reviewers name voices");
    store.close().await;
    browser.quit().await?;
    meeting.end().await
}
