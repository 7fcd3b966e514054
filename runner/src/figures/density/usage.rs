//! What a program and all that it has started take of the machine, as Linux counts it (proc(5)).

use std::collections::HashMap;
use std::fs;

use anyhow::{Context as _, Result};

/// The unit in which Linux reports processor time to programs (USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;

/// Of a program and its descendants, at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Usage {
    /// Processor time since they were started, with that of those that have ended.
    pub core_seconds: f64,
    /// Memory, what is shared with others by its share (PSS).
    pub memory_bytes: u64,
    /// Processes.
    pub processes: usize,
}

/// One process, as `/proc/<pid>/stat` has it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stat {
    parent: u32,
    /// Its own, and that of children that it has waited for.
    ticks: u64,
}

impl Usage {
    /// Reads it.
    ///
    /// # Errors
    /// The program has ended.
    pub(super) fn of(root: u32) -> Result<Self> {
        let stats = stats()?;
        let tree = tree(root, &stats);
        anyhow::ensure!(!tree.is_empty(), "process {root} has ended");
        let ticks: u64 = tree.iter().filter_map(|pid| Some(stats.get(pid)?.ticks)).sum();
        Ok(Self {
            core_seconds: ticks as f64 / TICKS_PER_SECOND,
            // One that has just ended has none.
            memory_bytes: tree.iter().filter_map(|pid| pss_bytes(*pid)).sum(),
            processes: tree.len(),
        })
    }
}

fn stats() -> Result<HashMap<u32, Stat>> {
    let mut stats = HashMap::new();
    for entry in fs::read_dir("/proc").context("reading /proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let read = fs::read_to_string(format!("/proc/{pid}/stat")).ok();
        if let Some(stat) = read.and_then(|text| parsed_stat(&text)) {
            stats.insert(pid, stat);
        }
    }
    Ok(stats)
}

fn parsed_stat(text: &str) -> Option<Stat> {
    // The second field, the program's name, is in parentheses and may hold anything; the third comes first behind it.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(field(4)?).ok()?,
        ticks: field(14)? + field(15)? + field(16)? + field(17)?,
    })
}

fn tree(root: u32, stats: &HashMap<u32, Stat>) -> Vec<u32> {
    let mut tree: Vec<u32> = stats.contains_key(&root).then_some(root).into_iter().collect();
    let mut seen = 0;
    while let Some(&parent) = tree.get(seen) {
        seen += 1;
        tree.extend(
            stats
                .iter()
                .filter(|(_, stat)| stat.parent == parent)
                .map(|(pid, _)| *pid),
        );
    }
    tree
}

fn pss_bytes(pid: u32) -> Option<u64> {
    parsed_pss(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?)
}

fn parsed_pss(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Datagrams that all programs of this machine have missed so far because a socket was full.
///
/// # Errors
/// The kernel does not say.
pub(super) fn dropped_datagrams() -> Result<u64> {
    let text = fs::read_to_string("/proc/net/snmp").context("reading /proc/net/snmp")?;
    parsed_dropped(&text).context("/proc/net/snmp is not as expected")
}

fn parsed_dropped(snmp: &str) -> Option<u64> {
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Udp:"));
    let (names, values) = (lines.next()?.split_whitespace(), lines.next()?.split_whitespace());
    let (_, value) = names.zip(values).find(|(name, _)| *name == "RcvbufErrors")?;
    value.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let text = "42 (a) b (c) S 7 42 42 0 -1 4194304 9 9 9 9 100 20 3 4 20 0 5 0 1000 1 1";
        let stat = parsed_stat(text).unwrap();
        assert_eq!(
            stat,
            Stat {
                parent: 7,
                ticks: 127
            }
        );
        assert_eq!(parsed_stat("nothing"), None);
    }

    #[test]
    fn all_descendants_belong_to_the_tree_and_nobody_else() {
        let of = |parents: &[(u32, u32)]| -> HashMap<u32, Stat> {
            parents
                .iter()
                .map(|&(pid, parent)| (pid, Stat { parent, ticks: 0 }))
                .collect()
        };
        let stats = of(&[(1, 0), (10, 1), (11, 10), (12, 11), (13, 10), (20, 1)]);
        let mut found = tree(10, &stats);
        found.sort_unstable();
        assert_eq!(found, [10, 11, 12, 13]);
        assert!(tree(99, &stats).is_empty());
    }

    #[test]
    fn children_count_with_what_started_them() {
        let script = "sh -c 'while :; do :; done' & wait";
        let mut parent = Command::new("sh").args(["-c", script]).spawn().unwrap();
        let begun = std::time::Instant::now();
        let usage = loop {
            let usage = Usage::of(parent.id()).unwrap();
            if usage.core_seconds >= 0.1 || begun.elapsed().as_secs() > 60 {
                break usage;
            }
            std::thread::yield_now();
        };
        let children: Vec<u32> = tree(parent.id(), &stats().unwrap());
        for pid in children.iter().skip(1) {
            let pid = rustix::process::Pid::from_raw(*pid as i32).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        }
        parent.wait().unwrap();
        assert!(usage.core_seconds >= 0.1 && usage.processes == 2, "{usage:?}");
        assert!(usage.memory_bytes > 50_000, "{usage:?}");
        assert!(Usage::of(parent.id()).is_err());
    }

    #[test]
    fn memory_and_drops_are_read() {
        assert_eq!(
            parsed_pss("00400000-7ffe ---p\nRss:  9 kB\nPss:            1234 kB\nPss_Anon: 7 kB\n"),
            Some(1234 * 1024)
        );
        assert_eq!(parsed_pss("Rss: 9 kB\n"), None);
        let snmp = "Ip: A\nIp: 1\nUdp: InDatagrams InErrors RcvbufErrors\nUdp: 10 5 3\nUdpLite: RcvbufErrors\nUdpLite: 9\n";
        assert_eq!(parsed_dropped(snmp), Some(3));
        assert!(dropped_datagrams().is_ok());
    }
}
