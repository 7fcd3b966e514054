//! The samples of a picture.

use std::ops::Range;

/// Planes of samples, one behind the other.
#[derive(Clone)]
pub(super) struct Planes<S, const N: usize> {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) chroma_width: u32,
    pub(super) chroma_height: u32,
    pub(super) strides: [u32; N],
    pub(super) samples: [Vec<S>; N],
}

impl<S: Copy, const N: usize> Planes<S, N> {
    pub(super) fn new(size: (u32, u32), chroma: (u32, u32), strides: [u32; N], fill: S) -> Self {
        let samples = std::array::from_fn(|plane| {
            // Luma comes first, alpha (if any) last: both have the full height.
            let rows = if plane == 0 || plane == 3 {
                size.1
            } else {
                chroma.1
            };
            vec![fill; strides[plane] as usize * rows as usize]
        });
        Self {
            width: size.0,
            height: size.1,
            chroma_width: chroma.0,
            chroma_height: chroma.1,
            strides,
            samples,
        }
    }

    pub(super) fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    pub(super) fn sample(&self, plane: usize, column: usize, row: usize) -> S {
        self.samples[plane][row * self.strides[plane] as usize + column]
    }
}

impl<const N: usize> Planes<u8, N> {
    /// The average of some samples; those beyond the edge are left out.
    pub(super) fn average(&self, plane: usize, columns: Range<usize>, rows: Range<usize>) -> u8 {
        let columns = columns.start..columns.end.min(self.chroma_width as usize);
        let rows = rows.start..rows.end.min(self.chroma_height as usize);
        let count = columns.len() * rows.len();
        let samples = rows.flat_map(|row| columns.clone().map(move |column| (column, row)));
        let sum: usize = samples
            .map(|(column, row)| usize::from(self.sample(plane, column, row)))
            .sum();
        (sum / count.max(1)) as u8
    }
}
