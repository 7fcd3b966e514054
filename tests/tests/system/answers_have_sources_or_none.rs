//! A question is answered from the documents, with the sentence that bears the answer; what the documents do not say is
//! not made up.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use system_tests::meeting::{Meeting, items};
use system_tests::participant::Heard;

const LIMIT: Duration = Duration::from_secs(20);
const PARKING: &str =
    "# Parking\n\nVisitors park in the garage below the building. The first two hours are free.\n";

#[tokio::test(flavor = "multi_thread")]
async fn answers_have_sources_or_none() -> Result<()> {
    let meeting = Meeting::begin("Questions").await?;
    meeting.document("parking.md", PARKING).await?;
    let mut alice = meeting.guest("Alice").await?;
    let agent = format!("agent-{}-1", meeting.room);

    alice.participant.say("@Robin where can visitors park?").await?;
    let answer = answer(&meeting, "where can visitors park").await?;
    assert_eq!(answer["grounded"], true, "{answer}");
    let source = &answer["sources"][0];
    assert_eq!(source["document_title"], "parking", "{answer}");
    let quote = source["quote"].as_str().context("no quote")?;
    assert!(PARKING.contains(quote), "{quote:?} is not in the document");
    heard(&mut alice.ears, &agent, "garage").await?;

    alice
        .participant
        .say("@Robin what is the population of Mongolia?")
        .await?;
    let answer = self::answer(&meeting, "population of mongolia").await?;
    assert_eq!(answer["grounded"], false, "{answer}");
    assert_eq!(answer["sources"], serde_json::json!([]), "{answer}");
    heard(&mut alice.ears, &agent, "do not say").await?;
    meeting.end().await
}

async fn answer(meeting: &Meeting, question: &str) -> Result<Value> {
    let of_question = |one: &&Value| {
        one["question"]
            .as_str()
            .is_some_and(|asked| asked.to_lowercase().contains(question))
    };
    let answers = meeting
        .api
        .wait_for(&meeting.path("answers"), LIMIT, |answers| {
            items(answers).any(|one| of_question(&one))
        })
        .await?;
    items(&answers).find(of_question).cloned().context("it was there")
}

async fn heard(ears: &mut system_tests::ears::Ears, agent: &str, words: &str) -> Result<()> {
    ears.wait_for(
        "the answer in the chat",
        LIMIT,
        |heard| matches!(heard, Heard::Chat { from, text, .. } if from == agent && text.contains(words)),
    )
    .await
    .map(drop)
}
