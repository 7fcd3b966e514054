//! How late words are and what they cost, without a room: recordings go through listener, queue, Whisper and agreement in
//! virtual time, asked as a session asks. The audio's clock goes on, two simulated workers are busy for as long as the
//! processor really took, so that other work on the machine disturbs little.
//!
//! `cargo run --workspace --example streaming -- MODEL VOICE_MODEL [--speakers 1,2,4] [--noise-db 10] [--slower 1.2] [--vocabulary TEXT] [--each] [--trace] FILE.wav...`
//!
//! Beside a recording, `FILE.txt` holds what is said in it; without it only the difference from the same model off line
//! is counted. Each of N speakers has all recordings, begun with another one, or with `--each` one of them. `--slower` lets all of Whisper's work take so many
//! times as long, as if the processors had other work too; `--vocabulary` is what a room tells Whisper before it listens.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // a measurement that cannot be taken ends

mod answering;
mod asking;
mod clips;
mod ear;
mod ends;
mod heard;
mod meeting;
mod recognition;
mod report;

use std::path::PathBuf;

use speech::{VoiceModel, WhisperModel};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut path = || PathBuf::from(arguments.next().expect("MODEL VOICE_MODEL FILE.wav..."));
    let (model, voice) = (path(), path());
    let (mut speakers, mut noise_db, mut files) = (vec![1], None, Vec::new());
    let (mut each, mut trace) = (false, false);
    let (mut slower, mut vocabulary) = (1.0, String::new());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--speakers" => {
                let list = arguments.next().unwrap();
                speakers = list.split(',').map(|count| count.parse().unwrap()).collect();
            }
            "--noise-db" => noise_db = arguments.next().map(|db| db.parse().unwrap()),
            "--slower" => slower = arguments.next().unwrap().parse().unwrap(),
            "--vocabulary" => vocabulary = arguments.next().unwrap(),
            "--each" => each = true,
            "--trace" => trace = true,
            _ => files.push(PathBuf::from(argument)),
        }
    }
    let model = WhisperModel::load(&model).unwrap();
    let voice = VoiceModel::load(&voice).unwrap();
    let mut recognition = recognition::Recognition::new(&model);
    let clips: Vec<_> = files
        .iter()
        .map(|file| clips::Clip::read(file, noise_db, &mut recognition))
        .collect();
    let setting = meeting::Setting {
        slower,
        vocabulary: &vocabulary,
        trace,
    };
    report::heading(&clips);
    for count in speakers {
        let tracks: Vec<_> = (0..count)
            .map(|number| clips::track(&clips, number, each))
            .collect();
        let heard = meeting::hold(&tracks, &voice, &mut recognition, &setting);
        report::line(&clips, &tracks, &heard);
        ends::lines(&tracks, &heard);
    }
}
