//! Two people at one microphone: the transcript says which words are whose, open pages are told when it becomes known, names
//! reach all of it and every export, and a voice is kept beyond the meeting only with consent.

use serde_json::{Value, json};
use store::{HeardVoice, NewSegment, SOUND_DIMENSIONS, VoiceMerge, VoiceNews, VoiceTurn, Word};
use uuid::Uuid;

use crate::captions_resume_without_loss_or_double::{Events, hold, links};
use crate::harness::{TestApp, answer, wrong_fields};

const IDENTITY: &str = "p-room";

fn said(start_ms: i64, text: &str) -> NewSegment {
    let words = (0..).zip(text.split(' ')).map(|(index, text)| Word {
        text: text.to_owned(),
        start_ms: start_ms + index * 500,
        end_ms: start_ms + (index + 1) * 500,
        confidence: 0.9,
    });
    let words: Vec<Word> = words.collect();
    let end_ms = words.last().unwrap().end_ms;
    NewSegment {
        id: Uuid::now_v7(),
        identity: IDENTITY.to_owned(),
        speaker_name: "Room 2".to_owned(),
        track_id: "TR_1".to_owned(),
        start_ms,
        end_ms,
        heard_start_ms: start_ms,
        heard_end_ms: end_ms,
        late: false,
        usage: Vec::new(),
        text: text.to_owned(),
        words,
        engine: "test".to_owned(),
    }
}

fn turn(turn: i32, start_ms: i64, end_ms: i64, label: i32) -> VoiceTurn {
    VoiceTurn {
        identity: IDENTITY.to_owned(),
        utterance: 0,
        turn,
        start_ms,
        end_ms,
        label: Some(label),
        overlapped: false,
    }
}

fn voice(label: i32, heard_ms: i64) -> HeardVoice {
    HeardVoice {
        identity: IDENTITY.to_owned(),
        label,
        sound: vec![0.5; SOUND_DIMENSIONS],
        heard_ms,
        person: None,
    }
}

/// A room in which "Shall we? Yes please." was said at one microphone, and that an agent holds.
struct Shared {
    app: TestApp,
    organisation: Uuid,
    room: Uuid,
    epoch: i64,
    segment: Uuid,
}

impl Shared {
    async fn begin() -> Self {
        let mut app = TestApp::start().await;
        app.feed_captions();
        let (organisation, room) = app.due_room().await;
        let epoch = hold(&app, room).await;
        let segment = said(0, "Shall we? Yes please.");
        let store = &app.app.store;
        store
            .append_segment(organisation, room, epoch, &segment)
            .await
            .unwrap();
        Self {
            segment: segment.id,
            app,
            organisation,
            room,
            epoch,
        }
    }

    /// The first two words are voice 1's, the others voice 2's; so is what is said next.
    async fn tell_apart(&self) {
        let news = VoiceNews {
            turns: vec![turn(0, 0, 1_000, 1), turn(1, 1_000, 2_000, 2)],
            voices: vec![voice(1, 3_000), voice(2, 2_000)],
            ..VoiceNews::default()
        };
        self.record(&news).await;
    }

    async fn record(&self, news: &VoiceNews) {
        let store = &self.app.app.store;
        store
            .record_voices(self.organisation, self.room, self.epoch, news)
            .await
            .unwrap();
    }

    fn path(&self, part: &str) -> String {
        let Self {
            organisation, room, ..
        } = self;
        format!("/v1/organisations/{organisation}/rooms/{room}/{part}")
    }

    async fn name(&self, body: Value) -> (u16, Value) {
        let path = self.path(&format!("segments/{}/voice", self.segment));
        self.app.post(&path, body).await
    }

    /// Who says what of the first segment.
    async fn parts(&self) -> Value {
        let (_, transcript) = self.app.get(&self.path("transcript")).await;
        spoken(&transcript["segments"][0])
    }

    async fn people(&self) -> Value {
        let path = format!("/v1/organisations/{}/people", self.organisation);
        self.app.get(&path).await.1["items"].clone()
    }

    async fn review_url(&self) -> String {
        let person = json!({ "name": "Dr Ada Low", "kind": "professional" });
        let person = self.app.made(&self.path("participants"), person).await;
        let path = self.path(&format!(
            "participants/{}/review-link",
            person["id"].as_str().unwrap()
        ));
        let link = self.app.made(&path, json!({})).await;
        link["review_url"].as_str().unwrap().to_owned()
    }
}

fn spoken(segment: &Value) -> Value {
    let parts = segment["voices"].as_array();
    parts
        .map(|parts| {
            parts
                .iter()
                .map(|part| json!([part["speaker"], part["text"]]))
                .collect()
        })
        .unwrap_or_default()
}

fn by(first: &str, second: &str) -> Value {
    json!([[first, "Shall we?"], [second, "Yes please."]])
}

#[tokio::test]
async fn whose_words_are_whose_reaches_pages_transcript_and_exports() {
    let shared = Shared::begin().await;
    let app = &shared.app;
    let (captions_url, _) = links(app, shared.organisation, shared.room).await;
    let mut watching = Events::open(app, &captions_url, None).await;
    let shown = watching.next("segments").await[0].clone();
    assert_eq!((shown.get("voices"), shared.parts().await), (None, Value::Null));

    shared.tell_apart().await;
    let numbered = by("Room 2 · speaker 1", "Room 2 · speaker 2");
    let told = watching.next("voices").await[0].clone();
    assert_eq!((&told["id"], spoken(&told)), (&shown["id"], numbered.clone()));
    let (_, transcript) = app.get(&shared.path("transcript")).await;
    assert_eq!(
        transcript["segments"][0]["voices"][1],
        json!({
            "label": 2, "name": null, "speaker": "Room 2 · speaker 2", "text": "Yes please.",
            "start_ms": 1_000, "end_ms": 2_000, "overlapped": false,
        })
    );

    // Of what is stored later the page reads the voices at once; other stretches are not sent again.
    let next = said(3_000, "Good.");
    let store = &app.app.store;
    let number = store.append_segment(shared.organisation, shared.room, shared.epoch, &next);
    number.await.unwrap();
    watching.next("segments").await;
    let news = VoiceNews {
        turns: vec![turn(2, 3_000, 3_500, 2)],
        ..VoiceNews::default()
    };
    shared.record(&news).await;
    let told = watching.next("voices").await;
    assert_eq!(
        (told.as_array().unwrap().len(), &told[0]["id"]),
        (1, &json!(next.id))
    );

    let (status, _) = shared.name(json!({ "name": " Ben ", "label": 2 })).await;
    assert_eq!(status, 201);
    let named = by("Room 2 · speaker 1", "Ben");
    let told = watching.next("voices").await;
    assert_eq!(
        (told.as_array().unwrap().len(), spoken(&told[0])),
        (2, named.clone())
    );
    assert_eq!(shared.parts().await, named);
    // Whoever comes back has seen the captions, not the names.
    let mut back = Events::open(app, &captions_url, Some("2")).await;
    assert_eq!(spoken(&back.next("voices").await[0]), named);

    for (format, expected) in [
        ("vtt", "<v Ben>Yes please."),
        ("srt", "Ben: Yes please."),
        (
            "txt",
            "[00:00:00] Room 2 · speaker 1: Shall we?\n[00:00:01] Ben: Yes please.\n",
        ),
        ("md", "**Ben** (00:00:01): Yes please. Good."),
        ("seglst", "\"speaker\":\"p-room:2\",\"speaker_name\":\"Ben\""),
        ("json", "\"speaker\":\"Ben\""),
    ] {
        let export = app.request("GET", &shared.path(&format!("transcript/export?format={format}")));
        let text = export.send().await.unwrap().text().await.unwrap();
        assert!(text.contains(expected), "{format}: {text}");
    }

    // Two labels that turn out to be one voice.
    let identity = IDENTITY.to_owned();
    let news = VoiceNews {
        merges: vec![VoiceMerge {
            identity,
            from: 1,
            into: 2,
        }],
        ..VoiceNews::default()
    };
    shared.record(&news).await;
    assert_eq!(
        spoken(&watching.next("voices").await[0]),
        json!([["Ben", "Shall we? Yes please."]])
    );
    drop((watching, back));
    shared.app.stop().await;
}

/// Pages of those in the room have the text from there. They are told whose its words are, and nobody is told any word.
#[tokio::test]
async fn those_in_the_room_are_told_whose_words_are_whose() {
    let shared = Shared::begin().await;
    let app = &shared.app;
    shared.tell_apart().await;
    let (_, join_url) = links(app, shared.organisation, shared.room).await;
    let key = join_url.split_once("key=").unwrap().1;
    let way_in = format!("/join/{}", shared.room);
    let enter = app
        .anonymous("POST", &way_in)
        .json(&json!({"key": key, "name": "Ann"}));
    let entered = answer(enter).await.1;
    let voices = |key: &str| format!("{way_in}/voices?key={key}");
    // The link itself is everybody's.
    assert_eq!(answer(app.anonymous("GET", &voices(key))).await.0, 401);

    let mut told = Events::of(app, &voices(entered["rejoin_key"].as_str().unwrap()), None).await;
    let part = |label: i32, speaker: &str| json!({"words": 2, "label": label, "speaker": speaker, "overlapped": false});
    let first = |parts: Value| json!([{"id": shared.segment, "parts": parts}]);
    let numbered = json!([part(1, "Room 2 · speaker 1"), part(2, "Room 2 · speaker 2")]);
    assert_eq!(told.next("voices").await, first(numbered));
    shared.name(json!({"name": "Ben", "label": 2})).await;
    let named = json!([part(1, "Room 2 · speaker 1"), part(2, "Ben")]);
    assert_eq!(told.next("voices").await, first(named));
    // A correction has as many words as it has.
    let path = shared.path(&format!("segments/{}/corrections", shared.segment));
    app.made(
        &path,
        json!({"text": "Shall we? Oh yes, please.", "author": "Ada"}),
    )
    .await;
    let corrected = told.next("voices").await;
    let words: Vec<&Value> = corrected[0]["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| &part["words"])
        .collect();
    assert_eq!(
        words.iter().filter_map(|words| words.as_u64()).sum::<u64>(),
        5,
        "{corrected}"
    );
    drop(told);
    shared.app.stop().await;
}

#[tokio::test]
async fn voices_are_listed_named_and_unnamed() {
    let shared = Shared::begin().await;
    let app = &shared.app;
    assert_eq!(app.get(&shared.path("voices")).await.1["items"], json!([]));
    let (status, problem) = shared.name(json!({ "name": "Ben" })).await;
    assert_eq!(
        (status, problem["detail"].as_str()),
        (409, Some("nobody is told apart in this segment"))
    );
    shared.tell_apart().await;
    let second = shared.path(&format!("voices/{IDENTITY}/2"));
    let put = async |body: Value| answer(app.request("PUT", &second).json(&body)).await;
    assert_eq!(put(json!({ "name": "Ben", "author": "Secretary" })).await.0, 204);
    let (_, list) = app.get(&shared.path("voices")).await;
    assert_eq!(
        list["items"][1],
        json!({ "identity": IDENTITY, "label": 2, "name": "Ben", "person_id": null, "heard_ms": 2_000 })
    );
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    assert_eq!(shared.parts().await, by("Room 2 · speaker 1", "Ben"));
    assert_eq!(answer(app.request("DELETE", &second)).await.0, 204);
    assert_eq!(
        shared.parts().await,
        by("Room 2 · speaker 1", "Room 2 · speaker 2")
    );

    for (body, field) in [
        (json!({}), "name"),
        (json!({ "name": "" }), "name"),
        (json!({ "name": "a\nb" }), "name"),
        (json!({ "name": "Ben", "author": " " }), "author"),
        (json!({ "name": "Ben", "label": 2 }), "label"),
    ] {
        let (status, problem) = put(body).await;
        assert_eq!((status, wrong_fields(&problem)), (400, vec![field]), "{problem}");
    }
    let unknown = shared.path(&format!("voices/{IDENTITY}/3"));
    let request = app.request("PUT", &unknown).json(&json!({ "name": "Eve" }));
    assert_eq!(answer(request).await.0, 404);
    assert_eq!(answer(app.request("DELETE", &unknown)).await.0, 404);

    let rooms = format!("/v1/organisations/{}/rooms", shared.organisation);
    let new = |voices: &str| json!({ "title": "A", "starts_at": "2099-01-01T10:00:00Z", "voices": voices });
    for policy in ["detect", "several", "one"] {
        assert_eq!(app.made(&rooms, new(policy)).await["voices"], policy);
    }
    let (status, problem) = app.post(&rooms, new("many")).await;
    assert_eq!((status, wrong_fields(&problem)), (400, vec!["voices"]));
    let message = problem["errors"][0]["message"].as_str().unwrap();
    assert!(
        ["`detect`", "`several`", "`one`"]
            .iter()
            .all(|value| message.contains(value)),
        "{message}"
    );
    shared.app.stop().await;
}

#[tokio::test]
async fn a_voice_is_kept_with_consent_and_forgotten_on_request() {
    let shared = Shared::begin().await;
    shared.tell_apart().await;
    let app = &shared.app;
    for (body, field) in [
        (json!({ "name": "Alice", "remember": true }), "consent_by"),
        (
            json!({ "name": "Alice", "remember": true, "consent_by": "" }),
            "consent_by",
        ),
        (json!({ "name": "Alice", "label": 3 }), "label"),
    ] {
        let (status, problem) = shared.name(body).await;
        assert_eq!((status, wrong_fields(&problem)), (400, vec![field]), "{problem}");
    }
    let (status, problem) = shared
        .name(json!({ "name": "Ben", "label": 2, "remember": true, "consent_by": "Ann" }))
        .await;
    assert_eq!(status, 409, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("2.5 seconds"));
    // Consent without the wish to keep anything keeps nothing.
    shared
        .name(json!({ "name": "Alice", "label": 1, "consent_by": "Ann" }))
        .await;
    assert_eq!(shared.people().await, json!([]));

    // The first of two who say equally much is meant.
    let (status, named) = shared
        .name(json!({ "name": "Alice", "remember": true, "consent_by": "Ann" }))
        .await;
    assert_eq!((status, &named["label"]), (201, &json!(1)), "{named}");
    let people = shared.people().await;
    assert_eq!(
        (&people[0]["id"], &people[0]["name"], &people[0]["consent_by"]),
        (&named["person_id"], &json!("Alice"), &json!("Ann"))
    );
    assert_eq!(
        people[0].get("sound"),
        None,
        "what a voice sounds like stays inside"
    );
    let other = app.organisation().await;
    let id = named["person_id"].as_str().unwrap();
    let delete = async |organisation: Uuid| {
        let path = format!("/v1/organisations/{organisation}/people/{id}");
        answer(app.request("DELETE", &path)).await.0
    };
    assert_eq!(delete(other).await, 404);
    assert_eq!(delete(shared.organisation).await, 204);
    assert_eq!(delete(shared.organisation).await, 404);
    assert_eq!(shared.people().await, json!([]));
    assert_eq!(shared.parts().await, by("Alice", "Room 2 · speaker 2"));
    shared.app.stop().await;
}

#[tokio::test]
async fn reviewers_name_voices_by_link_and_nobody_else() {
    let shared = Shared::begin().await;
    shared.tell_apart().await;
    let app = &shared.app;
    let (captions_url, _) = links(app, shared.organisation, shared.room).await;
    let review_url = shared.review_url().await;
    let post = async |url: &str, body: &Value| {
        let url = url.replace("/captions?", "/captions/voices?");
        answer(app.anonymous("POST", &url).json(body)).await
    };
    let body = |name: Value, label: i32| json!({ "segment": shared.segment, "label": label, "name": name });
    assert_eq!(post(&captions_url, &body(json!("Eve"), 1)).await.0, 401);
    assert_eq!(post(&review_url, &body(json!("Alice"), 1)).await.0, 201);
    assert_eq!(shared.parts().await, by("Alice", "Room 2 · speaker 2"));
    assert_eq!(post(&review_url, &body(Value::Null, 1)).await.0, 201);
    assert_eq!(
        shared.parts().await,
        by("Room 2 · speaker 1", "Room 2 · speaker 2")
    );

    let mut keep = body(json!("Alice"), 1);
    keep["remember"] = json!(true);
    let (status, problem) = post(&review_url, &keep).await;
    assert_eq!(
        (status, wrong_fields(&problem)),
        (400, vec!["agreed"]),
        "{problem}"
    );
    assert_eq!(shared.people().await, json!([]));
    keep["agreed"] = json!(true);
    assert_eq!(post(&review_url, &keep).await.0, 201);
    assert_eq!(shared.people().await[0]["consent_by"], "Dr Ada Low");
    for (url, may) in [(captions_url.as_str(), false), (&review_url, true)] {
        let page = app.anonymous("GET", url).send().await.unwrap();
        let page = page.text().await.unwrap();
        assert_eq!(page.contains("data-voices="), may, "{page}");
    }
    shared.app.stop().await;
}
