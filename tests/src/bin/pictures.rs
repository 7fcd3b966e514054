//! `cargo run --package system-tests --bin pictures`: holds a short meeting and takes the pictures of the documentation,
//! `docs/captions*.png`, `docs/join-*.png` and `docs/voices.png`. The programs have to be built: `cargo build --workspace`.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use system_tests::browser::{Browser, DESKTOP, PHONE, Screen, Setup, key};
use system_tests::meeting::{Guest, Meeting};
use system_tests::speech_file;

const LIMIT: Duration = Duration::from_secs(30);
const RECORDINGS: &str = "# Recordings\n\n## How long we keep them\n\nWe keep the recordings of meetings for thirty days. \
    After thirty days they are deleted automatically.\n";
const LINES: [(usize, &str); 4] = [
    (
        0,
        "Good morning, Ben. I would like to talk about the plan for the new rooms before Friday.",
    ),
    (
        1,
        "Good morning, Alice. The rooms on the second floor are ready, and so is the furniture.",
    ),
    (
        0,
        "That is good news. We want to record the first meetings there, so that nobody has to take notes.",
    ),
    (1, "Robin, how long do we keep the recordings?"),
];
const VOICES: [&str; 2] = ["slt", "rms"];
/// Begins before the picture is taken and is still unsettled in it.
const LAST: &str =
    "Then we should tell our visitors about it before the first meeting begins on Monday morning.";

#[tokio::main]
async fn main() -> Result<()> {
    let meeting = Meeting::begin("Plan for the new rooms").await?;
    meeting.document("recordings.md", RECORDINGS).await?;
    let people = [
        meeting.guest("Alice Moore").await?,
        meeting.guest("Ben Carter").await?,
    ];
    let browser = Browser::start(meeting.folder(), &Setup::default()).await?;
    browser.look(DESKTOP).await?;
    browser.open(&meeting.link("captions_url").await?).await?;
    for (index, (who, line)) in LINES.iter().enumerate() {
        say(&meeting, &people[*who], VOICES[*who], line).await?;
        let settled = format!("document.querySelectorAll('#transcript .words > span').length > {index}");
        browser.wait_until("the caption", LIMIT, &settled).await?;
    }
    browser
        .wait_until("the answer", LIMIT, "document.querySelector('.answer') !== null")
        .await?;
    let speaking = say(&meeting, &people[0], VOICES[0], LAST);
    let pictures = async {
        browser
            .wait_until(
                "words that are not settled",
                LIMIT,
                "/tell/i.test(document.querySelector('#partials').innerText)",
            )
            .await?;
        picture(&browser, DESKTOP, "captions.png").await?;
        picture(&browser, Screen { dark: true, ..PHONE }, "captions-phone.png").await
    };
    let (spoken, taken) = tokio::join!(speaking, pictures);
    spoken?;
    taken?;
    browser.quit().await?;
    join(&meeting).await?;
    voices(&meeting).await?;
    meeting.end().await
}

/// Two people at one microphone, as somebody in the room sees them who says nothing.
async fn voices(meeting: &Meeting) -> Result<()> {
    meeting
        .api
        .patch(&meeting.path(""), &json!({"voices": "several"}))
        .await?;
    let table = meeting.guest("Meeting room").await?;
    let microphone = meeting.folder().join("silence.wav");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 48_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut silence = hound::WavWriter::create(&microphone, spec)?;
    (0..48_000).try_for_each(|_| silence.write_sample(0_i16))?;
    silence.finalize()?;
    let setup = Setup {
        microphone: Some(microphone),
    };
    let browser = Browser::start(meeting.folder(), &setup).await?;
    browser.look(PHONE).await?;
    browser.open(&meeting.link("join_url").await?).await?;
    browser.tab_to("name").await?;
    browser.press("Clara Diaz").await?;
    browser.press(key::ENTER).await?;
    for (who, line) in &LINES[..3] {
        say(meeting, &table, VOICES[*who], line).await?;
    }
    let told = |what: &str, count: usize| {
        format!("document.querySelectorAll('#transcript .part[data-speaker$=\"{what}\"]').length >= {count}")
    };
    // Whoever spoke first is the first.
    for (label, name, times) in [(1, "Alice Moore", 2), (2, "Ben Carter", 1)] {
        let number = told(&format!("speaker {label}"), times);
        browser.wait_until("the voice", LIMIT, &number).await?;
        let voice = meeting.path(&format!("voices/{}/{label}", table.identity));
        meeting.api.put(&voice, &json!({ "name": name })).await?;
        browser.wait_until("the name", LIMIT, &told(name, times)).await?;
    }
    picture(&browser, PHONE, "voices.png").await?;
    browser.quit().await
}

/// The join page: before entering, and in the room.
async fn join(meeting: &Meeting) -> Result<()> {
    let microphone = Some(meeting.recording("two_cities.wav"));
    let browser = Browser::start(meeting.folder(), &Setup { microphone }).await?;
    browser.look(PHONE).await?;
    browser.open(&meeting.link("join_url").await?).await?;
    browser.tab_to("name").await?;
    browser.press("Clara Diaz").await?;
    picture(&browser, PHONE, "join-lobby.png").await?;
    browser.press(key::ENTER).await?;
    browser
        .wait_until("own words", LIMIT, "/wisdom/i.test(document.body.innerText)")
        .await?;
    picture(&browser, PHONE, "join-room.png").await?;
    browser.quit().await
}

async fn say(meeting: &Meeting, guest: &Guest, voice: &str, line: &str) -> Result<()> {
    let file = meeting.folder().join("line.wav");
    let flite = Command::new("flite")
        .args(["-voice", voice, "-t", line, "-o"])
        .arg(&file)
        .status()
        .context("flite")?;
    ensure!(flite.success(), "flite: {flite}");
    guest.participant.play(line, &speech_file::read(&file)?).await
}

async fn picture(browser: &Browser, screen: Screen, name: &str) -> Result<()> {
    browser.look(screen).await?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    fs::write(folder.join(name), browser.screenshot().await?)?;
    Ok(())
}
