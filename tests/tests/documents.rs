//! What the documents name is there: paths, links and commands.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

const DOCUMENTS: [&str; 4] = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "webrtc/README.md"];
/// The first step of a path that is one of ours.
const FOLDERS: [&str; 12] = [
    "agent",
    "deploy",
    "dispatcher",
    "docs",
    "knowledge",
    "migrations",
    "prompts",
    "runner",
    "speech",
    "store",
    "tests",
    "webrtc",
];

fn workspace() -> Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("a workspace")
}

/// What stands between `open` and the next `close`.
fn between<'a>(text: &'a str, open: &'a str, close: char) -> impl Iterator<Item = &'a str> {
    text.split(open)
        .skip(1)
        .filter_map(move |after| after.split(close).next())
}

#[test]
fn named_paths_exist() -> Result<()> {
    let mut named = 0;
    for document in DOCUMENTS {
        let text = fs::read_to_string(workspace()?.join(document))?;
        for path in between(&text, "`", '`') {
            let is_path = FOLDERS
                .iter()
                .any(|folder| path.starts_with(&format!("{folder}/")));
            if is_path && !path.contains([' ', '*', '<']) {
                named += 1;
                // From the workspace, or from where the document is.
                let beside = Path::new(document).with_file_name(path);
                assert!(
                    workspace()?.join(path).exists() || workspace()?.join(beside).exists(),
                    "{document} names {path}, which is not there"
                );
            }
        }
    }
    assert!(
        named > 10,
        "only {named} paths were found: the documents have changed their form"
    );
    Ok(())
}

#[test]
fn links_lead_somewhere() -> Result<()> {
    for document in DOCUMENTS {
        let file = workspace()?.join(document);
        let text = fs::read_to_string(&file)?;
        let folder = file.parent().context("a folder")?;
        for target in between(&text, "](", ')').filter(|target| !target.contains("://")) {
            let path = target.split('#').next().unwrap_or(target);
            assert!(
                folder.join(path).exists(),
                "{document} links to {target}, which is not there"
            );
        }
    }
    Ok(())
}

#[test]
fn the_commands_of_the_readme_exist() -> Result<()> {
    let readme = fs::read_to_string(workspace()?.join("README.md"))?;
    let aliases = fs::read_to_string(workspace()?.join(".cargo/config.toml"))?;
    for command in ["demo", "verify"] {
        assert!(
            readme.contains(&format!("\ncargo {command} ")),
            "cargo {command} is not in the README"
        );
        assert!(
            aliases.contains(&format!("{command} = ")),
            "cargo {command} is not an alias"
        );
    }
    let ci = fs::read_to_string(workspace()?.join(".ci/run"))?;
    assert!(ci.contains("cargo verify"));
    Ok(())
}
