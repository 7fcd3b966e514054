//! Reads the tensors out of a file of PyTorch's `torch.save`: a zip archive with a pickle that says what lies where, and a
//! file of numbers for each storage. Only what such files of plain tensors need is understood, and nothing is executed.

use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;

use anyhow::{Context as _, Result, bail};

use super::safetensors::Tensor;

/// What the pickle machine works on.
#[derive(Clone, Debug)]
enum Value {
    Mark,
    Int(i64),
    Text(String),
    /// A class or function by name; it is never called.
    Global(String),
    Tuple(Vec<Value>),
    /// By key; numbers as keys are of no use here.
    Dict(Vec<(Value, Value)>),
    /// Where numbers lie: the kind of storage and its file's name.
    Storage(String, String),
    /// Storage file, offset in numbers, shape, strides.
    Tensor(String, usize, Vec<usize>, Vec<usize>),
    Other,
}

/// All tensors of 32-bit floats, by the path of keys that leads to them, joined by points.
///
/// # Errors
/// The archive or the pickle is not of this kind.
pub(super) fn tensors(file: &[u8]) -> Result<BTreeMap<String, Tensor>> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(file)).context("no zip archive")?;
    let names: Vec<String> = archive
        .file_names()
        .map(|name| Ok(name?.into_owned()))
        .collect::<Result<_>>()?;
    let pickle = names
        .iter()
        .find(|name| name.ends_with("/data.pkl"))
        .context("no data.pkl")?;
    let root = pickle.trim_end_matches("data.pkl").to_owned();
    let mut read = |name: &str| -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        archive
            .by_name(name)
            .with_context(|| format!("{name} is not in the archive"))?
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let value = Machine::default().run(&read(pickle)?)?;
    let mut places = Vec::new();
    collect(&value, "", &mut places);
    let mut tensors = BTreeMap::new();
    for (name, storage, offset, shape, strides) in places {
        let numbers = read(&format!("{root}data/{storage}"))?;
        let data = gathered(&numbers, offset, &shape, &strides)
            .with_context(|| format!("{name} reaches beyond its storage"))?;
        tensors.insert(name, Tensor { shape, data });
    }
    Ok(tensors)
}

type Place = (String, String, usize, Vec<usize>, Vec<usize>);

fn collect(value: &Value, path: &str, places: &mut Vec<Place>) {
    match value {
        Value::Dict(entries) => {
            for (key, value) in entries {
                if let Value::Text(key) = key {
                    let path = if path.is_empty() {
                        key.clone()
                    } else {
                        format!("{path}.{key}")
                    };
                    collect(value, &path, places);
                }
            }
        }
        Value::Tensor(storage, offset, shape, strides) => {
            places.push((
                path.to_owned(),
                storage.clone(),
                *offset,
                shape.clone(),
                strides.clone(),
            ));
        }
        _ => {}
    }
}

/// The numbers in the order of the shape, whatever the strides.
fn gathered(numbers: &[u8], offset: usize, shape: &[usize], strides: &[usize]) -> Option<Vec<u8>> {
    let count: usize = shape.iter().product();
    let mut data = Vec::with_capacity(4 * count);
    let mut place = vec![0; shape.len()];
    for _ in 0..count {
        let at: usize = offset
            + place
                .iter()
                .zip(strides)
                .map(|(at, stride)| at * stride)
                .sum::<usize>();
        data.extend_from_slice(numbers.get(4 * at..4 * at + 4)?);
        for (at, size) in place.iter_mut().zip(shape).rev() {
            *at += 1;
            if *at < *size {
                break;
            }
            *at = 0;
        }
    }
    Some(data)
}

#[derive(Default)]
struct Machine {
    stack: Vec<Value>,
    memo: HashMap<u32, Value>,
}

/// The bytes of the pickle that are not read yet.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).context("the pickle ends early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn number<const N: usize>(&mut self) -> Result<u32> {
        let taken = self.take(N)?;
        Ok(taken
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn line(&mut self) -> Result<String> {
        let end = self
            .0
            .iter()
            .position(|byte| *byte == b'\n')
            .context("an endless line")?;
        let line = String::from_utf8(self.take(end)?.to_vec())?;
        self.take(1)?;
        Ok(line)
    }
}

impl Machine {
    fn run(mut self, pickle: &[u8]) -> Result<Value> {
        let mut bytes = Bytes(pickle);
        loop {
            let code = bytes.number::<1>()? as u8;
            match code {
                b'.' => return self.pop(),
                0x80 => {
                    bytes.take(1)?;
                }
                b'(' => self.stack.push(Value::Mark),
                b'}' => self.stack.push(Value::Dict(Vec::new())),
                b')' => self.stack.push(Value::Tuple(Vec::new())),
                b']' | 0x88 | 0x89 | b'N' => self.stack.push(Value::Other),
                b'G' => {
                    bytes.take(8)?;
                    self.stack.push(Value::Other);
                }
                b'K' => self.int(bytes.number::<1>()?.into()),
                b'M' => self.int(bytes.number::<2>()?.into()),
                b'J' => self.int((bytes.number::<4>()? as i32).into()),
                b'X' => {
                    let length = bytes.number::<4>()? as usize;
                    let text = String::from_utf8(bytes.take(length)?.to_vec())?;
                    self.stack.push(Value::Text(text));
                }
                b'c' => {
                    let name = format!("{}.{}", bytes.line()?, bytes.line()?);
                    self.stack.push(Value::Global(name));
                }
                b'q' => self.memorise(bytes.number::<1>()?)?,
                b'r' => self.memorise(bytes.number::<4>()?)?,
                b'h' => self.recall(bytes.number::<1>()?)?,
                b'j' => self.recall(bytes.number::<4>()?)?,
                b't' => {
                    let values = self.take_to_mark()?;
                    self.stack.push(Value::Tuple(values));
                }
                0x85..=0x87 => {
                    let count = usize::from(code - 0x84);
                    let at = self.stack.len().checked_sub(count).context("an empty stack")?;
                    let values = self.stack.split_off(at);
                    self.stack.push(Value::Tuple(values));
                }
                b'Q' => {
                    let storage = storage(self.pop()?)?;
                    self.stack.push(storage);
                }
                b'R' => {
                    let (arguments, function) = (self.pop()?, self.pop()?);
                    self.stack.push(called(function, arguments)?);
                }
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.set(vec![key, value]);
                }
                b'u' => {
                    let values = self.take_to_mark()?;
                    self.set(values);
                }
                b'e' => {
                    self.take_to_mark()?;
                }
                // An object's further state, as of an ordered dictionary: nothing that is needed.
                b'b' => {
                    self.pop()?;
                }
                other => bail!("the pickle has the unknown code {other:#04x}"),
            }
        }
    }

    fn int(&mut self, value: i64) {
        self.stack.push(Value::Int(value));
    }

    fn pop(&mut self) -> Result<Value> {
        self.stack.pop().context("an empty stack")
    }

    fn memorise(&mut self, place: u32) -> Result<()> {
        let value = self.stack.last().context("an empty stack")?;
        // Dictionaries are filled after they are memorised; nothing here refers back to one.
        self.memo.insert(place, value.clone());
        Ok(())
    }

    fn recall(&mut self, place: u32) -> Result<()> {
        let value = self.memo.get(&place).context("nothing is memorised there")?;
        self.stack.push(value.clone());
        Ok(())
    }

    fn take_to_mark(&mut self) -> Result<Vec<Value>> {
        let is_mark = |value: &Value| matches!(value, Value::Mark);
        let mark = self.stack.iter().rposition(is_mark).context("no mark")?;
        let values = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(values)
    }

    fn set(&mut self, values: Vec<Value>) {
        if let Some(Value::Dict(entries)) = self.stack.last_mut() {
            let mut values = values.into_iter();
            while let (Some(key), Some(value)) = (values.next(), values.next()) {
                entries.push((key, value));
            }
        }
    }
}

fn storage(id: Value) -> Result<Value> {
    let Value::Tuple(id) = id else {
        bail!("a storage without an id")
    };
    match id.as_slice() {
        [Value::Text(_), Value::Global(kind), Value::Text(file), ..] => {
            Ok(Value::Storage(kind.clone(), file.clone()))
        }
        _ => bail!("a storage's id is of an unknown form"),
    }
}

/// What a call would give, of the two functions that matter.
fn called(function: Value, arguments: Value) -> Result<Value> {
    let (Value::Global(function), Value::Tuple(arguments)) = (function, arguments) else {
        return Ok(Value::Other);
    };
    match (function.as_str(), arguments.as_slice()) {
        ("collections.OrderedDict", _) => Ok(Value::Dict(Vec::new())),
        (
            "torch._utils._rebuild_tensor_v2",
            [
                Value::Storage(kind, file),
                Value::Int(offset),
                Value::Tuple(shape),
                Value::Tuple(strides),
                ..,
            ],
        ) => {
            let offset = usize::try_from(*offset)?;
            let tensor = Value::Tensor(file.clone(), offset, sizes(shape)?, sizes(strides)?);
            Ok(if kind == "torch.FloatStorage" {
                tensor
            } else {
                Value::Other
            })
        }
        _ => Ok(Value::Other),
    }
}

fn sizes(values: &[Value]) -> Result<Vec<usize>> {
    let size = |value: &Value| match value {
        Value::Int(size) => Ok(usize::try_from(*size)?),
        _ => bail!("a size that is no number"),
    };
    values.iter().map(size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_gathered_by_their_strides() {
        let numbers: Vec<u8> = (0..8_u32)
            .flat_map(|number| (number as f32).to_le_bytes())
            .collect();
        // The transposed of a 2 by 3 matrix that begins at the second number.
        let data = gathered(&numbers, 1, &[3, 2], &[1, 3]).unwrap();
        let found: Vec<f32> = data
            .as_chunks::<4>()
            .0
            .iter()
            .map(|&bytes| f32::from_le_bytes(bytes))
            .collect();
        assert_eq!(found, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert_eq!(gathered(&numbers, 3, &[3, 2], &[1, 3]), None);
    }

    #[test]
    fn broken_pickles_are_refused() {
        for pickle in [
            &b""[..],
            b"\x80\x02",
            b"h\x01.",
            b"t.",
            b"R.",
            b"X\xff\xff\xff\xffa",
            b"\xff",
            b".",
        ] {
            assert!(Machine::default().run(pickle).is_err(), "{pickle:?}");
        }
        assert!(tensors(b"no archive").is_err());
    }
}
