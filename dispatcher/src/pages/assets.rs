//! The files that pages load: ours are part of the program, the LiveKit client is read at start. Browsers ask again with
//! the file's tag and are told when nothing changed.

use std::path::Path;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::App;
use crate::http::{Problem, ProblemKind};

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// Path, kind, content.
const FILES: [(&str, &str, &str); 7] = [
    (
        "/assets/rapporteur.css",
        CSS,
        include_str!("../../assets/rapporteur.css"),
    ),
    (
        "/assets/transcript.js",
        JS,
        include_str!("../../assets/transcript.js"),
    ),
    (
        "/assets/captions.js",
        JS,
        include_str!("../../assets/captions.js"),
    ),
    ("/assets/review.js", JS, include_str!("../../assets/review.js")),
    ("/assets/voices.js", JS, include_str!("../../assets/voices.js")),
    ("/assets/join.js", JS, include_str!("../../assets/join.js")),
    (
        "/assets/icon.svg",
        "image/svg+xml",
        include_str!("../../assets/icon.svg"),
    ),
];
/// The library is half a megabyte; a file beyond this is something else.
const CLIENT_MAX_BYTES: u64 = 8 * 1024 * 1024;

/// The `livekit-client` library for browsers.
#[derive(Clone, Debug)]
pub struct LiveKitClient {
    content: Bytes,
}

impl LiveKitClient {
    /// Reads `livekit-client.umd.js`.
    ///
    /// # Errors
    /// It cannot be read, or is no such file.
    pub fn load(path: &Path) -> std::io::Result<Self> {
        if std::fs::metadata(path)?.len() > CLIENT_MAX_BYTES {
            return Err(std::io::Error::other(format!(
                "it is larger than {CLIENT_MAX_BYTES} bytes"
            )));
        }
        Ok(Self {
            content: std::fs::read(path)?.into(),
        })
    }
}

/// `/assets/...`
pub fn routes() -> Router<App> {
    let client = Router::new().route("/assets/livekit-client.js", get(livekit_client));
    FILES.into_iter().fold(client, |routes, (path, kind, content)| {
        let content = Bytes::from_static(content.as_bytes());
        let tag = tag(&content);
        routes.route(
            path,
            get(async move |headers: HeaderMap| answer(&headers, kind, &tag, content)),
        )
    })
}

fn tag(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    format!(
        "\"{}\"",
        digest[..12]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    )
}

fn answer(headers: &HeaderMap, kind: &'static str, tag: &str, content: Bytes) -> Response {
    let known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|value| value.as_bytes() == tag.as_bytes());
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        content.into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

async fn livekit_client(State(app): State<App>, headers: HeaderMap) -> Response {
    match &app.livekit_client {
        Some(client) => answer(&headers, JS, &tag(&client.content), client.content.clone()),
        None => Problem::new(
            ProblemKind::NotFound,
            "livekit-client is not installed: RAPPORTEUR_LIVEKIT_CLIENT_JS names no file",
        )
        .into_response(),
    }
}
