//! Whether our code fits Google's WebRTC too: the workspace without the patch lines and without our crates, type-checked
//! against the `libwebrtc` of the registry. Nothing is linked, so its C++ library is not needed.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::commands;

const OURS: &str = ", \"webrtc\", \"webrtc/os_info\"]";
const PATCH: &str = "[patch.crates-io]\nlibwebrtc = { path = \"webrtc\" }\n\
                     os_info = { path = \"webrtc/os_info\" }\n";
/// The packages that use `livekit`, and what they are made of.
const LINKS: [&str; 9] = [
    "agent",
    "dispatcher",
    "knowledge",
    "migrations",
    "prompts",
    "runner",
    "speech",
    "store",
    "tests",
];

/// Checks; prints as cargo does.
///
/// # Errors
/// The manifest has changed its shape, or the code does not fit.
pub(super) fn check(workspace: &Path) -> Result<()> {
    // What cargo has checked of the dependencies for clippy, with the same packages and targets, serves here too.
    let target = workspace.join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
    let folder = target.join("official");
    fs::create_dir_all(&folder)?;
    let manifest = fs::read_to_string(workspace.join("Cargo.toml"))?;
    fs::write(folder.join("Cargo.toml"), unpatched(&manifest)?)?;
    // The versions of the others stay; only the official crate and what it needs are added.
    fs::copy(workspace.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    for name in LINKS {
        let link = folder.join(name);
        if !link.exists() {
            std::os::unix::fs::symlink(workspace.join(name), &link)
                .with_context(|| format!("linking {}", link.display()))?;
        }
    }
    commands::run_visibly(
        commands::cargo()
            .args(["check", "--workspace", "--all-targets"])
            .current_dir(&folder)
            .env("CARGO_TARGET_DIR", target)
            // Its build script then fetches nothing.
            .env("DOCS_RS", "1"),
    )
}

fn unpatched(manifest: &str) -> Result<String> {
    ensure!(
        manifest.contains(OURS) && manifest.contains(PATCH),
        "Cargo.toml no longer has the lines {OURS:?} and {PATCH:?}"
    );
    Ok(manifest.replacen(OURS, "]", 1).replacen(PATCH, "", 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_crate_leaves_the_manifest() {
        let manifest = include_str!("../../../Cargo.toml");
        let without = unpatched(manifest).unwrap();
        assert!(!without.contains("path = \"webrtc") && without.contains("members = ["));
        assert!(unpatched(&without).is_err());
    }
}
