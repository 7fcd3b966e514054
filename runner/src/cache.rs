//! Where fetched parts live: one folder, written atomically, safe for two runners at once.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

/// The folder of fetched parts.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// Opens the folder: `RAPPORTEUR_CACHE`, or `/var/cache/rapporteur` for root (Postgres runs as another user and
    /// cannot read root's home), or `rapporteur` in the user's own cache folder.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open() -> Result<Self> {
        let root = match std::env::var_os("RAPPORTEUR_CACHE") {
            Some(path) => PathBuf::from(path),
            None if rustix::process::geteuid().is_root() => PathBuf::from("/var/cache/rapporteur"),
            None => match (std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME")) {
                (Some(cache), _) => PathBuf::from(cache).join("rapporteur"),
                (None, Some(home)) => PathBuf::from(home).join(".cache/rapporteur"),
                (None, None) => bail!("set RAPPORTEUR_CACHE: neither XDG_CACHE_HOME nor HOME is set"),
            },
        };
        Self::at(root)
    }

    /// Opens a folder, making it if need be.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn at(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        fs::create_dir_all(&root).with_context(|| format!("making the cache folder {}", root.display()))?;
        let root = root.canonicalize()?;
        Ok(Self { root })
    }

    /// A path inside the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The part called `name`; `make` is called with an empty folder to fill if it is not there. The folder appears
    /// under its name only when it is complete, so an interrupted fetch starts again.
    ///
    /// # Errors
    /// `make` fails, or the disk does.
    pub fn part(&self, name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let ready = self.root.join(name);
        if ready.exists() {
            return Ok(ready);
        }
        let lock = File::create(self.root.join(format!("{name}.lock")))?;
        lock.lock()
            .context("waiting for another runner that fetches the same part")?;
        if ready.exists() {
            return Ok(ready);
        }
        let unfinished = self.root.join(format!("{name}.unfinished"));
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        fs::create_dir(&unfinished)?;
        make(&unfinished).with_context(|| format!("fetching {name}"))?;
        fs::rename(&unfinished, &ready)?;
        Ok(ready)
    }

    /// An empty folder for the data and logs of one run: `name`, or `name-2`, `name-3`, ... while others run. What the
    /// last run left in it is removed; what this one leaves stays, to be read.
    ///
    /// # Errors
    /// The disk fails.
    pub fn run_folder(&self, name: &str) -> Result<RunFolder> {
        let mut number = 1;
        loop {
            let name = if number == 1 {
                name.to_owned()
            } else {
                format!("{name}-{number}")
            };
            let lock = File::create(self.root.join(format!("{name}.running")))?;
            if lock.try_lock().is_ok() {
                let path = self.root.join(&name);
                if path.exists() {
                    fs::remove_dir_all(&path).with_context(|| format!("removing {}", path.display()))?;
                }
                fs::create_dir(&path)?;
                return Ok(RunFolder { path, _lock: lock });
            }
            number += 1;
        }
    }
}

/// A folder that is one run's own for as long as this lives.
#[derive(Debug)]
pub struct RunFolder {
    /// Where it is.
    pub path: PathBuf,
    _lock: File,
}

/// Checks a file against its pinned SHA-256.
///
/// # Errors
/// It differs, or cannot be read.
pub fn verify_sha256(path: &Path, expected: &str) -> Result<()> {
    let actual = sha256_of(path)?;
    if actual != expected {
        bail!("{}: its SHA-256 is {actual}, expected {expected}", path.display());
    }
    Ok(())
}

/// The SHA-256 of a file, in hexadecimal.
///
/// # Errors
/// It cannot be read.
pub fn sha256_of(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => hasher.update(&buffer[..read]),
        }
    }
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> Cache {
        let path = std::env::temp_dir().join(format!("rapporteur-cache-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Cache::at(path).unwrap()
    }

    #[test]
    fn an_interrupted_fetch_starts_again_and_a_finished_one_does_not() {
        let cache = folder("restart");
        let failed = cache.part("model", |into| {
            fs::write(into.join("half"), "x")?;
            bail!("the network went away")
        });
        assert!(failed.is_err() && !cache.path("model").exists());
        let made = cache.part("model", |into| {
            assert!(!into.join("half").exists());
            Ok(fs::write(into.join("whole"), "y")?)
        });
        assert!(made.unwrap().join("whole").exists());
        cache.part("model", |_| panic!("it is there")).unwrap();
        fs::remove_dir_all(cache.path("")).unwrap();
    }

    #[test]
    fn two_runners_fetch_a_part_once() {
        let cache = folder("twice");
        let count = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    cache.part("wheel", |_| {
                        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        Ok(())
                    })
                });
            }
        });
        assert_eq!(count.into_inner(), 1);
        fs::remove_dir_all(cache.path("")).unwrap();
    }

    #[test]
    fn runs_at_the_same_time_have_folders_of_their_own() {
        let cache = folder("runs");
        let first = cache.run_folder("demo").unwrap();
        let second = cache.run_folder("demo").unwrap();
        assert_ne!(first.path, second.path);
        fs::write(first.path.join("log"), "x").unwrap();
        let path = first.path.clone();
        drop(first);
        assert!(path.join("log").exists());
        let again = cache.run_folder("demo").unwrap();
        assert_eq!(again.path, path);
        assert!(!path.join("log").exists());
        fs::remove_dir_all(cache.path("")).unwrap();
    }

    #[test]
    fn another_content_is_refused() {
        let cache = folder("sum");
        let file = cache.path("file");
        fs::write(&file, "abc").unwrap();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        verify_sha256(&file, abc).unwrap();
        fs::write(&file, "abd").unwrap();
        assert!(
            verify_sha256(&file, abc)
                .unwrap_err()
                .to_string()
                .contains("expected")
        );
        fs::remove_dir_all(cache.path("")).unwrap();
    }
}
