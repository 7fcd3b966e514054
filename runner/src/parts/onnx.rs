//! Reads the weights out of an ONNX file: the initialisers of its graph, in protocol buffers (github.com/onnx/onnx, `onnx.proto3`).
//! Of the messages only the fields that lead to them are looked at.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};

use super::safetensors::Tensor;

/// Numbers of fields: `ModelProto.graph`, `GraphProto.initializer`, and `TensorProto`'s.
const GRAPH: u64 = 7;
const INITIALIZER: u64 = 5;
const DIMS: u64 = 1;
const DATA_TYPE: u64 = 2;
const NAME: u64 = 8;
const RAW_DATA: u64 = 9;
/// `TensorProto.DataType.FLOAT`.
const FLOAT: u64 = 1;

/// The initialisers of the graph that are 32-bit floats, by name.
///
/// # Errors
/// The file is cut off, is no ONNX, or keeps numbers in another way than as raw bytes.
pub(super) fn tensors(file: &[u8]) -> Result<BTreeMap<String, Tensor>> {
    let mut tensors = BTreeMap::new();
    for graph in messages(file, GRAPH)? {
        for initializer in messages(graph, INITIALIZER)? {
            tensors.extend(tensor(initializer)?);
        }
    }
    ensure!(!tensors.is_empty(), "there are no weights in it");
    Ok(tensors)
}

/// The tensor and its name; none if its numbers are of another kind.
fn tensor(message: &[u8]) -> Result<Option<(String, Tensor)>> {
    let (mut name, mut shape, mut data, mut is_float) = (String::new(), Vec::new(), Vec::new(), false);
    for field in Fields(message) {
        match field? {
            (DATA_TYPE, Value::Number(kind)) => is_float = kind == FLOAT,
            (DIMS, Value::Number(size)) => shape.push(usize::try_from(size)?),
            (DIMS, Value::Bytes(mut packed)) => {
                while !packed.is_empty() {
                    shape.push(usize::try_from(varint(&mut packed)?)?);
                }
            }
            (NAME, Value::Bytes(text)) => name = String::from_utf8(text.to_vec())?,
            (RAW_DATA, Value::Bytes(bytes)) => data = bytes.to_vec(),
            _ => {}
        }
    }
    if !is_float {
        return Ok(None);
    }
    let bytes = shape
        .iter()
        .try_fold(4_usize, |bytes, size| bytes.checked_mul(*size));
    ensure!(
        bytes == Some(data.len()),
        "{name} has {} bytes for the shape {shape:?}",
        data.len()
    );
    Ok(Some((name, Tensor { shape, data })))
}

/// The messages that a field holds.
fn messages(message: &[u8], wanted: u64) -> Result<Vec<&[u8]>> {
    let mut found = Vec::new();
    for field in Fields(message) {
        if let (number, Value::Bytes(bytes)) = field?
            && number == wanted
        {
            found.push(bytes);
        }
    }
    Ok(found)
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Fixed numbers, which nothing here needs.
    Other,
}

/// The fields of a message with their numbers; nothing follows an error.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Result<(u64, Value<'a>)> {
        let tag = varint(&mut self.0)?;
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut self.0)?),
            1 => self.take(8).map(|_| Value::Other)?,
            2 => {
                let length = usize::try_from(varint(&mut self.0)?)?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Other)?,
            kind => bail!("a field of the unknown kind {kind}"),
        };
        Ok((tag >> 3, value))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).context("the file ends early")?;
        self.0 = rest;
        Ok(taken)
    }
}

/// A number of seven bits a byte, the lowest first.
fn varint(bytes: &mut &[u8]) -> Result<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().context("the file ends early")?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    bail!("a number without end")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut field = vec![number << 3 | 2, bytes.len() as u8];
        field.extend(bytes);
        field
    }

    /// A model with one tensor of the kind, 2 by 1.
    fn model(kind: u8, dims: &[u8], data: &[u8]) -> Vec<u8> {
        let tensor = [dims, &[0x10, kind], &field(8, b"a"), &field(9, data)].concat();
        // Its version, which is no message, comes first.
        [&[0x08, 8][..], &field(7, &field(5, &tensor))].concat()
    }

    #[test]
    fn initialisers_are_found_with_their_shapes() {
        let data = [0, 0, 128, 63, 0, 0, 0, 64];
        for dims in [&[0x08, 2, 0x08, 1][..], &[0x0a, 2, 2, 1]] {
            let found = tensors(&model(1, dims, &data)).unwrap();
            let (name, tensor) = found.first_key_value().unwrap();
            assert_eq!((name.as_str(), &tensor.shape), ("a", &vec![2, 1]));
            assert_eq!(tensor.data, data);
        }
    }

    #[test]
    fn what_is_no_weights_is_refused() {
        assert!(tensors(b"").is_err());
        assert!(tensors(&model(7, &[0x08, 2], &[0; 8])).is_err(), "integers");
        assert!(
            tensors(&model(1, &[0x08, 3], &[0; 8])).is_err(),
            "too few numbers"
        );
        let whole = model(1, &[0x08, 2], &[0; 8]);
        assert!(tensors(&whole[..whole.len() - 1]).is_err(), "cut off");
    }

    proptest! {
        #[test]
        fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = tensors(&bytes);
        }
    }
}
