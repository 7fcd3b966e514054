//! The chain with links that fail, hang and recover, on a real runtime.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use speech::{
    Audio, Chain, ChainLimits, ChainNotice, Hypothesis, RecogniseError, Recognised, Recogniser,
    RecogniserLoad, Request, RequestKind, StreamId,
};
use tokio::sync::oneshot;

#[derive(Clone, Copy, Debug)]
enum Act {
    Words,
    Error(RecogniseError),
    Hang,
    Gone,
}

/// Does as its script says, then well; keeps what it was asked for.
#[derive(Debug, Default)]
struct Scripted {
    name: &'static str,
    script: Mutex<VecDeque<Act>>,
    asked: Mutex<Vec<(u64, usize)>>,
    hanging: Mutex<Vec<oneshot::Sender<Recognised>>>,
    forgotten: Mutex<Vec<StreamId>>,
    pauses_over: Mutex<Vec<(StreamId, u64)>>,
    awaited: Mutex<Vec<(StreamId, u64)>>,
}

fn scripted(name: &'static str, script: &[Act]) -> Arc<Scripted> {
    Arc::new(Scripted {
        name,
        script: Mutex::new(script.iter().copied().collect()),
        ..Scripted::default()
    })
}

impl Recogniser for Scripted {
    fn engine(&self) -> &str {
        self.name
    }

    fn submit(&self, request: Request) -> oneshot::Receiver<Recognised> {
        let (answer, receiver) = oneshot::channel();
        self.asked
            .lock()
            .unwrap()
            .push((request.utterance, request.audio.len()));
        match self.script.lock().unwrap().pop_front().unwrap_or(Act::Words) {
            Act::Words => {
                let _ = answer.send(Ok(Hypothesis {
                    utterance: request.utterance,
                    words: Vec::new(),
                    engine: self.name.to_owned(),
                    audio_ms: 0,
                    is_whole: true,
                    compute_ms: 0,
                }));
            }
            Act::Error(error) => drop(answer.send(Err(error))),
            Act::Hang => self.hanging.lock().unwrap().push(answer),
            Act::Gone => drop(answer),
        }
        receiver
    }

    fn load(&self) -> RecogniserLoad {
        RecogniserLoad {
            waiting_finals: 0,
            at_once: 1,
        }
    }

    fn pause_over(&self, stream: StreamId, utterance: u64) {
        self.pauses_over.lock().unwrap().push((stream, utterance));
    }

    fn awaited(&self, stream: StreamId, utterance: u64) {
        self.awaited.lock().unwrap().push((stream, utterance));
    }

    fn forget(&self, stream: StreamId) {
        self.forgotten.lock().unwrap().push(stream);
    }
}

fn request(utterance: u64) -> Request {
    Request {
        stream: StreamId(1),
        utterance,
        kind: RequestKind::Final,
        audio: Audio::from([7; 160]),
        start_ms: 0,
        prompt: String::new(),
        settled: Vec::new(),
    }
}

const LIMITS: ChainLimits = ChainLimits {
    partial_ms: 20,
    final_ms: 20,
    last_partial_ms: 20,
    last_final_ms: 20,
    rest_ms: (0, 0),
    refused_ms: 600_000,
};

#[tokio::test]
async fn the_same_audio_goes_down_the_chain_and_the_record_says_who_answered() {
    let first = scripted(
        "first",
        &[Act::Error(RecogniseError::Failed), Act::Hang, Act::Gone],
    );
    let second = scripted("second", &[]);
    let notices = Arc::new(Mutex::new(Vec::new()));
    let told = notices.clone();
    let links: Vec<Arc<dyn Recogniser>> = vec![first.clone(), second.clone()];
    let chain = Chain::new(links, LIMITS, move |notice| told.lock().unwrap().push(notice)).unwrap();
    let mut engines = Vec::new();
    for utterance in 0..4 {
        engines.push(chain.submit(request(utterance)).await.unwrap().unwrap().engine);
    }
    // Failed, hung and gone; after the last, which no short rest cures, it is not asked again.
    assert_eq!(engines, ["second"; 4]);
    assert_eq!(*first.asked.lock().unwrap(), [(0, 160), (1, 160), (2, 160)]);
    assert_eq!(
        *second.asked.lock().unwrap(),
        [(0, 160), (1, 160), (2, 160), (3, 160)]
    );
    let errors: Vec<RecogniseError> = notices
        .lock()
        .unwrap()
        .iter()
        .map(|notice| match notice {
            ChainNotice::Rested { error, engine, .. } => {
                assert_eq!(engine, "first");
                *error
            }
            ChainNotice::Back { .. } => panic!("it never worked"),
        })
        .collect();
    assert_eq!(
        errors,
        [
            RecogniseError::Failed,
            RecogniseError::Late,
            RecogniseError::ShutDown
        ]
    );
    assert_eq!(chain.load().waiting_finals, 0);
    // What is late is not wanted any more, and the link can tell.
    assert!(first.hanging.lock().unwrap()[0].is_closed());
}

#[tokio::test]
async fn whoever_stops_waiting_frees_the_link() {
    let only = scripted("only", &[Act::Hang]);
    let limits = ChainLimits {
        last_final_ms: 600_000,
        ..LIMITS
    };
    let links: Vec<Arc<dyn Recogniser>> = vec![only.clone()];
    let chain = Chain::new(links, limits, |_| {}).unwrap();
    let receiver = chain.submit(request(0));
    // Counted by the task that waits; it runs when this one does not.
    let counted = async {
        while chain.load().waiting_finals == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), counted)
        .await
        .unwrap();
    drop(receiver);
    let mut hanging = only.hanging.lock().unwrap().pop().unwrap();
    tokio::time::timeout(Duration::from_secs(10), hanging.closed())
        .await
        .unwrap();
}

#[tokio::test]
async fn every_link_hears_what_is_over_and_what_is_awaited() {
    let both = [scripted("first", &[]), scripted("second", &[])];
    let links = both.iter().map(|link| link.clone() as Arc<dyn Recogniser>);
    let chain = Chain::new(links.collect(), LIMITS, |_| {}).unwrap();
    chain.pause_over(StreamId(7), 3);
    chain.awaited(StreamId(7), 4);
    chain.forget(StreamId(7));
    for link in both {
        assert_eq!(*link.pauses_over.lock().unwrap(), [(StreamId(7), 3)]);
        assert_eq!(*link.awaited.lock().unwrap(), [(StreamId(7), 4)]);
        assert_eq!(*link.forgotten.lock().unwrap(), [StreamId(7)]);
    }
}

#[tokio::test]
async fn a_chain_has_one_to_eight_links() {
    let none = Chain::new(Vec::new(), LIMITS, |_| {}).unwrap_err();
    assert_eq!(none.to_string(), "a chain has 1 to 8 recognisers, not 0");
    let links = (0..9).map(|_| scripted("x", &[]) as Arc<dyn Recogniser>);
    assert!(Chain::new(links.collect(), LIMITS, |_| {}).is_err());
}
