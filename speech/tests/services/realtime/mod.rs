//! OpenAI's realtime transcription.

mod server;

use serde_json::json;
use server::{Behaviour, Event, KEY, MODEL, STEP, Server, Source};
use speech::realtime::{Realtime, RealtimeLimits, RealtimeOptions};
use speech::{ApiKey, Audio, Hypothesis, RecogniseError, Recogniser, Request, RequestKind, StreamId};

use crate::refusals::{REFUSALS, assert_refused};

/// Words `from..to`, 400 ms each.
fn spoken(from: usize, to: usize) -> Audio {
    (from..to)
        .flat_map(|word| vec![(word as i16 + 1) * STEP; 6_400])
        .collect::<Vec<_>>()
        .into()
}

fn text(from: usize, to: usize) -> String {
    let words: Vec<String> = (from..to).map(|word| format!("w{}", word + 1)).collect();
    words.join(" ")
}

fn request(kind: RequestKind, utterance: u64, from: usize, to: usize) -> Request {
    Request {
        stream: StreamId(1),
        utterance,
        kind,
        audio: spoken(from, to),
        start_ms: from as u64 * 400,
        prompt: String::new(),
        settled: Vec::new(),
    }
}

fn options(server: &Server) -> RealtimeOptions {
    RealtimeOptions {
        base_url: server.url.clone(),
        limits: RealtimeLimits {
            reconnect_ms: (10, 20),
            stall_ms: 300,
            final_ms: 2_000,
            ..RealtimeLimits::default()
        },
        ..RealtimeOptions::new(ApiKey::new(KEY))
    }
}

async fn heard(realtime: &Realtime, request: Request) -> Hypothesis {
    realtime.submit(request).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_growing_utterance_is_sent_once_and_its_words_come_while_it_grows() {
    let mut server = Server::start(Source::Levels, &[]).await;
    let realtime = Realtime::new(RealtimeOptions {
        language: Some("en".to_owned()),
        ..options(&server)
    })
    .unwrap();
    let mut shown = 0;
    for to in [3, 5, 8] {
        let partial = heard(&realtime, request(RequestKind::Partial, 0, 0, to)).await;
        assert!(text(0, to).starts_with(&partial.text()), "{}", partial.text());
        assert!(!partial.is_whole && partial.words.len() >= shown);
        shown = partial.words.len();
    }
    // A partial is answered by the first new word; those that follow it are the next partial's.
    assert!(shown >= 2, "{shown} words before the end");
    let last = heard(&realtime, request(RequestKind::Final, 0, 0, 9)).await;
    assert_eq!((last.text(), last.is_whole), (text(0, 9), true));
    assert_eq!(last.engine, format!("openai-realtime:{MODEL}"));
    assert!(last.words[8].end_ms <= 3_600 && last.words[4].start_ms >= 1_000);
    let next = request(RequestKind::Final, 1, 12, 15);
    let stream = next.stream;
    let next = heard(&realtime, next).await;
    assert_eq!(next.text(), text(12, 15));
    assert!(next.words[0].start_ms >= 4_800);
    assert_eq!(realtime.load().waiting_finals, 0);
    // Twelve words, each sent once.
    let [sent] = realtime.take_sent(stream).try_into().unwrap();
    assert!((4_799..=4_800).contains(&sent.audio.as_millis()), "{sent:?}");
    drop(realtime);
    server.events.wait_for(|event| *event == Event::Closed).await;
    server.assert_no_violations();
}

#[tokio::test]
async fn every_session_is_told_the_terms_of_its_time() {
    let mut server = Server::start(Source::Levels, &[Behaviour::CutAtCommit(1)]).await;
    let realtime = Realtime::new(RealtimeOptions {
        language: Some("en".to_owned()),
        ..options(&server)
    })
    .unwrap();
    realtime.expect(&["Rapporteur".to_owned(), "Ben Ito".to_owned()]);
    let partial = heard(&realtime, request(RequestKind::Partial, 0, 0, 3)).await;
    assert!(text(0, 3).starts_with(&partial.text()));
    realtime.expect(&["Rapporteur".to_owned(), "Ada".to_owned()]);
    let last = heard(&realtime, request(RequestKind::Final, 0, 0, 3)).await;
    assert_eq!(last.text(), text(0, 3));
    let sessions: Vec<Event> = server
        .events
        .past()
        .into_iter()
        .filter(|event| matches!(event, Event::SetUp(_)))
        .collect();
    let told = |name: &str| {
        Event::SetUp(json!({ "model": MODEL, "language": "en", "keywords": ["Rapporteur", name] }))
    };
    assert_eq!(sessions, [told("Ben Ito"), told("Ada")]);
    server.assert_no_violations();
}

#[tokio::test]
async fn an_utterance_that_is_cut_in_the_middle_is_nowhere_twice() {
    let mut server = Server::start(Source::Levels, &[]).await;
    let realtime = Realtime::new(options(&server)).unwrap();
    heard(&realtime, request(RequestKind::Partial, 0, 0, 8)).await;
    // The listener cut it at its quietest place; what is behind that is the next utterance.
    let last = realtime.submit(request(RequestKind::Final, 0, 0, 5));
    let rest = heard(&realtime, request(RequestKind::Final, 1, 5, 9)).await;
    assert_eq!(
        (last.await.unwrap().unwrap().text(), rest.text()),
        (text(0, 5), text(5, 9))
    );
    let commits: Vec<Event> = server
        .events
        .past()
        .into_iter()
        .filter(|event| matches!(event, Event::Committed(_)))
        .collect();
    assert_eq!(commits.len(), 2);
    server.assert_no_violations();
}

#[tokio::test]
async fn what_a_lost_expired_or_silent_session_did_not_say_is_asked_of_the_next() {
    for behaviour in [
        Behaviour::CutAtCommit(2),
        Behaviour::ExpireAtCommit(2),
        Behaviour::MuteAtCommit(2),
        Behaviour::FloodAtCommit(2),
    ] {
        let mut server = Server::start(Source::Levels, &[behaviour]).await;
        let realtime = Realtime::new(options(&server)).unwrap();
        for utterance in 0..4 {
            let from = utterance as usize * 6;
            heard(
                &realtime,
                request(RequestKind::Partial, utterance, from, from + 3),
            )
            .await;
            let last = heard(&realtime, request(RequestKind::Final, utterance, from, from + 4)).await;
            assert_eq!(last.text(), text(from, from + 4), "{behaviour:?}");
        }
        let connections = server
            .events
            .past()
            .into_iter()
            .filter(|event| *event == Event::Connected);
        assert_eq!(connections.count(), 2, "{behaviour:?}");
        server.assert_no_violations();
    }
}

#[tokio::test]
async fn a_service_that_stays_away_fails_in_time() {
    for behaviour in [
        Behaviour::MuteAtCommit(1),
        Behaviour::CutAtCommit(1),
        Behaviour::Refuse(503),
    ] {
        let server = Server::start(Source::Levels, &[behaviour; 400]).await;
        let realtime = Realtime::new(options(&server)).unwrap();
        let answer = realtime
            .submit(request(RequestKind::Final, 0, 0, 3))
            .await
            .unwrap();
        assert!(
            matches!(answer, Err(RecogniseError::Failed | RecogniseError::Late)),
            "{answer:?}"
        );
        server.assert_no_violations();
    }
}

#[tokio::test]
async fn one_failure_is_one_utterances_own() {
    let server = Server::start(Source::Levels, &[Behaviour::FailCommit(1)]).await;
    let realtime = Realtime::new(options(&server)).unwrap();
    let failed = realtime
        .submit(request(RequestKind::Final, 0, 0, 3))
        .await
        .unwrap();
    assert_eq!(failed, Err(RecogniseError::Failed));
    let next = heard(&realtime, request(RequestKind::Final, 1, 3, 6)).await;
    assert_eq!(next.text(), text(3, 6));
}

#[tokio::test]
async fn rubbish_between_the_words_does_no_harm() {
    let server = Server::start(Source::Levels, &[Behaviour::Rubbish]).await;
    let realtime = Realtime::new(options(&server)).unwrap();
    for utterance in 0..3 {
        let last = heard(&realtime, request(RequestKind::Final, utterance, 2, 6)).await;
        assert_eq!(last.text(), text(2, 6));
    }
    server.assert_no_violations();
}

#[tokio::test]
async fn a_refusal_has_a_name_and_is_not_tried_again_at_once() {
    for (status, error) in REFUSALS {
        let mut server = Server::start(Source::Levels, &[Behaviour::Refuse(status)]).await;
        let mut options = options(&server);
        if status == 401 {
            options.api_key = ApiKey::new("another-key");
        }
        let realtime = Realtime::new(options).unwrap();
        assert_refused(&realtime, &request(RequestKind::Final, 0, 0, 2), error).await;
        assert_eq!(server.events.past(), [Event::Refused(status)], "asked once");
    }
}

/// The handshake is fine, and the session is refused: that too is true for every track.
#[tokio::test]
async fn a_refusal_within_a_session_is_not_tried_again_at_once_on_another_track() {
    for (code, error) in [
        ("invalid_api_key", RecogniseError::Unauthorised),
        ("insufficient_quota", RecogniseError::PaymentRequired),
        ("rate_limit_exceeded", RecogniseError::RateLimited),
        ("invalid_model", RecogniseError::Misconfigured),
    ] {
        let mut server = Server::start(Source::Levels, &[Behaviour::Deny(code)]).await;
        let realtime = Realtime::new(options(&server)).unwrap();
        assert_refused(&realtime, &request(RequestKind::Final, 0, 0, 2), error).await;
        let connections = server.events.past().into_iter();
        let connections = connections.filter(|event| *event == Event::Connected).count();
        assert_eq!(connections, 1, "{code}");
    }
}

#[tokio::test]
async fn unusable_options_are_named_and_the_key_is_not_printed() {
    let server = Server::start(Source::Levels, &[]).await;
    let good = options(&server);
    let realtime = Realtime::new(good.clone()).unwrap();
    assert!(!format!("{good:?} {realtime:?}").contains(KEY));
    for url in ["http://localhost", "localhost:80", "ws://"] {
        let mut bad = good.clone();
        bad.base_url = url.to_owned();
        assert!(Realtime::new(bad).is_err(), "{url}");
    }
    let mut bad = good.clone();
    bad.api_key = ApiKey::new("line\nbreak");
    assert!(Realtime::new(bad).unwrap_err().to_string().contains("API key"));
}
