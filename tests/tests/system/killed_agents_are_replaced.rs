//! An agent that is killed is replaced by the next one; what was stored stays, nothing is stored twice, and the sequence
//! goes on without a gap.

use std::time::Duration;

use anyhow::Result;
use livekit_api::services::agent_dispatch::AgentDispatchClient;
use livekit_protocol::JobStatus;
use system_tests::meeting::{Meeting, items, stretches};

const LIMIT: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn killed_agents_are_replaced() -> Result<()> {
    let mut meeting = Meeting::begin("An agent that is killed").await?;
    let mut alice = meeting.guest("Alice").await?;
    let first = meeting.speech("two_cities.wav", Duration::ZERO, Duration::from_millis(8_500))?;
    alice.participant.play("before", &first).await?;
    alice
        .ears
        .final_caption(&alice.identity, "worst of times", LIMIT)
        .await?;
    let before = meeting.segments().await?;

    meeting.house.agent.kill();
    // It has counted what it has recognised, to the last segment.
    let usage = meeting.api.get(&meeting.path("usage")).await?;
    let recognised_s: f64 = items(&usage)
        .filter(|line| line["kind"] == "speech_recognised")
        .filter_map(|line| line["quantity"].as_f64())
        .sum();
    let ledger = meeting.api.get(&meeting.path("coverage?limit=1000")).await?;
    let transcribed_ms: i64 = stretches(&ledger)
        .filter(|stretch| stretch["state"] == "transcribed")
        .filter_map(|stretch| Some(stretch["end_ms"].as_i64()? - stretch["start_ms"].as_i64()?))
        .sum();
    assert!(transcribed_ms > 3_000, "{ledger}");
    assert_eq!((recognised_s * 1_000.0).round() as i64, transcribed_ms);
    meeting.house.agent.launch().await?;
    meeting.wait_for_agent(2).await?;
    // The media server knows which dispatches a worker has, as the dispatcher wants to know; it does not notice that a worker
    // has died, so its word does not count for ever.
    let livekit = &meeting.house.livekit;
    let dispatches = AgentDispatchClient::with_api_key(&livekit.url, &livekit.api_key, &livekit.api_secret);
    let dispatches = dispatches
        .list_dispatch(format!("rapporteur-{}", meeting.room))
        .await?;
    let jobs: Vec<_> = dispatches
        .iter()
        .flat_map(|dispatch| dispatch.state.iter().flat_map(|state| &state.jobs))
        .filter_map(|job| job.state.as_ref())
        .collect();
    assert!(!jobs.is_empty(), "{dispatches:?}");
    for job in jobs {
        assert_eq!(job.status(), JobStatus::JsRunning);
        assert!(!job.worker_id.is_empty());
    }
    // Her microphone is heard again, now by the second agent.
    let events = meeting.path("events?limit=1000");
    meeting
        .api
        .wait_for(&events, LIMIT, |events| {
            let heard = items(events).filter(|event| event["kind"] == "track_subscribed");
            heard.count() >= 2
        })
        .await?;
    let second = meeting.speech("beckett.wav", Duration::ZERO, Duration::from_secs(60))?;
    alice.participant.play("after", &second).await?;
    alice.ears.final_caption(&alice.identity, "better", LIMIT).await?;
    let after = meeting.segments().await?;
    assert_eq!(after[..before.len()], before[..], "what was stored has changed");
    assert!(after.len() > before.len());
    meeting.end().await
}
