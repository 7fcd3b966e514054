//! A session that panics is not in its room any more. A `Room` of `livekit` that is only dropped would be.

use std::path::Path;
use std::time::Duration;

use agent::session::room;
use anyhow::{Context as _, Result};
use livekit::prelude::*;
use runner::cache::Cache;
use runner::parts;
use runner::servers::{Livekit, choose_tls};
use system_tests::token::token;
use tokio::sync::mpsc;
use tokio::time::timeout;

const ROOM: &str = "panics";
/// Long enough for a loaded machine; nobody else would send it out: its connection stays.
const LIMIT: Duration = Duration::from_secs(20);

async fn wait_for(
    events: &mut mpsc::UnboundedReceiver<RoomEvent>,
    wanted: impl Fn(&RoomEvent) -> bool,
) -> Result<()> {
    timeout(LIMIT, async {
        while !wanted(&events.recv().await.context("the witness was sent out")?) {}
        Ok(())
    })
    .await
    .context("it did not happen")?
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_panics_leaves_its_room() -> Result<()> {
    choose_tls();
    room::send_at_once();
    let cache = Cache::open()?;
    let run = cache.run_folder("tests-panics")?;
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
    let parts = parts::ensure(&cache, workspace.parent().context("a workspace")?)?;
    let mut server = Livekit::start(&parts, &run.path).await?;
    let (witness, mut seen) = Room::connect(
        &server.url,
        &token(&server, ROOM, "witness")?,
        RoomOptions::default(),
    )
    .await?;

    let (url, its_token) = (server.url.clone(), token(&server, ROOM, "agent")?);
    let (fault, has_fault) = tokio::sync::oneshot::channel::<()>();
    let session = tokio::spawn(async move {
        let (link, _events) = room::join(&url, &its_token).await.expect("the room");
        link.hear(store::Consents::default());
        has_fault.await.expect("the test");
        panic!("as any fault of a session")
    });
    let is_agent = |participant: &RemoteParticipant| participant.identity().as_str() == "agent";
    wait_for(
        &mut seen,
        |event| matches!(event, RoomEvent::ParticipantConnected(other) if is_agent(other)),
    )
    .await
    .context("the agent does not come")?;
    fault.send(()).expect("a session");
    let ended = timeout(LIMIT, session).await?;
    assert!(ended.is_err_and(|error| error.is_panic()));
    wait_for(
        &mut seen,
        |event| matches!(event, RoomEvent::ParticipantDisconnected(other) if is_agent(other)),
    )
    .await
    .context("the agent is still in the room")?;
    witness.close().await?;
    server.stop().await;
    Ok(())
}
