//! What a test program of Rust's test harness says about its tests.

/// What became of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    /// With what it said.
    Failed(String),
    /// Its authors have switched it off.
    Ignored,
}

/// All tests of one program, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) tests: Vec<(String, Verdict)>,
}

/// The names in the output of `--list`.
pub(super) fn listed(output: &str) -> Vec<String> {
    output
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .map(str::to_owned)
        .collect()
}

impl Outcome {
    /// From everything that the program has said. Tests that it has not come to, because it ended or was ended before,
    /// have failed.
    pub(super) fn read(names: Vec<String>, said: &str) -> Self {
        let ended = said.lines().any(|line| line.starts_with("test result: "));
        let failed = failures(said);
        let verdict = |name: &String| {
            // Other output may come between the name and the verdict, so only its end decides about failure.
            let begun = said.find(&format!("test {name} ... "));
            let line = begun.and_then(|at| said[at..].lines().next()).unwrap_or_default();
            if line.contains("... ignored") {
                Verdict::Ignored
            } else if failed.contains(&name.as_str()) {
                Verdict::Failed(complaint(said, name))
            } else if begun.is_some() && (ended || line.ends_with(" ok")) {
                Verdict::Passed
            } else {
                Verdict::Failed("the program ended, or was ended, before the test did.".into())
            }
        };
        let tests = names.iter().map(|name| (name.clone(), verdict(name))).collect();
        Self { tests }
    }

    pub(super) fn passed(&self) -> usize {
        self.tests
            .iter()
            .filter(|(_, verdict)| *verdict == Verdict::Passed)
            .count()
    }

    /// The names of those that failed.
    pub(super) fn failed(&self) -> impl Iterator<Item = &str> {
        let failed = self
            .tests
            .iter()
            .filter(|(_, verdict)| matches!(verdict, Verdict::Failed(_)));
        failed.map(|(name, _)| name.as_str())
    }
}

/// The names in the list at the end.
fn failures(said: &str) -> Vec<&str> {
    let Some(at) = said.rfind("\nfailures:\n") else {
        return Vec::new();
    };
    said[at..]
        .lines()
        .skip(2)
        .take_while(|line| !line.starts_with("test result: "))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect()
}

/// What the test itself said last of why: the message of its panic, or the error that it returned.
fn complaint(said: &str, name: &str) -> String {
    let heading = format!("---- {name} stdout ----");
    let own = said.find(&heading).map_or("", |at| &said[at + heading.len()..]);
    let mut lines = own.lines().skip(1).take_while(|line| !line.starts_with("---- "));
    while let Some(line) = lines.next() {
        if line.contains(" panicked at ") {
            let message = lines.next().unwrap_or_default();
            return format!("{} ({})", message.trim(), place(line));
        }
        if let Some(error) = line.strip_prefix("Error: ") {
            return error.trim().to_owned();
        }
    }
    "it does not say why.".into()
}

/// `file:line` of a panic.
fn place(line: &str) -> String {
    let path = line.rsplit(" panicked at ").next().unwrap_or_default();
    let path = path.trim_end_matches(':');
    path.rsplit_once(':')
        .map_or(path, |(place, _column)| place)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "
running 5 tests
test a_calm_one ... ok
test a_noisy_one ... something on the same line
ok
test an_old_one ... ignored
test a_wrong_one ... FAILED
test a_returning_one ... FAILED

failures:

---- a_wrong_one stdout ----

thread 'a_wrong_one' (17) panicked at tests/room_test.rs:77:5:
assertion failed: took > 1
note: run with `RUST_BACKTRACE=1`

---- a_returning_one stdout ----
Error: deadline has elapsed


failures:
    a_wrong_one
    a_returning_one

test result: FAILED. 2 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.05s
";
    const LIST: &str = "a_calm_one: test\na_noisy_one: test\nan_old_one: test\na_wrong_one: test\na_returning_one: test\n\n5 tests, 0 benchmarks\n";

    fn verdicts(said: &str) -> Vec<Verdict> {
        let tests = Outcome::read(listed(LIST), said).tests;
        tests.into_iter().map(|(_, verdict)| verdict).collect()
    }

    #[test]
    fn verdicts_are_those_of_the_program() {
        assert_eq!(
            verdicts(SAID),
            [
                Verdict::Passed,
                Verdict::Passed,
                Verdict::Ignored,
                Verdict::Failed("assertion failed: took > 1 (tests/room_test.rs:77)".into()),
                Verdict::Failed("deadline has elapsed".into()),
            ]
        );
    }

    #[test]
    fn what_a_dead_program_did_not_come_to_has_failed() {
        let cut = &SAID[..SAID.find("test an_old_one").unwrap_or_default()];
        let verdicts = verdicts(cut);
        assert_eq!(verdicts[0], Verdict::Passed);
        assert!(
            verdicts[1..]
                .iter()
                .all(|verdict| matches!(verdict, Verdict::Failed(_)))
        );
    }
}
