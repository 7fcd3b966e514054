//! The meeting itself: documents, room, agent, people, questions, record. Talks to the dispatcher by HTTP only.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use chrono::Utc;
use tokio::time::{Instant, sleep};

use super::participant::Heard;
use super::screen::Screen;
use super::script::{
    ALICE, ASSISTANT, CAST, CHAT_QUESTIONS, DIALOGUE, ORGANISATION, RECORDINGS, SPOKEN_QUESTION, Sound, Turn,
};
use super::stage::Stage;
use super::summary::{Evidence, Summary};
use super::{documents, voices};
use crate::api::{Api, Invitation, Room, RoomApi};
use crate::process::Process;
use crate::servers::House;
use crate::setup::Ready;

const POLL: Duration = Duration::from_millis(50);
/// Reading and embedding a few short documents.
const DOCUMENTS_LIMIT: Duration = Duration::from_secs(60);
const AGENT_LIMIT: Duration = Duration::from_secs(30);
const JOIN_LIMIT: Duration = Duration::from_secs(30);
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// The longest turn lasts three quarters of a minute.
const TURN_LIMIT: Duration = Duration::from_secs(90);
/// Between two turns, as people leave it.
const PAUSE: Duration = Duration::from_millis(900);
/// The second recording begins so long after the first.
const OVERLAP: Duration = Duration::from_secs(10);
/// After the last word: finals that are still on their way.
const SETTLE_LIMIT: Duration = Duration::from_secs(30);
/// Nothing new for so long means that all is said.
const SETTLED: Duration = Duration::from_secs(3);

/// Holds the meeting; the participants stay in the room until the stage is dropped.
///
/// # Errors
/// A part of it cannot go on; what merely goes wrong is in the summary.
pub(super) async fn hold(house: &House, ready: &Ready, setup_seconds: f64) -> Result<(Summary, Stage)> {
    let api = Api::new(&house.dispatcher.url, &house.dispatcher.api_key);
    let organisation = api.organisation(ORGANISATION, ASSISTANT).await?;
    let mut failures = Vec::new();
    load_documents(&api, &organisation, &mut failures).await?;

    eprintln!("meeting");
    let room = api
        .schedule(&organisation, "Plan for the new rooms", Utc::now())
        .await?;
    let record = api.room(&organisation, &room.id);
    let agent_joined_ms = wait_for_agent(&record, &room).await?;
    eprintln!(
        "  scheduled as {}; {ASSISTANT} came after {agent_joined_ms} ms",
        room.id
    );
    let mut screen = Screen::default();
    let mut invitations: Vec<Invitation> = Vec::new();
    for role in CAST {
        let invitation = api.invite(&organisation, &room.id, role.name, role.kind).await?;
        screen.introduce(&invitation.identity, role.name);
        invitations.push(invitation);
    }
    let epoch = record
        .sessions()
        .await?
        .iter()
        .map(|session| session.epoch)
        .max()
        .unwrap_or(1);
    screen.introduce(&format!("agent-{}-{epoch}", room.id), ASSISTANT);
    let mut stage = Stage::enter(&invitations, screen, &ready.binaries, &house.folder)?;
    let mut missing = CAST.len();
    stage
        .until("everybody to join", JOIN_LIMIT, |_, heard| {
            missing -= usize::from(matches!(heard, Heard::Connected { .. }));
            missing == 0
        })
        .await?;
    wait_until_heard(&record, &mut stage).await?;

    eprintln!();
    let computed_seconds = || house.agent.process().and_then(Process::cpu_seconds);
    let before = computed_seconds();
    talk(&mut stage, ready, house, &record, &mut failures).await?;
    settle(&mut stage, &record).await?;
    let agent_core_seconds = computed_seconds()
        .zip(before)
        .map(|(after, before)| after - before);

    let origin = record
        .read()
        .await?
        .clock_origin
        .context("the room has no clock although an agent was there")?;
    let links = record.links().await?;
    let professional = CAST.iter().position(|role| role.kind == "professional");
    let professional = professional.and_then(|number| invitations.get(number));
    let professional = professional.context("nobody in the demo is a professional")?;
    let review_url = record.review_url(&professional.participant).await?;
    for url in [&links.captions_url, &links.join_url, &review_url] {
        if !api.opens(url).await {
            failures.push(format!("the page {url} opens"));
        }
    }
    let summary = Summary::of(Evidence {
        segments: record.transcript().await?,
        captions: stage.captions(),
        packets: stage.finals_by_packet(),
        played: stage.played.clone(),
        identities: stage.identities.clone(),
        origin_unix_ms: origin.timestamp_millis(),
        answers: record.answers().await?,
        usage: record.usage().await?,
        links,
        review_url,
        agent_joined_ms,
        agent_core_seconds,
        setup_seconds,
        failures,
    });
    Ok((summary, stage))
}

async fn load_documents(api: &Api, organisation: &str, failures: &mut Vec<String>) -> Result<()> {
    eprintln!("documents of {ORGANISATION}");
    let mut waiting = Vec::new();
    for document in documents::all()? {
        let id = api
            .upload(organisation, document.file_name, document.title, document.content)
            .await?;
        waiting.push((document.file_name, id));
    }
    let begun = Instant::now();
    for (file, id) in waiting {
        let read = loop {
            let read = api.document(organisation, &id).await?;
            if matches!(read.status.as_str(), "ready" | "failed") || begun.elapsed() > DOCUMENTS_LIMIT {
                break read;
            }
            sleep(POLL).await;
        };
        eprintln!("  {file:<18} {}, {} passages", read.status, read.passages);
        if read.status != "ready" || read.passages == 0 {
            failures.push(format!("{file} is read: {}", read.error.unwrap_or(read.status)));
        }
    }
    Ok(())
}

/// Milliseconds from scheduling the room, which is due at once, to the agent's having it.
async fn wait_for_agent(record: &RoomApi, room: &Room) -> Result<i64> {
    let begun = Instant::now();
    loop {
        let joined = record
            .sessions()
            .await?
            .into_iter()
            .find_map(|session| session.joined_at);
        if let Some(joined) = joined {
            return Ok((joined - room.created_at).num_milliseconds());
        }
        if begun.elapsed() > AGENT_LIMIT {
            bail!("no agent came within {AGENT_LIMIT:?}: see dispatcher.log and agent.log");
        }
        sleep(POLL).await;
    }
}

/// People begin to speak when the agent listens to all of them.
async fn wait_until_heard(record: &RoomApi, stage: &mut Stage) -> Result<()> {
    let begun = Instant::now();
    loop {
        let events = record.events().await?;
        let tracks = events
            .iter()
            .filter(|event| event.kind == "track_subscribed")
            .count();
        if tracks >= CAST.len() {
            return Ok(());
        }
        if begun.elapsed() > JOIN_LIMIT {
            bail!(
                "the agent listens to {tracks} of {} microphones: see agent.log",
                CAST.len()
            );
        }
        stage.listen(POLL).await?;
    }
}

async fn talk(
    stage: &mut Stage,
    ready: &Ready,
    house: &House,
    record: &RoomApi,
    failures: &mut Vec<String>,
) -> Result<()> {
    let begin = |stage: &mut Stage, turn: &Turn, name: String| {
        let file = voices::file_of(turn, &name, &house.folder, &ready.parts.recordings)?;
        let text = match turn.sound {
            Sound::Voice(text) => Some(text),
            Sound::Recording { text, .. } => text,
        };
        stage.begin(turn.who, &name, &file, text)
    };
    for (index, turn) in DIALOGUE.iter().enumerate() {
        begin(stage, turn, format!("dialogue-{}", index + 1))?;
        stage.silence(TURN_LIMIT).await?;
        stage.listen(PAUSE).await?;
    }
    begin(stage, &SPOKEN_QUESTION, "question-aloud".to_owned())?;
    stage.silence(TURN_LIMIT).await?;
    wait_for_answer(stage, record, 1, failures).await?;
    for (index, (who, question)) in CHAT_QUESTIONS.iter().enumerate() {
        stage.chat(*who, question)?;
        wait_for_answer(stage, record, index + 2, failures).await?;
    }
    begin(stage, &RECORDINGS[0], "a-tale-of-two-cities".to_owned())?;
    stage.listen(OVERLAP).await?;
    begin(stage, &RECORDINGS[1], "second-voice".to_owned())?;
    stage.silence(TURN_LIMIT).await
}

/// Waits until `count` answers are recorded and the last one was seen in the chat. An answer that does not come is a
/// failure of the demo, not its end.
async fn wait_for_answer(
    stage: &mut Stage,
    record: &RoomApi,
    count: usize,
    failures: &mut Vec<String>,
) -> Result<()> {
    let own = stage.identities.clone();
    let chats = |stage: &Stage| {
        let from_agent = |heard: &Heard| matches!(heard, Heard::Chat { from, .. } if !own.contains(from));
        let first = stage.heard.iter().filter(|(who, _)| *who == ALICE);
        first.filter(|(_, heard)| from_agent(heard)).count()
    };
    let begun = Instant::now();
    loop {
        stage.listen(POLL).await?;
        if chats(stage) >= count && record.answers().await?.len() >= count {
            return Ok(());
        }
        if begun.elapsed() > ANSWER_LIMIT {
            failures.push(format!(
                "answer {count} comes within {ANSWER_LIMIT:?}, in the chat and in the record"
            ));
            return Ok(());
        }
    }
}

/// Waits until every caption that was begun is settled and stored, or nothing has come for a while.
async fn settle(stage: &mut Stage, record: &RoomApi) -> Result<()> {
    let begun = Instant::now();
    let (mut known, mut since) = (0, Instant::now());
    while begun.elapsed() < SETTLE_LIMIT {
        stage.listen(POLL * 4).await?;
        let news = stage.captions().len() + record.transcript().await?.len();
        if news != known {
            (known, since) = (news, Instant::now());
        } else if since.elapsed() > SETTLED {
            return Ok(());
        }
    }
    Ok(())
}
