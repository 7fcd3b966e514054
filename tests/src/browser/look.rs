//! How a browser is started and what its window looks like.

use std::path::{Path, PathBuf};

/// How a browser begins.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// What its microphone hears, again and again; without it there is no microphone.
    pub microphone: Option<PathBuf>,
}

/// A window's size and look.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// In CSS pixels.
    pub width: u32,
    /// In CSS pixels.
    pub height: u32,
    /// Has touch and no mouse.
    pub phone: bool,
    /// The device's preference.
    pub dark: bool,
}

/// A laptop.
pub const DESKTOP: Screen = Screen {
    width: 1280,
    height: 800,
    phone: false,
    dark: false,
};
/// A phone held upright.
pub const PHONE: Screen = Screen {
    width: 390,
    height: 844,
    phone: true,
    dark: false,
};

/// What Chromium is started with; its profile is a folder of its own.
pub(super) fn arguments(profile: &Path, setup: &Setup) -> Vec<String> {
    let fixed = [
        "--headless=new",
        // Chromium ends with the pipe's other end, however that ends.
        "--remote-debugging-pipe",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
    ];
    let mut arguments: Vec<String> = fixed.map(str::to_owned).to_vec();
    arguments.push(format!("--user-data-dir={}", profile.display()));
    arguments.push(format!("--window-size={},{}", DESKTOP.width, DESKTOP.height));
    if let Some(file) = &setup.microphone {
        arguments.extend([
            "--use-fake-ui-for-media-stream".to_owned(),
            "--use-fake-device-for-media-stream".to_owned(),
            format!("--use-file-for-fake-audio-capture={}", file.display()),
        ]);
    }
    arguments
}
