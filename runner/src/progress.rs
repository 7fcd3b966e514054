//! A long step made visible: a bar on a terminal, a line now and then elsewhere.

use std::fs;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

const REDRAW: Duration = Duration::from_millis(100);
/// Between two lines where nothing can be redrawn.
const LINE_EVERY: Duration = Duration::from_secs(15);

/// What a step fills, and how much that will be.
#[derive(Clone, Debug)]
pub struct Filling {
    /// The folder that grows.
    pub folder: PathBuf,
    /// Its size when the step is done.
    pub bytes: u64,
}

/// Runs `work` and shows that it goes on; afterwards one line says how long it took.
///
/// # Errors
/// Those of `work`.
pub fn step<T>(name: &str, filling: Option<Filling>, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let begun = Instant::now();
    let (finished, wait) = channel::<()>();
    let value = std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut view = View::new(name, filling, begun);
            // Ends when the sender is dropped, also by a panic of `work`.
            while let Err(RecvTimeoutError::Timeout) = wait.recv_timeout(REDRAW) {
                view.refresh();
            }
            view.bar.finish_and_clear();
        });
        let value = work();
        drop(finished);
        value
    })?;
    eprintln!("  {name:<28} ready ({:.1?})", begun.elapsed());
    Ok(value)
}

struct View<'a> {
    name: &'a str,
    filling: Option<Filling>,
    bar: ProgressBar,
    begun: Instant,
    lines: u32,
}

impl<'a> View<'a> {
    fn new(name: &'a str, filling: Option<Filling>, begun: Instant) -> Self {
        let (bar, template) = match &filling {
            Some(filling) => (
                ProgressBar::new(filling.bytes),
                "  {msg:<28} {bar:30} {bytes}/{total_bytes} {elapsed}",
            ),
            None => (ProgressBar::new_spinner(), "  {msg:<28} {spinner} {elapsed}"),
        };
        // A template that does not parse leaves the standard style.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(name.to_owned());
        Self {
            name,
            filling,
            bar,
            begun,
            lines: 0,
        }
    }

    fn refresh(&mut self) {
        let filled = self
            .filling
            .as_ref()
            .map(|filling| (size_of(&filling.folder).min(filling.bytes), filling.bytes));
        match filled {
            Some((bytes, _)) => self.bar.set_position(bytes),
            None => self.bar.tick(),
        }
        if std::io::stderr().is_terminal() || self.begun.elapsed() < LINE_EVERY * (self.lines + 1) {
            return;
        }
        self.lines += 1;
        let seconds = self.begun.elapsed().as_secs();
        match filled {
            Some((bytes, total)) => {
                eprintln!(
                    "  {:<28} {} of {} MB after {seconds} s",
                    self.name,
                    bytes >> 20,
                    total >> 20
                );
            }
            None => eprintln!("  {:<28} still at work after {seconds} s", self.name),
        }
    }
}

/// The bytes below a folder; what vanishes meanwhile counts as nothing.
fn size_of(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_folder_is_that_of_all_below_it() {
        let folder = std::env::temp_dir().join(format!("rapporteur-progress-{}", std::process::id()));
        fs::create_dir_all(folder.join("a/b")).unwrap();
        fs::write(folder.join("a/one"), [0; 10]).unwrap();
        fs::write(folder.join("a/b/two"), [0; 5]).unwrap();
        assert_eq!(size_of(&folder), 15);
        assert_eq!(size_of(&folder.join("nothing")), 0);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_step_gives_what_its_work_gives() {
        assert_eq!(step("counting", None, || Ok(7)).unwrap(), 7);
        let failed = step("failing", None, || -> Result<()> {
            anyhow::bail!("the network is away")
        });
        assert_eq!(failed.unwrap_err().to_string(), "the network is away");
    }
}
