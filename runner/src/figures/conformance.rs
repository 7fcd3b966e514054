//! `cargo figures conformance PATH`: LiveKit's own end-to-end tests of its Rust SDK, on a real livekit-server, with our
//! `libwebrtc` in the place of Google's. The tests are not ours and are not kept: the command reads them from a path.

mod outcome;
mod suite;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::figure::{Figure, OURS, Report, TESTS_PASSED};
use crate::process::Process;
use crate::servers::Livekit;
use crate::setup;
use crate::toolchain::Need;
use outcome::{Outcome, Verdict};
use suite::Suite;

/// One test program may take this long; its tests run one after the other.
const PROGRAM_LIMIT: Duration = Duration::from_secs(15 * 60);

const MEANING: &str = "The end-to-end tests of LiveKit's Rust SDK (`livekit/tests` of its repository, feature \
`__lk-e2e-test`), unmodified, at the version of `livekit` that this workspace uses, which is used as published. They run one \
after the other, as their README says, on a real livekit-server on loopback, with `webrtc/` in the place of Google's library; \
nothing is tried twice. One row for each file of tests.";

/// Tests that do not pass, or not always: file, what the names of its tests begin with, why.
const KNOWN: [(&str, &str, &str); 6] = [
    ("video_test", "", "video is neither encoded nor decoded here"),
    (
        "dynacast_test",
        "",
        "dynacast switches layers of published video, which is not encoded here",
    ),
    (
        "packet_trailer_test",
        "",
        "packet trailers ride on encoded video frames, of which there are none here",
    ),
    (
        "platform_audio_test",
        "test_adm_proxy_playout_enabled_flag",
        "it switches the system's loudspeaker on, and sound devices are not supported here",
    ),
    (
        "platform_audio_test",
        "test_adm_proxy_recording_enabled_flag",
        "it switches the system's microphone on, and sound devices are not supported here",
    ),
    (
        "room_test",
        "test_cancelled_close_still_closes_peer_connections",
        "it cancels `close()` at a timer's first tick and wants it to be unfinished then; here it is over in less than a \
         millisecond, sometimes before the tick",
    ),
];

/// What one file of tests came to.
struct FileResult {
    file: String,
    outcome: Outcome,
}

/// Builds the suite at `path`, runs it, and reports.
///
/// # Errors
/// There is no path, the suite is of another version or does not compile, or the server does not start.
pub(super) async fn measure(workspace: &Path, path: Option<&Path>) -> Result<Report> {
    let path = path.context(
        "`cargo figures conformance` needs the path of a checkout of LiveKit's rust-sdks (or of the unpacked package \
         `livekit`, as cargo keeps it in its registry folder)",
    )?;
    let suite = Suite::find(path, workspace)?;
    let (cache, parts) = setup::equip(workspace, Need::Build)?;
    eprintln!("compiling the suite (livekit {})", suite.version);
    let programs = suite.compile()?;
    let folder = cache.run_folder("figures-conformance")?;
    let mut livekit = Livekit::start(&parts, &folder.path).await?;
    eprintln!("  {:<32} ready  {}", "livekit-server", livekit.url);
    let mut results = Vec::new();
    for (file, program) in programs {
        let outcome = run(&file, &program, &livekit, &folder.path).await?;
        eprintln!("  {file:<32} {} of {}", outcome.passed(), outcome.tests.len());
        results.push(FileResult { file, outcome });
    }
    livekit.stop().await;
    Ok(report(&suite.version, &results))
}

async fn run(file: &str, program: &PathBuf, livekit: &Livekit, folder: &Path) -> Result<Outcome> {
    let listed = Command::new(program).arg("--list").stderr(Stdio::null()).output();
    let listed = listed.with_context(|| format!("listing the tests of {file}"))?;
    let names = outcome::listed(&String::from_utf8_lossy(&listed.stdout));
    let mut command = Command::new(program);
    command
        .arg("--test-threads=1")
        .env("LIVEKIT_URL", &livekit.url)
        .env("LIVEKIT_API_KEY", &livekit.api_key)
        .env("LIVEKIT_API_SECRET", &livekit.api_secret);
    Process::start(file, &mut command, folder)?
        .wait(PROGRAM_LIMIT)
        .await;
    let log = folder.join(format!("{file}.log"));
    let said = fs::read(&log).with_context(|| format!("reading {}", log.display()))?;
    Ok(Outcome::read(names, &String::from_utf8_lossy(&said)))
}

fn why_not(file: &str, test: &str) -> Option<&'static str> {
    let known = KNOWN
        .iter()
        .find(|(of, begin, _)| *of == file && test.starts_with(begin))?;
    Some(known.2)
}

fn report(version: &str, results: &[FileResult]) -> Report {
    let mut figures = Vec::new();
    let mut notes = vec![format!("livekit {version}, livekit-server 1.13.5.")];
    for FileResult { file, outcome } in results {
        let all = outcome.tests.len();
        let known = outcome
            .failed()
            .filter(|test| why_not(file, test).is_some())
            .count();
        figures.push(Figure {
            figure: TESTS_PASSED,
            system: OURS.to_owned(),
            setting: format!("`{file}`, {all} in all"),
            value: outcome.passed() as f64,
            unit: "tests",
            aim: (known < all).then_some((all - known) as f64),
        });
        let mut passed = Vec::new();
        for (test, verdict) in &outcome.tests {
            match verdict {
                Verdict::Passed => passed.push(format!("`{test}`")),
                Verdict::Ignored => notes.push(format!("`{file}`: `{test}` is switched off by its authors.")),
                Verdict::Failed(said) => notes.push(match why_not(file, test) {
                    Some(why) => format!("`{file}`: `{test}` does not pass: {why}."),
                    None => format!("`{file}`: `{test}` **failed**: {said}"),
                }),
            }
        }
        if !passed.is_empty() {
            notes.push(format!("`{file}`: passed: {}.", passed.join(", ")));
        }
    }
    Report {
        meaning: MEANING.to_owned(),
        figures,
        notes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_is_named_with_what_became_of_it() {
        let outcome = |tests: &[(&str, Verdict)]| Outcome {
            tests: tests
                .iter()
                .map(|(name, verdict)| ((*name).to_owned(), verdict.clone()))
                .collect(),
        };
        let results = [
            FileResult {
                file: "rpc_test".into(),
                outcome: outcome(&[
                    ("one", Verdict::Passed),
                    ("two", Verdict::Failed("a timeout".into())),
                    ("three", Verdict::Ignored),
                ]),
            },
            FileResult {
                file: "video_test".into(),
                outcome: outcome(&[("test_video", Verdict::Failed("no frame".into()))]),
            },
        ];
        let report = report("0.10.0", &results);
        let row = |index: usize| (report.figures[index].value, report.figures[index].aim);
        assert_eq!((row(0), row(1)), ((1.0, Some(3.0)), (0.0, None)));
        let notes = report.notes.join("\n");
        assert!(notes.contains("`two` **failed**: a timeout"), "{notes}");
        assert!(
            notes.contains("`test_video` does not pass: video is neither"),
            "{notes}"
        );
        assert!(
            notes.contains("passed: `one`.") && notes.contains("`three` is switched off"),
            "{notes}"
        );
    }
}
