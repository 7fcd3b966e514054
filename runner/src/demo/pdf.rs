//! Writes a plain PDF 1.4 of headings and paragraphs: one standard font, uncompressed, ASCII. Enough for documents of the
//! demo, so that no binary file lies in the repository.

use std::fmt::Write as _;

/// A4, in points.
const PAGE: (u32, u32) = (595, 842);
const MARGIN: u32 = 60;
const LINE_POINTS: u32 = 16;
/// At 11 points Helvetica fits about this many characters between the margins.
const LINE_CHARACTERS: usize = 84;
const LINES_PER_PAGE: usize = ((PAGE.1 - 2 * MARGIN) / LINE_POINTS) as usize;

/// A line and the size it is set in.
type Line = (String, u32);

/// A document of `text`, in which lines that begin with `#` are headings.
pub(super) fn write(text: &str) -> Vec<u8> {
    let lines = lines_of(text);
    let pages: Vec<&[Line]> = lines.chunks(LINES_PER_PAGE).collect();
    // 1 catalogue, 2 page tree, 3 font, then a page and its content for each page.
    let kids: Vec<String> = (0..pages.len())
        .map(|page| format!("{} 0 R", 4 + 2 * page))
        .collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!(
            "<< /Type /Pages /Kids [{}] /Count {} >>",
            kids.join(" "),
            pages.len()
        ),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_owned(),
    ];
    for (index, page) in pages.iter().enumerate() {
        let (width, height) = PAGE;
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width} {height}] /Contents {} 0 R \
             /Resources << /Font << /F1 3 0 R >> >> >>",
            5 + 2 * index
        ));
        let content = content_of(page);
        objects.push(format!(
            "<< /Length {} >>\nstream\n{content}\nendstream",
            content.len()
        ));
    }
    assemble(&objects)
}

fn lines_of(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let words = paragraph.trim_start_matches('#').trim();
        let size = match paragraph.len() - paragraph.trim_start_matches('#').len() {
            0 => 11,
            1 => 18,
            _ => 14,
        };
        let mut line = String::new();
        for word in words.split_whitespace() {
            if !line.is_empty() && line.len() + 1 + word.len() > LINE_CHARACTERS {
                lines.push((std::mem::take(&mut line), size));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push((line, size));
    }
    lines
}

fn content_of(lines: &[Line]) -> String {
    let mut content = format!("BT\n{MARGIN} {} Td\n{LINE_POINTS} TL", PAGE.1 - MARGIN);
    for (line, size) in lines {
        // Writing to a string cannot fail.
        let _ = write!(content, "\n/F1 {size} Tf ({}) Tj T*", escaped(line));
    }
    content.push_str("\nET");
    content
}

/// Backslash and parentheses have a meaning in a PDF string; other than ASCII is not in our texts.
fn escaped(line: &str) -> String {
    let mut safe = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '\\' | '(' | ')' => safe.extend(['\\', c]),
            c if c.is_ascii() => safe.push(c),
            _ => safe.push('?'),
        }
    }
    safe
}

/// Objects, cross-reference table, trailer (ISO 32000-1, 7.5).
fn assemble(objects: &[String]) -> Vec<u8> {
    let mut file = String::from("%PDF-1.4\n");
    let mut table = String::from("0000000000 65535 f \n");
    for (index, object) in objects.iter().enumerate() {
        let _ = writeln!(table, "{:010} 00000 n ", file.len());
        let _ = write!(file, "{} 0 obj\n{object}\nendobj\n", index + 1);
    }
    let start = file.len();
    let size = objects.len() + 1;
    let _ = write!(
        file,
        "xref\n0 {size}\n{table}trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    );
    file.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_is_where_the_table_says() {
        let file = String::from_utf8(write(&"# Title\n\nA (short) paragraph.\n".repeat(40))).unwrap();
        let start: usize = file
            .lines()
            .nth_back(1)
            .and_then(|line| line.parse().ok())
            .unwrap();
        let entries: Vec<&str> = file[start..]
            .lines()
            .skip(3)
            .take_while(|line| line.ends_with(" n "))
            .collect();
        assert!(entries.len() >= 3 + 2 * 2, "several pages");
        for (index, entry) in entries.iter().enumerate() {
            let offset: usize = entry[..10].parse().unwrap();
            assert!(file[offset..].starts_with(&format!("{} 0 obj\n", index + 1)));
            assert_eq!(entry.len(), 19, "an entry has twenty bytes with its line end");
        }
        assert!(file.contains("(A \\(short\\) paragraph.) Tj"));
    }

    #[test]
    fn a_stream_is_as_long_as_it_says() {
        let file = String::from_utf8(write("one\ntwo")).unwrap();
        let (_, after) = file.split_once("/Length ").unwrap();
        let length: usize = after.split(' ').next().unwrap().parse().unwrap();
        let (_, stream) = after.split_once("stream\n").unwrap();
        assert!(stream[length..].starts_with("\nendstream"));
    }

    #[test]
    fn long_paragraphs_are_broken_between_words() {
        let lines = lines_of(&"word ".repeat(60));
        assert!(lines.len() > 1 && lines.iter().all(|(line, _)| line.len() <= LINE_CHARACTERS));
    }
}
