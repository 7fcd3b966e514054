//! Deepgram's live transcription.

mod server;
mod voices;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use server::{Behaviour, Event, KEY, Server, Source};
use speech::deepgram::{Deepgram, DeepgramLimits, DeepgramOptions};
use speech::{
    ApiKey, Audio, Hypothesis, Listener, ListenerEvent, ListenerOptions, RecogniseError, Recogniser, Request,
    RequestKind, StreamId, VoiceModel, WhisperOptions, WhisperPool, Word,
};

use crate::played::{Spoken, played};
use crate::refusals::{REFUSALS, assert_refused};

const PATIENT: Duration = Duration::from_secs(10);

async fn server(idle: Duration, behaviours: &[Behaviour]) -> (Server, Arc<[i16]>) {
    let (recording, words) = played();
    let server = Server::start(Source::Played(recording.clone(), words), idle, behaviours).await;
    (server, recording)
}

fn options(server: &Server) -> DeepgramOptions {
    DeepgramOptions {
        base_url: server.url.clone(),
        ..DeepgramOptions::new(ApiKey::new(KEY))
    }
}

fn request(kind: RequestKind, utterance: u64, recording: &[i16], from_ms: usize, to_ms: usize) -> Request {
    Request {
        stream: StreamId(1),
        utterance,
        kind,
        audio: Audio::from(&recording[from_ms * 16..to_ms * 16]),
        start_ms: from_ms as u64,
        prompt: String::new(),
        settled: Vec::new(),
    }
}

fn check(heard: &Hypothesis, from_ms: usize, to_ms: usize) {
    let words: Vec<_> = heard
        .words
        .iter()
        .map(|word| (word.text.clone(), word.start_ms as usize, word.end_ms as usize))
        .collect();
    let said: Vec<_> = (from_ms / 400..to_ms / 400)
        .map(|number| (format!("W{number}."), number * 400 + 20, number * 400 + 380))
        .collect();
    assert_eq!(words, said);
}

fn is_closed(event: &Event) -> bool {
    matches!(event, Event::Closed(_))
}

#[tokio::test]
async fn a_growing_utterance_is_sent_once_and_its_words_have_the_tracks_times() {
    let (mut server, recording) = server(PATIENT, &[]).await;
    let mut options = options(&server);
    options.diarize = true;
    let deepgram = Deepgram::new(options).unwrap();
    deepgram.expect(&["Rapporteur".to_owned(), "Jarvis & Co".to_owned()]);
    for to_ms in [1_600, 2_800, 4_000] {
        let partial = request(RequestKind::Partial, 0, &recording, 800, to_ms);
        let heard = deepgram.submit(partial).await.unwrap().unwrap();
        assert!(
            heard
                .words
                .iter()
                .all(|word| word.start_ms >= 800 && word.speaker.is_some_and(|speaker| speaker.number == 0))
        );
    }
    let last = request(RequestKind::Final, 0, &recording, 800, 4_400);
    check(&deepgram.submit(last).await.unwrap().unwrap(), 800, 4_400);
    let next = request(RequestKind::Final, 1, &recording, 6_000, 7_200);
    check(&deepgram.submit(next).await.unwrap().unwrap(), 6_000, 7_200);
    assert_eq!(deepgram.load().waiting_finals, 0);
    drop(deepgram);
    assert_eq!(server.events.wait_for(is_closed).await, Event::Closed("in order"));
    let sent = [
        &recording[800 * 16..4_400 * 16],
        &recording[6_000 * 16..7_200 * 16],
    ]
    .concat();
    assert!(server.audio() == [sent], "something is missing or twice");
    let parameters = &server.parameters()[0];
    assert_eq!(parameters["diarize_model"], ["latest"]);
    assert_eq!(parameters["keyterm"], ["Rapporteur", "Jarvis+%26+Co"]);
    assert_eq!(parameters["interim_results"], ["true"]);
    server.assert_no_violations();
}

#[tokio::test]
async fn a_line_that_is_cut_costs_nothing() {
    let (server, recording) = server(PATIENT, &[Behaviour::CutAfter(4_000 * 16)]).await;
    let mut options = options(&server);
    options.diarize = true;
    let deepgram = Deepgram::new(options).unwrap();
    // Settled after three seconds; the line is cut a second later, in the middle of the utterance.
    let partial = request(RequestKind::Partial, 0, &recording, 0, 3_200);
    let heard = deepgram.submit(partial).await.unwrap().unwrap();
    assert!(!heard.words.is_empty());
    let last = request(RequestKind::Final, 0, &recording, 0, 5_200);
    let last_stream = last.stream;
    let heard = deepgram.submit(last).await.unwrap().unwrap();
    check(&heard, 0, 5_200);
    let [cut, again] = server.audio().try_into().unwrap();
    assert!(cut == recording[..cut.len()]);
    // What came back before the cut is not sent again, what did not is.
    let on = |connection| {
        let is_on = |word: &&Word| {
            word.speaker
                .is_some_and(|speaker| speaker.connection == connection)
        };
        heard.words.iter().filter(is_on).count()
    };
    let (settled_words, replayed_words) = (on(0), on(1));
    assert_eq!((settled_words + replayed_words, settled_words > 5), (13, true));
    assert!(again == recording[5_200 * 16 - again.len()..5_200 * 16]);
    assert!(again.len() < 5_200 * 16 - 2_000 * 16);
    // Both are billed, and what was on its way when the line was cut may be.
    let [sent] = deepgram.take_sent(last_stream).try_into().unwrap();
    assert_eq!(sent.engine, deepgram.engine());
    let arrived_ms = ((cut.len() + again.len()) / 16) as u128;
    assert!(
        (arrived_ms..=5_200 + arrived_ms).contains(&sent.audio.as_millis()),
        "{sent:?}"
    );
    assert!(sent.audio.as_millis() > 5_200, "{sent:?}");
    server.assert_no_violations();
}

#[tokio::test]
async fn a_service_that_falls_silent_fails_within_the_deadline() {
    let mute = Behaviour::MuteAfter(0);
    let (server, recording) = server(PATIENT, &[mute; 16]).await;
    let mut options = options(&server);
    options.limits = DeepgramLimits {
        stall_ms: 200,
        final_ms: 500,
        reconnect_ms: (10, 20),
        ..options.limits
    };
    let deepgram = Deepgram::new(options).unwrap();
    let began = std::time::Instant::now();
    let last = request(RequestKind::Final, 0, &recording, 0, 400);
    let answer = deepgram.submit(last).await.unwrap();
    assert_eq!(answer, Err(RecogniseError::Failed));
    let took_ms = began.elapsed().as_millis();
    assert!((900..5_000).contains(&took_ms), "{took_ms} ms");
    // It was tried again on a new connection, with all of the audio.
    assert!(server.audio().len() >= 2);
    assert!(server.audio()[1] == recording[..400 * 16]);
    server.assert_no_violations();
}

#[tokio::test]
async fn a_quiet_line_is_kept_open() {
    let (mut server, recording) = server(Duration::from_millis(1_000), &[]).await;
    let mut options = options(&server);
    options.limits.keep_alive_ms = 100;
    let deepgram = Deepgram::new(options).unwrap();
    let first = request(RequestKind::Final, 0, &recording, 0, 400);
    check(&deepgram.submit(first).await.unwrap().unwrap(), 0, 400);
    // Longer than the server waits: fifteen signs of life.
    for _ in 0..15 {
        let event = server
            .events
            .wait_for(|event| is_closed(event) || *event == Event::Control("KeepAlive".to_owned()))
            .await;
        assert_eq!(event, Event::Control("KeepAlive".to_owned()));
    }
    let next = request(RequestKind::Final, 1, &recording, 800, 1_200);
    check(&deepgram.submit(next).await.unwrap().unwrap(), 800, 1_200);
    assert_eq!(server.audio().len(), 1, "one connection");
    // The track ends: the connection is closed in order.
    deepgram.forget(StreamId(1));
    assert_eq!(server.events.wait_for(is_closed).await, Event::Closed("in order"));
    server.assert_no_violations();
}

#[tokio::test]
async fn a_refusal_has_a_name_and_is_not_tried_again_at_once() {
    for (status, error) in REFUSALS {
        let (mut server, recording) = server(PATIENT, &[Behaviour::Refuse(status)]).await;
        let mut options = options(&server);
        if status == 401 {
            options.api_key = ApiKey::new("another-key");
        }
        let deepgram = Deepgram::new(options).unwrap();
        let last = request(RequestKind::Final, 0, &recording, 0, 400);
        assert_refused(&deepgram, &last, error).await;
        assert_eq!(server.events.past(), [Event::Refused(status)], "asked once");
    }
    assert!(RecogniseError::Unauthorised.to_string().contains("check the key"));
}

#[tokio::test]
async fn a_service_that_is_not_well_is_asked_again() {
    let behaviours = [Behaviour::Refuse(503), Behaviour::Refuse(500)];
    let (mut server, recording) = server(PATIENT, &behaviours).await;
    let mut options = options(&server);
    options.limits.reconnect_ms = (10, 20);
    let deepgram = Deepgram::new(options).unwrap();
    let last = request(RequestKind::Final, 0, &recording, 0, 2_000);
    check(&deepgram.submit(last).await.unwrap().unwrap(), 0, 2_000);
    let events = server.events.past();
    assert_eq!(
        events[..3],
        [Event::Refused(503), Event::Refused(500), Event::Connected]
    );
}

#[tokio::test]
async fn rubbish_between_the_words_and_a_slow_service_do_no_harm() {
    for behaviour in [Behaviour::Rubbish, Behaviour::Late(Duration::from_millis(300))] {
        let (server, recording) = server(PATIENT, &[behaviour]).await;
        let deepgram = Deepgram::new(options(&server)).unwrap();
        for number in 0..4 {
            let (from_ms, to_ms) = (number * 4_000, number * 4_000 + 2_400);
            let partial = request(
                RequestKind::Partial,
                number as u64,
                &recording,
                from_ms,
                to_ms - 400,
            );
            deepgram.submit(partial).await.unwrap().unwrap();
            let last = request(RequestKind::Final, number as u64, &recording, from_ms, to_ms);
            check(&deepgram.submit(last).await.unwrap().unwrap(), from_ms, to_ms);
        }
        assert_eq!(server.audio().len(), 1, "{behaviour:?}");
        server.assert_no_violations();
    }
}

#[tokio::test]
async fn unusable_options_are_named_and_the_key_is_not_printed() {
    let (server, _) = server(PATIENT, &[]).await;
    let good = options(&server);
    let deepgram = Deepgram::new(good.clone()).unwrap();
    assert!(!format!("{good:?} {deepgram:?}").contains(KEY));
    for url in ["ftp://localhost", "localhost:80", "http://"] {
        let mut bad = good.clone();
        bad.base_url = url.to_owned();
        assert!(Deepgram::new(bad).is_err(), "{url}");
    }
    for key in ["", "a b", "line\nbreak"] {
        let mut bad = good.clone();
        bad.api_key = ApiKey::new(key);
        let error = Deepgram::new(bad).unwrap_err().to_string();
        assert!(error.contains("API key"), "{error}");
    }
}

fn from_environment(name: &str) -> PathBuf {
    std::env::var_os(name)
        .map(PathBuf::from)
        .unwrap_or_else(|| panic!("{name} is not set: run `cargo verify`"))
}

/// Whisper says what is spoken where; the server says it again, from the audio that reaches it; the words that arrive
/// have to be the same, at the same times.
#[tokio::test]
async fn the_words_of_a_recording_arrive_where_they_are_spoken() {
    let file = from_environment("RAPPORTEUR_RECORDINGS").join("two_cities.wav");
    let recording: Arc<[i16]> = speech::wav::read_mono_16khz(&file).unwrap().into();
    let model = from_environment("RAPPORTEUR_WHISPER_MODEL");
    let pool = WhisperPool::load(&model, WhisperOptions { workers: 2 }).unwrap();
    let voice = VoiceModel::load(&from_environment("RAPPORTEUR_VOICE_MODEL")).unwrap();
    let mut listener = Listener::new(ListenerOptions::default(), voice.detector());
    let mut events = listener.push(&recording);
    events.extend(listener.flush());
    let mut spoken = Vec::new();
    for event in &events {
        let ListenerEvent::Finalise {
            utterance,
            audio,
            start_ms,
            ..
        } = event
        else {
            continue;
        };
        let last = Request {
            stream: StreamId(1),
            utterance: *utterance,
            kind: RequestKind::Final,
            audio: audio.clone(),
            start_ms: *start_ms,
            prompt: String::new(),
            settled: Vec::new(),
        };
        let heard = pool.submit(last).await.unwrap().unwrap();
        spoken.extend(heard.words.into_iter().map(|word| Spoken {
            text: word.text,
            start_ms: word.start_ms as usize,
            end_ms: word.end_ms as usize,
            voice: 0,
        }));
    }
    assert!(spoken.len() > 40, "{} words", spoken.len());

    let mut server = Server::start(Source::Played(recording.clone(), spoken.clone()), PATIENT, &[]).await;
    let deepgram = Deepgram::new(options(&server)).unwrap();
    let (mut heard, mut sent, mut partials) = (Vec::new(), Vec::new(), 0);
    for event in events {
        let (kind, utterance, audio, start_ms) = match event {
            ListenerEvent::Hypothesise {
                utterance,
                audio,
                start_ms,
                ..
            } => (RequestKind::Partial, utterance, audio, start_ms),
            ListenerEvent::Finalise {
                utterance,
                audio,
                start_ms,
                ..
            } => {
                sent.extend_from_slice(&audio.to_vec());
                (RequestKind::Final, utterance, audio, start_ms)
            }
            _ => continue,
        };
        let request = Request {
            stream: StreamId(1),
            utterance,
            kind,
            audio,
            start_ms,
            prompt: String::new(),
            settled: Vec::new(),
        };
        let hypothesis = deepgram.submit(request).await.unwrap().unwrap();
        if kind == RequestKind::Final {
            assert!(hypothesis.is_whole);
            heard.extend(hypothesis.words);
        } else {
            partials += 1;
        }
    }
    assert!(partials > 10);
    assert_eq!(heard.len(), spoken.len());
    for (heard, spoken) in heard.iter().zip(&spoken) {
        assert_eq!(heard.text, spoken.text);
        let off_ms = (heard.start_ms as usize).abs_diff(spoken.start_ms);
        assert!(off_ms <= 1, "{heard:?} is not at {spoken:?}");
    }
    drop(deepgram);
    assert_eq!(server.events.wait_for(is_closed).await, Event::Closed("in order"));
    assert!(server.audio() == [sent], "something is missing or twice");
    server.assert_no_violations();
}
