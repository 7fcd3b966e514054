//! A correction reaches every open page, whoever comes later, the transcript and the exports; only those may make it whose
//! link says so, and of two who saw the same caption one wins.

use serde_json::{Value, json};

use crate::captions_resume_without_loss_or_double::{Events, hold, links, say};
use crate::harness::{TestApp, answer, wrong_fields};

/// A participant's link to the captions page on which one corrects.
async fn review_link(app: &TestApp, room: &str, kind: &str) -> (u16, Value) {
    let person = app
        .made(
            &format!("{room}/participants"),
            json!({ "name": "Dr Ada Low", "kind": kind }),
        )
        .await;
    let id = person["id"].as_str().unwrap();
    app.post(&format!("{room}/participants/{id}/review-link"), json!({}))
        .await
}

async fn correct(app: &TestApp, review_url: &str, body: Value) -> (u16, Value) {
    let url = review_url.replace("/captions?", "/captions/corrections?");
    answer(app.anonymous("POST", &url).json(&body)).await
}

#[tokio::test]
async fn captions_are_corrected() {
    let mut app = TestApp::start().await;
    app.feed_captions();
    let (organisation, id) = app.due_room().await;
    let room = format!("/v1/organisations/{organisation}/rooms/{id}");
    let epoch = hold(&app, id).await;
    let (captions_url, _) = links(&app, organisation, id).await;
    let (status, link) = review_link(&app, &room, "professional").await;
    assert_eq!(status, 201, "{link}");
    let review_url = link["review_url"].as_str().unwrap();
    say(&app, organisation, id, epoch, "God mourning Ben.").await;
    let mut watching = Events::open(&app, &captions_url, None).await;
    let shown = watching.next("segments").await[0].clone();
    assert_eq!(
        (shown["revision"].as_i64(), shown.get("corrected_by")),
        (Some(0), None)
    );

    let fix = json!({ "segment": shown["id"], "text": " Good morning,\n Ben. ", "revision": 0 });
    let (status, made) = correct(&app, review_url, fix.clone()).await;
    assert_eq!(status, 201, "{made}");
    let told = watching.next("corrections").await[0].clone();
    assert_eq!(told["text"], "Good morning, Ben.");
    assert_eq!(
        (&told["id"], &told["revision"]),
        (&shown["id"], &made["revision"])
    );
    assert_eq!(
        (&told["corrected_by"], &told["recognised_text"]),
        (&json!("Dr Ada Low"), &json!("God mourning Ben."))
    );
    // Who has seen the caption before it was corrected, and who has not.
    let mut back = Events::open(&app, &captions_url, Some("1")).await;
    assert_eq!(back.next("corrections").await[0]["text"], "Good morning, Ben.");
    let mut late = Events::open(&app, &captions_url, None).await;
    assert_eq!(late.next("segments").await[0]["text"], "Good morning, Ben.");

    let (_, transcript) = app.get(&format!("{room}/transcript")).await;
    let segment = &transcript["segments"][0];
    assert_eq!(
        (&segment["text"], &segment["words"][1]["text"]),
        (&json!("Good morning, Ben."), &json!("morning,"))
    );
    assert_eq!(segment["recognised_text"], "God mourning Ben.");
    for format in ["vtt", "txt", "md", "seglst"] {
        let export = app.request("GET", &format!("{room}/transcript/export?format={format}"));
        let text = export.send().await.unwrap().text().await.unwrap();
        assert!(
            text.contains("Good morning, Ben.") && !text.contains("mourning"),
            "{format}: {text}"
        );
    }

    // Whoever saw the old one is too late; it can be taken back; nothing is lost.
    let (status, refused) = correct(
        &app,
        review_url,
        json!({ "segment": shown["id"], "text": "Hi.", "revision": 0 }),
    )
    .await;
    assert_eq!(
        (status, refused["detail"].as_str()),
        (409, Some("the segment was corrected meanwhile"))
    );
    let again = json!({ "text": null, "author": "Secretary", "revision": made["revision"] });
    let corrections = format!("{room}/segments/{}/corrections", shown["id"].as_str().unwrap());
    app.made(&corrections, again).await;
    let told = watching.next("corrections").await[0].clone();
    assert_eq!(
        (&told["text"], told.get("corrected_by")),
        (&json!("God mourning Ben."), None)
    );
    let (_, history) = app.get(&corrections).await;
    let told: Vec<_> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|made| (&made["author"], &made["text"]))
        .collect();
    assert_eq!(
        told,
        [
            (&json!("Dr Ada Low"), &json!("Good morning, Ben.")),
            (&json!("Secretary"), &Value::Null)
        ]
    );
    for open in [watching, back, late] {
        drop(open);
    }
    app.stop().await;
}

#[tokio::test]
async fn only_reviewers_correct() {
    let app = TestApp::start().await;
    let (organisation, id) = app.due_room().await;
    let room = format!("/v1/organisations/{organisation}/rooms/{id}");
    let epoch = hold(&app, id).await;
    say(&app, organisation, id, epoch, "One.").await;
    let (_, transcript) = app.get(&format!("{room}/transcript")).await;
    let segment = transcript["segments"][0]["id"].clone();
    let (captions_url, _) = links(&app, organisation, id).await;
    let fix = json!({ "segment": segment, "text": "Two.", "revision": 0 });
    assert_eq!(correct(&app, &captions_url, fix.clone()).await.0, 401);
    assert_eq!(review_link(&app, &room, "client").await.0, 403);
    let (_, link) = review_link(&app, &room, "professional").await;
    let review_url = link["review_url"].as_str().unwrap();
    // The page of the one has the way to correct, the page of the other has not.
    for (url, may) in [(captions_url.as_str(), false), (review_url, true)] {
        let page = app
            .anonymous("GET", url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        assert_eq!(page.contains("data-corrections="), may, "{page}");
    }
    for (body, field) in [
        (
            json!({ "segment": segment, "text": "x".repeat(4_001), "revision": 0 }),
            "text",
        ),
        (json!({ "segment": segment, "revision": 0 }), "text"),
        (json!({ "segment": segment, "text": "Two." }), "revision"),
        (
            json!({ "segment": "one", "text": "Two.", "revision": 0 }),
            "segment",
        ),
    ] {
        let (status, problem) = correct(&app, review_url, body).await;
        assert_eq!((status, wrong_fields(&problem)), (400, vec![field]), "{problem}");
    }
    let corrections = format!("{room}/segments/{}/corrections", segment.as_str().unwrap());
    for author in ["", "a\nb"] {
        let (status, problem) = app
            .post(&corrections, json!({ "text": "Two.", "author": author }))
            .await;
        assert_eq!(
            (status, wrong_fields(&problem)),
            (400, vec!["author"]),
            "{problem}"
        );
    }
    let unknown = corrections.replace(segment.as_str().unwrap(), &uuid::Uuid::nil().to_string());
    assert_eq!(
        app.post(&unknown, json!({ "text": "Two.", "author": "Ann" }))
            .await
            .0,
        404
    );
    let same = json!({ "segment": segment, "text": "One. ", "revision": 0 });
    assert_eq!(correct(&app, review_url, same).await.0, 409);
    app.stop().await;
}
