//! The machine that figures are taken on, and waiting until others leave it alone.

use std::fmt;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{Instant, sleep};

/// A share of all processors that may be busy while the machine counts as quiet.
const QUIET_SHARE: f64 = 0.35;
const SAMPLE: Duration = Duration::from_millis(500);
/// So many samples in a row: longer than the window over which agents report their load.
const QUIET_SAMPLES: u32 = 6;

/// What it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Machine {
    processor: String,
    cores: usize,
    memory_gib: u64,
    kernel: String,
}

impl Machine {
    /// Reads it from the kernel.
    ///
    /// # Errors
    /// The kernel does not say.
    pub(super) fn read() -> Result<Self> {
        let read = |file: &str| fs::read_to_string(file).with_context(|| format!("reading {file}"));
        let (processors, memory) = (read("/proc/cpuinfo")?, read("/proc/meminfo")?);
        let memory_kib: u64 = field(&memory, "MemTotal")
            .and_then(|value| value.trim_end_matches("kB").trim().parse().ok())
            .context("/proc/meminfo has no MemTotal")?;
        Ok(Self {
            processor: field(&processors, "model name")
                .unwrap_or("unknown processor")
                .to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            memory_gib: (memory_kib + (1 << 19)) >> 20,
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            processor,
            cores,
            memory_gib,
            kernel,
        } = self;
        write!(
            f,
            "{processor}, {cores} cores, {memory_gib} GiB memory, Linux {kernel}"
        )
    }
}

/// The value of the first line `name : value`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim())
}

/// Waits until the machine is quiet; whether it became so within `limit`.
///
/// # Errors
/// The kernel does not say.
pub(super) async fn quiet(limit: Duration) -> Result<bool> {
    let begun = Instant::now();
    let (mut before, mut in_a_row) = (ticks()?, 0);
    while in_a_row < QUIET_SAMPLES {
        if begun.elapsed() > limit {
            return Ok(false);
        }
        sleep(SAMPLE).await;
        let now = ticks()?;
        let busy = (now.0 - before.0) as f64 / (now.1 - before.1).max(1) as f64;
        before = now;
        in_a_row = if busy < QUIET_SHARE { in_a_row + 1 } else { 0 };
    }
    Ok(true)
}

/// Busy and all clock ticks of all processors since boot.
fn ticks() -> Result<(u64, u64)> {
    let stat = fs::read_to_string("/proc/stat").context("reading /proc/stat")?;
    parsed_ticks(&stat).context("/proc/stat is not as proc(5) says")
}

fn parsed_ticks(stat: &str) -> Option<(u64, u64)> {
    // user nice system idle iowait irq softirq steal; what follows is part of user and nice.
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = line
        .split_whitespace()
        .take(8)
        .map(|field| field.parse().ok())
        .collect::<Option<_>>()?;
    let all: u64 = fields.iter().sum();
    let idle = fields.get(3)? + fields.get(4)?;
    Some((all - idle, all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_says_what_it_is() {
        let machine = Machine::read().unwrap();
        assert!(machine.cores > 0 && !machine.kernel.is_empty(), "{machine}");
        let cpuinfo = "processor\t: 0\nmodel name\t: A Processor: fast\n\nprocessor\t: 1\n";
        assert_eq!(field(cpuinfo, "model name"), Some("A Processor: fast"));
        assert_eq!(field(cpuinfo, "flags"), None);
    }

    #[test]
    fn guests_are_not_counted_twice_and_waiting_for_disks_is_idle() {
        let stat = "cpu  10 1 5 100 20 2 3 4 7 1\ncpu0 1 1 1 1\n";
        assert_eq!(parsed_ticks(stat), Some((25, 145)));
        assert_eq!(parsed_ticks("intr 5"), None);
    }
}
