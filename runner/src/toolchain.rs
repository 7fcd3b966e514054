//! The programs of the machine that building and testing need. On Debian as root what is missing is installed;
//! elsewhere the command is printed.

use std::process::Command;

use anyhow::{Result, bail};

use crate::commands;

/// What a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// To fetch the models and compile.
    Build,
    /// To run the demo.
    Demo,
    /// To run all tests.
    Tests,
}

struct Tool {
    name: &'static str,
    /// Prints a version and succeeds where the tool is there.
    probe: &'static [&'static str],
    /// The least version that will do.
    least: (u32, u32),
    /// Where it comes from when it is missing.
    source: Source,
    need: Need,
}

/// Where a missing tool comes from.
enum Source {
    /// Debian's package.
    Package(&'static str),
    /// It comes with the pinned parts (see `parts::go`).
    Parts,
    /// By hand, as said.
    Hand(&'static str),
}

const TOOLS: [Tool; 11] = [
    Tool {
        name: "Rust",
        probe: &["cargo", "--version"],
        least: (1, 95),
        source: Source::Hand("install Rust from https://rustup.rs"),
        need: Need::Build,
    },
    Tool {
        name: "C compiler",
        probe: &["cc", "--version"],
        least: (0, 0),
        source: Source::Package("gcc"),
        need: Need::Build,
    },
    Tool {
        name: "C++ compiler",
        probe: &["c++", "--version"],
        least: (0, 0),
        source: Source::Package("g++"),
        need: Need::Build,
    },
    Tool {
        name: "make",
        probe: &["make", "--version"],
        least: (0, 0),
        source: Source::Package("make"),
        need: Need::Build,
    },
    Tool {
        name: "cmake",
        probe: &["cmake", "--version"],
        least: (3, 16),
        source: Source::Package("cmake"),
        need: Need::Build,
    },
    Tool {
        name: "Python 3 with pip",
        probe: &["python3", "-m", "pip", "--version"],
        least: (0, 0),
        source: Source::Package("python3-pip"),
        need: Need::Build,
    },
    Tool {
        name: "npm",
        probe: &["npm", "--version"],
        least: (8, 0),
        source: Source::Package("npm"),
        need: Need::Build,
    },
    Tool {
        name: "Go",
        probe: &["go", "version"],
        // From 1.21 on, Go fetches by itself the version that a module asks for.
        least: (1, 21),
        source: Source::Parts,
        need: Need::Demo,
    },
    Tool {
        name: "flite (voices)",
        probe: &["flite", "--version"],
        least: (0, 0),
        source: Source::Package("flite"),
        need: Need::Demo,
    },
    Tool {
        name: "Chromium",
        probe: &["chromium", "--version"],
        least: (0, 0),
        source: Source::Package("chromium"),
        need: Need::Tests,
    },
    Tool {
        name: "ChromeDriver",
        probe: &["chromedriver", "--version"],
        least: (0, 0),
        source: Source::Package("chromium-driver"),
        need: Need::Tests,
    },
];

/// Makes sure that everything up to `need` is there, one line each.
///
/// # Errors
/// Something is missing and cannot be installed from here; the error holds the command that would.
pub fn ensure(need: Need) -> Result<()> {
    let wanted = || TOOLS.iter().filter(|tool| tool.need <= need);
    let missing: Vec<&Tool> = wanted().filter(|tool| !present(tool)).collect();
    let by_hand = |tool: &&Tool| match tool.source {
        Source::Hand(how) => Some(format!("{} is missing or too old: {how}", tool.name)),
        Source::Package(_) | Source::Parts => None,
    };
    if let Some(said) = missing.iter().find_map(by_hand) {
        bail!(said);
    }
    let packages: Vec<&str> = missing
        .iter()
        .filter_map(|tool| match tool.source {
            Source::Package(name) => Some(name),
            Source::Parts | Source::Hand(_) => None,
        })
        .collect();
    if packages.is_empty() {
        return Ok(());
    }
    install(&packages)?;
    for tool in missing {
        if !present(tool) && matches!(tool.source, Source::Package(_)) {
            bail!("{} is still missing or too old; install it by hand", tool.name);
        }
    }
    Ok(())
}

fn install(packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    let debian = std::path::Path::new("/etc/debian_version").exists();
    if !debian || !rustix::process::geteuid().is_root() {
        bail!(
            "programs are missing. On Debian: sudo apt-get install --yes --no-install-recommends {list}; \
             elsewhere: the packages of the same programs"
        );
    }
    eprintln!("  installing {list}");
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        commands::run(&mut command)
    };
    apt(&["update", "--quiet"])?;
    apt(&[&["install", "--yes", "--no-install-recommends"], packages].concat())?;
    Ok(())
}

/// Prints the tool's line; whether it is there and new enough.
fn present(tool: &Tool) -> bool {
    match version(tool.probe) {
        Some(line) if numbers(&line).is_none_or(|found| found >= tool.least) => {
            eprintln!("  {:<18} {line}", tool.name);
            true
        }
        found => {
            let (major, minor) = tool.least;
            let what = match (&found, &tool.source) {
                (_, Source::Parts) => "not usable here; it comes with the parts".to_owned(),
                (Some(line), _) => format!("too old ({line}); at least {major}.{minor} is needed"),
                (None, _) => "not there".to_owned(),
            };
            eprintln!("  {:<18} {what}", tool.name);
            false
        }
    }
}

/// Whether the machine's own Go will do.
pub fn has_go() -> bool {
    let go = TOOLS.iter().find(|tool| matches!(tool.source, Source::Parts));
    go.is_some_and(|go| {
        version(go.probe).is_some_and(|line| numbers(&line).is_some_and(|found| found >= go.least))
    })
}

fn version(probe: &[&str]) -> Option<String> {
    let (program, arguments) = probe.split_first()?;
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    // flite says it with status 1 and not in the first line.
    let line = match output.status.success() {
        true => lines.next(),
        false => lines.find(|line| line.contains("version")),
    };
    line.map(str::to_owned)
}

/// The first "major.minor" in a line.
fn numbers(line: &str) -> Option<(u32, u32)> {
    line.split(|c: char| !c.is_ascii_digit() && c != '.')
        .find_map(|word| {
            let mut parts = word.split('.');
            Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_print() {
        for (line, expected) in [
            ("cargo 1.95.0 (f2d3ce0bd 2026-03-21)", Some((1, 95))),
            ("go version go1.26.8 linux/amd64", Some((1, 26))),
            ("10.8.2", Some((10, 8))),
            ("cc (Debian 12.2.0-14+deb12u1) 12.2.0", Some((12, 2))),
            ("no number", None),
        ] {
            assert_eq!(numbers(line), expected, "{line}");
        }
    }

    #[test]
    fn every_missing_program_has_a_way_to_get_it() {
        assert!(version(&["a-program-that-nobody-has"]).is_none());
        for tool in &TOOLS {
            assert!(!matches!(tool.source, Source::Package("")), "{}", tool.name);
        }
    }
}
