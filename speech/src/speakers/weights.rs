//! The file of the speaker networks: both in one, their tensors named `embedding.*` and `segmentation.*`.

use std::path::Path;

use ndarray::Array2;
use safetensors::{Dtype, SafeTensors};

/// The file that the runner writes has 34 MB.
const FILE_MAX_BYTES: u64 = 128 << 20;

/// Why there is no speaker model.
#[derive(Debug, thiserror::Error)]
pub enum SpeakerModelError {
    /// The file cannot be read.
    #[error("{path} cannot be read")]
    Unreadable {
        /// Where it was looked for.
        path: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// It is no file of named tensors.
    #[error("{path} is not a safetensors file")]
    Format {
        /// Where it was looked for.
        path: String,
        /// What is wrong with it.
        #[source]
        source: safetensors::SafeTensorError,
    },
    /// It is another model.
    #[error("{path} is not the speaker model: {tensor} is not there as {shape:?} finite numbers of 32 bits")]
    Shape {
        /// Where it was looked for.
        path: String,
        /// Which tensor.
        tensor: String,
        /// As it has to be.
        shape: Vec<usize>,
    },
}

/// An open file, tensors by name.
pub(super) struct Weights<'a> {
    path: String,
    tensors: SafeTensors<'a>,
}

/// The file's bytes.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, SpeakerModelError> {
    let unreadable = |source| SpeakerModelError::Unreadable {
        path: path.display().to_string(),
        source,
    };
    if std::fs::metadata(path).map_err(unreadable)?.len() > FILE_MAX_BYTES {
        return Err(unreadable(std::io::Error::other("larger than 128 MiB")));
    }
    std::fs::read(path).map_err(unreadable)
}

impl<'a> Weights<'a> {
    pub(super) fn new(path: &Path, bytes: &'a [u8]) -> Result<Self, SpeakerModelError> {
        let path = path.display().to_string();
        match SafeTensors::deserialize(bytes) {
            Ok(tensors) => Ok(Self { path, tensors }),
            Err(source) => Err(SpeakerModelError::Format { path, source }),
        }
    }

    /// The numbers of a tensor in the file's order.
    pub(super) fn numbers(&self, tensor: &str, shape: &[usize]) -> Result<Vec<f32>, SpeakerModelError> {
        let found = self
            .tensors
            .tensor(tensor)
            .ok()
            .filter(|found| found.dtype() == Dtype::F32 && found.shape() == shape);
        let numbers: Option<Vec<f32>> = found.map(|found| {
            let numbers = found.data().as_chunks::<4>().0;
            numbers.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
        });
        numbers
            .filter(|numbers| numbers.iter().all(|number| number.is_finite()))
            .ok_or_else(|| self.missing(tensor, shape))
    }

    fn missing(&self, tensor: &str, shape: &[usize]) -> SpeakerModelError {
        SpeakerModelError::Shape {
            path: self.path.clone(),
            tensor: tensor.to_owned(),
            shape: shape.to_vec(),
        }
    }

    /// A layer's weights `[outputs, inputs]` as a matrix with a column for each output.
    pub(super) fn matrix(
        &self,
        tensor: &str,
        outputs: usize,
        inputs: usize,
    ) -> Result<Array2<f32>, SpeakerModelError> {
        self.columns(tensor, &[outputs, inputs], outputs, inputs)
    }

    /// The same of a convolution with one tap, whose shape says so.
    pub(super) fn pointwise(
        &self,
        tensor: &str,
        outputs: usize,
        inputs: usize,
    ) -> Result<Array2<f32>, SpeakerModelError> {
        self.columns(tensor, &[outputs, inputs, 1], outputs, inputs)
    }

    fn columns(
        &self,
        tensor: &str,
        shape: &[usize],
        outputs: usize,
        inputs: usize,
    ) -> Result<Array2<f32>, SpeakerModelError> {
        let numbers = self.numbers(tensor, shape)?;
        Ok(Array2::from_shape_fn((inputs, outputs), |(input, output)| {
            numbers[output * inputs + input]
        }))
    }
}
