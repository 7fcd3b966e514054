//! A room's whole transcript comes as a file of each format: in the order in which people began to speak, however long
//! it is, and never half.

use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use store::{NewSegment, Word};
use uuid::Uuid;

use crate::captions_resume_without_loss_or_double::{hold, links};
use crate::harness::{LIMIT, TestApp, wrong_fields};

const FORMATS: [&str; 7] = ["vtt", "srt", "txt", "md", "json", "seglst", "docx"];

fn path(organisation: Uuid, room: Uuid) -> String {
    format!("/v1/organisations/{organisation}/rooms/{room}/transcript")
}

/// A file and its headers.
async fn export(app: &TestApp, transcript: &str, format: &str) -> (HeaderMap, Vec<u8>) {
    let request = app.request("GET", &format!("{transcript}/export?format={format}"));
    let response = request.timeout(LIMIT).send().await.unwrap();
    assert_eq!(response.status(), 200, "{format}");
    let headers = response.headers().clone();
    (headers, response.bytes().await.unwrap().to_vec())
}

async fn export_text(app: &TestApp, transcript: &str, format: &str) -> String {
    String::from_utf8(export(app, transcript, format).await.1).unwrap()
}

/// The text of a Word document.
fn read(docx: &[u8]) -> String {
    let format = knowledge::Format::sniff("visit.docx", docx).unwrap();
    knowledge::extract(format, docx).unwrap().text
}

fn said(name: &str, start_ms: i64, text: &str) -> NewSegment {
    let words = (0..).zip(text.split(' ')).map(|(index, text)| Word {
        text: text.to_owned(),
        start_ms: start_ms + index * 500,
        end_ms: start_ms + (index + 1) * 500,
        confidence: 0.9,
    });
    let words: Vec<Word> = words.collect();
    NewSegment {
        id: Uuid::now_v7(),
        identity: format!("p-{name}"),
        speaker_name: name.to_owned(),
        track_id: "TR_1".to_owned(),
        start_ms,
        end_ms: words.last().unwrap().end_ms,
        heard_start_ms: start_ms,
        heard_end_ms: words.last().unwrap().end_ms,
        late: false,
        usage: Vec::new(),
        text: text.to_owned(),
        words,
        engine: "test".to_owned(),
    }
}

/// A room in which Ben, whose words were stored last, began first.
async fn visit(app: &TestApp) -> (Uuid, Uuid) {
    let (organisation, room) = app.due_room().await;
    let people = format!("/v1/organisations/{organisation}/rooms/{room}/participants");
    app.made(&people, json!({"name": "Zoë", "kind": "client"})).await;
    let epoch = hold(app, room).await;
    for segment in [
        said("Ann", 2_000, "Is 1 < 2?"),
        said("Ben", 1_000, "Good *morning* & welcome."),
    ] {
        let store = &app.app.store;
        store
            .append_segment(organisation, room, epoch, &segment)
            .await
            .unwrap();
    }
    (organisation, room)
}

#[tokio::test]
async fn every_format_has_all_that_was_said() {
    let app = TestApp::start().await;
    let (organisation, room) = visit(&app).await;
    let transcript = path(organisation, room);
    let (_, shown) = app
        .get(&format!("/v1/organisations/{organisation}/rooms/{room}"))
        .await;
    let starts_at = shown["starts_at"].as_str().unwrap();
    let minute = format!("{} {} UTC", &starts_at[..10], &starts_at[11..16]);

    assert_eq!(
        export_text(&app, &transcript, "vtt").await,
        "WEBVTT\n\n00:00:01.000 --> 00:00:03.000\n<v Ben>Good *morning* &amp; welcome.\n\
         \n00:00:02.000 --> 00:00:04.000\n<v Ann>Is 1 &lt; 2?\n"
    );
    assert_eq!(
        export_text(&app, &transcript, "srt").await,
        "1\n00:00:01,000 --> 00:00:03,000\nBen: Good *morning* & welcome.\n\n\
         2\n00:00:02,000 --> 00:00:04,000\nAnn: Is 1 < 2?\n\n"
    );
    assert_eq!(
        export_text(&app, &transcript, "txt").await,
        "[00:00:01] Ben: Good *morning* & welcome.\n[00:00:02] Ann: Is 1 < 2?\n"
    );
    assert_eq!(
        export_text(&app, &transcript, "md").await,
        format!(
            "# Visit\n\n- Date: {minute}\n- Participants: Zoë, Ben, Ann\n\n\
             **Ben** (00:00:01): Good \\*morning\\* \\& welcome.\n\n**Ann** (00:00:02): Is 1 \\< 2?\n"
        )
    );
    let seglst: Value = serde_json::from_str(&export_text(&app, &transcript, "seglst").await).unwrap();
    assert_eq!(
        seglst,
        json!([
            {"session_id": room, "speaker": "p-Ben", "speaker_name": "Ben", "start_time": 1.0, "end_time": 3.0, "words": "Good *morning* & welcome."},
            {"session_id": room, "speaker": "p-Ann", "speaker_name": "Ann", "start_time": 2.0, "end_time": 4.0, "words": "Is 1 < 2?"},
        ])
    );
    // The API's own order, which is that of the record.
    let document: Value = serde_json::from_str(&export_text(&app, &transcript, "json").await).unwrap();
    assert_eq!(document["segments"], app.get(&transcript).await.1["segments"]);
    assert_eq!(
        (&document["room_id"], &document["title"]),
        (&json!(room), &json!("Visit"))
    );
    assert_eq!(document["starts_at"], shown["starts_at"]);
    assert_eq!(document["clock_origin"], shown["clock_origin"]);
    let (_, docx) = export(&app, &transcript, "docx").await;
    let text = read(&docx);
    for expected in [
        "Visit",
        &minute,
        "Zoë, Ben, Ann",
        "**Ann**",
        "00:00:02",
        "Good *morning* & welcome.",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_file_is_labelled_and_named_after_its_meeting() {
    let app = TestApp::start().await;
    let organisation = app.organisation().await;
    let body = json!({"title": "Zoë/Ann: \"Visit\"\r\n", "starts_at": "2099-01-02T10:00:00Z"});
    let made = app
        .made(&format!("/v1/organisations/{organisation}/rooms"), body)
        .await;
    let transcript = path(organisation, crate::harness::id(&made));
    let types = [
        "text/vtt; charset=utf-8",
        "application/x-subrip; charset=utf-8",
        "text/plain; charset=utf-8",
        "text/markdown; charset=utf-8",
        "application/json",
        "application/json",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ];
    for (format, content_type) in FORMATS.into_iter().zip(types) {
        let (headers, _) = export(&app, &transcript, format).await;
        assert_eq!(headers["content-type"], content_type);
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        let extension = if format == "seglst" { "seglst.json" } else { format };
        assert_eq!(
            headers["content-disposition"],
            format!(
                "attachment; filename=\"Zo-Ann-Visit-2099-01-02.{extension}\"; \
                 filename*=UTF-8''Zo%C3%AB%20Ann%20Visit%202099-01-02.{extension}"
            )
        );
    }
    app.stop().await;
}

#[tokio::test]
async fn a_meeting_in_which_nobody_spoke_is_a_valid_file() {
    let app = TestApp::start().await;
    let (organisation, room) = app.due_room().await;
    let transcript = path(organisation, room);
    assert_eq!(export_text(&app, &transcript, "vtt").await, "WEBVTT\n");
    assert_eq!(export_text(&app, &transcript, "srt").await, "");
    assert_eq!(export_text(&app, &transcript, "txt").await, "");
    assert!(
        export_text(&app, &transcript, "md")
            .await
            .starts_with("# Visit\n\n- Date: ")
    );
    let parsed = |text: String| serde_json::from_str::<Value>(&text).unwrap();
    assert_eq!(
        parsed(export_text(&app, &transcript, "json").await)["segments"],
        json!([])
    );
    assert_eq!(parsed(export_text(&app, &transcript, "seglst").await), json!([]));
    assert!(read(&export(&app, &transcript, "docx").await.1).contains("Visit"));
    app.stop().await;
}

#[tokio::test]
async fn another_format_is_refused_with_those_there_are() {
    let app = TestApp::start().await;
    let (organisation, room) = app.due_room().await;
    for query in ["", "?format=", "?format=pdf", "?format=VTT"] {
        let (status, problem) = app
            .get(&format!("{}/export{query}", path(organisation, room)))
            .await;
        assert_eq!(
            (status, wrong_fields(&problem)),
            (400, vec!["format"]),
            "{query}: {problem}"
        );
        assert_eq!(
            problem["detail"],
            "format must be one of vtt, srt, txt, md, json, seglst, docx"
        );
    }
    app.stop().await;
}

/// As many segments as three pages and a bit, the later ones stored the earlier; one a second, by two in turn.
async fn fill(app: &TestApp, organisation: Uuid, room: Uuid) {
    let statement = format!(
        "INSERT INTO segments (id, organisation_id, room_id, sequence, epoch, identity, speaker_name, track_id,
                               start_ms, end_ms, text, words, engine)
         SELECT gen_random_uuid(), '{organisation}', '{room}', n, 1, 'p-' || n % 2, 'Speaker ' || n % 2, 'TR_1',
                (1603 - n) * 1000, (1603 - n) * 1000 + 900, 'word' || n, '[]', 'test'
         FROM generate_series(1, 1603) AS n"
    );
    app.database.execute(&statement).await;
}

#[tokio::test]
async fn a_long_meeting_comes_whole_and_in_order() {
    let app = TestApp::start().await;
    let (organisation, room) = app.due_room().await;
    fill(&app, organisation, room).await;
    let transcript = path(organisation, room);
    let expected: Vec<String> = (1..=1603).rev().map(|n| format!("word{n}")).collect();
    let words = |text: &str| -> Vec<String> {
        let parts = text.split(|c: char| !c.is_ascii_alphanumeric());
        let words = parts.filter(|part| part.starts_with("word") && part.len() > 4 && *part != "words");
        words.map(str::to_owned).collect()
    };
    for format in ["vtt", "srt", "txt", "md", "seglst"] {
        assert_eq!(
            words(&export_text(&app, &transcript, format).await),
            expected,
            "{format}"
        );
    }
    let (headers, docx) = export(&app, &transcript, "docx").await;
    assert_eq!(words(&read(&docx)), expected);
    assert_eq!(headers["transfer-encoding"], "chunked");
    let document: Value = serde_json::from_str(&export_text(&app, &transcript, "json").await).unwrap();
    let numbers: Vec<i64> = document["segments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|segment| segment["sequence"].as_i64().unwrap())
        .collect();
    assert_eq!(numbers, (1..=1603).collect::<Vec<_>>());
    app.stop().await;
}

#[tokio::test]
async fn half_a_transcript_is_not_taken_for_a_whole_one() {
    let app = TestApp::start().await;
    let (organisation, room) = app.due_room().await;
    fill(&app, organisation, room).await;
    // A row of the second page that cannot be read.
    app.database
        .execute("UPDATE segments SET words = '{}' WHERE sequence = 900")
        .await;
    for format in FORMATS {
        let request = app.request(
            "GET",
            &format!("{}/export?format={format}", path(organisation, room)),
        );
        let response = request.timeout(LIMIT).send().await.unwrap();
        assert_eq!(response.status(), 200, "{format}");
        assert!(
            response.bytes().await.is_err(),
            "{format}: the connection was not cut"
        );
    }
    // A row of the first one.
    app.database.execute("UPDATE segments SET words = '{}'").await;
    let (status, problem) = app
        .get(&format!("{}/export?format=vtt", path(organisation, room)))
        .await;
    assert_eq!(status, 500, "{problem}");
    app.stop().await;
}

#[tokio::test]
async fn too_many_exports_at_once_are_told_to_come_back() {
    let app = TestApp::start().await;
    let (organisation, room) = visit(&app).await;
    let transcript = path(organisation, room);
    let all = app.app.exports.available_permits();
    let held = app
        .app
        .exports
        .clone()
        .acquire_many_owned(u32::try_from(all).unwrap());
    let held = held.await.unwrap();
    let (status, problem) = app.get(&format!("{transcript}/export?format=vtt")).await;
    assert_eq!(
        (status, problem["type"].as_str()),
        (503, Some("urn:rapporteur:problem:overloaded"))
    );
    drop(held);
    export(&app, &transcript, "vtt").await;
    assert_eq!(app.app.exports.available_permits(), all);
    app.stop().await;
}

#[tokio::test]
async fn the_captions_page_gives_the_files_to_whom_it_is_shown() {
    let app = TestApp::start().await;
    let (organisation, room) = visit(&app).await;
    let (captions_url, _) = links(&app, organisation, room).await;
    let page = app.anonymous("GET", &captions_url).send().await.unwrap();
    let page = page.text().await.unwrap();
    let hrefs = page
        .split('"')
        .filter(|part| part.contains("/captions/transcript?"));
    let mut offered = Vec::new();
    for href in hrefs {
        let url = href.replace("&#38;", "&");
        let file = app.anonymous("GET", &url).timeout(LIMIT).send().await.unwrap();
        assert_eq!(file.status(), 200, "{url}");
        let format = url.split_once("format=").unwrap().1.to_owned();
        let (headers, expected) = export(&app, &path(organisation, room), &format).await;
        assert_eq!(
            file.headers()["content-disposition"],
            headers["content-disposition"]
        );
        assert_eq!(file.bytes().await.unwrap(), expected);
        offered.push(format);
    }
    assert_eq!(offered, ["docx", "txt", "vtt", "srt"]);
    let refused = app.anonymous(
        "GET",
        &captions_url.replace("/captions?", "/captions/transcript?"),
    );
    let (status, problem) = crate::harness::answer(refused).await;
    assert_eq!(
        (status, wrong_fields(&problem)),
        (400, vec!["format"]),
        "{problem}"
    );
    app.stop().await;
}
