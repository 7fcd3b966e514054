//! OpenAI's realtime transcription through the room: it is told who is there, and when its line is dead in the middle of a meeting
//! what was said then is sent again on a new one.

use std::time::Duration;

use anyhow::Result;
use runner::cache::Cache;
use serde_json::json;
use speech::{WhisperOptions, WhisperPool};
use system_tests::meeting::{Meeting, items, parts};

use crate::realtime::{Behaviour, Event, KEY, MODEL, Server, Source};

const LIMIT: Duration = Duration::from_secs(60);
const SPEECH: Duration = Duration::from_millis(24_300);

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_line_to_a_realtime_recogniser_costs_no_word() -> Result<()> {
    let model = parts(&Cache::open()?)?.whisper_model;
    let pool = WhisperPool::load(&model, WhisperOptions { workers: 1 })?;
    let mut service = Server::start(Source::Recognised(pool), &[Behaviour::CutAtCommit(2)]).await;
    let mut meeting = Meeting::begin("A recogniser over a line").await?;
    let agent = &mut meeting.house.agent;
    agent.stop().await;
    agent.set("RAPPORTEUR_REALTIME_KEY", KEY);
    agent.set("RAPPORTEUR_REALTIME_MODEL", MODEL);
    agent.set("RAPPORTEUR_REALTIME_URL", &service.url);
    agent.launch().await?;
    meeting
        .move_to_room_with("recognisers", json!(["openai_realtime"]))
        .await?;
    let mut ben = meeting.guest("Ben").await?;
    let page = meeting.speech("two_cities.wav", Duration::ZERO, SPEECH)?;
    ben.participant.play("a page", &page).await?;
    ben.ears
        .final_caption(&ben.identity, "season of light", LIMIT)
        .await?;
    meeting
        .wait_until_stored(&ben.identity, "season of light", LIMIT)
        .await?;

    let said = meeting.said(&ben.identity).await?;
    for heard in [
        "best of times",
        "worst of times",
        "epoch of belief",
        "season of light",
    ] {
        assert_eq!(said.matches(heard).count(), 1, "{heard:?} in {said:?}");
    }
    for segment in &meeting.segments().await? {
        assert_eq!(segment["engine"], format!("openai-realtime:{MODEL}"));
    }
    service.assert_no_violations();
    let told: Vec<Event> = service.events.past();
    let lines = told.iter().filter(|event| **event == Event::Connected).count();
    assert_eq!(lines, 2, "{told:?}");
    let knows_ben = |event: &Event| match event {
        Event::SetUp(how) => how["keywords"]
            .as_array()
            .is_some_and(|words| words.contains(&json!("Ben"))),
        _ => true,
    };
    assert!(told.iter().all(knows_ben), "{told:?}");
    // It bills by the sound that it was sent, and what was sent again is more than was said.
    let usage = meeting.api.get(&meeting.path("usage")).await?;
    let seconds = |kind: &str| -> f64 {
        let of_kind = items(&usage).filter(|used| used["kind"] == kind);
        of_kind.filter_map(|used| used["quantity"].as_f64()).sum()
    };
    let (sent, recognised) = (seconds("recogniser_audio"), seconds("speech_recognised"));
    assert!(sent > recognised && recognised > 15.0, "{usage}");
    meeting.end().await
}
