//! Writes Whisper's weights in the ggml form that whisper.cpp loads.

use super::ct2::{Kind, Tensor};
use super::mel;

const MAGIC: u32 = 0x6767_6d6c;
const AUDIO_CONTEXT: u32 = 1500;
const TEXT_CONTEXT: u32 = 448;
/// Words in whisper.cpp's vocabulary; the other tokens are special and have no text.
const VOCABULARY: usize = 50_257;

/// Why a model cannot be converted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum GgmlError {
    /// A tensor that every Whisper model has is missing or has another shape.
    #[error("tensor {name} is missing or has an unexpected shape")]
    Tensor {
        /// Which one.
        name: String,
    },
    /// The vocabulary is too short.
    #[error("the vocabulary has {found} lines, at least {VOCABULARY} are needed")]
    Vocabulary {
        /// How many there are.
        found: usize,
    },
}

/// Converts a model with its vocabulary (one token a line, in GPT-2's printable form).
///
/// # Errors
/// See [`GgmlError`].
pub fn convert(tensors: &[Tensor<'_>], vocabulary: &str) -> Result<Vec<u8>, GgmlError> {
    let find = |name: &str| {
        tensors
            .iter()
            .find(|tensor| tensor.name == name)
            .ok_or_else(|| GgmlError::Tensor {
                name: name.to_owned(),
            })
    };
    let embeddings = find("decoder/embeddings/weight")?;
    let &[vocabulary_size, width] = &embeddings.shape[..] else {
        return Err(GgmlError::Tensor {
            name: embeddings.name.clone(),
        });
    };
    let layers = |side: &str| {
        (0..)
            .take_while(|i| find(&format!("{side}/layer_{i}/ffn/layer_norm/gamma")).is_ok())
            .count() as u32
    };
    let heads = (width / 64) as u32;
    let header = [
        MAGIC,
        vocabulary_size as u32,
        AUDIO_CONTEXT,
        width as u32,
        heads,
        layers("encoder"),
        TEXT_CONTEXT,
        width as u32,
        heads,
        layers("decoder"),
        mel::MELS as u32,
        1, // most tensors are 16-bit
    ];
    let mut out: Vec<u8> = header.iter().flat_map(|value| value.to_le_bytes()).collect();
    out.extend((mel::MELS as u32).to_le_bytes());
    out.extend((mel::BINS as u32).to_le_bytes());
    out.extend(mel::filters().iter().flat_map(|weight| weight.to_le_bytes()));
    write_vocabulary(&mut out, vocabulary)?;
    for tensor in tensors {
        write_tensor(&mut out, tensor, width)?;
    }
    Ok(out)
}

/// GPT-2 prints each byte as one visible character; this is the way back.
fn byte_of(character: char) -> Option<u8> {
    let visible = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let code = character as u32;
    if code < 256 {
        return visible(code).then_some(code as u8);
    }
    (0u32..256)
        .filter(|&byte| !visible(byte))
        .nth(code.checked_sub(256)? as usize)
        .map(|byte| byte as u8)
}

fn write_vocabulary(out: &mut Vec<u8>, vocabulary: &str) -> Result<(), GgmlError> {
    let lines: Vec<&str> = vocabulary.split('\n').collect();
    if lines.len() < VOCABULARY {
        return Err(GgmlError::Vocabulary { found: lines.len() });
    }
    out.extend((VOCABULARY as u32).to_le_bytes());
    for line in &lines[..VOCABULARY] {
        let bytes: Vec<u8> = match *line {
            "<|endoftext|>" => line.bytes().collect(),
            token => token.chars().filter_map(byte_of).collect(),
        };
        out.extend((bytes.len() as u32).to_le_bytes());
        out.extend(bytes);
    }
    Ok(())
}

/// Where a tensor goes: its name in ggml, and which rows of it.
type Target = (String, std::ops::Range<usize>);

/// The names of a tensor's parts. Query, key and value are one tensor here and three there; the key's bias is zero.
fn targets(name: &str, width: usize) -> Vec<Target> {
    let whole = |to: String| vec![(to, 0..usize::MAX)];
    let rows = |index: usize| index * width..(index + 1) * width;
    let Some((side, rest)) = name.split_once('/') else {
        return Vec::new();
    };
    match rest {
        "position_encodings/encodings" => return whole(format!("{side}.positional_embedding")),
        "embeddings/weight" => return whole(format!("{side}.token_embedding.weight")),
        "layer_norm/gamma" | "layer_norm/beta" => {
            let norm = if side == "encoder" { "ln_post" } else { "ln" };
            return whole(format!("{side}.{norm}.{}", weight_or_bias(rest)));
        }
        _ => {}
    }
    if let Some(conv) = rest.strip_prefix("conv") {
        return whole(format!("{side}.conv{}", conv.replace('/', ".")));
    }
    let Some((layer, part)) = rest.strip_prefix("layer_").and_then(|rest| rest.split_once('/')) else {
        return Vec::new();
    };
    let Some((module, field)) = part.rsplit_once('/') else {
        return Vec::new();
    };
    let block = format!("{side}.blocks.{layer}");
    let kind = weight_or_bias(field);
    let split = |prefix: &str, names: &[&str]| {
        names
            .iter()
            .enumerate()
            .filter(|(_, part)| !(**part == "key" && kind == "bias"))
            .map(|(index, part)| (format!("{block}.{prefix}.{part}.{kind}"), rows(index)))
            .collect()
    };
    match module {
        "self_attention/layer_norm" => whole(format!("{block}.attn_ln.{kind}")),
        "self_attention/linear_0" => split("attn", &["query", "key", "value"]),
        "self_attention/linear_1" => whole(format!("{block}.attn.out.{kind}")),
        "attention/layer_norm" => whole(format!("{block}.cross_attn_ln.{kind}")),
        "attention/linear_0" => whole(format!("{block}.cross_attn.query.{kind}")),
        "attention/linear_1" => split("cross_attn", &["key", "value"]),
        "attention/linear_2" => whole(format!("{block}.cross_attn.out.{kind}")),
        "ffn/layer_norm" => whole(format!("{block}.mlp_ln.{kind}")),
        "ffn/linear_0" => whole(format!("{block}.mlp.0.{kind}")),
        "ffn/linear_1" => whole(format!("{block}.mlp.2.{kind}")),
        _ => Vec::new(),
    }
}

fn weight_or_bias(field: &str) -> &'static str {
    if field.ends_with("gamma") || field.ends_with("weight") {
        "weight"
    } else {
        "bias"
    }
}

fn write_tensor(out: &mut Vec<u8>, tensor: &Tensor<'_>, width: usize) -> Result<(), GgmlError> {
    // Scalars describe the model to CTranslate2; ggml has them in its header.
    if tensor.shape.is_empty() || tensor.kind == Kind::Other {
        return Ok(());
    }
    let broken = || GgmlError::Tensor {
        name: tensor.name.clone(),
    };
    let number_bytes = if tensor.kind == Kind::F16 { 2 } else { 4 };
    let row_bytes = tensor.shape[1..].iter().product::<usize>() * number_bytes;
    for (name, rows) in targets(&tensor.name, width) {
        let rows = rows.start..rows.end.min(tensor.shape[0]);
        let data = tensor
            .data
            .get(rows.start * row_bytes..rows.end * row_bytes)
            .ok_or_else(broken)?;
        let mut shape = vec![rows.len()];
        shape.extend(&tensor.shape[1..]);
        let conv_bias = name.contains(".conv") && name.ends_with("bias");
        if conv_bias {
            shape.push(1);
        }
        let full = tensor.shape.len() == 1 || name.ends_with("positional_embedding");
        out.extend((shape.len() as u32).to_le_bytes());
        out.extend((name.len() as u32).to_le_bytes());
        out.extend(u32::from(!full).to_le_bytes());
        out.extend(shape.iter().rev().flat_map(|&size| (size as u32).to_le_bytes()));
        out.extend(name.as_bytes());
        match (tensor.kind, full) {
            (Kind::F16, true) => out.extend(
                data.chunks_exact(2)
                    .flat_map(|pair| f32_of([pair[0], pair[1]]).to_le_bytes()),
            ),
            (Kind::F32, false) => return Err(broken()),
            _ => out.extend(data),
        }
    }
    Ok(())
}

/// IEEE 754 half to single precision; exact.
fn f32_of(half: [u8; 2]) -> f32 {
    let bits = u32::from(u16::from_le_bytes(half));
    let (sign, exponent, mantissa) = (bits >> 15 << 31, bits >> 10 & 0x1f, bits & 0x3ff);
    let magnitude = match exponent {
        0 => {
            return f32::from_bits(sign)
                + (mantissa as f32) * 2f32.powi(-24) * if sign == 0 { 1.0 } else { -1.0 };
        }
        31 => 0x7f80_0000 | mantissa << 13,
        _ => (exponent + 112) << 23 | mantissa << 13,
    };
    f32::from_bits(sign | magnitude)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_become_singles() {
        for (half, single) in [
            (0x3c00u16, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x0001, 5.960_464_5e-8),
            (0x8001, -5.960_464_5e-8),
        ] {
            assert_eq!(f32_of(half.to_le_bytes()), single);
        }
        assert!(f32_of(0x7c00u16.to_le_bytes()).is_infinite());
    }

    #[test]
    fn printable_characters_become_bytes_again() {
        assert_eq!(byte_of('a'), Some(b'a'));
        assert_eq!(byte_of('Ġ'), Some(b' '));
        assert_eq!(byte_of('Ċ'), Some(b'\n'));
        assert_eq!(byte_of('\u{2603}'), None);
    }

    #[test]
    fn attention_is_split_into_its_parts() {
        let parts = targets("decoder/layer_2/attention/linear_1/weight", 384);
        let expected = [
            ("decoder.blocks.2.cross_attn.key.weight".to_owned(), 0..384),
            ("decoder.blocks.2.cross_attn.value.weight".to_owned(), 384..768),
        ];
        assert_eq!(parts, expected);
        assert_eq!(
            targets("encoder/layer_0/self_attention/linear_0/bias", 384).len(),
            2
        );
    }
}
