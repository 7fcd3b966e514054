//! Video frames and their pixel buffers, for programs that handle pictures of their own. The stack
//! neither sends nor receives them.

use std::{fmt::Debug, ops::Range};

use crate::video_source::VideoResolution;

/// By how many degrees a frame has to be turned to stand upright.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum VideoRotation {
    /// Upright.
    VideoRotation0 = 0,
    /// A quarter turn.
    VideoRotation90 = 90,
    /// A half turn.
    VideoRotation180 = 180,
    /// Three quarters of a turn.
    VideoRotation270 = 270,
}

/// Order of the bytes of a packed pixel.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
#[allow(clippy::upper_case_acronyms)]
pub enum VideoFormatType {
    /// Alpha, red, green, blue.
    ARGB,
    /// Blue, green, red, alpha.
    BGRA,
    /// Alpha, blue, green, red.
    ABGR,
    /// Red, green, blue, alpha.
    RGBA,
}

/// How a buffer lays out its pixels.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum VideoBufferType {
    /// Platform memory.
    Native,
    /// Planar, chroma halved both ways.
    I420,
    /// I420 with alpha.
    I420A,
    /// Planar, chroma halved across.
    I422,
    /// Planar, full chroma.
    I444,
    /// I420 with ten bits a sample.
    I010,
    /// Luma plane and interleaved chroma.
    NV12,
}

/// What may travel beside a frame.
#[derive(Debug, Clone)]
pub struct FrameMetadata {
    /// Capture time in microseconds since the Unix epoch.
    pub user_timestamp: Option<u64>,
    /// The frame's number.
    pub frame_id: Option<u32>,
    /// Bytes of the application.
    pub user_data: Option<Vec<u8>>,
}

/// The codec of an encoded frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodedVideoCodec {
    /// H.264.
    H264,
    /// H.265.
    H265,
    /// VP8.
    VP8,
    /// VP9.
    VP9,
    /// AV1.
    AV1,
}

/// Whether an encoded frame stands alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodedFrameType {
    /// It does.
    Key,
    /// It needs earlier ones.
    Delta,
}

/// A frame that is encoded already.
#[derive(Debug, Clone)]
pub struct EncodedVideoFrame<'a> {
    /// Its codec.
    pub codec: EncodedVideoCodec,
    /// Its bytes.
    pub payload: &'a [u8],
    /// Capture time in microseconds.
    pub timestamp_us: i64,
    /// Whether it stands alone.
    pub frame_type: EncodedFrameType,
    /// Its size.
    pub resolution: VideoResolution,
    /// What travels beside it.
    pub frame_metadata: Option<FrameMetadata>,
}

/// A frame and its buffer.
#[derive(Debug)]
pub struct VideoFrame<T>
where
    T: AsRef<dyn VideoBuffer>,
{
    /// How it has to be turned.
    pub rotation: VideoRotation,
    /// Capture time in microseconds.
    pub timestamp_us: i64,
    /// What travels beside it.
    pub frame_metadata: Option<FrameMetadata>,
    /// Its pixels.
    pub buffer: T,
}

impl<T: AsRef<dyn VideoBuffer>> VideoFrame<T> {
    /// A frame at time zero.
    pub fn new(rotation: VideoRotation, buffer: T) -> Self {
        Self {
            rotation,
            timestamp_us: 0,
            frame_metadata: None,
            buffer,
        }
    }
}

/// A buffer of whichever layout.
pub type BoxVideoBuffer = Box<dyn VideoBuffer>;
/// A frame with a buffer of whichever layout.
pub type BoxVideoFrame = VideoFrame<BoxVideoBuffer>;

/// A pixel buffer.
pub trait VideoBuffer: Debug + Send + Sync {
    /// Pixels in a row.
    fn width(&self) -> u32;
    /// Rows.
    fn height(&self) -> u32;
    /// The layout.
    fn buffer_type(&self) -> VideoBufferType;
    /// The same picture as I420: chroma averaged, samples of ten bits cut to eight, alpha left out.
    fn to_i420(&self) -> I420Buffer;
    /// This buffer, if it is I420.
    fn as_i420(&self) -> Option<&I420Buffer> {
        None
    }
    /// This buffer, if it is I420 with alpha.
    fn as_i420a(&self) -> Option<&I420ABuffer> {
        None
    }
    /// This buffer, if it is I422.
    fn as_i422(&self) -> Option<&I422Buffer> {
        None
    }
    /// This buffer, if it is I444.
    fn as_i444(&self) -> Option<&I444Buffer> {
        None
    }
    /// This buffer, if it is I010.
    fn as_i010(&self) -> Option<&I010Buffer> {
        None
    }
    /// This buffer, if it is NV12.
    fn as_nv12(&self) -> Option<&NV12Buffer> {
        None
    }
}

/// Planes of samples, one behind the other.
#[derive(Clone)]
struct Planes<S, const N: usize> {
    width: u32,
    height: u32,
    chroma_width: u32,
    chroma_height: u32,
    strides: [u32; N],
    samples: [Vec<S>; N],
}

impl<S: Copy, const N: usize> Planes<S, N> {
    fn new(size: (u32, u32), chroma: (u32, u32), strides: [u32; N], fill: S) -> Self {
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
}

macro_rules! buffer {
    ($(#[$doc:meta])* $name:ident, $variant:ident, $cast:ident, $sample:ty, $planes:literal) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name {
            planes: Planes<$sample, $planes>,
        }

        impl $name {
            /// Chroma samples in a row.
            pub fn chroma_width(&self) -> u32 {
                self.planes.chroma_width
            }

            /// Rows of chroma samples.
            pub fn chroma_height(&self) -> u32 {
                self.planes.chroma_height
            }
        }

        impl VideoBuffer for $name {
            fn width(&self) -> u32 {
                self.planes.width
            }

            fn height(&self) -> u32 {
                self.planes.height
            }

            fn buffer_type(&self) -> VideoBufferType {
                VideoBufferType::$variant
            }

            fn to_i420(&self) -> I420Buffer {
                self.converted()
            }

            fn $cast(&self) -> Option<&$name> {
                Some(self)
            }
        }

        impl AsRef<dyn VideoBuffer> for $name {
            fn as_ref(&self) -> &(dyn VideoBuffer + 'static) {
                self
            }
        }

        impl Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("width", &self.planes.width)
                    .field("height", &self.planes.height)
                    .finish()
            }
        }
    };
}

macro_rules! three_planes {
    ($name:ident, $sample:ty, |$width:ident, $height:ident| $chroma:expr) => {
        impl $name {
            /// A zeroed buffer with these distances between rows, in samples.
            pub fn with_strides(
                $width: u32,
                $height: u32,
                stride_y: u32,
                stride_u: u32,
                stride_v: u32,
            ) -> Self {
                let strides = [stride_y, stride_u, stride_v];
                Self {
                    planes: Planes::new(($width, $height), $chroma, strides, 0),
                }
            }

            /// A zeroed buffer without padding.
            pub fn new($width: u32, $height: u32) -> Self {
                let chroma: (u32, u32) = $chroma;
                Self::with_strides($width, $height, $width, chroma.0, chroma.0)
            }

            /// Distances between rows, in samples.
            pub fn strides(&self) -> (u32, u32, u32) {
                let [y, u, v] = self.planes.strides;
                (y, u, v)
            }

            /// The planes Y, U, V.
            pub fn data(&self) -> (&[$sample], &[$sample], &[$sample]) {
                let [y, u, v] = &self.planes.samples;
                (y, u, v)
            }

            /// The planes Y, U, V, to write.
            pub fn data_mut(&mut self) -> (&mut [$sample], &mut [$sample], &mut [$sample]) {
                let [y, u, v] = &mut self.planes.samples;
                (y, u, v)
            }
        }
    };
}

buffer!(
    /// Planar YUV, chroma halved both ways.
    I420Buffer, I420, as_i420, u8, 3
);
three_planes!(I420Buffer, u8, |width, height| (
    width.div_ceil(2),
    height.div_ceil(2)
));
buffer!(
    /// I420 with an alpha plane.
    I420ABuffer, I420A, as_i420a, u8, 4
);
buffer!(
    /// Planar YUV, chroma halved across.
    I422Buffer, I422, as_i422, u8, 3
);
three_planes!(I422Buffer, u8, |width, height| (width.div_ceil(2), height));
buffer!(
    /// Planar YUV, full chroma.
    I444Buffer, I444, as_i444, u8, 3
);
three_planes!(I444Buffer, u8, |width, height| (width, height));
buffer!(
    /// I420 with ten bits a sample.
    I010Buffer, I010, as_i010, u16, 3
);
three_planes!(I010Buffer, u16, |width, height| (
    width.div_ceil(2),
    height.div_ceil(2)
));
buffer!(
    /// A luma plane and one of interleaved chroma.
    NV12Buffer, NV12, as_nv12, u8, 2
);

impl I420Buffer {
    /// A black buffer without padding.
    pub fn new_black(width: u32, height: u32) -> Self {
        let mut buffer = Self::new(width, height);
        let (_, u, v) = buffer.data_mut();
        u.fill(128);
        v.fill(128);
        buffer
    }
}

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

impl<S: Copy, const N: usize> Planes<S, N> {
    fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    fn sample(&self, plane: usize, column: usize, row: usize) -> S {
        self.samples[plane][row * self.strides[plane] as usize + column]
    }
}

impl<const N: usize> Planes<u8, N> {
    /// The average of some samples; those beyond the edge are left out.
    fn average(&self, plane: usize, columns: Range<usize>, rows: Range<usize>) -> u8 {
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

impl I420Buffer {
    fn converted(&self) -> Self {
        self.clone()
    }
}

impl I420ABuffer {
    fn converted(&self) -> I420Buffer {
        let from = &self.planes;
        let chroma = |x, y| (from.sample(1, x, y), from.sample(2, x, y));
        i420(from.size(), |x, y| from.sample(0, x, y), chroma)
    }
}

impl I422Buffer {
    fn converted(&self) -> I420Buffer {
        let from = &self.planes;
        let plane = |plane, x, y: usize| from.average(plane, x..x + 1, 2 * y..2 * y + 2);
        let chroma = |x, y| (plane(1, x, y), plane(2, x, y));
        i420(from.size(), |x, y| from.sample(0, x, y), chroma)
    }
}

impl I444Buffer {
    fn converted(&self) -> I420Buffer {
        let from = &self.planes;
        let plane = |plane, x: usize, y: usize| from.average(plane, 2 * x..2 * x + 2, 2 * y..2 * y + 2);
        let chroma = |x, y| (plane(1, x, y), plane(2, x, y));
        i420(from.size(), |x, y| from.sample(0, x, y), chroma)
    }
}

impl I010Buffer {
    fn converted(&self) -> I420Buffer {
        let from = &self.planes;
        let sample = |plane, x, y| (from.sample(plane, x, y) >> 2).min(255) as u8;
        let chroma = |x, y| (sample(1, x, y), sample(2, x, y));
        i420(from.size(), |x, y| sample(0, x, y), chroma)
    }
}

impl NV12Buffer {
    fn converted(&self) -> I420Buffer {
        let from = &self.planes;
        let chroma = |x: usize, y| (from.sample(1, 2 * x, y), from.sample(1, 2 * x + 1, y));
        i420(from.size(), |x, y| from.sample(0, x, y), chroma)
    }
}

impl I420ABuffer {
    /// The planes Y, U, V and alpha.
    #[allow(clippy::type_complexity)]
    pub fn data(&self) -> (&[u8], &[u8], &[u8], Option<&[u8]>) {
        let [y, u, v, alpha] = &self.planes.samples;
        (y, u, v, Some(alpha))
    }

    /// Distances between rows.
    pub fn strides(&self) -> (u32, u32, u32, u32) {
        let [y, u, v, alpha] = self.planes.strides;
        (y, u, v, alpha)
    }
}

impl NV12Buffer {
    /// A zeroed buffer with these distances between rows.
    pub fn with_strides(width: u32, height: u32, stride_y: u32, stride_uv: u32) -> Self {
        let chroma = (width.div_ceil(2), height.div_ceil(2));
        Self {
            planes: Planes::new((width, height), chroma, [stride_y, stride_uv], 0),
        }
    }

    /// A zeroed buffer without padding.
    pub fn new(width: u32, height: u32) -> Self {
        Self::with_strides(width, height, width, width + width % 2)
    }

    /// Distances between rows.
    pub fn strides(&self) -> (u32, u32) {
        let [y, uv] = self.planes.strides;
        (y, uv)
    }

    /// The planes Y and UV.
    pub fn data(&self) -> (&[u8], &[u8]) {
        let [y, uv] = &self.planes.samples;
        (y, uv)
    }

    /// The planes Y and UV, to write.
    pub fn data_mut(&mut self) -> (&mut [u8], &mut [u8]) {
        let [y, uv] = &mut self.planes.samples;
        (y, uv)
    }
}

#[cfg(test)]
mod tests {
    use super::{I010Buffer, I420Buffer, I422Buffer, I444Buffer, NV12Buffer, VideoBuffer, VideoBufferType};

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
