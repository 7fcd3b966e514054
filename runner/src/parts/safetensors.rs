//! Writes safetensors files: a length, a list in JSON of what lies where, the numbers.

use std::collections::BTreeMap;

use anyhow::Result;

/// A tensor of 32-bit floats, its numbers little-endian and in the order of its shape.
#[derive(Debug, PartialEq)]
pub(super) struct Tensor {
    /// Its dimensions.
    pub(super) shape: Vec<usize>,
    /// Its numbers.
    pub(super) data: Vec<u8>,
}

/// Tensors as a safetensors file, in the order of their names.
///
/// # Errors
/// A name cannot be written.
pub(super) fn file(tensors: &BTreeMap<String, Tensor>) -> Result<Vec<u8>> {
    // Written by hand: the order of the keys is part of the file's sum.
    let mut entries = Vec::with_capacity(tensors.len());
    let mut end = 0;
    for (name, tensor) in tensors {
        let begin = end;
        end += tensor.data.len();
        let (name, shape) = (
            serde_json::to_string(name)?,
            serde_json::to_string(&tensor.shape)?,
        );
        entries.push(format!(
            r#"{name}:{{"dtype":"F32","shape":{shape},"data_offsets":[{begin},{end}]}}"#
        ));
    }
    let mut text = format!("{{{}}}", entries.join(",")).into_bytes();
    // The numbers begin at a multiple of eight bytes.
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut file = (text.len() as u64).to_le_bytes().to_vec();
    file.extend(text);
    tensors.values().for_each(|tensor| file.extend(&tensor.data));
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_begin_at_eight_bytes() {
        let tensor = Tensor {
            shape: vec![1],
            data: vec![0, 0, 128, 63],
        };
        let file = file(&BTreeMap::from([("a".to_owned(), tensor)])).unwrap();
        let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
        assert_eq!(length % 8, 0);
        assert_eq!(&file[8 + length..], [0, 0, 128, 63]);
    }
}
