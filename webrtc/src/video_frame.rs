//! Video frames and their pixel buffers, for programs that handle pictures of their own. The stack
//! neither sends nor receives them.

mod buffers;
mod convert;
mod planes;

use std::fmt::Debug;

pub use buffers::{I010Buffer, I420ABuffer, I420Buffer, I422Buffer, I444Buffer, NV12Buffer};

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
