//! A buffer for each layout.

use std::fmt::Debug;

use super::planes::Planes;
use super::{VideoBuffer, VideoBufferType};

macro_rules! buffer {
    ($(#[$doc:meta])* $name:ident, $variant:ident, $cast:ident, $sample:ty, $planes:literal) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name {
            pub(super) planes: Planes<$sample, $planes>,
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
