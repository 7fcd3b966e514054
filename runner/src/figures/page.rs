//! `docs/figures.md`: a section a measurement, each between two markers. A run rewrites its own and leaves the others.

use chrono::{DateTime, Utc};

use anyhow::{Result, bail};

use super::figure::{Figure, MORE_IS_BETTER, Report};
use super::machine::Machine;

const HEAD: &str = "# Figures

Each section is written by the command that it names, on the machine that it names; run the command to write it anew. The
machines are shared with other work and noisy: read the medians, and compare only what stands in one section, since that was
taken in one run. Less is better, but of speakers and rooms held and tests passed. Programs are compiled as for users (release).
";

fn begin(name: &str) -> String {
    format!("<!-- {name}: rewritten by `cargo figures {name}` -->")
}

fn end(name: &str) -> String {
    format!("<!-- end of {name} -->")
}

/// The text of a section, without its markers.
pub(super) fn section(name: &str, machine: &Machine, report: &Report, at: DateTime<Utc>) -> String {
    let mut text = format!(
        "## {name}\n\n`cargo figures {name}`, {}, on {machine}.\n\n{}\n\n",
        at.format("%Y-%m-%d %H:%M UTC"),
        report.meaning
    );
    text.push_str("| figure | system | value | unit | aim | setting |\n|---|---|---:|---|---|---|\n");
    for figure in &report.figures {
        text.push_str(&row(figure));
    }
    if !report.notes.is_empty() {
        text.push('\n');
    }
    for note in &report.notes {
        text.push_str(&format!("- {note}\n"));
    }
    text
}

fn row(figure: &Figure) -> String {
    let bound = if MORE_IS_BETTER.contains(&figure.figure) {
        "at least"
    } else {
        "at most"
    };
    let aim = figure
        .aim
        .map_or("-".to_owned(), |aim| format!("{bound} {}", number(aim)));
    let cells = [
        figure.figure.to_owned(),
        figure.system.clone(),
        number(figure.value),
        figure.unit.to_owned(),
        aim,
        // A bar would begin another cell.
        figure.setting.replace('|', "\\|"),
    ];
    format!("| {} |\n", cells.join(" | "))
}

/// Whole numbers without a point, others with three digits behind it.
fn number(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.3}")
    }
}

/// The page with this section in place of the one of the same name, or at its end.
///
/// # Errors
/// A marker stands alone: somebody has edited the page by hand.
pub(super) fn with_section(page: Option<&str>, name: &str, section: &str) -> Result<String> {
    let page = page.unwrap_or(HEAD);
    let (begin, end) = (begin(name), end(name));
    let marked = format!("{begin}\n{}\n{end}\n", section.trim_end());
    match (page.find(&begin), page.find(&end)) {
        (None, None) => Ok(format!("{}\n\n{marked}", page.trim_end())),
        (Some(from), Some(to)) if from < to => {
            let rest = page[to + end.len()..].trim_start_matches('\n');
            let gap = if rest.is_empty() { "" } else { "\n" };
            Ok(format!("{}{marked}{gap}{rest}", &page[..from]))
        }
        _ => bail!("docs/figures.md has one of the two markers of {name}; remove it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_come_one_after_the_other_and_are_rewritten_in_place() {
        let one = with_section(None, "join", "## join\n\nold\n").unwrap();
        assert!(one.starts_with(HEAD.trim_end()));
        let two = with_section(Some(&one), "captions", "## captions\n\nwords\n").unwrap();
        let new = with_section(Some(&two), "join", "## join\n\nnew\n").unwrap();
        assert_eq!(new, two.replace("old", "new"));
        let last = with_section(Some(&two), "captions", "## captions\n\nletters\n").unwrap();
        assert_eq!(last, two.replace("words", "letters"));
    }

    #[test]
    fn what_people_wrote_around_the_sections_stays() {
        let page = format!(
            "# Mine\n\n{}\nold\n{}\n\nBetween.\n\n{}\nb\n{}\n",
            begin("a"),
            end("a"),
            begin("b"),
            end("b")
        );
        let after = with_section(Some(&page), "a", "new").unwrap();
        assert_eq!(after, page.replace("old", "new"));
    }

    #[test]
    fn a_lone_marker_is_not_guessed_about() {
        let page = format!("# Figures\n\n{}\nhalf\n", begin("join"));
        assert!(with_section(Some(&page), "join", "new").is_err());
        let turned = format!("{}\n{}\n", end("join"), begin("join"));
        assert!(with_section(Some(&turned), "join", "new").is_err());
    }

    #[test]
    fn a_row_has_a_cell_for_everything() {
        let figure = Figure {
            figure: "word_error_rate",
            system: "rapporteur".into(),
            setting: "a|b".into(),
            value: 0.0512,
            unit: "share of words",
            aim: Some(0.25),
        };
        assert_eq!(
            row(&figure),
            "| word_error_rate | rapporteur | 0.051 | share of words | at most 0.250 | a\\|b |\n"
        );
        assert_eq!(number(250.0), "250");
        let held = Figure {
            figure: MORE_IS_BETTER[0],
            value: 6.0,
            aim: Some(6.0),
            ..figure
        };
        assert!(row(&held).contains("| 6 | share of words | at least 6 |"));
    }
}
