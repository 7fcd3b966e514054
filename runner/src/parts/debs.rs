//! Recordings of human speech with their texts, which come in Debian's packages: fetched by apt, verified, unpacked into the
//! cache, installed nowhere. Only `cargo figures` needs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::cache::{Cache, verify_sha256};
use crate::commands;
use crate::progress::step;

struct Package {
    name: &'static str,
    version: &'static str,
    sha256: &'static str,
}

/// Allison Smith, who lends her voice to Asterisk (CC BY-SA 3.0), and what she says; LibriVox' reading of Sense and
/// Sensibility (public domain), five sentences with their text.
const PACKAGES: [Package; 3] = [
    Package {
        name: "asterisk-core-sounds-en-wav",
        version: "1.6.1-1",
        sha256: "2be3ea287d83299d143815fa804f11179a75b7affd4a758b98b55f5afc18a35d",
    },
    Package {
        name: "asterisk-core-sounds-en",
        version: "1.6.1-1",
        sha256: "973e797d28e37fa6ca3c0a9d6fa717e77cf1268ae916bf09fd3503113cdffa50",
    },
    Package {
        name: "pocketsphinx-testdata",
        version: "0.8+5prealpha+1-15",
        sha256: "eaeb7a01d54f20b799d1a81ef110ec544b2cb47ea006614078220737a33019f0",
    },
];
const PROMPTS: &str = "usr/share/asterisk/sounds";
const PROMPT_TEXTS: &str = "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz";
const NOVEL: &str = "usr/share/pocketsphinx/test/data/librivox";
/// What is fetched together changes its name when the list does.
const PART: &str = "spoken-texts-1";

/// A recording with what is said in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// Short.
    pub name: String,
    /// WAV.
    pub file: PathBuf,
    /// What is said.
    pub text: String,
}

/// The recordings of the novel and the prompts whose text has at least `least_words` words and nothing but words, in the
/// order of their names.
///
/// # Errors
/// apt cannot fetch them, or they are not what is pinned.
pub fn spoken(cache: &Cache, least_words: usize) -> Result<Vec<Spoken>> {
    let folder = step("recordings with their texts", None, || {
        cache.part(PART, |into| {
            PACKAGES.iter().try_for_each(|package| fetch(package, into))
        })
    })?;
    let mut found = novel(&folder.join(NOVEL))?;
    let texts = commands::run(Command::new("gzip").args(["-dc"]).arg(folder.join(PROMPT_TEXTS)))?;
    let voice = the_only_voice(&folder.join(PROMPTS))?;
    let prompts = prompts(&texts, least_words).map(|(name, text)| Spoken {
        file: voice.join(format!("{name}.wav")),
        name: name.replace('/', "-"),
        text: text.to_owned(),
    });
    found.extend(prompts.filter(|prompt| prompt.file.exists()));
    Ok(found)
}

fn fetch(package: &Package, into: &Path) -> Result<()> {
    let pinned = format!("{}={}", package.name, package.version);
    let mut apt = Command::new("apt-get");
    apt.args(["download", "--quiet", &pinned]).current_dir(into);
    commands::run(&mut apt).with_context(|| {
        format!("{pinned} comes from Debian 12; elsewhere these figures cannot be taken. An old list needs `apt-get update`")
    })?;
    // apt writes the version's colons and pluses in its own way.
    let is_archive = |path: &PathBuf| {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        name.starts_with(&format!("{}_", package.name)) && name.ends_with(".deb")
    };
    let mut files = fs::read_dir(into)?.filter_map(|entry| Some(entry.ok()?.path()));
    let archive = files.find(is_archive).context("apt-get wrote no file")?;
    verify_sha256(&archive, package.sha256)?;
    let mut unpack = Command::new("dpkg-deb");
    commands::run(unpack.arg("--extract").arg(&archive).arg(into))?;
    Ok(fs::remove_file(archive)?)
}

/// The folder of the voice; which one lies there is the package's to say.
fn the_only_voice(folder: &Path) -> Result<PathBuf> {
    let voices: Vec<PathBuf> = fs::read_dir(folder)
        .with_context(|| format!("reading {}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("demo-congrats.wav").exists())
        .collect();
    match voices.as_slice() {
        [voice, ..] => Ok(voice.clone()),
        [] => bail!("{} has no voice", folder.display()),
    }
}

/// `name: text`, one a line; those with figures, marks for sounds or unfinished sentences are passed over.
fn prompts(texts: &str, least_words: usize) -> impl Iterator<Item = (&str, &str)> {
    texts
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, text)| (name.trim(), text.trim()))
        .filter(move |(_, text)| {
            let odd = |c: char| c.is_ascii_digit() || "[]()*".contains(c);
            text.split_whitespace().count() >= least_words && !text.contains(odd) && !text.contains("...")
        })
}

/// `<s> text </s> (name)`, one a line.
fn novel(folder: &Path) -> Result<Vec<Spoken>> {
    let lines = fs::read_to_string(folder.join("transcription")).context("reading the novel's text")?;
    let mut found: Vec<Spoken> = lines
        .lines()
        .filter_map(sentence)
        .map(|(name, text)| Spoken {
            file: folder.join(format!("{name}.wav")),
            name: name.to_owned(),
            text: text.to_owned(),
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn sentence(line: &str) -> Option<(&str, &str)> {
    let (text, name) = line.strip_prefix("<s>")?.split_once("</s>")?;
    let name = name.trim().strip_prefix('(')?.strip_suffix(')')?;
    Some((name, text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_prompts_of_plain_words_are_taken() {
        let texts = "one: Please leave your message\ntwo: Press 1 to leave a message\nthree: ...and the last one is this\n\
            short: Yes\nno prompt\ntone: Leave your message after it (tone)";
        let found: Vec<_> = prompts(texts, 4).collect();
        assert_eq!(found, [("one", "Please leave your message")]);
    }

    #[test]
    fn a_sentence_has_its_name_behind_it() {
        let line = "<s> he was not an ill disposed young man </s> (austen-0880)";
        assert_eq!(
            sentence(line),
            Some(("austen-0880", "he was not an ill disposed young man"))
        );
        assert_eq!(sentence("he was not"), None);
    }
}
