//! The worker that reads uploaded documents: claim, extract, chunk, embed, store. One document at a time: embedding takes
//! all cores anyway. A worker that dies leaves its document to the next one when its claim runs out.

use std::sync::Arc;
use std::time::Duration;

use knowledge::{Chunk, ChunkError, EmbedError, Embedder, ExtractError, Format, chunk, extract, terms};
use store::{ClaimedDocument, DocumentFormat, NewPassage, StoreError, Topic};
use tokio::sync::Notify;

use crate::App;
use crate::wake::{self, Backoff};

/// How long a document is ours. The largest one (5000 passages) takes about ten minutes on two cores.
const CLAIM: Duration = Duration::from_secs(20 * 60);
/// What takes longer is given up; it ends before the claim, so that nobody else has begun.
const READ_TIMEOUT: Duration = Duration::from_secs(19 * 60);
/// Claims of workers that died, and documents that wait for another try, are looked for this often.
const LOOK_AT_LEAST: Duration = Duration::from_secs(5);
/// Texts embedded in one call; the process's end is noticed between two.
const TEXTS_A_CALL: usize = 64;
/// What recognisers learn from one document.
const TERMS_MAX: usize = 50;

/// Why a document was not read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Extract(#[from] ExtractError),
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    #[error(transparent)]
    Embed(#[from] EmbedError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("reading it took longer than {} minutes", READ_TIMEOUT.as_secs() / 60)]
    TooLong,
    #[error("reading it was interrupted")]
    Interrupted,
}

impl ReadError {
    fn is_transient(&self) -> bool {
        match self {
            Self::Extract(error) => error.is_transient(),
            Self::Chunk(_) | Self::TooLong => false,
            Self::Embed(error) => matches!(error, EmbedError::Busy | EmbedError::Interrupted),
            Self::Store(error) => error.is_transient(),
            Self::Interrupted => true,
        }
    }
}

/// Runs until the process ends.
pub async fn run(app: App) {
    let queued = Arc::new(Notify::new());
    let listening = tokio::spawn(wake::listen(
        app.clone(),
        Topic::Documents,
        "documents feed",
        queued.clone(),
    ));
    let mut backoff = Backoff::default();
    while !app.shutdown.is_cancelled() {
        let pause = match app.store.claim_document(CLAIM).await {
            Ok(Some(claimed)) => {
                backoff.reset();
                app.health.well("documents");
                work_on(&app, &claimed).await;
                continue;
            }
            Ok(None) => {
                backoff.reset();
                app.health.well("documents");
                LOOK_AT_LEAST
            }
            Err(error) => {
                app.metrics.failure("database");
                app.health.trouble("documents", error.to_string());
                backoff.next()
            }
        };
        tokio::select! {
            biased;
            () = app.shutdown.cancelled() => break,
            () = queued.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    listening.abort();
}

async fn work_on(app: &App, claimed: &ClaimedDocument) {
    let result = tokio::select! {
        biased;
        () = app.shutdown.cancelled() => Err(ReadError::Interrupted),
        result = tokio::time::timeout(READ_TIMEOUT, read(app, claimed)) => result.unwrap_or(Err(ReadError::TooLong)),
    };
    let document = claimed.id;
    match result {
        Ok(passages) => {
            app.metrics.document("ready");
            tracing::info!(%document, passages, "document ready");
        }
        // Deleted meanwhile, or taken by another worker: nobody waits for us.
        Err(ReadError::Store(StoreError::NotFound { .. })) => tracing::info!(%document, "document is gone"),
        Err(error) => {
            let retry = error.is_transient();
            app.metrics.document(if retry { "retried" } else { "failed" });
            tracing::warn!(%document, attempt = claimed.attempts, retry, %error, "document not read");
            if let Err(error) = app.store.fail_document(claimed, &error.to_string(), retry).await {
                // Its claim runs out by itself.
                tracing::warn!(%document, %error, "document could not be given back");
            }
        }
    }
}

async fn read(app: &App, claimed: &ClaimedDocument) -> Result<usize, ReadError> {
    let format = match claimed.format {
        DocumentFormat::Markdown => Format::Markdown,
        DocumentFormat::Text => Format::Text,
        DocumentFormat::Pdf => Format::Pdf,
        DocumentFormat::Docx => Format::Docx,
    };
    let (content, embedder) = (claimed.content.clone(), app.embedder.clone());
    // Blocks for as long as the parser does, which is bounded there.
    let (chunks, terms) = tokio::task::spawn_blocking(move || cut(format, &content, &embedder))
        .await
        .map_err(|_| ReadError::Interrupted)??;
    let mut passages = Vec::with_capacity(chunks.len());
    for some in chunks.chunks(TEXTS_A_CALL) {
        let texts: Vec<String> = some.iter().map(Chunk::embedding_text).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let embeddings = app.embedder.embed(&texts).await?;
        passages.extend(some.iter().zip(embeddings).map(|(chunk, embedding)| NewPassage {
            ordinal: i32::try_from(chunk.ordinal).unwrap_or(i32::MAX),
            heading: chunk.heading.clone(),
            page: chunk.page.and_then(|page| i32::try_from(page).ok()),
            text: chunk.text.clone(),
            embedding: embedding.to_vec(),
        }));
    }
    app.store.finish_document(claimed, &passages, &terms).await?;
    Ok(passages.len())
}

/// The passages of a document, and its words that recognisers should know.
fn cut(format: Format, content: &[u8], embedder: &Embedder) -> Result<(Vec<Chunk>, Vec<String>), ReadError> {
    let extracted = extract(format, content)?;
    let terms = terms(&extracted.text, embedder.counter(), TERMS_MAX);
    Ok((chunk(&extracted, embedder.counter())?, terms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_work_later_is_tried_again() {
        assert!(ReadError::Embed(EmbedError::Busy).is_transient());
        assert!(ReadError::Interrupted.is_transient());
        assert!(!ReadError::Chunk(ChunkError::TooMany).is_transient());
        assert!(!ReadError::TooLong.is_transient());
        assert!(!ReadError::Store(StoreError::NotFound { what: "document" }).is_transient());
    }
}
