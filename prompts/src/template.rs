//! The smallest template language that does the job: `{{name}}` is replaced by a value, once.
//!
//! Values are put in verbatim and never read again, so a value that contains `{{...}}` stays as it is.

/// Puts `values` into `template`. A name without a value is a mistake in this crate and stays visible in the text, where
/// the snapshots show it.
pub(crate) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(open) = rest.find("{{") {
        let (before, from_open) = rest.split_at(open);
        out.push_str(before);
        let Some(close) = from_open.find("}}") else {
            rest = from_open;
            break;
        };
        let name = from_open[2..close].trim();
        match values.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => out.push_str(value),
            None => out.push_str(&from_open[..close + 2]),
        }
        rest = &from_open[close + 2..];
    }
    out.push_str(rest);
    out
}

/// Makes text that strangers wrote unable to close the tag it stands in: `<` in front of one of our tag names becomes `‹`.
pub(crate) fn fence(text: &str, tags: &[&str]) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        let opens_tag = character == '<' && {
            let name = text[at + 1..].trim_start_matches(['/', ' ', '\t', '\n', '\r']);
            tags.iter().any(|tag| {
                name.get(..tag.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(tag))
            })
        };
        out.push(if opens_tag { '‹' } else { character });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_is_never_read_as_a_template() {
        let text = fill("{{a}} and {{ b }}", &[("a", "{{b}}"), ("b", "two")]);
        assert_eq!(text, "{{b}} and two");
    }

    #[test]
    fn an_unknown_name_and_an_open_brace_stay() {
        assert_eq!(fill("{{nobody}} {{", &[]), "{{nobody}} {{");
    }

    proptest! {
        #[test]
        fn fenced_text_cannot_close_its_tag(text in "(</?|passages|PASSAGES|>| |[a-z]){0,20}") {
            let fenced = fence(&text, &["passages"]).to_ascii_lowercase().replace(' ', "");
            prop_assert!(!fenced.contains("<passages") && !fenced.contains("</passages"));
        }

        #[test]
        fn text_without_braces_is_unchanged(text in "[^{}]{0,200}") {
            prop_assert_eq!(fill(&text, &[("a", "b")]), text);
        }
    }
}
