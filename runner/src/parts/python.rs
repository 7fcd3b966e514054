//! Others' Python packages: a virtual environment in the cache folder, filled by pip from a list of pinned versions and sums.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::cache::{Cache, sha256_of};
use crate::commands;
use crate::progress::step;

/// The folder of our Python programs and of the lists, in the workspace.
pub fn programs(workspace: &Path) -> PathBuf {
    workspace.join("runner/python")
}

/// The interpreter of the environment that holds what the list `<name>.txt` says.
///
/// # Errors
/// Python or pip fails, or a package is not the one that is pinned.
pub fn environment(cache: &Cache, workspace: &Path, name: &str) -> Result<PathBuf> {
    let list = programs(workspace).join(format!("{name}.txt"));
    let sum = sha256_of(&list)?;
    // A changed list is another environment.
    let part = format!("python-{name}-{}", sum.get(..12).context("a sum is longer")?);
    let folder = step(&format!("{name} (Python)"), None, || {
        cache.part(&part, |into| {
            // Without pip of its own, which Debian packs separately; the system's pip fills it.
            let venv = ["-m", "venv", "--without-pip"];
            commands::run(Command::new("python3").args(venv).arg(into))?;
            let mut pip = Command::new("python3");
            pip.args(["-m", "pip", "--disable-pip-version-check", "--python"]);
            pip.arg(into.join("bin/python"));
            // The lists are complete: nothing is fetched that they do not name.
            pip.args(["install", "--quiet", "--no-deps", "--only-binary=:all:"]);
            commands::run(pip.args(["--require-hashes", "--requirement"]).arg(&list))?;
            Ok(())
        })
    })?;
    Ok(folder.join("bin/python"))
}
