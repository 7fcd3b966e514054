//! Whatever a chat endpoint does, there is a checked or a quoted answer within the time limit.

mod support;

use std::time::{Duration, Instant};

use knowledge::{
    Answer, AnswerRequest, Answerer, ChatEndpoint, ChatError, ChatLimits, EXTRACTIVE_ENGINE, Fallback,
    NOT_IN_DOCUMENTS, Passage,
};
use support::embedder;
use support::endpoint::{
    Act, Endpoint, KEY, MODEL, chunked_head, end, event, reply, status, stream_head, words,
};
use uuid::Uuid;

const LIMITS: ChatLimits = ChatLimits {
    connect_ms: 2_000,
    first_word_ms: 1_500,
    silence_ms: 700,
    total_ms: 2_500,
    retry_after_ms: 1_000,
    response_bytes: 64 * 1024,
    completion_tokens: 100,
};
/// The endpoint's limit, and what the quoted answer may take on a busy machine.
const BOUND: Duration = Duration::from_millis(2_500 + 4_000);

const QUOTED: &str = "“The practice opens at eight on weekdays.” [1]";
const GOOD: &str = "The practice opens at 8 on weekdays. [1]";

fn request() -> AnswerRequest {
    let passage = |number: u128, heading: &str, text: &str, distance: f32| Passage {
        id: Uuid::from_u128(number),
        document_title: "House rules".into(),
        heading: heading.into(),
        page: None,
        text: text.into(),
        distance,
    };
    AnswerRequest {
        question: "When does the practice open?".into(),
        passages: vec![
            passage(
                1,
                "Opening hours",
                "The practice opens at eight on weekdays. Laboratory samples are taken early.",
                0.3,
            ),
            passage(2, "Fees", "A first consultation costs 90 euros.", 0.8),
        ],
        assistant_name: "Ada".into(),
        ..AnswerRequest::default()
    }
}

fn answerer(url: &str) -> Answerer {
    let endpoint = ChatEndpoint {
        limits: LIMITS,
        ..ChatEndpoint::new(url, KEY, MODEL)
    };
    Answerer::with_endpoint(embedder(), endpoint).expect("an address")
}

/// Asks once. The answer came in time, or the test fails.
async fn ask(scripts: Vec<Vec<Act>>) -> (Answer, usize) {
    // Loading the model is not part of an answer.
    embedder();
    let endpoint = Endpoint::start(scripts).await;
    let begin = Instant::now();
    let answer = answerer(&endpoint.url).answer(&request()).await;
    assert!(begin.elapsed() < BOUND, "{:?}", begin.elapsed());
    for citation in &answer.citations {
        assert!(
            request()
                .passages
                .iter()
                .any(|passage| passage.id == citation.passage_id && passage.text.contains(&citation.quote))
        );
    }
    assert_eq!(answer.grounded, !answer.citations.is_empty());
    (answer, endpoint.requests())
}

/// The endpoint delivered nothing: the documents are quoted, and the reason is known.
async fn falls_back(scripts: Vec<Vec<Act>>, reason: Fallback) -> usize {
    let (answer, requests) = ask(scripts).await;
    assert_eq!(
        (answer.text.as_str(), answer.engine.as_str()),
        (QUOTED, EXTRACTIVE_ENGINE),
        "{answer:?}"
    );
    assert_eq!(answer.fallback, Some(reason));
    requests
}

#[tokio::test]
async fn a_good_reply_is_checked_and_counted() {
    let (answer, requests) = ask(vec![reply(GOOD)]).await;
    assert_eq!(answer.text, GOOD);
    assert_eq!(
        (answer.engine.as_str(), answer.fallback, requests),
        (MODEL, None, 1)
    );
    assert_eq!(
        (answer.prompt_tokens, answer.completion_tokens),
        (Some(321), Some(12))
    );
    assert_eq!(
        answer.citations[0].quote,
        "The practice opens at eight on weekdays."
    );
    assert_eq!(answer.spoken(), "The practice opens at 8 on weekdays.");
}

#[tokio::test]
async fn invented_citations_are_dropped() {
    let (answer, _) = ask(vec![reply(
        "The practice opens at eight on weekdays. [7] It is open all night. [1]",
    )])
    .await;
    assert_eq!((answer.text.as_str(), answer.grounded), (NOT_IN_DOCUMENTS, false));
    let (answer, _) = ask(vec![reply(&format!(
        "{GOOD} Parking is free of charge. [2] Dogs are welcome."
    ))])
    .await;
    assert_eq!((answer.text.as_str(), answer.citations.len()), (GOOD, 1));
}

#[tokio::test]
async fn the_model_may_say_that_the_documents_do_not() {
    let (answer, _) = ask(vec![reply(NOT_IN_DOCUMENTS)]).await;
    assert_eq!(
        (answer.text.as_str(), answer.grounded, answer.engine.as_str()),
        (NOT_IN_DOCUMENTS, false, MODEL)
    );
}

#[tokio::test]
async fn no_passages_are_no_question_to_the_endpoint() {
    let endpoint = Endpoint::start(vec![reply(GOOD)]).await;
    let nothing = AnswerRequest {
        passages: Vec::new(),
        ..request()
    };
    let answer = answerer(&endpoint.url).answer(&nothing).await;
    assert_eq!((answer.text.as_str(), endpoint.requests()), (NOT_IN_DOCUMENTS, 0));
}

#[tokio::test]
async fn a_stream_that_is_cut_keeps_what_was_verified() {
    let (answer, _) = ask(vec![vec![
        stream_head(),
        words(&format!("{GOOD} A first consultation costs 9")),
    ]])
    .await;
    assert_eq!((answer.text.as_str(), answer.engine.as_str()), (GOOD, MODEL));
    assert_eq!(answer.fallback, Some(Fallback::Unreachable));
    falls_back(
        vec![vec![stream_head(), words("The practice opens at ei")]],
        Fallback::Unreachable,
    )
    .await;
    falls_back(vec![vec![stream_head()]], Fallback::Unreachable).await;
    falls_back(
        vec![vec![chunked_head(), Act::Send(b"40\r\ndata: {\"cho".to_vec())]],
        Fallback::Unreachable,
    )
    .await;
    falls_back(vec![vec![]], Fallback::Unreachable).await;
}

#[tokio::test]
async fn a_reply_cut_by_its_token_limit_loses_its_last_sentence_only() {
    let (answer, _) = ask(vec![vec![
        stream_head(),
        words(&format!("{GOOD} A first consultation costs")),
        end("length"),
    ]])
    .await;
    assert_eq!(
        (answer.text.as_str(), answer.fallback),
        (GOOD, Some(Fallback::TooLong))
    );
}

#[tokio::test]
async fn a_busy_endpoint_gets_one_more_try_when_it_says_soon() {
    let busy = |wait: &str| {
        vec![Act::Send(status(
            "429 Too Many Requests",
            &format!("retry-after: {wait}\r\n"),
            "{}",
        ))]
    };
    let (answer, requests) = ask(vec![busy("0"), reply(GOOD)]).await;
    assert_eq!((answer.text.as_str(), requests), (GOOD, 2));
    assert_eq!(falls_back(vec![busy("0")], Fallback::RateLimited).await, 2);
    assert_eq!(falls_back(vec![busy("60")], Fallback::RateLimited).await, 1);
    assert_eq!(falls_back(vec![busy("soon")], Fallback::RateLimited).await, 1);
    assert_eq!(falls_back(vec![busy("-1")], Fallback::RateLimited).await, 1);
}

#[tokio::test]
async fn refusals() {
    for line in [
        "401 Unauthorized",
        "404 Not Found",
        "500 Internal Server Error",
        "302 Found",
    ] {
        let refusal = status(
            line,
            "location: http://127.0.0.1:9/\r\n",
            "{\"error\":{\"message\":\"no\"}}",
        );
        assert_eq!(
            falls_back(vec![vec![Act::Send(refusal)]], Fallback::Refused).await,
            1,
            "{line}"
        );
    }
    let inside = Act::Send(event("{\"error\":{\"message\":\"out of memory\"}}"));
    falls_back(vec![vec![stream_head(), inside]], Fallback::Refused).await;
}

#[tokio::test]
async fn rubbish() {
    let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>";
    falls_back(vec![vec![Act::Send(page.into())]], Fallback::Rubbish).await;
    falls_back(
        vec![vec![Act::Send(status("200 OK", "", "{\"choices\":[]}"))]],
        Fallback::Rubbish,
    )
    .await;
    for line in [
        "data: {\"choices\": [\n\n",
        "nonsense\n\n",
        "data: \u{0}\u{1}\n\n",
    ] {
        falls_back(
            vec![vec![stream_head(), Act::Send(line.into())]],
            Fallback::Rubbish,
        )
        .await;
    }
    falls_back(
        vec![vec![Act::Send(b"\x16\x03\x01 what is this\r\n\r\n".to_vec())]],
        Fallback::Unreachable,
    )
    .await;
    // JSON of another shape is no words, and then the stream ends without its mark.
    falls_back(
        vec![vec![
            stream_head(),
            Act::Send(event("[1, {\"choices\": \"none\"}]")),
        ]],
        Fallback::Unreachable,
    )
    .await;
}

#[tokio::test]
async fn silence() {
    falls_back(vec![vec![Act::Stall]], Fallback::TooSlow).await;
    falls_back(vec![vec![stream_head(), Act::Stall]], Fallback::TooSlow).await;
    falls_back(
        vec![vec![stream_head(), words("The practice op"), Act::Stall]],
        Fallback::TooSlow,
    )
    .await;
    let (answer, _) = ask(vec![vec![stream_head(), words(GOOD), Act::Stall]]).await;
    assert_eq!(
        (answer.text.as_str(), answer.fallback),
        (GOOD, Some(Fallback::TooSlow))
    );
}

#[tokio::test]
async fn too_much() {
    falls_back(
        vec![vec![stream_head(), Act::Repeat(b": still here\n".to_vec())]],
        Fallback::TooLong,
    )
    .await;
    falls_back(
        vec![vec![stream_head(), Act::Repeat(b"x".repeat(4096))]],
        Fallback::TooLong,
    )
    .await;
    let (answer, _) = ask(vec![vec![
        stream_head(),
        words(GOOD),
        Act::Repeat(event("{\"choices\":[]}")),
    ]])
    .await;
    assert_eq!(
        (answer.text.as_str(), answer.fallback),
        (GOOD, Some(Fallback::TooLong))
    );
}

#[tokio::test]
async fn nobody_there() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    // Over TLS as well: no provider was installed by this process, and none has to be.
    for scheme in ["http", "https"] {
        let answer = answerer(&format!("{scheme}://{address}/v1"))
            .answer(&request())
            .await;
        assert_eq!(
            (answer.text.as_str(), answer.fallback),
            (QUOTED, Some(Fallback::Unreachable))
        );
    }
}

#[test]
fn an_address_that_is_none() {
    for url in ["", "localhost:8000", "ftp://127.0.0.1/"] {
        let refused = Answerer::with_endpoint(embedder(), ChatEndpoint::new(url, KEY, MODEL));
        assert!(matches!(refused, Err(ChatError::Address)), "{url}");
    }
    let shown = format!("{:?}", ChatEndpoint::new("http://127.0.0.1", KEY, MODEL));
    assert!(!shown.contains(KEY), "the key is never shown: {shown}");
}
