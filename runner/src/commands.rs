//! Running other programs to their end: with their output in the error when they fail.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Lines of output that an error shows.
const TAIL_LINES: usize = 30;
/// How the variables begin that `cargo run` sets for the program's package.
const TOLD_BY_CARGO: [&str; 4] = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_", "CARGO_PRIMARY_"];

/// Cargo, as if it was started by hand. What `cargo run` tells the program that it runs is taken away again: build scripts
/// (that of ring) depend on some of it, and half the workspace would be compiled anew at each change of hands.
pub fn cargo() -> Command {
    let mut command = Command::new("cargo");
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if TOLD_BY_CARGO.iter().any(|start| text.starts_with(start)) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command quietly; its output is shown only in the error.
///
/// # Errors
/// It cannot be started, or ends with another status than 0.
pub fn run(command: &mut Command) -> Result<String> {
    let line = line_of(command);
    let output = command.output().with_context(|| format!("starting `{line}`"))?;
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    if !output.status.success() {
        bail!(
            "`{line}` ended with {}:\n{}",
            output.status,
            tail(&text, TAIL_LINES)
        );
    }
    Ok(text)
}

/// Runs a command with its output on the terminal.
///
/// # Errors
/// It cannot be started, or ends with another status than 0.
pub fn run_visibly(command: &mut Command) -> Result<()> {
    let line = line_of(command);
    let status = command.status().with_context(|| format!("starting `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// The last lines of a text.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn line_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_is_started_as_if_by_hand() {
        // This test was started by cargo, which has told it its package.
        assert!(std::env::var_os("CARGO_PKG_NAME").is_some());
        let removed = cargo();
        let removed: Vec<_> = removed.get_envs().filter(|(_, value)| value.is_none()).collect();
        assert!(removed.iter().any(|(name, _)| *name == "CARGO_PKG_NAME"));
        assert!(removed.iter().any(|(name, _)| *name == "CARGO_MANIFEST_DIR"));
        assert!(!removed.iter().any(|(name, _)| *name == "CARGO_HOME"));
    }
}
