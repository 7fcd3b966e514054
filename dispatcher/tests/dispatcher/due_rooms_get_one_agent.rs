//! A room that is due gets one agent, at once, in a LiveKit room that stays open for the whole meeting; one that is not
//! due yet gets none; two dispatchers on one database still dispatch once.

use chrono::{TimeDelta, Utc};
use dispatcher::reconciler::actor;

use crate::harness::{Asked, TIMING, TestApp};

#[tokio::test]
async fn due_rooms_get_one_agent() {
    let mut app = TestApp::start().await;
    app.reconcile();
    // A second one on the same database.
    let (second, stop) = (app.app.clone(), tokio_util::sync::CancellationToken::new());
    let other = tokio::spawn({
        let stop = stop.clone();
        async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = actor::run(second, TIMING) => {}
            }
        }
    });
    let organisation = app.organisation().await;
    let later = app.room(organisation, 3600).await;
    let soon = app.room(organisation, 30).await;
    let now = app.room(organisation, -60).await;
    app.livekit
        .wait_until("two dispatches", |asked| {
            asked
                .iter()
                .filter(|asked| matches!(asked, Asked::Dispatch(..)))
                .count()
                == 2
        })
        .await;
    let mut dispatched: Vec<_> = app.livekit.dispatches();
    dispatched.sort_by_key(|dispatch| dispatch.room_id);
    for (dispatch, room) in dispatched.iter().zip([soon, now]) {
        assert_eq!(
            (dispatch.room_id, dispatch.organisation_id, dispatch.epoch),
            (room, organisation, 1)
        );
    }
    for asked in app.livekit.asked() {
        let Asked::CreateRoom(request) = asked else {
            continue;
        };
        assert!(request.name != format!("rapporteur-{later}"));
        assert_eq!(request.max_participants, 22, "20 people and the agents");
        assert!(request.empty_timeout >= 3500 && request.departure_timeout == request.empty_timeout);
    }
    let sessions = format!("/v1/organisations/{organisation}/rooms/{now}/sessions");
    let (_, sessions) = app.get(&sessions).await;
    assert_eq!(sessions["items"].as_array().unwrap().len(), 1);
    assert_eq!(sessions["items"][0]["status"], "dispatched");

    // When the later one is moved near, its time has come without anybody asking.
    let soon = Utc::now() + TimeDelta::seconds(10);
    app.database
        .execute(&format!(
            "UPDATE rooms SET starts_at = '{}' WHERE id = '{later}'",
            soon.to_rfc3339()
        ))
        .await;
    app.livekit
        .wait_until("the third", |asked| {
            asked
                .iter()
                .any(|asked| matches!(asked, Asked::Dispatch(_, dispatch) if dispatch.room_id == later))
        })
        .await;
    stop.cancel();
    other.await.unwrap();
    assert_eq!(app.livekit.dispatches().len(), 3);
    app.stop().await;
}
