//! A chat endpoint that is strict about what it is asked and does exactly what a test tells it to answer.
//!
//! Every connection serves one request. A request that a real endpoint would refuse is answered with status 400 and kept
//! as a fault, which fails the test at the end.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const KEY: &str = "a-key-for-tests";
pub(crate) const MODEL: &str = "tiny-chat";

/// What happens on one connection, in order.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Sends these bytes as they are.
    Send(Vec<u8>),
    /// Sends nothing more and keeps the connection until the client goes.
    Stall,
    /// Sends these bytes again and again until the client goes.
    Repeat(Vec<u8>),
}

pub(crate) struct Endpoint {
    pub(crate) url: String,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    requests: usize,
    faults: Vec<String>,
}

impl Endpoint {
    /// Serves the scripts, one a connection; further connections get the last one again.
    pub(crate) async fn start(scripts: Vec<Vec<Act>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let seen = Arc::new(Mutex::new(Seen::default()));
        let served = Arc::clone(&seen);
        tokio::spawn(async move {
            for turn in 0.. {
                let Ok((connection, _)) = listener.accept().await else {
                    return;
                };
                let script = scripts[turn.min(scripts.len() - 1)].clone();
                tokio::spawn(serve(connection, script, Arc::clone(&served)));
            }
        });
        Self { url, seen }
    }

    /// How many requests came; panics when one of them was not as the protocol demands.
    pub(crate) fn requests(&self) -> usize {
        let seen = self.seen.lock().expect("not poisoned");
        assert!(seen.faults.is_empty(), "{:?}", seen.faults);
        seen.requests
    }
}

async fn serve(mut connection: TcpStream, script: Vec<Act>, seen: Arc<Mutex<Seen>>) {
    let fault = match request(&mut connection).await {
        Some((head, body)) => fault(&head, &body),
        None => return,
    };
    let refused = fault.is_some();
    {
        let mut seen = seen.lock().expect("not poisoned");
        seen.requests += 1;
        seen.faults.extend(fault);
    }
    if refused {
        let _ = connection.write_all(&status("400 Bad Request", "", "{}")).await;
        return;
    }
    for act in script {
        match act {
            Act::Send(bytes) => {
                if connection.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Act::Stall => {
                let _ = connection.read(&mut [0; 1]).await;
                return;
            }
            Act::Repeat(bytes) => while connection.write_all(&bytes).await.is_ok() {},
        }
    }
    let _ = connection.shutdown().await;
}

/// Head and body of one request.
async fn request(connection: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut block = [0; 4096];
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        match connection.read(&mut block).await {
            Ok(count) if count > 0 => bytes.extend_from_slice(&block[..count]),
            _ => return None,
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let length: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .and_then(|value| value.trim().parse().ok())?;
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        match connection.read(&mut block).await {
            Ok(count) if count > 0 => body.extend_from_slice(&block[..count]),
            _ => return None,
        }
    }
    Some((head, body))
}

/// What a real endpoint would refuse the request for.
fn fault(head: &str, body: &[u8]) -> Option<String> {
    if !head.starts_with("post /v1/chat/completions http/1.1") {
        return Some(format!("request line: {head}"));
    }
    if !head.contains(&format!("authorization: bearer {KEY}")) {
        return Some("no key".into());
    }
    if !head.contains("content-type: application/json") {
        return Some("no JSON".into());
    }
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return Some("a body that is no JSON".into());
    };
    let roles: Vec<&str> = body["messages"]
        .as_array()
        .map(|messages| {
            messages
                .iter()
                .filter_map(|message| message["role"].as_str())
                .collect()
        })
        .unwrap_or_default();
    let known = [
        "model",
        "messages",
        "stream",
        "stream_options",
        "max_completion_tokens",
    ];
    let unknown: Vec<&String> = body
        .as_object()?
        .keys()
        .filter(|key| !known.contains(&key.as_str()))
        .collect();
    if body["model"] != MODEL
        || body["stream"] != true
        || body["stream_options"] != json!({"include_usage": true})
        || body["max_completion_tokens"]
            .as_u64()
            .is_none_or(|tokens| tokens == 0)
        || roles != ["system", "user"]
        || !unknown.is_empty()
    {
        return Some(format!("a body that an endpoint would refuse: {body}"));
    }
    let asked = body["messages"][1]["content"].as_str().unwrap_or_default();
    (!asked.contains("[1] (") || !asked.contains("<question>"))
        .then(|| format!("a prompt without its parts: {asked}"))
}

/// A complete response that is no stream.
pub(crate) fn status(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The head of an event stream whose end is the end of the connection.
pub(crate) fn stream_head() -> Act {
    Act::Send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n".to_vec())
}

/// The same in chunks, so that a cut is seen as one.
pub(crate) fn chunked_head() -> Act {
    Act::Send(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
    )
}

pub(crate) fn event(data: &str) -> Vec<u8> {
    format!("data: {data}\n\n").into_bytes()
}

/// The reply's text in pieces of a few characters, as models send it.
pub(crate) fn words(text: &str) -> Act {
    let characters: Vec<char> = text.chars().collect();
    let mut bytes = Vec::new();
    for piece in characters.chunks(7) {
        let piece: String = piece.iter().collect();
        let chunk = json!({
            "id": "x", "object": "chat.completion.chunk", "created": 1, "model": MODEL,
            "choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": null}],
        });
        bytes.extend(event(&chunk.to_string()));
    }
    Act::Send(bytes)
}

/// The end as the protocol has it: reason, usage, mark.
pub(crate) fn end(reason: &str) -> Act {
    let mut bytes =
        event(&json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}).to_string());
    bytes.extend(event(&json!({"choices": [], "usage": {"prompt_tokens": 321, "completion_tokens": 12, "total_tokens": 333}}).to_string()));
    bytes.extend(event("[DONE]"));
    Act::Send(bytes)
}

/// A whole good reply.
pub(crate) fn reply(text: &str) -> Vec<Act> {
    vec![stream_head(), words(text), end("stop")]
}
