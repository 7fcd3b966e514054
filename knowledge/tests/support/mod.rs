//! What several tests of this crate need: the real model, the corpora under `tests/data`, a search in memory.

#![allow(dead_code, reason = "each test binary uses its part of it")]

pub(crate) mod endpoint;
pub(crate) mod files;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use knowledge::{AnswerRequest, Chunk, Embedder, Embedding, Format, Passage, chunk, cosine, extract};
use uuid::Uuid;

/// The model's folder.
pub(crate) fn model_folder() -> PathBuf {
    match std::env::var_os("RAPPORTEUR_EMBEDDING_MODEL") {
        Some(folder) => folder.into(),
        None => panic!(
            "RAPPORTEUR_EMBEDDING_MODEL is not set: this test needs the real embedding model. `cargo verify` fetches it and sets it"
        ),
    }
}

/// The real model, loaded once a process.
pub(crate) fn embedder() -> Embedder {
    static EMBEDDER: OnceLock<Embedder> = OnceLock::new();
    // Outside the lock: every test is to say what is missing, not that another one has failed before.
    let folder = model_folder();
    EMBEDDER
        .get_or_init(|| Embedder::load(&folder).expect("the embedding model loads"))
        .clone()
}

/// A document collection with its embeddings, searched by brute force.
pub(crate) struct Corpus {
    pub(crate) passages: Vec<Passage>,
    embeddings: Vec<Embedding>,
}

impl Corpus {
    /// All Markdown files of a folder under `tests/data`.
    pub(crate) async fn load(folder: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data")
            .join(folder);
        let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
            .expect("the corpus is there")
            .map(|entry| entry.expect("readable").path())
            .collect();
        files.sort();
        let mut documents = Vec::new();
        for file in files {
            let bytes = std::fs::read(&file).expect("readable");
            let title = file
                .file_stem()
                .expect("named")
                .to_string_lossy()
                .replace('-', " ");
            let document = extract(Format::Markdown, &bytes).expect("text");
            let chunks = chunk(&document, embedder().counter()).expect("few passages");
            documents.push((title, chunks));
        }
        Self::of(documents).await
    }

    pub(crate) async fn of(documents: Vec<(String, Vec<Chunk>)>) -> Self {
        let mut passages = Vec::new();
        let mut texts = Vec::new();
        for (title, chunks) in documents {
            for chunk in chunks {
                texts.push(chunk.embedding_text());
                passages.push(Passage {
                    id: Uuid::from_u128(passages.len() as u128 + 1),
                    document_title: title.clone(),
                    heading: chunk.heading,
                    page: chunk.page,
                    text: chunk.text,
                    distance: 0.0,
                });
            }
        }
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let embeddings = embedder().embed(&texts).await.expect("embeds");
        Self { passages, embeddings }
    }

    /// The nearest passages, best first.
    pub(crate) async fn search(&self, question: &str, limit: usize) -> Vec<Passage> {
        let wanted = embedder().embed(&[question]).await.expect("embeds")[0];
        let mut found: Vec<Passage> = self
            .passages
            .iter()
            .zip(&self.embeddings)
            .map(|(passage, embedding)| Passage {
                distance: 1.0 - cosine(&wanted, embedding),
                ..passage.clone()
            })
            .collect();
        found.sort_by(|a, b| a.distance.total_cmp(&b.distance));
        found.truncate(limit);
        found
    }

    /// A request as an agent would make it.
    pub(crate) async fn ask(&self, question: &str) -> AnswerRequest {
        AnswerRequest {
            question: question.to_owned(),
            passages: self.search(question, 8).await,
            assistant_name: "Ada".to_owned(),
            ..AnswerRequest::default()
        }
    }
}

/// A line of `tests/data/questions.tsv`.
pub(crate) struct Question {
    pub(crate) set: &'static str,
    pub(crate) question: &'static str,
    /// Parts of right sentences; `None` where the documents do not say.
    pub(crate) answers: Option<Vec<&'static str>>,
}

pub(crate) fn questions() -> Vec<Question> {
    include_str!("../data/questions.tsv")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let mut fields = line.split('\t');
            let mut next = || fields.next().expect("three fields");
            Question {
                set: next(),
                question: next(),
                answers: match next() {
                    "-" => None,
                    answers => Some(answers.split('|').collect()),
                },
            }
        })
        .collect()
}
