//! Reads CTranslate2's `model.bin` (version 6), the form in which the pinned package carries OpenAI's weights.
//! Every length is checked against what is there and against a limit.

/// Tensors of a Whisper model: 167 (tiny) to a thousand (large).
const TENSORS_LIMIT: u32 = 4096;
const NAME_LIMIT_BYTES: usize = 256;
const DIMENSIONS_LIMIT: usize = 4;

/// Why the file is not a model.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ct2Error {
    /// It ends in the middle of something.
    #[error("the file ends {missing} bytes early, at byte {at}")]
    Short {
        /// Where something was to be read.
        at: usize,
        /// How much of it is missing.
        missing: usize,
    },
    /// Another format, version or model.
    #[error("{field} is {found}, expected {expected}")]
    Unexpected {
        /// What differs.
        field: &'static str,
        /// What is there.
        found: String,
        /// What should be there.
        expected: &'static str,
    },
    /// A value is outside its limit.
    #[error("{field} is {found}, at most {limit} is possible")]
    Limit {
        /// Which value.
        field: &'static str,
        /// What is there.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// A tensor's bytes do not fit its shape.
    #[error("tensor {name} has {bytes} bytes, its shape needs {expected}")]
    Size {
        /// Which tensor.
        name: String,
        /// What is there.
        bytes: usize,
        /// What its shape needs.
        expected: usize,
    },
}

/// How numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 4 bytes.
    F32,
    /// 2 bytes.
    F16,
    /// Something that a weight tensor is not (scalars of the configuration).
    Other,
}

/// One tensor; the data stays in the file's bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor<'a> {
    /// With slashes, for example `encoder/conv1/weight`.
    pub name: String,
    /// The slowest dimension first.
    pub shape: Vec<usize>,
    /// How numbers are stored.
    pub kind: Kind,
    /// Little-endian.
    pub data: &'a [u8],
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Ct2Error> {
        let rest = &self.bytes[self.at..];
        if rest.len() < length {
            return Err(Ct2Error::Short {
                at: self.at,
                missing: length - rest.len(),
            });
        }
        self.at += length;
        Ok(&rest[..length])
    }

    fn u8(&mut self) -> Result<u8, Ct2Error> {
        Ok(self.take(1)?[0])
    }

    fn u16(&mut self) -> Result<u16, Ct2Error> {
        let bytes = self.take(2)?;
        Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    fn u32(&mut self) -> Result<u32, Ct2Error> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A length that counts the closing NUL, then the bytes.
    fn text(&mut self) -> Result<String, Ct2Error> {
        let length = usize::from(self.u16()?);
        if length > NAME_LIMIT_BYTES {
            return Err(Ct2Error::Limit {
                field: "the length of a name",
                found: length,
                limit: NAME_LIMIT_BYTES,
            });
        }
        let bytes = self.take(length)?;
        Ok(String::from_utf8_lossy(bytes.strip_suffix(&[0]).unwrap_or(bytes)).into_owned())
    }
}

fn expect(field: &'static str, found: String, expected: &'static str) -> Result<(), Ct2Error> {
    if found == expected {
        Ok(())
    } else {
        Err(Ct2Error::Unexpected {
            field,
            found,
            expected,
        })
    }
}

/// The tensors of a Whisper model.
///
/// # Errors
/// See [`Ct2Error`].
pub fn parse(bytes: &[u8]) -> Result<Vec<Tensor<'_>>, Ct2Error> {
    let mut reader = Reader { bytes, at: 0 };
    expect("the format's version", reader.u32()?.to_string(), "6")?;
    expect("the model", reader.text()?, "WhisperSpec")?;
    expect("the model's revision", reader.u32()?.to_string(), "3")?;
    let count = reader.u32()?;
    if count > TENSORS_LIMIT {
        return Err(Ct2Error::Limit {
            field: "tensors",
            found: count as usize,
            limit: TENSORS_LIMIT as usize,
        });
    }
    (0..count)
        .map(|_| {
            let name = reader.text()?;
            let rank = usize::from(reader.u8()?);
            if rank > DIMENSIONS_LIMIT {
                return Err(Ct2Error::Limit {
                    field: "dimensions",
                    found: rank,
                    limit: DIMENSIONS_LIMIT,
                });
            }
            let shape = (0..rank)
                .map(|_| Ok(reader.u32()? as usize))
                .collect::<Result<Vec<_>, Ct2Error>>()?;
            let (kind, width) = match reader.u8()? {
                0 => (Kind::F32, 4),
                4 => (Kind::F16, 2),
                1 => (Kind::Other, 1),
                2 => (Kind::Other, 2),
                _ => (Kind::Other, 4),
            };
            let length = reader.u32()? as usize;
            let data = reader.take(length)?;
            let expected = shape
                .iter()
                .try_fold(width, |product: usize, &size| product.checked_mul(size));
            if expected != Some(length) {
                let expected = expected.unwrap_or(usize::MAX);
                return Err(Ct2Error::Size {
                    name,
                    bytes: length,
                    expected,
                });
            }
            Ok(Tensor {
                name,
                shape,
                kind,
                data,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: &str) -> Vec<u8> {
        [
            &(value.len() as u16 + 1).to_le_bytes()[..],
            value.as_bytes(),
            &[0],
        ]
        .concat()
    }

    fn header(tensors: u32) -> Vec<u8> {
        [
            &6u32.to_le_bytes()[..],
            &text("WhisperSpec"),
            &3u32.to_le_bytes(),
            &tensors.to_le_bytes(),
        ]
        .concat()
    }

    #[test]
    fn a_tensor_is_read() {
        let tensor = [
            text("a/b"),
            vec![1],
            2u32.to_le_bytes().to_vec(),
            vec![4],
            4u32.to_le_bytes().to_vec(),
            vec![1, 2, 3, 4],
        ];
        let bytes = [header(1), tensor.concat()].concat();
        let tensors = parse(&bytes).unwrap();
        assert_eq!(
            tensors[0],
            Tensor {
                name: "a/b".into(),
                shape: vec![2],
                kind: Kind::F16,
                data: &[1, 2, 3, 4]
            }
        );
        assert_eq!(
            parse(&bytes[..bytes.len() - 1]),
            Err(Ct2Error::Short {
                at: bytes.len() - 4,
                missing: 1
            })
        );
    }

    #[test]
    fn another_model_is_named() {
        let bytes = [&6u32.to_le_bytes()[..], &text("TransformerSpec")].concat();
        assert_eq!(
            parse(&bytes).unwrap_err().to_string(),
            "the model is TransformerSpec, expected WhisperSpec"
        );
        assert!(
            parse(&header(u32::MAX))
                .unwrap_err()
                .to_string()
                .contains("at most 4096")
        );
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&[header(3), bytes].concat());
        }
    }
}
