//! What a process holds: memory, threads, open files and sockets, as Linux counts them (proc(5)).

use std::fs;

use anyhow::{Context as _, Result};

/// At one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// Proportional set size: pages shared with other processes count by their share.
    pub pss_kib: u64,
    pub threads: usize,
    /// Open files, sockets among them.
    pub descriptors: usize,
    pub sockets: usize,
}

impl Held {
    /// Reads it.
    ///
    /// # Errors
    /// The process is gone, or is somebody else's.
    pub(super) fn of(pid: u32) -> Result<Self> {
        let folder = format!("/proc/{pid}");
        let rollup = fs::read_to_string(format!("{folder}/smaps_rollup"))
            .with_context(|| format!("reading the memory of process {pid}"))?;
        let mut held = Self {
            pss_kib: pss_kib(&rollup).context("smaps_rollup without Pss")?,
            threads: fs::read_dir(format!("{folder}/task"))?.count(),
            ..Self::default()
        };
        for entry in fs::read_dir(format!("{folder}/fd"))? {
            held.descriptors += 1;
            // One that was closed meanwhile has no target any more.
            let target = fs::read_link(entry?.path()).unwrap_or_default();
            held.sockets += usize::from(target.to_string_lossy().starts_with("socket:"));
        }
        Ok(held)
    }
}

fn pss_kib(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn a_socket_and_a_megabyte_are_seen() {
        let own = std::process::id();
        let before = Held::of(own).unwrap();
        assert!(before.threads >= 1 && before.pss_kib > 100);
        let sockets: Vec<UdpSocket> = (0..200)
            .map(|_| UdpSocket::bind("127.0.0.1:0").unwrap())
            .collect();
        let memory = vec![1_u8; 64 << 20];
        let after = Held::of(own).unwrap();
        // Other tests of this process come and go.
        assert!(after.sockets >= before.sockets + 150, "{before:?} {after:?}");
        assert!(after.descriptors >= after.sockets);
        assert!(
            after.pss_kib >= before.pss_kib + (48 << 10),
            "{before:?} {after:?}"
        );
        drop((sockets, memory));
    }

    #[test]
    fn the_first_line_of_its_name_counts() {
        let rollup = "00400000-7ffe [rollup]\nRss:     5240 kB\nPss:     1208 kB\nPss_Dirty:   900 kB\n";
        assert_eq!(pss_kib(rollup), Some(1208));
        assert_eq!(pss_kib("Rss: 5 kB\n"), None);
    }
}
