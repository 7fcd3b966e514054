//! A viewer sees what was said before, then partials and finals as they come; one that comes back after a cut sees each
//! final exactly once.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use store::{NewSegment, PartialCaption};
use tokio::time::timeout;
use uuid::Uuid;

use crate::harness::{LIMIT, TestApp};

/// Takes the room as an agent does; the epoch.
pub(crate) async fn hold(app: &TestApp, room: Uuid) -> i64 {
    let epoch = app
        .app
        .store
        .begin_dispatch(room, 0, Duration::from_secs(15))
        .await
        .unwrap()
        .unwrap();
    app.app
        .store
        .take_lease(room, epoch, "worker", Duration::from_secs(60))
        .await
        .unwrap();
    epoch
}

/// The addresses of the room's pages.
pub(crate) async fn links(app: &TestApp, organisation: Uuid, room: Uuid) -> (String, String) {
    let made = app
        .made(
            &format!("/v1/organisations/{organisation}/rooms/{room}/links"),
            json!({}),
        )
        .await;
    let url = |name: &str| made[name].as_str().unwrap().to_owned();
    (url("captions_url"), url("join_url"))
}

pub(crate) async fn say(app: &TestApp, organisation: Uuid, room: Uuid, epoch: i64, text: &str) -> i64 {
    let segment = NewSegment {
        id: Uuid::now_v7(),
        identity: "p-1".to_owned(),
        speaker_name: "Ann".to_owned(),
        track_id: "TR_1".to_owned(),
        start_ms: 100,
        end_ms: 200,
        heard_start_ms: 100,
        heard_end_ms: 200,
        late: false,
        usage: Vec::new(),
        text: text.to_owned(),
        words: vec![],
        engine: "test".to_owned(),
    };
    app.app
        .store
        .append_segment(organisation, room, epoch, &segment)
        .await
        .unwrap()
}

/// A browser's end of the stream.
pub(crate) struct Events {
    stream: std::pin::Pin<Box<dyn futures_util::Stream<Item = reqwest::Result<bytes::Bytes>> + Send>>,
    text: String,
    /// The id of the last event that had one.
    pub last_id: Option<String>,
}

impl Events {
    pub(crate) async fn open(app: &TestApp, captions_url: &str, last_id: Option<&str>) -> Self {
        Self::of(
            app,
            &captions_url.replace("/captions?", "/captions/events?"),
            last_id,
        )
        .await
    }

    /// Of any stream.
    pub(crate) async fn of(app: &TestApp, url: &str, last_id: Option<&str>) -> Self {
        let mut request = app.anonymous("GET", url);
        if let Some(last_id) = last_id {
            request = request.header("last-event-id", last_id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            stream: Box::pin(response.bytes_stream()),
            text: String::new(),
            last_id: None,
        }
    }

    /// The data of the next event of a name; others are skipped.
    pub(crate) async fn next(&mut self, name: &str) -> Value {
        let next = async {
            loop {
                let Some((event, rest)) = self.text.split_once("\n\n") else {
                    let more = self.stream.next().await.expect("the stream goes on").unwrap();
                    self.text.push_str(std::str::from_utf8(&more).unwrap());
                    continue;
                };
                let field = |name: &str| {
                    event
                        .lines()
                        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                        .map(str::to_owned)
                };
                let (kind, data, id) = (field("event"), field("data"), field("id"));
                self.text = rest.to_owned();
                self.last_id = id.or(self.last_id.take());
                if kind.as_deref() == Some(name) {
                    return serde_json::from_str(&data.unwrap()).unwrap();
                }
            }
        };
        timeout(LIMIT, next)
            .await
            .unwrap_or_else(|_| panic!("no event {name}"))
    }

    /// The texts of segments until there are so many.
    pub(crate) async fn texts(&mut self, count: usize) -> Vec<String> {
        let mut texts = Vec::new();
        while texts.len() < count {
            let segments = self.next("segments").await;
            texts.extend(
                segments
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|item| item["text"].as_str().unwrap().to_owned()),
            );
        }
        texts
    }
}

#[tokio::test]
async fn captions_resume_without_loss_or_double() {
    let mut app = TestApp::start().await;
    app.feed_captions();
    let (organisation, room) = app.due_room().await;
    let epoch = hold(&app, room).await;
    let (captions_url, _) = links(&app, organisation, room).await;
    // More than one event's worth of what was said before.
    let before: Vec<String> = (0..250).map(|number| format!("before {number}")).collect();
    for text in &before {
        say(&app, organisation, room, epoch, text).await;
    }
    let mut events = Events::open(&app, &captions_url, None).await;
    assert_eq!(events.next("status").await["status"], "live");
    assert_eq!(events.texts(250).await, before);
    assert_eq!(events.last_id.as_deref(), Some("250"));

    let partial = PartialCaption {
        segment: Uuid::nil(),
        identity: "p-1".to_owned(),
        name: "Ann".to_owned(),
        text: "half a".to_owned(),
        start_ms: 1,
    };
    app.app.store.publish_partial(room, &partial).await.unwrap();
    assert_eq!(events.next("partial").await["text"], "half a");
    say(&app, organisation, room, epoch, "live").await;
    assert_eq!(events.texts(1).await, ["live"]);
    let last_id = events.last_id.clone();
    drop(events);

    // While nobody listens two more are said; the browser gives its place.
    say(&app, organisation, room, epoch, "missed").await;
    say(&app, organisation, room, epoch, "missed too").await;
    let mut events = Events::open(&app, &captions_url, last_id.as_deref()).await;
    assert_eq!(events.texts(2).await, ["missed", "missed too"]);
    say(&app, organisation, room, epoch, "last").await;
    assert_eq!(events.texts(1).await, ["last"]);
    drop(events);

    // A place that this room never had begins at the beginning.
    let mut events = Events::open(&app, &captions_url, Some("100000")).await;
    assert_eq!(events.texts(1).await[0], "before 0");
    drop(events);
    app.stop().await;
}

#[tokio::test]
async fn a_hole_in_the_feed_is_filled_from_the_database() {
    let mut app = TestApp::start().await;
    app.feed_captions();
    let (organisation, room) = app.due_room().await;
    let epoch = hold(&app, room).await;
    let (captions_url, _) = links(&app, organisation, room).await;
    let mut events = Events::open(&app, &captions_url, None).await;
    say(&app, organisation, room, epoch, "first").await;
    assert_eq!(events.texts(1).await, ["first"]);
    // Every connection is cut, the one of the feed among them; a segment comes before it is back.
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    app.database.execute(cut).await;
    let mut said = false;
    while !said {
        let segment = NewSegment {
            id: Uuid::from_u128(7),
            identity: "p-1".to_owned(),
            speaker_name: "Ann".to_owned(),
            track_id: "TR_1".to_owned(),
            start_ms: 1,
            end_ms: 2,
            heard_start_ms: 1,
            heard_end_ms: 2,
            late: false,
            usage: Vec::new(),
            text: "second".to_owned(),
            words: vec![],
            engine: "test".to_owned(),
        };
        said = app
            .app
            .store
            .append_segment(organisation, room, epoch, &segment)
            .await
            .is_ok();
    }
    assert_eq!(events.texts(1).await, ["second"]);
    drop(events);
    app.stop().await;
}
