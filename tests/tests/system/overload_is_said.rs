//! More people speak at once than the machine recognises as they speak: partials give way first, viewers are told, and every
//! word is in the transcript in the end.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::try_join_all;
use system_tests::meeting::{Meeting, stretches};

/// Beyond what one place recognises in time; the machine is to have strength left for them to speak.
const SPEAKERS: usize = 12;
const LIMIT: Duration = Duration::from_secs(240);

#[tokio::test(flavor = "multi_thread")]
async fn overload_is_said() -> Result<()> {
    let mut meeting = Meeting::begin("More than a machine can do").await?;
    let agent = &mut meeting.house.agent;
    agent.stop().await;
    agent.set("RAPPORTEUR_RECOGNISERS", "1");
    agent.launch().await?;
    // Readers who are told apart would be another load.
    meeting.move_to_room_with("voices", "one".into()).await?;
    let guests = try_join_all((0..SPEAKERS).map(async |number| {
        let name = format!("Speaker {number}");
        meeting.guest(&name).await
    }))
    .await?;
    let speech = meeting.speech("two_cities.wav", Duration::ZERO, Duration::from_millis(24_300))?;
    try_join_all(
        guests
            .iter()
            .map(|guest| guest.participant.play("at once", &speech)),
    )
    .await?;

    meeting.wait_for_event("load_changed", "partials").await?;
    for guest in &guests {
        meeting.wait_until_stored(&guest.identity, "light", LIMIT).await?;
    }
    let ledger = meeting.path("coverage?limit=1000");
    let settled = |ledger: &serde_json::Value| {
        stretches(ledger).all(|stretch| stretch["state"] != "open" && stretch["state"] != "pending")
    };
    let ledger = meeting.api.wait_for(&ledger, LIMIT, settled).await?;
    assert!(
        stretches(&ledger).all(|stretch| stretch["state"] != "gap"),
        "{ledger}"
    );
    for guest in &guests {
        let said = meeting.said(&guest.identity).await?;
        for word in ["best", "worst", "wisdom", "foolishness", "belief", "light"] {
            let times = said.split_whitespace().filter(|said| *said == word).count();
            assert_eq!(times, 1, "{word:?} in {said:?}");
        }
    }
    // It is over, and that is said too.
    meeting.wait_for_event("load_changed", "nothing").await?;
    meeting.end().await
}
