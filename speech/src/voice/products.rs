//! Products of a few rows with a matrix, with the widest vectors that the processor has: it is asked once, when the model is
//! loaded. Sums are kept in registers and products are added unrounded where the processor can, so the last bits of a sum
//! differ between processors.

use pulp::{Arch, Simd, WithSimd};

/// The way of computing that suits this processor.
#[derive(Clone, Copy)]
pub(super) struct Products(Arch);

impl Products {
    pub(super) fn new() -> Self {
        Self(Arch::new())
    }

    /// Adds to each row of `sums` its row of inputs times the matrix. `weights` is the matrix, as many rows of `columns` as a
    /// row has inputs; rows of inputs begin `stride` after one another.
    pub(super) fn add(
        self,
        sums: &mut [f32],
        columns: usize,
        inputs: &[f32],
        stride: usize,
        weights: &[f32],
    ) {
        self.0.dispatch(Product {
            sums,
            columns,
            inputs,
            stride,
            weights,
        });
    }
}

struct Product<'a> {
    sums: &'a mut [f32],
    columns: usize,
    inputs: &'a [f32],
    stride: usize,
    weights: &'a [f32],
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Product {
            mut sums,
            columns,
            mut inputs,
            stride,
            weights,
        } = self;
        // Eight registers of sums: each vector of weights is fetched once for all rows, and no sum waits for itself.
        while sums.len() >= columns {
            let rows = match sums.len() / columns {
                1 => 1,
                2 | 3 => 2,
                _ => 4,
            };
            let (of_rows, rest) = sums.split_at_mut(rows * columns);
            match rows {
                1 => tiles::<S, 1, 8>(simd, of_rows, columns, inputs, stride, weights),
                2 => tiles::<S, 2, 4>(simd, of_rows, columns, inputs, stride, weights),
                _ => tiles::<S, 4, 2>(simd, of_rows, columns, inputs, stride, weights),
            }
            sums = rest;
            inputs = inputs.get(rows * stride..).unwrap_or_default();
        }
    }
}

/// Of `N` rows, `V` vectors of columns at a time, and what is left of the columns one by one.
#[inline(always)]
fn tiles<S: Simd, const N: usize, const V: usize>(
    simd: S,
    sums: &mut [f32],
    columns: usize,
    inputs: &[f32],
    stride: usize,
    weights: &[f32],
) {
    let depth = weights.len() / columns;
    let rows: [&[f32]; N] = std::array::from_fn(|row| &inputs[row * stride..][..depth]);
    let width = V * S::F32_LANES;
    let tiled = columns / width * width;
    for column in (0..tiled).step_by(width) {
        let mut tile = [[simd.splat_f32s(0.0); V]; N];
        for (index, weights) in weights.chunks_exact(columns).enumerate() {
            let (weights, _) = S::as_simd_f32s(&weights[column..column + width]);
            let Some(weights) = weights.first_chunk::<V>() else {
                continue;
            };
            for row in 0..N {
                let input = simd.splat_f32s(rows[row][index]);
                for vector in 0..V {
                    tile[row][vector] = simd.mul_add_e_f32s(input, weights[vector], tile[row][vector]);
                }
            }
        }
        for (sums, tile) in sums.chunks_exact_mut(columns).zip(tile) {
            let (sums, _) = S::as_mut_simd_f32s(&mut sums[column..column + width]);
            for (sum, added) in sums.iter_mut().zip(tile) {
                *sum = simd.add_f32s(*sum, added);
            }
        }
    }
    for (sums, inputs) in sums.chunks_exact_mut(columns).zip(rows) {
        for (column, sum) in sums.iter_mut().enumerate().skip(tiled) {
            let weights = weights.iter().skip(column).step_by(columns);
            *sum += inputs.iter().zip(weights).map(|(a, b)| a * b).sum::<f32>();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbers(count: usize) -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec(prop_oneof![Just(0.0_f32), -2.0_f32..2.0], count)
    }

    fn problem() -> impl Strategy<Value = (usize, usize, Vec<f32>, Vec<f32>, Vec<f32>)> {
        (1..10_usize, 1..150_usize, 1..30_usize, 1..30_usize).prop_flat_map(
            |(rows, columns, depth, stride)| {
                let inputs = (rows - 1) * stride + depth;
                (
                    Just(columns),
                    Just(stride),
                    numbers(rows * columns),
                    numbers(inputs),
                    numbers(depth * columns),
                )
            },
        )
    }

    proptest! {
        #[test]
        fn tiles_give_the_sums_of_the_definition((columns, stride, sums, inputs, weights) in problem()) {
            let mut tiled = sums.clone();
            Products::new().add(&mut tiled, columns, &inputs, stride, &weights);
            for (index, (tiled, sum)) in tiled.iter().zip(&sums).enumerate() {
                let (row, column) = (index / columns, index % columns);
                let products = weights.chunks_exact(columns).zip(&inputs[row * stride..]);
                let sum = products.fold(f64::from(*sum), |sum, (weights, input)| {
                    sum + f64::from(*input) * f64::from(weights[column])
                });
                // Thirty products of at most four: their rounding stays far below this.
                prop_assert!((f64::from(*tiled) - sum).abs() < 1e-4, "{tiled}, not {sum}");
            }
        }
    }
}
