//! What every command does first: check the programs, end what a killed runner left, fetch the parts, compile.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::cache::Cache;
use crate::parts::{self, Parts};
use crate::toolchain::{self, Need};
use crate::{commands, process};

/// How our programs are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// As for tests.
    Debug,
    /// As for users.
    Release,
}

/// A machine that can run everything.
#[derive(Debug)]
pub struct Ready {
    /// The cache folder.
    pub cache: Cache,
    /// The fetched parts.
    pub parts: Parts,
    /// The folder with our programs.
    pub binaries: PathBuf,
}

/// Makes the machine ready. Of our programs only those named are compiled: each one that is linked takes its time.
///
/// # Errors
/// A program is missing, a part cannot be fetched, or something does not compile.
pub fn prepare(workspace: &Path, need: Need, profile: Profile, programs: &[&str]) -> Result<Ready> {
    let (cache, parts) = equip(workspace, need)?;
    let binaries = compile(workspace, profile, programs)?;
    Ok(Ready {
        cache,
        parts,
        binaries,
    })
}

/// As [`prepare`], without compiling our programs.
///
/// # Errors
/// A program is missing, or a part cannot be fetched.
pub fn equip(workspace: &Path, need: Need) -> Result<(Cache, Parts)> {
    eprintln!("programs");
    toolchain::ensure(need)?;
    let left = process::end_leftovers()?;
    if left > 0 {
        eprintln!("  ended {left} processes that an earlier run left behind");
    }
    eprintln!("parts");
    let cache = Cache::open()?;
    let parts = parts::ensure(&cache, workspace)?;
    Ok((cache, parts))
}

/// Compiles some of our programs; returns the folder they are in.
fn compile(workspace: &Path, profile: Profile, programs: &[&str]) -> Result<PathBuf> {
    eprintln!("compiling");
    let begun = Instant::now();
    let mut cargo = commands::cargo();
    // Always the same packages: what is chosen together decides the features that everything is compiled with.
    cargo
        .args(["build", "--package", "dispatcher", "--package", "agent"])
        .args(["--package", "system-tests"]);
    for program in programs {
        cargo.args(["--bin", program]);
    }
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    commands::run_visibly(cargo.current_dir(workspace))?;
    let compiled = programs.join(", ");
    eprintln!("  {compiled:<28} ready ({:.1?})", begun.elapsed());
    let own = binaries()?;
    Ok(match profile {
        Profile::Debug => own.with_file_name("debug"),
        Profile::Release => own.with_file_name("release"),
    })
}

/// The folder of this checkout's programs: that of the running one.
///
/// # Errors
/// The running program cannot be found.
pub fn binaries() -> Result<PathBuf> {
    let own = std::env::current_exe().context("finding the running program")?;
    let folder = own.parent().context("a program without a folder")?;
    // Test programs lie one folder deeper.
    Ok(match folder.file_name() {
        Some(name) if name == "deps" => folder.parent().unwrap_or(folder),
        _ => folder,
    }
    .to_owned())
}
