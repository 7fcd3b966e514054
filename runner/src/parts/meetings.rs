//! Excerpts of real meetings, 30 s each, with who speaks when: in the source package of pyannote.audio, whose tests are made
//! of them (the AMI corpus, CC BY 4.0). Only `cargo figures speakers` fetches it.

use std::path::PathBuf;
use std::process::Command;

use crate::cache::{Cache, verify_sha256};
use crate::commands;
use crate::progress::{Filling, step};

const REQUIREMENT: &str = "pyannote-audio==4.0.7";
const FILE: &str = "pyannote_audio-4.0.7.tar.gz";
const SHA256: &str = "3a903dfb5ca711d134cc2522561c9158b186836f5d62e8a57c46c6648e8a8229";
const BYTES: u64 = 13_963_479;
const PART: &str = "pyannote-audio-4.0.7-source";

/// The archive.
///
/// # Errors
/// pip cannot fetch it, or it is not the one that is pinned.
pub fn archive(cache: &Cache) -> anyhow::Result<PathBuf> {
    let filling = (!cache.path(PART).exists()).then(|| Filling {
        folder: cache.path(&format!("{PART}.unfinished")),
        bytes: BYTES,
    });
    let folder = step("excerpts of real meetings", filling, || {
        cache.part(PART, |into| {
            let mut pip = Command::new("python3");
            pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check"])
                // pip asks a source package for its name in the way that the package itself names: with hatchling, a wheel.
                .args(["--no-deps", "--no-binary=pyannote-audio", "--dest"])
                .arg(into)
                .arg(REQUIREMENT)
                .env("TMPDIR", into);
            commands::run(&mut pip)?;
            verify_sha256(&into.join(FILE), SHA256)
        })
    })?;
    Ok(folder.join(FILE))
}
