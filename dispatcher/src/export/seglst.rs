//! SegLST, the segment-wise long-form speech transcription format: a JSON list of who said what from when to when, in
//! seconds. Described at <https://github.com/fgnt/meeteval>, which measures recognition with it. Its speaker is the
//! participant's identity, with the voice's number where several share a microphone: two people can have one name.

use std::io;

use serde::Serialize;
use store::Segment;
use uuid::Uuid;

use super::Writer;
use super::said::said;
use super::text::one_line;

#[derive(Debug, Serialize)]
struct Item {
    session_id: Uuid,
    speaker: String,
    speaker_name: String,
    start_time: f64,
    end_time: f64,
    words: String,
}

#[derive(Debug)]
pub(super) struct SegLst {
    room: Uuid,
    is_first: bool,
}

impl SegLst {
    pub(super) fn new(room: Uuid) -> Self {
        Self { room, is_first: true }
    }
}

/// Exact: no meeting has 2^53 milliseconds.
#[allow(clippy::cast_precision_loss)]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

impl Writer for SegLst {
    fn begin(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        out.push(b'[');
        Ok(())
    }

    fn segment(&mut self, segment: Segment, out: &mut Vec<u8>) -> io::Result<()> {
        for said in said(&segment) {
            if !std::mem::take(&mut self.is_first) {
                out.push(b',');
            }
            out.push(b'\n');
            let item = Item {
                session_id: self.room,
                speaker: one_line(&said.voice),
                speaker_name: said.speaker,
                start_time: seconds(said.start_ms),
                end_time: seconds(said.end_ms),
                words: one_line(&said.text),
            };
            serde_json::to_writer(&mut *out, &item)?;
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        out.extend_from_slice(b"\n]\n");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::ExportFormat::Seglst;
    use super::super::testing::{by, dialogue, file, meeting, segment, segments};
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn list(segments: &[Segment]) -> Value {
        serde_json::from_slice(&file(Seglst, meeting(), segments)).unwrap()
    }

    #[test]
    fn times_are_seconds() {
        assert_eq!(
            list(&[segment(1, 1_234, 2_000, "Good morning.")]),
            json!([{
                "session_id": "00000000-0000-0000-0000-000000000007", "speaker": "p-1", "speaker_name": "Ann",
                "start_time": 1.234, "end_time": 2.0, "words": "Good morning.",
            }])
        );
        assert_eq!(list(&[]), json!([]));
    }

    #[test]
    fn two_of_one_name_are_two_and_so_are_two_at_one_microphone() {
        let namesake = segment(1, 0, 900, "Hello.");
        let speakers: Vec<Value> = list(&[by("Ann", namesake), dialogue()])
            .as_array()
            .unwrap()
            .iter()
            .map(|item| json!([item["speaker"], item["speaker_name"], item["start_time"]]))
            .collect();
        assert_eq!(
            speakers,
            [
                json!(["p-Ann", "Ann", 0.0]),
                json!(["p-1:1", "Ben", 1.0]),
                json!(["p-1:2", "Ann · speaker 2", 2.0])
            ]
        );
    }

    proptest! {
        #[test]
        fn every_segment_is_an_item(segments in segments()) {
            let list = list(&segments);
            let items = list.as_array().unwrap();
            prop_assert_eq!(items.len(), segments.len());
            for (item, segment) in items.iter().zip(&segments) {
                prop_assert_eq!(&item["words"], &one_line(&segment.text));
                let (from, to) = (item["start_time"].as_f64().unwrap(), item["end_time"].as_f64().unwrap());
                prop_assert!(from <= to);
                #[allow(clippy::cast_possible_truncation)]
                let back = (from * 1000.0).round() as i64;
                prop_assert_eq!(back, segment.start_ms);
            }
        }
    }
}
