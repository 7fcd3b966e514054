//! The meeting in the terminal: each growing caption has a line that is redrawn, settled ones scroll away above. Where
//! nothing can be redrawn, only settled captions are printed.

use std::collections::{HashMap, HashSet};
use std::io::IsTerminal as _;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::participant::{Heard, Via};

/// Foreground colours that can be told apart on dark and on light ground.
const COLOURS: [u8; 5] = [36, 35, 33, 32, 34];
/// A growing caption shows its end: that is where the news is.
const PARTIAL_CHARACTERS: usize = 64;
/// Captions that may grow side by side on the screen; more are not drawn until they are settled.
const GROWING_LIMIT: usize = 8;

/// The terminal.
#[derive(Debug)]
pub(super) struct Screen {
    drawn: MultiProgress,
    growing: HashMap<String, ProgressBar>,
    settled: HashSet<String>,
    names: Vec<(String, String)>,
    redraws: bool,
    coloured: bool,
}

impl Default for Screen {
    fn default() -> Self {
        let redraws = std::io::stderr().is_terminal();
        Self {
            drawn: MultiProgress::new(),
            growing: HashMap::new(),
            settled: HashSet::new(),
            names: Vec::new(),
            redraws,
            coloured: redraws && std::env::var_os("NO_COLOR").is_none(),
        }
    }
}

impl Screen {
    /// Says how an identity is shown.
    pub(super) fn introduce(&mut self, identity: &str, name: &str) {
        self.names.push((identity.to_owned(), name.to_owned()));
    }

    /// A line of text above the growing captions.
    pub(super) fn line(&self, text: &str) {
        if self.redraws {
            // A terminal that cannot be written to is nobody's loss.
            let _ = self.drawn.println(text);
        } else {
            eprintln!("{text}");
        }
    }

    /// Shows what a participant reports.
    pub(super) fn show(&mut self, heard: &Heard) {
        match heard {
            Heard::Caption {
                segment,
                speaker,
                text,
                r#final,
                via: Via::TextStream,
                ..
            } => {
                if *r#final {
                    self.settle(segment, speaker, text);
                } else if !self.settled.contains(segment) {
                    self.grow(segment, speaker, text);
                }
            }
            Heard::Chat { from, text } => {
                let name = self.name(from);
                self.line(&format!("  {name} (chat)  {text}"));
            }
            Heard::Disconnected { reason } => self.line(&format!("  a participant left: {reason}")),
            _ => {}
        }
    }

    /// Shows a chat message of one of ours: the sender does not receive it.
    pub(super) fn chat(&self, identity: &str, text: &str) {
        self.line(&format!("  {} (chat)  {text}", self.name(identity)));
    }

    fn settle(&mut self, segment: &str, speaker: &str, text: &str) {
        if !self.settled.insert(segment.to_owned()) {
            return;
        }
        if let Some(bar) = self.growing.remove(segment) {
            bar.finish_and_clear();
        }
        self.line(&format!("  {}  {text}", self.name(speaker)));
    }

    fn grow(&mut self, segment: &str, speaker: &str, text: &str) {
        if !self.redraws || (self.growing.len() >= GROWING_LIMIT && !self.growing.contains_key(segment)) {
            return;
        }
        let name = self.name(speaker);
        let bar = self.growing.entry(segment.to_owned()).or_insert_with(|| {
            let bar = self.drawn.add(ProgressBar::new_spinner());
            // A template that does not parse leaves the standard style.
            if let Ok(style) = ProgressStyle::with_template("  {prefix}  {wide_msg:.dim}") {
                bar.set_style(style);
            }
            bar.set_prefix(name);
            bar
        });
        bar.set_message(end_of(text, PARTIAL_CHARACTERS));
        bar.tick();
    }

    fn name(&self, identity: &str) -> String {
        let known = self.names.iter().position(|(known, _)| known == identity);
        let name = known.map_or_else(
            || identity.split('-').next().unwrap_or(identity),
            |index| &self.names[index].1,
        );
        let padded = format!("{name:<12}");
        match (known, self.coloured) {
            (Some(index), true) => format!("\x1b[1;{}m{padded}\x1b[0m", COLOURS[index % COLOURS.len()]),
            _ => padded,
        }
    }
}

/// The last characters of a text, from the beginning of a word.
fn end_of(text: &str, characters: usize) -> String {
    let count = text.chars().count();
    if count <= characters {
        return text.to_owned();
    }
    let end: String = text.chars().skip(count - characters).collect();
    let words = end.split_once(' ').map_or(end.as_str(), |(_, words)| words);
    format!("… {words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_caption_shows_its_end() {
        assert_eq!(end_of("short", 10), "short");
        assert_eq!(end_of("it was the best of times", 10), "… of times");
        assert_eq!(end_of("ééééé ééé", 4), "… ééé");
    }

    #[test]
    fn people_are_shown_by_name_and_strangers_by_the_kind_of_their_identity() {
        let mut screen = Screen {
            coloured: false,
            ..Screen::default()
        };
        screen.introduce("p-1", "Alice");
        assert_eq!(screen.name("p-1").trim(), "Alice");
        assert_eq!(screen.name("agent-7-1").trim(), "agent");
    }
}
