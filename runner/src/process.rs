//! Supervised child processes: each in its own process group, with its own log, ended when the runner ends - and by the
//! next runner if this one is killed.

use std::fs::{self, File};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

use crate::commands;

/// Lines of a log that an error shows.
const LOG_LINES: usize = 30;
/// A killed process is gone long before.
const GONE_LIMIT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);
/// The unit in which Linux reports processor time to programs, on every processor we run on (USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;

/// A running program of ours or one that we need.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    record: PathBuf,
}

/// What the next runner needs to know to end what this one left behind.
#[derive(Serialize, Deserialize)]
struct Record {
    pid: i32,
    started: u64,
    runner_pid: i32,
    runner_started: u64,
}

impl Process {
    /// Starts a program. Its output goes to `<folder>/<name>.log`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(name: &str, command: &mut Command, folder: &Path) -> Result<Self> {
        let output = Self::log_file(name, folder)?;
        command.stdin(Stdio::null()).stdout(output);
        Self::spawn(name, command, folder)
    }

    /// Starts a program that is talked to: its standard input and output are pipes, its errors go to the log.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start_talking(
        name: &str,
        command: &mut Command,
        folder: &Path,
    ) -> Result<(Self, ChildStdin, ChildStdout)> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Self::spawn(name, command, folder)?;
        let pipes = process.child.stdin.take().zip(process.child.stdout.take());
        let (input, output) = pipes.context("a program without pipes")?;
        Ok((process, input, output))
    }

    fn log_file(name: &str, folder: &Path) -> Result<File> {
        fs::create_dir_all(folder)?;
        let log = folder.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log);
        file.with_context(|| format!("writing {}", log.display()))
    }

    fn spawn(name: &str, command: &mut Command, folder: &Path) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let child = command
            .stderr(Self::log_file(name, folder)?)
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {name} ({})", command.get_program().to_string_lossy()))?;
        let pid = child.id() as i32;
        let records = records_folder()?;
        let record = records.join(format!("{pid}.json"));
        let own = std::process::id() as i32;
        let content = Record {
            pid,
            started: started(pid).unwrap_or_default(),
            runner_pid: own,
            runner_started: started(own).unwrap_or_default(),
        };
        fs::write(&record, serde_json::to_vec(&content)?)?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
            record,
        })
    }

    /// The process's id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The processor time it has used so far, without that of its children; none when it is gone.
    pub fn cpu_seconds(&self) -> Option<f64> {
        // utime and stime (proc(5)) are the 14th and 15th field of all.
        let (user, system) = (
            stat_field(self.child.id() as i32, 14)?,
            stat_field(self.child.id() as i32, 15)?,
        );
        Some((user + system) as f64 / TICKS_PER_SECOND)
    }

    /// The end of the log.
    pub fn log_tail(&self) -> String {
        commands::tail(&fs::read_to_string(&self.log).unwrap_or_default(), LOG_LINES)
    }

    /// Waits until `ready` says yes.
    ///
    /// # Errors
    /// The process ends, or `limit` passes; the error shows the end of the log.
    pub async fn wait_until_ready(
        &mut self,
        limit: Duration,
        ready: impl AsyncFn() -> bool,
    ) -> Result<Duration> {
        let begun = Instant::now();
        while !ready().await {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "{} ended with {status} while starting. The end of {}:\n{}",
                    self.name,
                    self.log.display(),
                    self.log_tail()
                );
            }
            if begun.elapsed() > limit {
                bail!(
                    "{} is not ready after {limit:?}. The end of {}:\n{}",
                    self.name,
                    self.log.display(),
                    self.log_tail()
                );
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(begun.elapsed())
    }

    /// Asks the process to end (SIGTERM).
    pub fn terminate(&self) {
        signal(self.child.id() as i32, Signal::TERM);
    }

    /// Interrupts the process (SIGINT).
    pub fn interrupt(&self) {
        signal(self.child.id() as i32, Signal::INT);
    }

    /// Stops or continues the process without its knowledge (SIGSTOP, SIGCONT): a stall, as seen from outside.
    pub fn freeze(&self, frozen: bool) {
        signal(
            self.child.id() as i32,
            if frozen { Signal::STOP } else { Signal::CONT },
        );
    }

    /// Waits for the end, if it comes within `limit`.
    pub async fn ended_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        let begun = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    let _ = fs::remove_file(&self.record);
                    return Some(status);
                }
                Ok(None) if begun.elapsed() < limit => tokio::time::sleep(POLL).await,
                _ => return None,
            }
        }
    }

    /// Waits for the end; when `limit` passes the process group is killed.
    pub async fn wait(&mut self, limit: Duration) -> ExitStatus {
        match self.ended_within(limit).await {
            Some(status) => status,
            None => self.kill(),
        }
    }

    /// Asks the process to end and waits; see [`Process::wait`].
    pub async fn stop(&mut self, limit: Duration) -> ExitStatus {
        self.terminate();
        self.wait(limit).await
    }

    /// Kills the process group at once.
    pub fn kill(&mut self) -> ExitStatus {
        signal(self.child.id() as i32, Signal::KILL);
        let status = self
            .child
            .wait()
            .unwrap_or_else(|_| ExitStatus::from_raw(Signal::KILL.as_raw()));
        let _ = fs::remove_file(&self.record);
        status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        } else {
            let _ = fs::remove_file(&self.record);
        }
    }
}

/// Signals a whole process group.
fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // A group that is gone needs no signal.
        let _ = rustix::process::kill_process_group(pid, signal);
    }
}

/// When a process was started, in clock ticks since boot: with the pid it names a process for good.
fn started(pid: i32) -> Option<u64> {
    stat_field(pid, 22)
}

/// A number of `/proc/<pid>/stat`, counted from 1 as in proc(5).
fn stat_field(pid: i32, field: usize) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the program's name, is in parentheses and may hold anything.
    let rest = stat.rsplit_once(')')?.1;
    rest.split_whitespace().nth(field.checked_sub(3)?)?.parse().ok()
}

fn records_folder() -> Result<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let folder = std::env::temp_dir().join(format!("rapporteur-processes-{user}"));
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Ends what runners that are gone have left behind; returns how many processes that were.
///
/// # Errors
/// The records cannot be read.
pub fn end_leftovers() -> Result<usize> {
    let mut ended = 0;
    for entry in fs::read_dir(records_folder()?)? {
        let path = entry?.path();
        let Ok(record) = serde_json::from_slice::<Record>(&fs::read(&path).unwrap_or_default()) else {
            continue;
        };
        if started(record.runner_pid) == Some(record.runner_started) {
            continue;
        }
        if started(record.pid) == Some(record.started) {
            signal(record.pid, Signal::KILL);
            wait_until_gone(&record);
            ended += 1;
        }
        let _ = fs::remove_file(path);
    }
    Ok(ended)
}

/// A killed process still holds its ports and files for a moment. One that is dead but was not waited for has let go.
fn wait_until_gone(record: &Record) {
    let begun = Instant::now();
    while started(record.pid) == Some(record.started)
        && !is_zombie(record.pid)
        && begun.elapsed() < GONE_LIMIT
    {
        std::thread::sleep(POLL);
    }
}

fn is_zombie(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("rapporteur-process-{name}-{}", std::process::id()))
    }

    fn sleeper(name: &str) -> Process {
        Process::start(name, Command::new("sleep").arg("600"), &folder(name)).unwrap()
    }

    #[tokio::test]
    async fn a_process_ends_when_it_is_asked_to_or_dropped() {
        let mut asked = sleeper("asked");
        let status = asked.stop(Duration::from_secs(5)).await;
        assert_eq!(status.signal(), Some(Signal::TERM.as_raw()));
        let dropped = sleeper("dropped");
        let pid = dropped.pid() as i32;
        drop(dropped);
        assert_eq!(started(pid), None);
    }

    #[tokio::test]
    async fn a_process_says_how_much_it_has_computed() {
        let mut command = Command::new("sh");
        command.args(["-c", "while :; do :; done"]);
        let mut busy = Process::start("busy", &mut command, &folder("busy")).unwrap();
        let begun = Instant::now();
        while busy.cpu_seconds().unwrap() < 0.05 {
            assert!(begun.elapsed() < Duration::from_secs(60));
            tokio::time::sleep(POLL).await;
        }
        busy.kill();
        assert_eq!(busy.cpu_seconds(), None);
    }

    #[tokio::test]
    async fn one_that_fails_to_start_is_named_with_its_log() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo the port is taken; exit 3"]);
        let mut process = Process::start("failing", &mut command, &folder("failing")).unwrap();
        let error = process
            .wait_until_ready(Duration::from_secs(10), async || false)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("failing ended with exit status: 3") && error.contains("the port is taken"),
            "{error}"
        );
    }

    /// Set for the copy of this test program that plays the runner which is killed.
    const VICTIM: &str = "RAPPORTEUR_TEST_VICTIM";

    #[test]
    fn what_a_killed_runner_left_is_ended_and_what_a_living_one_has_is_not() {
        use std::io::{BufRead as _, BufReader};
        if std::env::var_os(VICTIM).is_some() {
            // Kept: a process that is dropped is ended.
            let left = sleeper("left");
            println!("started {}", left.pid());
            std::thread::sleep(Duration::from_secs(600));
        }
        let mine = sleeper("mine");
        let mut runner = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("process::tests::what_a_killed_runner_left_is_ended_and_what_a_living_one_has_is_not")
            .env(VICTIM, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(runner.stdout.take().unwrap()).lines();
        let left: i32 = lines
            .find_map(|line| {
                line.unwrap()
                    .rsplit_once("started ")
                    .and_then(|(_, pid)| pid.parse().ok())
            })
            .unwrap();
        runner.kill().unwrap();
        runner.wait().unwrap();
        assert!(started(left).is_some(), "the child outlives its killed runner");
        end_leftovers().unwrap();
        assert!(started(left).is_none() || is_zombie(left));
        assert!(started(mine.pid() as i32).is_some() && !is_zombie(mine.pid() as i32));
    }
}
