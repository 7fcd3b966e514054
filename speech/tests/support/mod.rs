//! What every test of real models and recordings needs.

use std::path::PathBuf;

/// Where `cargo verify` has put a model, or a folder of recordings.
pub(crate) fn from_environment(name: &str) -> PathBuf {
    std::env::var_os(name)
        .map(PathBuf::from)
        .unwrap_or_else(|| panic!("{name} is not set: run `cargo verify`"))
}
