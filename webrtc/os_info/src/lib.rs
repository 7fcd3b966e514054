//! The part of the `os_info` API that `livekit` uses when it joins a room, to tell the server what it runs on. The published
//! crate starts three programs each time and waits for them on the thread of whoever asks: 20 ms of every join. This one
//! reads one file, once.

use std::sync::OnceLock;

/// What every Linux says of itself (os-release(5)).
const FILE: &str = "/etc/os-release";

/// What the program runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    name: String,
    version: String,
}

impl Info {
    /// The system's name, as `debian`.
    pub fn os_type(&self) -> &str {
        &self.name
    }

    /// Its version, as `12`; empty where it has none.
    pub fn version(&self) -> &str {
        &self.version
    }

    fn read(os_release: &str) -> Self {
        let value = |name: &str| {
            let value = os_release
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
            Some(value.trim().trim_matches(['"', '\'']).to_owned())
        };
        Self {
            name: value("ID").unwrap_or_else(|| std::env::consts::OS.to_owned()),
            version: value("VERSION_ID").unwrap_or_default(),
        }
    }
}

/// What the program runs on.
pub fn get() -> &'static Info {
    static INFO: OnceLock<Info> = OnceLock::new();
    INFO.get_or_init(|| Info::read(&std::fs::read_to_string(FILE).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_called_as_it_calls_itself() {
        let info = Info::read("PRETTY_NAME=\"Debian\"\nVERSION_ID=\"12\"\nID=debian\nID_LIKE=x\n");
        assert_eq!((info.os_type(), info.version()), ("debian", "12"));
    }

    #[test]
    fn one_that_says_nothing_is_called_as_it_was_compiled_for() {
        let info = Info::read("");
        assert_eq!((info.os_type(), info.version()), (std::env::consts::OS, ""));
    }
}
