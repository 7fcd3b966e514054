//! WhisperLiveKit and RealtimeSTT, each as its makers run it, fed with tracks at the pace of the sound. One JSON object a line.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::python;
use super::words::Shown;
use crate::process::Process;
use crate::setup::Ready;

/// Loading torch and the model, eight at once.
const READY_LIMIT: Duration = Duration::from_secs(420);
/// The longest track and what comes after it, minutes where a system does not keep up.
const TRACK_LIMIT: Duration = Duration::from_secs(600);
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// Reports that wait to be read.
const WAITING_LIMIT: usize = 4096;

/// Somebody else's streaming recogniser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum System {
    WhisperLiveKit,
    RealtimeStt,
}

impl System {
    pub(super) const ALL: [Self; 2] = [Self::WhisperLiveKit, Self::RealtimeStt];

    /// As figures name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::WhisperLiveKit => "WhisperLiveKit 0.2.26",
            Self::RealtimeStt => "RealtimeSTT 1.1.2",
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::WhisperLiveKit => "whisperlivekit_streams.py",
            Self::RealtimeStt => "realtimestt_stream.py",
        }
    }

    /// The tracks of each process.
    fn processes<'a>(self, tracks: &'a [&'a Path]) -> Vec<&'a [&'a Path]> {
        match self {
            Self::WhisperLiveKit => vec![tracks],
            Self::RealtimeStt => tracks.chunks(1).collect(),
        }
    }
}

/// The interpreter with both.
///
/// # Errors
/// pip fails.
pub(super) fn environment(ready: &Ready, workspace: &Path) -> Result<PathBuf> {
    python::environment(&ready.cache, workspace, "streaming-peers")
}

/// What a system did with its tracks.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    /// Of each track, in the order of the tracks.
    pub shown: Vec<Vec<Shown>>,
    /// Processor time of all its processes while the tracks played.
    pub core_seconds: f64,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Line {
    Shown {
        track: usize,
        segment: String,
        at_ms: i64,
        text: String,
        settled: String,
    },
    Event {
        event: String,
        #[serde(default)]
        core_seconds: f64,
    },
}

/// Has a system hear tracks, all at once.
///
/// # Errors
/// It does not start or does not end; its log is in `folder`.
pub(super) async fn hear(
    system: System,
    interpreter: &Path,
    workspace: &Path,
    model: &Path,
    tracks: &[&Path],
    folder: &Path,
) -> Result<Heard> {
    let (sender, mut lines) = mpsc::channel(WAITING_LIMIT);
    let (mut running, mut orders) = (Vec::new(), Vec::new());
    let mut first_track = 0;
    for (number, own) in system.processes(tracks).into_iter().enumerate() {
        let mut command = Command::new(interpreter);
        command
            .arg(python::programs(workspace).join(system.program()))
            .arg(model)
            .args(own);
        let name = format!("{}-{}", system.program().trim_end_matches(".py"), number + 1);
        let (process, input, output) = Process::start_talking(&name, &mut command, folder)?;
        read(first_track, output, sender.clone());
        first_track += own.len();
        running.push(process);
        orders.push(input);
    }
    drop(sender);
    let mut heard = Heard {
        shown: vec![Vec::new(); tracks.len()],
        core_seconds: 0.0,
    };
    heard
        .until("ready", running.len(), READY_LIMIT, &mut lines)
        .await?;
    orders.iter_mut().try_for_each(go)?;
    heard
        .until("done", running.len(), TRACK_LIMIT, &mut lines)
        .await?;
    for mut process in running {
        process.stop(STOP_LIMIT).await;
    }
    Ok(heard)
}

fn go(orders: &mut ChildStdin) -> Result<()> {
    writeln!(orders, "go")
        .and_then(|()| orders.flush())
        .context("it has ended; its log says why")
}

/// Passes lines on, with the number of the process's first track.
fn read(first_track: usize, output: ChildStdout, lines: mpsc::Sender<(usize, Line)>) {
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let Ok(line) = serde_json::from_str(&line) else {
                continue;
            };
            if lines.blocking_send((first_track, line)).is_err() {
                return;
            }
        }
    });
}

impl Heard {
    /// Takes what is shown until so many processes have said a word.
    async fn until(
        &mut self,
        wanted: &str,
        mut processes: usize,
        limit: Duration,
        lines: &mut mpsc::Receiver<(usize, Line)>,
    ) -> Result<()> {
        let deadline = Instant::now() + limit;
        while processes > 0 {
            match timeout_at(deadline, lines.recv()).await {
                Ok(Some((first_track, line))) => {
                    processes -= usize::from(matches!(&line, Line::Event { event, .. } if event == wanted));
                    self.take(first_track, line);
                }
                Ok(None) => bail!("ended before it was {wanted}; its log is in the run's folder"),
                Err(_) => bail!("not {wanted} within {limit:?}; its log is in the run's folder"),
            }
        }
        Ok(())
    }

    fn take(&mut self, first_track: usize, line: Line) {
        match line {
            Line::Event { core_seconds, .. } => self.core_seconds += core_seconds,
            Line::Shown {
                track,
                segment,
                at_ms,
                text,
                settled,
            } => {
                if let Some(shown) = self.shown.get_mut(first_track + track) {
                    shown.push(Shown {
                        segment,
                        text,
                        settled,
                        at_ms,
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_two_processes_show_is_kept_by_track_and_their_time_added() {
        let lines = [
            (0, r#"{"event":"ready"}"#),
            (1, r#"{"event":"ready"}"#),
            (
                1,
                r#"{"track":0,"segment":"0","at_ms":700,"text":"Hello","settled":""}"#,
            ),
            (1, r#"{"event":"done","core_seconds":2.5}"#),
            (0, r#"{"event":"done","core_seconds":1.0}"#),
        ];
        let (sender, mut receiver) = mpsc::channel(10);
        for (first_track, line) in lines {
            let line: Line = serde_json::from_str(line).unwrap();
            sender.try_send((first_track, line)).unwrap();
        }
        drop(sender);
        let mut heard = Heard {
            shown: vec![Vec::new(); 2],
            core_seconds: 0.0,
        };
        let limit = Duration::from_secs(5);
        heard.until("ready", 2, limit, &mut receiver).await.unwrap();
        heard.until("done", 2, limit, &mut receiver).await.unwrap();
        assert_eq!(heard.core_seconds, 3.5);
        assert!(heard.shown[0].is_empty());
        assert_eq!(heard.shown[1][0].text, "Hello");
        assert!(heard.until("done", 1, limit, &mut receiver).await.is_err());
    }

    #[test]
    fn realtimestt_has_a_process_for_each_track() {
        let tracks = [Path::new("a"), Path::new("b")];
        assert_eq!(System::WhisperLiveKit.processes(&tracks).len(), 1);
        assert_eq!(System::RealtimeStt.processes(&tracks).len(), 2);
    }
}
