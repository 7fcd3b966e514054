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
    /// Debian's package; none where Debian's is too old.
    package: Option<&'static str>,
    need: Need,
}

const TOOLS: [Tool; 11] = [
    Tool {
        name: "Rust",
        probe: &["cargo", "--version"],
        package: None,
        need: Need::Build,
    },
    Tool {
        name: "C compiler",
        probe: &["cc", "--version"],
        package: Some("gcc"),
        need: Need::Build,
    },
    Tool {
        name: "C++ compiler",
        probe: &["c++", "--version"],
        package: Some("g++"),
        need: Need::Build,
    },
    Tool {
        name: "make",
        probe: &["make", "--version"],
        package: Some("make"),
        need: Need::Build,
    },
    Tool {
        name: "cmake",
        probe: &["cmake", "--version"],
        package: Some("cmake"),
        need: Need::Build,
    },
    Tool {
        name: "Python 3 with pip",
        probe: &["python3", "-m", "pip", "--version"],
        package: Some("python3-pip"),
        need: Need::Build,
    },
    Tool {
        name: "npm",
        probe: &["npm", "--version"],
        package: Some("npm"),
        need: Need::Build,
    },
    Tool {
        name: "Go",
        probe: &["go", "version"],
        package: Some("golang-go"),
        need: Need::Demo,
    },
    Tool {
        name: "flite (voices)",
        probe: &["flite", "--version"],
        package: Some("flite"),
        need: Need::Demo,
    },
    Tool {
        name: "Chromium",
        probe: &["chromium", "--version"],
        package: Some("chromium"),
        need: Need::Tests,
    },
    Tool {
        name: "ChromeDriver",
        probe: &["chromedriver", "--version"],
        package: Some("chromium-driver"),
        need: Need::Tests,
    },
];

/// Makes sure that everything up to `need` is there, one line each.
///
/// # Errors
/// Something is missing and cannot be installed from here; the error holds the command that would.
pub fn ensure(need: Need) -> Result<()> {
    let missing: Vec<&Tool> = TOOLS
        .iter()
        .filter(|tool| tool.need <= need)
        .filter(|tool| match version(tool) {
            Some(version) => {
                eprintln!("  {:<18} {version}", tool.name);
                false
            }
            None => true,
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().filter_map(|tool| tool.package).collect();
    let names = missing
        .iter()
        .map(|tool| tool.name)
        .collect::<Vec<_>>()
        .join(", ");
    let install = format!(
        "apt-get install --yes --no-install-recommends {}",
        packages.join(" ")
    );
    let debian = std::path::Path::new("/etc/debian_version").exists();
    if !debian || !rustix::process::geteuid().is_root() {
        bail!("missing: {names}. On Debian: sudo {install}");
    }
    eprintln!("  installing {}", packages.join(" "));
    commands::run(
        Command::new("apt-get")
            .args(["update", "--quiet"])
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )?;
    let mut words = install.split(' ');
    let program = words.next().unwrap_or_default();
    commands::run(
        Command::new(program)
            .args(words)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )?;
    for tool in missing {
        match version(tool) {
            Some(version) => eprintln!("  {:<18} {version}", tool.name),
            None => bail!("{} is still missing; install it by hand", tool.name),
        }
    }
    Ok(())
}

fn version(tool: &Tool) -> Option<String> {
    let output = Command::new(tool.probe[0]).args(&tool.probe[1..]).output().ok()?;
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    // flite prints its version with status 1.
    let answered = output.status.success() || text.contains("version");
    answered.then(|| {
        text.lines()
            .find(|line| !line.trim().is_empty())
            .unwrap_or_default()
            .trim()
            .to_owned()
    })
}
