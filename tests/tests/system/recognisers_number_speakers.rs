//! A recogniser that numbers speakers itself: Deepgram's protocol, two people at one microphone, and a line that is cut in the
//! middle of her first turn. The new connection hears her first and gives her the number that was his; in the record they
//! keep their labels.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result};
use runner::cache::Cache;
use serde_json::json;
use speech::{WhisperOptions, WhisperPool};
use system_tests::meeting::{Meeting, items, parts};

use crate::deepgram::{Behaviour, Event, KEY, Server, Source};
use crate::two_people::{NOVEL, SHEILA, dialogue, only_in, told_apart};

/// In the middle of her first turn, pauses left out: his is 7.5 s long, hers 6.5 s.
const CUT_SAMPLES: usize = 11 * 16_000;

/// Whisper behind Deepgram's protocol, which numbers the two by what they say.
async fn service() -> Result<Server> {
    let model = parts(&Cache::open()?)?.whisper_model;
    let pool = WhisperPool::load(&model, WhisperOptions { workers: 1 })?;
    let (his, hers) = (only_in(NOVEL, SHEILA), only_in(SHEILA, NOVEL));
    let voice_of = move |word: &str| {
        let word = system_tests::meeting::plain(word);
        match (his.contains(&word), hers.contains(&word)) {
            (true, _) => Some(0),
            (_, true) => Some(1),
            _ => None,
        }
    };
    let source = Source::Recognised {
        pool,
        voice_of: Box::new(voice_of),
    };
    Ok(Server::start(
        source,
        Duration::from_secs(10),
        &[Behaviour::CutAfter(CUT_SAMPLES)],
    )
    .await)
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_stay_when_the_line_to_a_recogniser_that_numbers_speakers_is_cut() -> Result<()> {
    let mut service = service().await?;
    let mut meeting = Meeting::begin("A recogniser that numbers speakers").await?;
    let agent = &mut meeting.house.agent;
    agent.stop().await;
    agent.set("DEEPGRAM_API_KEY", KEY);
    agent.set("RAPPORTEUR_DEEPGRAM_URL", &service.url);
    agent.set("RAPPORTEUR_DEEPGRAM_DIARIZE", "true");
    agent.launch().await?;
    meeting
        .move_to_room_with("recognisers", json!(["deepgram"]))
        .await?;
    let table = meeting.guest("The table").await?;
    let speech = dialogue(&meeting, [1_000, 8_500, 16_900], false)?;
    table.participant.play("both", &speech).await?;
    let (his, hers) = told_apart(&meeting, &table.identity, 0).await?;

    let is_cut = |event: &Event| *event == Event::Closed("cut");
    service.events.wait_for(is_cut).await;
    assert_eq!(service.audio().len(), 2, "connections");
    service.assert_no_violations();
    let segments = meeting.segments().await?;
    for segment in &segments {
        assert_eq!(segment["engine"], "deepgram:nova-3");
    }
    let voices = meeting.api.get(&meeting.path("voices")).await?;
    let known: BTreeSet<i64> = items(&voices)
        .filter_map(|voice| voice["label"].as_i64())
        .collect();
    assert_eq!(known, BTreeSet::from([his, hers]), "{voices}");
    let first = segments.first().context("a segment")?;
    assert!(first["voices"].is_array(), "{first}");
    meeting.end().await
}
