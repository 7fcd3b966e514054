//! The suite as a package of its own: LiveKit's test files beside a manifest of ours, which takes `livekit` from the registry
//! as we use it. (Inside LiveKit's own workspace `livekit` depends on its neighbour `libwebrtc` by path, where no patch of
//! the registry's reaches.)

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use crate::commands;

/// In the workspace; not kept in the repository.
const FOLDER: &str = "target-conformance";
const FEATURE: &str = "__lk-e2e-test";

/// LiveKit's tests, of the version that we use.
pub(super) struct Suite {
    /// Of `livekit`.
    pub(super) version: String,
    tests: PathBuf,
    workspace: PathBuf,
}

/// A line of `cargo --message-format json`.
#[derive(Deserialize)]
struct Artifact {
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

impl Suite {
    /// The suite in a checkout of rust-sdks or in the unpacked package `livekit`.
    ///
    /// # Errors
    /// It is neither, or of another version than the one we use.
    pub(super) fn find(path: &Path, workspace: &Path) -> Result<Self> {
        let folders = [path.join("livekit"), path.to_owned()];
        let found = folders.into_iter().find_map(|folder| {
            let manifest = fs::read_to_string(folder.join("Cargo.toml")).ok()?;
            let version = livekit_version(&manifest)?;
            Some((folder, version))
        });
        let (folder, version) = found.with_context(|| {
            format!(
                "{} is neither a checkout of LiveKit's rust-sdks nor the package `livekit`",
                path.display()
            )
        })?;
        let manifest = fs::read_to_string(workspace.join("Cargo.toml"))?;
        let ours = our_version(&manifest).context("Cargo.toml no longer pins `livekit`")?;
        ensure!(
            version == ours,
            "{} has livekit {version}, this workspace uses livekit {ours}: check out that version (the package of the same \
             version has the tests too)",
            path.display()
        );
        let tests = folder.join("tests");
        ensure!(
            tests.join("common").is_dir(),
            "{} has no tests: is it a full checkout?",
            folder.display()
        );
        Ok(Self {
            version,
            tests,
            workspace: workspace.to_owned(),
        })
    }

    /// The test programs by the name of their file, in alphabetical order.
    ///
    /// # Errors
    /// They do not compile.
    pub(super) fn compile(&self) -> Result<Vec<(String, PathBuf)>> {
        let folder = self.workspace.join(FOLDER);
        let package = folder.join("suite");
        let tests = package.join("tests");
        if tests.exists() {
            fs::remove_dir_all(&tests)?;
        }
        fs::create_dir_all(package.join("src"))?;
        copy(&self.tests, &tests)?;
        fs::write(package.join("Cargo.toml"), manifest(&self.version))?;
        fs::write(package.join("src/lib.rs"), "")?;
        // The versions of all that we use too stay; only what the tests need is added.
        fs::copy(self.workspace.join("Cargo.lock"), package.join("Cargo.lock"))?;
        let patch = format!(
            "patch.crates-io.libwebrtc.path={:?}",
            self.workspace.join("webrtc").display().to_string()
        );
        let cargo = || {
            let mut cargo = commands::cargo();
            cargo
                .args(["test", "--no-run", "--features", FEATURE, "--config", &patch])
                .current_dir(&package)
                .env("CARGO_TARGET_DIR", folder.join("target"));
            cargo
        };
        commands::run_visibly(&mut cargo())?;
        let said = commands::run(cargo().args(["--message-format", "json"]))?;
        let programs = programs(&said);
        if programs.is_empty() {
            bail!("{} has no test programs", self.tests.display());
        }
        Ok(programs)
    }
}

fn programs(said: &str) -> Vec<(String, PathBuf)> {
    let artifacts = said
        .lines()
        .filter_map(|line| serde_json::from_str::<Artifact>(line).ok());
    let mut programs: Vec<(String, PathBuf)> = artifacts
        .filter_map(|artifact| Some((artifact.target?, artifact.executable?)))
        .filter(|(target, _)| target.kind == ["test"])
        .map(|(target, program)| (target.name, program))
        .collect();
    programs.sort();
    programs
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// The version in the manifest of the package `livekit`; none in any other manifest.
fn livekit_version(manifest: &str) -> Option<String> {
    let package = manifest.split("[package]").nth(1)?.split("\n[").next()?;
    (value(package, "name")? == "livekit").then_some(value(package, "version")?.to_owned())
}

/// The string behind a key at the beginning of a line.
fn value<'text>(text: &'text str, key: &str) -> Option<&'text str> {
    text.lines().find_map(|line| {
        let rest = line.strip_prefix(key)?.trim_start().strip_prefix('=')?;
        rest.trim().strip_prefix('"')?.split('"').next()
    })
}

/// The version that this workspace pins.
fn our_version(manifest: &str) -> Option<&str> {
    let line = manifest.lines().find(|line| line.starts_with("livekit = "))?;
    line.split("\"=").nth(1)?.split('"').next()
}

fn manifest(version: &str) -> String {
    format!(
        r#"# Written anew by `cargo figures conformance`.
[package]
name = "conformance"
version = "0.0.0"
edition = "2021"
publish = false

[workspace]

[features]
{FEATURE} = ["livekit/{FEATURE}"]

[dependencies]
livekit = {{ version = "={version}", default-features = false, features = ["native", "rustls-tls-webpki-roots"] }}

[dev-dependencies]
anyhow = "1"
bytes = "1"
chrono = "0.4"
futures-util = "0.3"
http = "1"
libwebrtc = "*"
livekit-api = {{ version = "={version}", default-features = false, features = ["access-token", "services", "rustls-tls-webpki-roots"] }}
livekit-token = "*"
log = "0.4"
parking_lot = "0.12"
prost = "0.14"
rand = "0.9"
serde = {{ version = "1", features = ["derive"] }}
serde_json = "1"
serial_test = "3"
test-case = "3"
test-log = "0.2"
tokio = {{ version = "1", features = ["fs", "macros", "rt-multi-thread", "sync", "time"] }}
tokio-stream = "0.1"

[profile.dev]
debug = "line-tables-only"
[profile.dev.package."*"]
opt-level = 1
debug = false
[profile.dev.package.ropus]
opt-level = 3
[profile.dev.package.libwebrtc]
opt-level = 2
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_package_livekit_has_a_version() {
        let of_checkout = "[package]\nname = \"livekit\"\nversion = \"0.8.2\"\nedition.workspace = true\n\n[features]\nversion = \"9\"\n";
        assert_eq!(livekit_version(of_checkout).as_deref(), Some("0.8.2"));
        assert_eq!(
            livekit_version("[package]\nname = \"livekit-api\"\nversion = \"1.0.0\"\n"),
            None
        );
        assert_eq!(livekit_version("[workspace]\nmembers = []\n"), None);
        assert_eq!(livekit_version(&manifest("0.10.0")), None);
    }

    #[test]
    fn the_version_that_we_use_is_read_from_the_workspace() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let manifest = fs::read_to_string(workspace.join("Cargo.toml")).unwrap();
        let version = our_version(&manifest).unwrap();
        assert!(
            version.split('.').all(|part| part.parse::<u32>().is_ok()),
            "{version}"
        );
    }

    #[test]
    fn another_version_is_refused_with_both_named() {
        let folder = std::env::temp_dir().join(format!("conformance-{}", std::process::id()));
        fs::create_dir_all(folder.join("livekit")).unwrap();
        let manifest = "[package]\nname = \"livekit\"\nversion = \"0.8.2\"\n";
        fs::write(folder.join("livekit/Cargo.toml"), manifest).unwrap();
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let refused = Suite::find(&folder, workspace)
            .err()
            .map(|error| error.to_string());
        let nowhere = Suite::find(&folder.join("none"), workspace).err();
        fs::remove_dir_all(&folder).unwrap();
        let refused = refused.unwrap();
        assert!(
            refused.contains("livekit 0.8.2") && refused.contains("uses livekit 0.10"),
            "{refused}"
        );
        assert!(nowhere.is_some());
    }

    #[test]
    fn programs_are_those_of_test_files() {
        let said = r#"{"reason":"compiler-artifact","target":{"name":"rpc_test","kind":["test"]},"executable":"/t/rpc_test-1"}
{"reason":"compiler-artifact","target":{"name":"conformance","kind":["lib"]},"executable":"/t/conformance-1"}
{"reason":"compiler-artifact","target":{"name":"audio_test","kind":["test"]},"executable":"/t/audio_test-1"}
{"reason":"compiler-artifact","target":{"name":"bytes","kind":["lib"]},"executable":null}
{"reason":"build-finished","success":true}"#;
        let names: Vec<String> = programs(said).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["audio_test", "rpc_test"]);
    }
}
