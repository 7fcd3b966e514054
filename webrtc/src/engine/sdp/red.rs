//! Redundant audio (RFC 2198) in descriptions: who lists it, and what `rtc` is shown of it.
//!
//! `rtc` settles the codecs of sound with the first section of a connection that has any, and LiveKit lists RED for some
//! tracks and not for others. So `rtc` is shown it in every section, and what it answers is freed of what was not offered.

use std::borrow::Cow;

use super::{MediaSection, media_sections, push_line, split_sections};
use crate::{audio::red::RedNumbers, engine::settings};

/// What a section says of RED.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RedFormat {
    pub(crate) numbers: RedNumbers,
    /// It stands before Opus, and its parameters say that nothing but Opus is in it (`111/111`): whoever wrote this wants to
    /// receive it.
    pub(crate) preferred: bool,
}

pub(super) fn read(lines: &[&str], opus: u8) -> Option<RedFormat> {
    let formats = formats(lines);
    let place = |number: u8| formats.iter().position(|format| *format == number.to_string());
    let red = red_number(lines)?;
    let (red_at, opus_at) = (place(red)?, place(opus)?);
    let prefix = format!("a=fmtp:{red} ");
    let parameters = lines.iter().find_map(|line| line.strip_prefix(prefix.as_str()));
    let all_opus = parameters.is_some_and(|parameters| {
        let mut numbers = parameters.trim().split('/');
        numbers.all(|number| number == opus.to_string())
    });
    Some(RedFormat {
        numbers: RedNumbers { red, opus },
        preferred: all_opus && red_at < opus_at,
    })
}

/// What `rtc` is shown beside the lines of a section.
pub(super) struct Shown {
    opus: u8,
    /// RED is added under this number.
    added: Option<u8>,
}

impl Shown {
    /// None where there is no Opus.
    pub(super) fn of(lines: &[&str]) -> Option<Self> {
        if !lines.first()?.starts_with("m=audio ") {
            return None;
        }
        let opus = super::read_opus(lines)?.payload_type;
        let formats = formats(lines);
        if !formats.contains(&opus.to_string().as_str()) {
            return None;
        }
        let number = settings::RED_PAYLOAD_TYPE;
        let is_free = !formats.contains(&number.to_string().as_str());
        let added = (red_number(lines).is_none() && is_free).then_some(number);
        Some(Self { opus, added })
    }

    /// A line as `rtc` is shown it; none when not at all.
    pub(super) fn line<'a>(&self, line: &'a str) -> Option<Cow<'a, str>> {
        if line.starts_with("m=") {
            return Some(
                self.added
                    .map_or(line.into(), |number| format!("{line} {number}").into()),
            );
        }
        let parameters = line
            .strip_prefix("a=fmtp:")
            .and_then(|rest| rest.strip_prefix(&format!("{} ", self.opus)));
        match parameters {
            Some(parameters) => self.agreeing(parameters, line),
            None => Some(line.into()),
        }
    }

    /// Of two codecs, one of which is exactly ours, `rtc` drops the other. RED always is: so is Opus, without the parameters
    /// that say other than ours.
    fn agreeing<'a>(&self, parameters: &str, line: &'a str) -> Option<Cow<'a, str>> {
        let agrees = |parameter: &&str| {
            let name = parameter.split('=').next().unwrap_or_default().trim();
            let ours = settings::OPUS_FMTP.split(';').find(|ours| {
                ours.split('=')
                    .next()
                    .is_some_and(|ours| ours.eq_ignore_ascii_case(name))
            });
            ours.is_none_or(|ours| ours.eq_ignore_ascii_case(parameter.trim()))
        };
        if parameters.split(';').all(|parameter| agrees(&parameter)) {
            return Some(line.into());
        }
        let kept: Vec<&str> = parameters.split(';').filter(agrees).collect();
        (!kept.is_empty()).then(|| format!("a=fmtp:{} {}", self.opus, kept.join(";")).into())
    }

    /// Writes what is added behind the lines of the section.
    pub(super) fn finish(&self, out: &mut String) {
        if let Some(number) = self.added {
            push_line(out, &format!("a=rtpmap:{number} red/48000/2"));
            push_line(out, &format!("a=fmtp:{number} {0}/{0}", self.opus));
        }
    }
}

/// An answer without RED in the sections for which the offer has none.
pub(crate) fn without_unoffered(answer: String, offer: &str) -> String {
    let offered = media_sections(offer);
    let is_offered = |section: &MediaSection| {
        offered
            .iter()
            .any(|offered| offered.mid == section.mid && offered.red.is_some())
    };
    let sections = media_sections(&answer);
    let unoffered = |section: &&MediaSection| section.red.is_some() && !is_offered(section);
    let mids: Vec<&str> = sections
        .iter()
        .filter(unoffered)
        .map(|section| section.mid.as_str())
        .collect();
    if mids.is_empty() {
        return answer;
    }
    let (session, sections) = split_sections(&answer);
    let mut out = String::with_capacity(answer.len());
    session.into_iter().for_each(|line| push_line(&mut out, line));
    for lines in sections {
        let is_meant = |line: &&str| line.strip_prefix("a=mid:").is_some_and(|mid| mids.contains(&mid));
        match red_number(&lines).filter(|_| lines.iter().any(is_meant)) {
            Some(red) => push_without(&mut out, &lines, red),
            None => lines.into_iter().for_each(|line| push_line(&mut out, line)),
        }
    }
    out
}

fn push_without(out: &mut String, lines: &[&str], number: u8) {
    let attributes = ["rtpmap", "fmtp", "rtcp-fb"].map(|name| format!("a={name}:{number} "));
    let number = number.to_string();
    for line in lines {
        if line.starts_with("m=") {
            let head = line.split(' ').take(3);
            let formats = line.split(' ').skip(3).filter(|format| *format != number);
            push_line(out, &head.chain(formats).collect::<Vec<_>>().join(" "));
        } else if !attributes.iter().any(|attribute| line.starts_with(attribute)) {
            push_line(out, line);
        }
    }
}

/// The payload types of a section, in order of preference.
fn formats<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let first = lines.first().copied().unwrap_or_default();
    first.split(' ').skip(3).collect()
}

fn red_number(lines: &[&str]) -> Option<u8> {
    lines.iter().find_map(|line| {
        let (number, codec) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
        let is_red = codec.trim().eq_ignore_ascii_case("red/48000/2");
        if is_red { number.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::{super::adapt_remote, *};

    const OPUS: &str = "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n";
    const RED: &str = "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n";

    fn section(mid: &str, formats: &str, attributes: &[&str]) -> String {
        format!(
            "m=audio 9 UDP/TLS/RTP/SAVPF {formats}\r\na=mid:{mid}\r\na=recvonly\r\n{}",
            attributes.concat()
        )
    }

    fn description(sections: &[String]) -> String {
        format!("v=0\r\ns=-\r\n{}", sections.concat())
    }

    fn red(text: &str) -> Option<RedFormat> {
        media_sections(text).remove(0).red
    }

    #[test]
    fn who_lists_it_first_wants_it() {
        let read = |formats| red(&section("0", formats, &[OPUS, RED]));
        let numbers = RedNumbers { red: 63, opus: 111 };
        let preferred = |preferred| Some(RedFormat { numbers, preferred });
        assert_eq!(read("63 111"), preferred(true));
        assert_eq!(read("0 111 63"), preferred(false));
        assert_eq!(read("111"), None, "described, but not listed");
        let mixed = RED.replace("111/111", "111/0");
        assert_eq!(red(&section("0", "63 111", &[OPUS, &mixed])), preferred(false));
        let (silent, _) = RED.split_at(RED.find("a=fmtp").expect("parameters"));
        assert_eq!(red(&section("0", "63 111", &[OPUS, silent])), preferred(false));
    }

    #[test]
    fn the_stack_is_shown_it_in_every_section() {
        let offer = description(&[section("0", "111", &[OPUS]), section("1", "63 111", &[OPUS, RED])]);
        let shown = media_sections(&adapt_remote(&offer));
        assert_eq!(shown[0].red.map(|red| red.preferred), Some(false));
        assert_eq!(shown[1].red.map(|red| red.preferred), Some(true));
        let taken = description(&[section(
            "0",
            "111 63",
            &[OPUS, "a=rtpmap:63 telephone-event/8000\r\n"],
        )]);
        assert_eq!(adapt_remote(&taken), taken);
    }

    #[test]
    fn the_stack_is_shown_no_parameters_that_make_it_drop_opus() {
        let opus = OPUS.replace(
            "minptime=10;useinbandfec=1",
            "minptime=3; UseInbandFEC=0;stereo=1",
        );
        let shown = adapt_remote(&description(&[section("0", "63 111", &[&opus, RED])]));
        assert!(shown.contains("a=fmtp:111 stereo=1\r\n"), "{shown}");
        let opus = OPUS.replace("minptime=10;useinbandfec=1", "useinbandfec=0");
        let shown = adapt_remote(&description(&[section("0", "63 111", &[&opus, RED])]));
        assert!(!shown.contains("a=fmtp:111 "), "{shown}");
    }

    #[test]
    fn an_answer_lists_it_where_the_offer_does() {
        let offer = description(&[section("a", "111", &[OPUS]), section("b", "63 111", &[OPUS, RED])]);
        let answer = description(&[
            section("a", "111 63", &[OPUS, RED]),
            section("b", "63 111", &[OPUS, RED]),
        ]);
        assert_eq!(without_unoffered(answer, &offer), offer);
        assert_eq!(without_unoffered(offer.clone(), &offer), offer);
    }
}
