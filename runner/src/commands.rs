//! Running other programs to their end: with their output in the error when they fail.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Lines of output that an error shows.
const TAIL_LINES: usize = 30;

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
