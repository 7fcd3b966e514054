//! OpenAI-compatible endpoints for transcription.

mod server;

use std::sync::Arc;
use std::time::Duration;

use server::{Behaviour, KEY, Server, TEXT_ONLY, WITH_TIMES};
use speech::openai::{OpenAi, OpenAiLimits, OpenAiOptions};
use speech::{
    ApiKey, Audio, Chain, ChainLimits, Hypothesis, RecogniseError, Recogniser, Request, RequestKind, StreamId,
};

use crate::played::played;

async fn server(behaviours: &[Behaviour]) -> (Server, Arc<[i16]>) {
    let (recording, words) = played();
    (
        Server::start(recording.clone(), words, behaviours).await,
        recording,
    )
}

fn options(server: &Server) -> OpenAiOptions {
    OpenAiOptions {
        base_url: server.url.clone(),
        limits: OpenAiLimits {
            retry_ms: 10,
            ..OpenAiLimits::default()
        },
        ..OpenAiOptions::new(ApiKey::new(KEY))
    }
}

fn request(kind: RequestKind, recording: &[i16], from_ms: usize, to_ms: usize) -> Request {
    Request {
        stream: StreamId(1),
        utterance: 3,
        kind,
        audio: Audio::from(&recording[from_ms * 16..to_ms * 16]),
        start_ms: from_ms as u64,
        prompt: String::new(),
        settled: Vec::new(),
    }
}

fn texts(heard: &Hypothesis) -> Vec<&str> {
    heard.words.iter().map(|word| word.text.as_str()).collect()
}

#[tokio::test]
async fn an_utterance_is_one_request_and_its_words_have_the_tracks_times() {
    let (server, recording) = server(&[]).await;
    let openai = OpenAi::new(OpenAiOptions {
        language: Some("en".to_owned()),
        ..options(&server)
    })
    .unwrap();
    let mut last = request(RequestKind::Final, &recording, 800, 2_000);
    last.prompt = "Hey Robin, Robin.".repeat(100);
    let heard = openai.submit(last).await.unwrap().unwrap();
    let words: Vec<_> = heard
        .words
        .iter()
        .map(|word| (word.text.as_str(), word.start_ms, word.end_ms))
        .collect();
    assert_eq!(
        words,
        [("W2.", 820, 1_180), ("W3.", 1_220, 1_580), ("W4.", 1_620, 1_980)]
    );
    assert_eq!(
        (
            heard.engine.as_str(),
            heard.utterance,
            heard.is_whole,
            heard.audio_ms
        ),
        ("openai:whisper-1", 3, true, 1_200)
    );
    assert!((heard.words[0].confidence - 0.778).abs() < 0.01, "of its segment");
    let [asked] = server.asked().try_into().unwrap();
    assert!(asked.audio == recording[800 * 16..2_000 * 16]);
    assert_eq!(asked.fields["language"], ["en"]);
    assert_eq!(asked.fields["model"], [WITH_TIMES]);
    let prompt = &asked.fields["prompt"][0];
    assert!(prompt.len() == 600 && prompt.ends_with("Robin."), "the end of it");
    assert_eq!(openai.load().waiting_finals, 0);
    server.assert_no_violations();
}

#[tokio::test]
async fn a_model_without_times_is_found_out_once_and_its_words_are_spread() {
    let (server, recording) = server(&[]).await;
    let openai = OpenAi::new(OpenAiOptions {
        model: TEXT_ONLY.to_owned(),
        ..options(&server)
    })
    .unwrap();
    for _ in 0..2 {
        let last = request(RequestKind::Final, &recording, 800, 2_000);
        let heard = openai.submit(last).await.unwrap().unwrap();
        assert_eq!(texts(&heard), ["W2.", "W3.", "W4."]);
        // Noise is voiced all over.
        assert_eq!(
            (
                heard.words[0].start_ms,
                heard.words[1].start_ms,
                heard.words[2].end_ms
            ),
            (800, 1_200, 2_000)
        );
    }
    let formats: Vec<_> = server
        .asked()
        .into_iter()
        .map(|asked| asked.fields["response_format"].join(""))
        .collect();
    assert_eq!(formats, ["verbose_json", "json", "json"]);
    server.assert_no_violations();
}

#[tokio::test]
async fn plain_text_will_do() {
    let (server, recording) = server(&[Behaviour::Plain]).await;
    let openai = OpenAi::new(options(&server)).unwrap();
    let last = request(RequestKind::Final, &recording, 0, 800);
    assert_eq!(
        texts(&openai.submit(last).await.unwrap().unwrap()),
        ["W0.", "W1."]
    );
}

#[tokio::test]
async fn partials_are_asked_for_only_where_they_cost_nothing() {
    let (server, recording) = server(&[]).await;
    let billed = OpenAi::new(options(&server)).unwrap();
    let partial = request(RequestKind::Partial, &recording, 0, 800);
    let refused = billed.submit(partial.clone()).await.unwrap();
    assert_eq!(refused, Err(RecogniseError::NoPartials));
    assert!(server.asked().is_empty() && !billed.gives_partials());
    let own = OpenAi::new(OpenAiOptions {
        partials: true,
        ..options(&server)
    })
    .unwrap();
    assert_eq!(
        texts(&own.submit(partial).await.unwrap().unwrap()),
        ["W0.", "W1."]
    );
}

#[tokio::test]
async fn what_is_too_short_for_a_word_is_not_sent() {
    let (server, recording) = server(&[]).await;
    let openai = OpenAi::new(options(&server)).unwrap();
    let short = request(RequestKind::Final, &recording, 0, 90);
    assert!(openai.submit(short).await.unwrap().unwrap().words.is_empty());
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_final_is_tried_twice_and_a_partial_once() {
    for behaviour in [
        Behaviour::Refuse(500),
        Behaviour::Refuse(503),
        Behaviour::Cut,
        Behaviour::SlowDown(Some(20)),
    ] {
        let (server, recording) =
            server(&[behaviour, Behaviour::Well, behaviour, behaviour, behaviour]).await;
        let openai = OpenAi::new(OpenAiOptions {
            partials: true,
            ..options(&server)
        })
        .unwrap();
        let last = request(RequestKind::Final, &recording, 0, 800);
        let heard = openai.submit(last.clone()).await.unwrap().unwrap();
        assert_eq!(texts(&heard), ["W0.", "W1."], "{behaviour:?}");
        let error = openai.submit(last).await.unwrap().unwrap_err();
        assert!(
            matches!(error, RecogniseError::Failed | RecogniseError::RateLimited),
            "{error:?}"
        );
        assert_eq!(server.asked().len(), 4, "{behaviour:?}");
        if !matches!(behaviour, Behaviour::SlowDown(_)) {
            let partial = request(RequestKind::Partial, &recording, 0, 800);
            assert!(openai.submit(partial).await.unwrap().is_err());
            assert_eq!(server.asked().len(), 5, "{behaviour:?}");
        }
        server.assert_no_violations();
    }
}

#[tokio::test]
async fn what_the_endpoint_takes_is_counted_and_what_it_refuses_is_not() {
    let sent_ms = |openai: &OpenAi| -> u128 {
        let sent = openai.take_sent(StreamId(1));
        assert!(sent.iter().all(|sent| sent.engine == openai.engine()));
        sent.iter().map(|sent| sent.audio.as_millis()).sum()
    };
    for (behaviours, counted_ms) in [
        (&[Behaviour::Well][..], 800),
        (&[Behaviour::Refuse(503), Behaviour::Well], 800),
        (&[Behaviour::Cut, Behaviour::Well], 1_600),
        (&[Behaviour::Rubbish("<html>")], 800),
        (&[Behaviour::Stall], 800),
        (&[Behaviour::Refuse(401)], 0),
        (&[Behaviour::SlowDown(Some(20)), Behaviour::SlowDown(Some(20))], 0),
    ] {
        let (server, recording) = server(behaviours).await;
        let mut options = options(&server);
        options.limits.final_ms = 1_000;
        let openai = OpenAi::new(options).unwrap();
        let last = request(RequestKind::Final, &recording, 0, 800);
        let _ = openai.submit(last).await.unwrap();
        assert_eq!(sent_ms(&openai), counted_ms, "{behaviours:?}");
        assert_eq!(sent_ms(&openai), 0, "counted twice");
    }
    // Nobody is there.
    let (gone, recording) = server(&[]).await;
    let openai = OpenAi::new(options(&gone)).unwrap();
    drop(gone);
    let last = request(RequestKind::Final, &recording, 0, 800);
    assert!(openai.submit(last).await.unwrap().is_err());
    assert_eq!(sent_ms(&openai), 0);
}

#[tokio::test]
async fn a_refusal_has_a_name_and_is_not_tried_again_at_once() {
    for (behaviour, error) in [
        (Behaviour::Refuse(403), RecogniseError::Unauthorised),
        (Behaviour::Refuse(402), RecogniseError::PaymentRequired),
        (Behaviour::Broke, RecogniseError::PaymentRequired),
        (Behaviour::Refuse(400), RecogniseError::Misconfigured),
        (Behaviour::Redirect, RecogniseError::Misconfigured),
        (Behaviour::SlowDown(None), RecogniseError::RateLimited),
        (Behaviour::SlowDown(Some(30_000)), RecogniseError::RateLimited),
    ] {
        let (server, recording) = server(&[behaviour]).await;
        let openai = OpenAi::new(options(&server)).unwrap();
        for _ in 0..3 {
            let last = request(RequestKind::Final, &recording, 0, 800);
            assert_eq!(openai.submit(last).await.unwrap(), Err(error), "{behaviour:?}");
        }
        assert_eq!(server.asked().len(), 1, "asked once: {behaviour:?}");
        server.assert_no_violations();
    }
}

/// The waits of a service that asks for patience grow; once it has answered they begin anew. Otherwise the last one here would
/// be a minute.
#[tokio::test]
async fn an_answer_makes_the_next_wait_short_again() {
    let slow = [Behaviour::SlowDown(Some(1)); 8];
    let behaviours = [&slow[..], &[Behaviour::Well, Behaviour::SlowDown(None)]].concat();
    let (server, recording) = server(&behaviours).await;
    let openai = OpenAi::new(options(&server)).unwrap();
    let last = request(RequestKind::Final, &recording, 0, 800);
    while openai.submit(last.clone()).await.unwrap().is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.asked().len(), 9);
    assert_eq!(
        openai.submit(last.clone()).await.unwrap(),
        Err(RecogniseError::RateLimited)
    );
    let well_again = async {
        while openai.submit(last.clone()).await.unwrap().is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), well_again)
        .await
        .expect("it is asked again");
    assert_eq!(server.asked().len(), 11);
}

/// A long utterance takes longer: its time is that of a short one and its own length.
#[tokio::test]
async fn a_finals_time_grows_with_its_audio() {
    for (to_ms, expected) in [(400, Err(RecogniseError::Late)), (12_000, Ok(30))] {
        let (server, recording) = server(&[Behaviour::Late(1_000)]).await;
        let mut options = options(&server);
        options.limits.final_ms = 200;
        let openai = OpenAi::new(options).unwrap();
        let last = request(RequestKind::Final, &recording, 0, to_ms);
        let answer = openai.submit(last).await.unwrap();
        assert_eq!(answer.map(|heard| heard.words.len()), expected);
    }
}

#[tokio::test]
async fn a_wrong_key_or_model_is_named() {
    let (server, recording) = server(&[]).await;
    for (key, model, error) in [
        ("another", WITH_TIMES, RecogniseError::Unauthorised),
        (KEY, "no-such-model", RecogniseError::Misconfigured),
    ] {
        let openai = OpenAi::new(OpenAiOptions {
            api_key: ApiKey::new(key),
            model: model.to_owned(),
            ..options(&server)
        })
        .unwrap();
        let last = request(RequestKind::Final, &recording, 0, 800);
        assert_eq!(openai.submit(last).await.unwrap(), Err(error));
    }
}

#[tokio::test]
async fn what_is_no_answer_fails_and_is_not_paid_for_twice() {
    for behaviour in [
        Behaviour::Rubbish("<html>"),
        Behaviour::Rubbish(r#"{"text":null}"#),
        Behaviour::Rubbish(r#"{"text":"a","words":[{"word":7}]}"#),
        Behaviour::Endless(3),
    ] {
        let (server, recording) = server(&[behaviour]).await;
        let openai = OpenAi::new(options(&server)).unwrap();
        let last = request(RequestKind::Final, &recording, 0, 800);
        assert_eq!(
            openai.submit(last).await.unwrap(),
            Err(RecogniseError::Failed),
            "{behaviour:?}"
        );
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_stall_ends_at_the_deadline_and_the_next_in_the_chain_has_the_words() {
    let (mut stalling, recording) = server(&[Behaviour::Stall, Behaviour::Stall]).await;
    let mut short = options(&stalling);
    short.limits.final_ms = 100;
    let first = OpenAi::new(short).unwrap();
    let last = request(RequestKind::Final, &recording, 0, 800);
    let answer = first.submit(last.clone()).await.unwrap();
    assert_eq!(answer, Err(RecogniseError::Late));
    stalling.events.wait_for(|_| true).await;

    let (well, _) = server(&[]).await;
    let second = OpenAi::new(OpenAiOptions {
        model: TEXT_ONLY.to_owned(),
        ..options(&well)
    })
    .unwrap();
    let limits = ChainLimits {
        final_ms: 50,
        ..ChainLimits::default()
    };
    let mut patient = options(&stalling);
    patient.limits.final_ms = 600_000;
    let slow = OpenAi::new(patient).unwrap();
    let chain = Chain::new(vec![Arc::new(slow), Arc::new(second)], limits, |_| {}).unwrap();
    let heard = chain.submit(last).await.unwrap().unwrap();
    assert_eq!(
        (heard.engine.as_str(), texts(&heard)),
        ("openai:gpt-4o-transcribe", vec!["W0.", "W1."])
    );
    // The chain gave up waiting, and so did the request: nobody is billed for what nobody reads.
    stalling.events.wait_for(|_| true).await;
}

#[tokio::test]
async fn more_finals_than_places_wait_their_turn() {
    let (server, recording) = server(&[]).await;
    let openai = OpenAi::new(OpenAiOptions {
        at_once: 1,
        ..options(&server)
    })
    .unwrap();
    let answers: Vec<_> = (0..8)
        .map(|at| openai.submit(request(RequestKind::Final, &recording, at * 800, at * 800 + 400)))
        .collect();
    assert!(openai.load().waiting_finals > 0);
    for (at, answer) in answers.into_iter().enumerate() {
        assert_eq!(texts(&answer.await.unwrap().unwrap()), [format!("W{}.", at * 2)]);
    }
    assert_eq!((openai.load().waiting_finals, openai.load().at_once), (0, 1));
}

#[tokio::test]
async fn so_many_finals_wait_and_no_partial_takes_their_place() {
    let (server, recording) = server(&[Behaviour::Stall]).await;
    let openai = OpenAi::new(OpenAiOptions {
        at_once: 1,
        partials: true,
        ..options(&server)
    })
    .unwrap();
    let last = || openai.submit(request(RequestKind::Final, &recording, 0, 400));
    let first = last();
    while server.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    let partial = openai.submit(request(RequestKind::Partial, &recording, 0, 400));
    assert_eq!(partial.await.unwrap(), Err(RecogniseError::Overloaded));
    let _waiting: Vec<_> = std::iter::once(first)
        .chain(std::iter::repeat_with(last).take(255))
        .collect();
    assert_eq!(openai.load().waiting_finals, 256);
    assert_eq!(last().await.unwrap(), Err(RecogniseError::Overloaded));
    assert_eq!(openai.load().waiting_finals, 256);
}

#[tokio::test]
async fn unusable_options_are_named_and_the_key_is_not_printed() {
    let (server, _) = server(&[]).await;
    let good = options(&server);
    let openai = OpenAi::new(good.clone()).unwrap();
    assert!(!format!("{good:?} {openai:?}").contains(KEY));
    for url in ["ftp://localhost", "localhost:80", "http://"] {
        let mut bad = good.clone();
        bad.base_url = url.to_owned();
        assert!(OpenAi::new(bad).is_err(), "{url}");
    }
    let mut bad = good.clone();
    bad.api_key = ApiKey::new("line\nbreak");
    assert!(OpenAi::new(bad).unwrap_err().to_string().contains("API key"));
    for at_once in [0, 65] {
        let mut bad = good.clone();
        bad.at_once = at_once;
        assert!(OpenAi::new(bad).unwrap_err().to_string().contains("1 to 64"));
    }
}
