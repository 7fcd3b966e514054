//! Every layout as I420.

use super::buffers::{I010Buffer, I420ABuffer, I420Buffer, I422Buffer, I444Buffer, NV12Buffer};

/// From the samples at a column and a row; chroma (U, V) at those of I420's chroma planes.
fn i420(
    (width, height): (u32, u32),
    luma: impl Fn(usize, usize) -> u8,
    chroma: impl Fn(usize, usize) -> (u8, u8),
) -> I420Buffer {
    let mut buffer = I420Buffer::new(width, height);
    let (columns, chroma_columns) = (width as usize, buffer.chroma_width() as usize);
    let (y, u, v) = buffer.data_mut();
    for (at, sample) in y.iter_mut().enumerate() {
        *sample = luma(at % columns, at / columns);
    }
    for (at, samples) in u.iter_mut().zip(v).enumerate() {
        (*samples.0, *samples.1) = chroma(at % chroma_columns, at / chroma_columns);
    }
    buffer
}

impl I420Buffer {
    pub(super) fn converted(&self) -> Self {
        self.clone()
    }
}

impl I420ABuffer {
    pub(super) fn converted(&self) -> I420Buffer {
        let from = &self.planes;
        let chroma = |x, y| (from.sample(1, x, y), from.sample(2, x, y));
        i420(from.size(), |x, y| from.sample(0, x, y), chroma)
    }
}

impl I422Buffer {
    pub(super) fn converted(&self) -> I420Buffer {
        let from = &self.planes;
        let plane = |plane, x, y: usize| from.average(plane, x..x + 1, 2 * y..2 * y + 2);
        let chroma = |x, y| (plane(1, x, y), plane(2, x, y));
        i420(from.size(), |x, y| from.sample(0, x, y), chroma)
    }
}

impl I444Buffer {
    pub(super) fn converted(&self) -> I420Buffer {
        let from = &self.planes;
        let plane = |plane, x: usize, y: usize| from.average(plane, 2 * x..2 * x + 2, 2 * y..2 * y + 2);
        let chroma = |x, y| (plane(1, x, y), plane(2, x, y));
        i420(from.size(), |x, y| from.sample(0, x, y), chroma)
    }
}

impl I010Buffer {
    pub(super) fn converted(&self) -> I420Buffer {
        let from = &self.planes;
        let sample = |plane, x, y| (from.sample(plane, x, y) >> 2).min(255) as u8;
        let chroma = |x, y| (sample(1, x, y), sample(2, x, y));
        i420(from.size(), |x, y| sample(0, x, y), chroma)
    }
}

impl NV12Buffer {
    pub(super) fn converted(&self) -> I420Buffer {
        let from = &self.planes;
        let chroma = |x: usize, y| (from.sample(1, 2 * x, y), from.sample(1, 2 * x + 1, y));
        i420(from.size(), |x, y| from.sample(0, x, y), chroma)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{VideoBuffer, VideoBufferType};
    use super::*;

    fn planes(buffer: &dyn VideoBuffer) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let i420 = buffer.to_i420();
        assert_eq!((i420.width(), i420.height()), (buffer.width(), buffer.height()));
        let (y, u, v) = i420.data();
        (y.to_vec(), u.to_vec(), v.to_vec())
    }

    #[test]
    fn every_layout_becomes_i420() {
        // 3 x 2 pixels with padded rows: the padding (0) is not in the result.
        let want = (vec![1, 2, 3, 4, 5, 6], vec![20, 40], vec![60, 80]);
        let mut nv12 = NV12Buffer::with_strides(3, 2, 5, 6);
        let (y, uv) = nv12.data_mut();
        y.copy_from_slice(&[1, 2, 3, 0, 0, 4, 5, 6, 0, 0]);
        uv.copy_from_slice(&[20, 60, 40, 80, 0, 0]);
        assert_eq!(planes(&nv12), want);
        let mut i422 = I422Buffer::new(3, 2);
        let (y, u, v) = i422.data_mut();
        y.copy_from_slice(&[1, 2, 3, 4, 5, 6]);
        u.copy_from_slice(&[10, 30, 30, 50]);
        v.copy_from_slice(&[50, 70, 70, 90]);
        assert_eq!(planes(&i422), want);
        let mut i444 = I444Buffer::new(3, 2);
        let (y, u, v) = i444.data_mut();
        y.copy_from_slice(&[1, 2, 3, 4, 5, 6]);
        u.copy_from_slice(&[10, 20, 30, 20, 30, 50]);
        v.copy_from_slice(&[50, 60, 70, 60, 70, 90]);
        assert_eq!(planes(&i444), want);
        let mut i010 = I010Buffer::new(3, 2);
        let (y, u, v) = i010.data_mut();
        y.copy_from_slice(&[4, 8, 12, 16, 20, 27]);
        u.copy_from_slice(&[80, 160]);
        v.copy_from_slice(&[240, 323]);
        assert_eq!(planes(&i010), want);
        assert_eq!(planes(&i010.to_i420()), want);
    }

    #[test]
    fn planes_have_room_for_odd_sizes() {
        let buffer = I420Buffer::new_black(5, 3);
        let (y, u, v) = buffer.data();
        assert_eq!((y.len(), u.len(), v.len()), (15, 6, 6));
        assert!(y.iter().all(|luma| *luma == 0) && u.iter().all(|chroma| *chroma == 128));
        let (y, uv) = (
            NV12Buffer::new(5, 3).data().0.len(),
            NV12Buffer::new(5, 3).data().1.len(),
        );
        assert_eq!((y, uv), (15, 12));
        assert_eq!(buffer.buffer_type(), VideoBufferType::I420);
    }
}
