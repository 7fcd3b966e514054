//! Which attention heads of a model follow the audio. Whisper's own marks of time are coarse, and wrong where the encoder's
//! context is cut; these heads look at the sound that a word is read from (dynamic time warping over their weights).

use std::fs::File;
use std::io::{Error, ErrorKind, Read as _};
use std::path::Path;

use whisper_rs::{DtwMode, DtwModelPreset};

/// "ggml" as the file begins.
const MAGIC: i32 = 0x6767_6d6c;
/// Numbers before the weights: the magic, then eleven parameters.
const HEADER: usize = 12;
const VOCABULARY: usize = 1;
const AUDIO_LAYERS: usize = 5;
const TEXT_LAYERS: usize = 9;
const MEL_BANDS: usize = 10;
/// The vocabulary of a model that knows English only.
const ENGLISH: i32 = 51_864;

/// The heads of the model in a file, by its shape. None for a shape that OpenAI did not publish: words then have the
/// coarse times.
pub(super) fn mode_of(model: &Path) -> Result<DtwMode<'static>, Error> {
    let mut bytes = [0; HEADER * 4];
    File::open(model)?.read_exact(&mut bytes)?;
    let mut header = [0; HEADER];
    for (number, bytes) in header.iter_mut().zip(bytes.chunks_exact(4)) {
        *number = i32::from_le_bytes(bytes.try_into().map_err(|_| ErrorKind::InvalidData)?);
    }
    if header[0] != MAGIC {
        return Err(ErrorKind::InvalidData.into());
    }
    Ok(
        preset(&header).map_or(DtwMode::None, |model_preset| DtwMode::ModelPreset {
            model_preset,
        }),
    )
}

fn preset(header: &[i32; HEADER]) -> Option<DtwModelPreset> {
    use DtwModelPreset as Preset;
    let english = header[VOCABULARY] == ENGLISH;
    Some(match (header[AUDIO_LAYERS], header[TEXT_LAYERS], english) {
        (4, 4, true) => Preset::TinyEn,
        (4, 4, false) => Preset::Tiny,
        (6, 6, true) => Preset::BaseEn,
        (6, 6, false) => Preset::Base,
        (12, 12, true) => Preset::SmallEn,
        (12, 12, false) => Preset::Small,
        (24, 24, true) => Preset::MediumEn,
        (24, 24, false) => Preset::Medium,
        (32, 4, false) => Preset::LargeV3Turbo,
        (32, 32, false) if header[MEL_BANDS] == 128 => Preset::LargeV3,
        // The first and the second large model have one shape, so nothing tells which heads are meant.
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(vocabulary: i32, audio: i32, text: i32, mels: i32) -> [i32; HEADER] {
        let mut header = [0; HEADER];
        (
            header[VOCABULARY],
            header[AUDIO_LAYERS],
            header[TEXT_LAYERS],
            header[MEL_BANDS],
        ) = (vocabulary, audio, text, mels);
        header
    }

    #[test]
    fn models_are_told_by_their_shape() {
        assert!(matches!(
            preset(&shape(51_864, 4, 4, 80)),
            Some(DtwModelPreset::TinyEn)
        ));
        assert!(matches!(
            preset(&shape(51_865, 12, 12, 80)),
            Some(DtwModelPreset::Small)
        ));
        assert!(matches!(
            preset(&shape(51_866, 32, 4, 128)),
            Some(DtwModelPreset::LargeV3Turbo)
        ));
        // Distilled: the large encoder with two layers of text.
        assert!(preset(&shape(51_866, 32, 2, 128)).is_none());
        assert!(preset(&shape(51_865, 32, 32, 80)).is_none());
    }

    #[test]
    fn what_is_no_model_is_an_error() {
        let path = std::env::temp_dir().join(format!("rapporteur-no-model-{}", std::process::id()));
        std::fs::write(&path, [7; 100]).unwrap();
        assert_eq!(mode_of(&path).unwrap_err().kind(), ErrorKind::InvalidData);
        std::fs::write(&path, [7; 10]).unwrap();
        assert_eq!(mode_of(&path).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        std::fs::remove_file(path).unwrap();
    }
}
