//! Parsing in a process of its own, so that a document that exhausts stack or memory ends that process and not ours.
//!
//! The program starts itself again with one argument; the child takes limits and file on its input, and gives text or
//! error on its output. Its memory and processor time are limited by the system, its time by the parent, which kills it.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};

use super::{ExtractError, ExtractLimits, Extracted, Running, read_here};
use crate::format::Format;

/// The argument that makes a program the child.
const ARGUMENT: &str = "--extract-one-document";
/// Address space of the child, the parser's deep stack included.
const MEMORY_BYTES: u64 = 1024 * 1024 * 1024;
/// Room for starting the child beside the parser's own time.
const START_MS: u64 = 2_000;

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Makes [`crate::extract()`] parse PDF and DOCX in child processes. To be called first in `main`, before any thread is
/// started and any argument is read: in the child it does the work and does not return.
///
/// Without it documents are parsed in this process, where a hostile one can exhaust stack or memory.
pub fn isolate_extraction() {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|argument| argument == ARGUMENT)
    {
        let done = serve(&mut std::io::stdin().lock(), &mut std::io::stdout().lock());
        std::process::exit(if done.is_ok() { 0 } else { 1 });
    }
    match std::env::current_exe() {
        Ok(program) => {
            let _ = PROGRAM.set(program);
        }
        Err(error) => tracing::warn!(%error, "documents are parsed in this process"),
    }
}

/// The program to start as the child, when there is to be one.
pub(super) fn program() -> Option<&'static Path> {
    PROGRAM.get().map(PathBuf::as_path)
}

#[derive(Serialize, Deserialize)]
struct Order {
    format: Format,
    limits: ExtractLimits,
}

fn serve(input: &mut impl Read, output: &mut impl Write) -> std::io::Result<()> {
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    let mut order = vec![0; u32::from_le_bytes(length) as usize];
    input.read_exact(&mut order)?;
    let order: Order = serde_json::from_slice(&order)?;
    let mut bytes = Vec::new();
    input
        .take(order.limits.file_bytes as u64 + 1)
        .read_to_end(&mut bytes)?;

    limit(Resource::As, MEMORY_BYTES)?;
    limit(Resource::Cpu, (order.limits.time_ms + START_MS).div_ceil(1000))?;
    // An abort is expected here; its memory is of no use to anybody.
    limit(Resource::Core, 0)?;
    serde_json::to_writer(&mut *output, &read_here(order.format, &bytes, &order.limits))?;
    output.flush()
}

fn limit(resource: Resource, most: u64) -> std::io::Result<()> {
    let both = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    Ok(setrlimit(resource, both)?)
}

/// Parses in a child of `program`.
pub(super) fn read_apart(
    program: &Path,
    format: Format,
    bytes: &[u8],
    limits: &ExtractLimits,
) -> Result<Extracted, ExtractError> {
    let _running = Running::begin()?;
    let mut child = Command::new(program)
        .arg(ARGUMENT)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|_| ExtractError::Busy)?;
    let mut input = child.stdin.take().expect("it was asked for");
    let output = child.stdout.take().expect("it was asked for");

    let order = serde_json::to_vec(&Order {
        format,
        limits: *limits,
    })
    .expect("numbers and a name");
    let bytes = bytes.to_vec();
    // JSON writes a byte of text as six at most.
    let most = limits.text_bytes as u64 * 6 + 64 * limits.pages as u64 + 4096;
    let (done, result) = sync_channel(1);
    let talk = std::thread::Builder::new()
        .name("extract-child".into())
        .spawn(move || {
            // A child that ends early does not read to the end; its answer says why.
            let _ = input
                .write_all(&(order.len() as u32).to_le_bytes())
                .and_then(|()| input.write_all(&order))
                .and_then(|()| input.write_all(&bytes));
            drop(input);
            let mut answer = Vec::new();
            let _ = output.take(most).read_to_end(&mut answer);
            let _ = done.send(answer);
        });
    let answer = match talk {
        Ok(_) => result.recv_timeout(Duration::from_millis(limits.time_ms + START_MS)),
        Err(_) => Err(RecvTimeoutError::Disconnected),
    };
    // Ended already, or to be ended; either way it is waited for, and the thread ends with its pipes.
    let _ = child.kill();
    let _ = child.wait();
    match answer {
        Ok(answer) => serde_json::from_slice(&answer).unwrap_or(Err(ExtractError::Exhausted {
            limit_bytes: MEMORY_BYTES,
        })),
        Err(RecvTimeoutError::Timeout) => Err(ExtractError::TooSlow {
            limit_ms: limits.time_ms,
        }),
        Err(RecvTimeoutError::Disconnected) => Err(ExtractError::Busy),
    }
}
