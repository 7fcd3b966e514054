//! The captions page is for everybody with the link: an answer that one participant asked for alone is not on it.

use store::{AskedVia, NewAnswer, NewParticipant, ParticipantKind, Source};
use uuid::Uuid;

use crate::captions_resume_without_loss_or_double::{Events, hold, links};
use crate::harness::TestApp;

#[tokio::test]
async fn answers_are_shown_but_not_private_ones() {
    let mut app = TestApp::start().await;
    app.feed_captions();
    let (organisation, room) = app.due_room().await;
    let epoch = hold(&app, room).await;
    let ann = NewParticipant {
        name: "Ann".to_owned(),
        kind: ParticipantKind::Client,
    };
    let ann = app
        .app
        .store
        .add_participant(organisation, room, &ann)
        .await
        .unwrap();
    let answer = |via, text: &str| NewAnswer {
        id: Uuid::now_v7(),
        asked_by: ann.identity.clone(),
        via,
        question: "When do you open?".to_owned(),
        text: text.to_owned(),
        grounded: true,
        sources: vec![Source {
            passage_id: Uuid::nil(),
            document_title: "Opening hours".to_owned(),
            heading: "Desk".to_owned(),
            page: None,
            quote: "from seven".to_owned(),
        }],
        engine: "extractive".to_owned(),
        latency_ms: 100,
    };
    let store = &app.app.store;
    store
        .record_answer(organisation, room, epoch, &answer(AskedVia::Private, "a secret"))
        .await
        .unwrap();
    store
        .record_answer(organisation, room, epoch, &answer(AskedVia::Chat, "before"))
        .await
        .unwrap();
    let (captions_url, _) = links(&app, organisation, room).await;
    let mut events = Events::open(&app, &captions_url, None).await;
    let shown = events.next("answers").await;
    assert_eq!(shown.as_array().unwrap().len(), 1, "{shown}");
    assert_eq!(
        (&shown[0]["text"], &shown[0]["asked_by"]),
        (&"before".into(), &"Ann".into())
    );
    assert_eq!(shown[0]["sources"][0]["quote"], "from seven");
    store
        .record_answer(
            organisation,
            room,
            epoch,
            &answer(AskedVia::Private, "another secret"),
        )
        .await
        .unwrap();
    store
        .record_answer(organisation, room, epoch, &answer(AskedVia::Voice, "after"))
        .await
        .unwrap();
    let shown = events.next("answers").await;
    assert_eq!(shown.as_array().unwrap().len(), 1, "{shown}");
    assert_eq!(shown[0]["text"], "after");

    // The API, which needs the key, has them all.
    let (_, answers) = app
        .get(&format!("/v1/organisations/{organisation}/rooms/{room}/answers"))
        .await;
    assert_eq!(answers["items"].as_array().unwrap().len(), 4);
    app.stop().await;
}
