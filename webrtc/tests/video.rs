//! Video is refused aloud, and never disturbs sound.

mod pair;
mod sound;

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use libwebrtc::{
    peer_connection_factory::native::PeerConnectionFactoryExt, prelude::*,
    video_source::native::NativeVideoSource, video_stream::native::NativeVideoStream,
};
use pair::{Side, negotiate, within};
use sound::{hear, hum, received, send_only};
use tokio_stream::StreamExt;

/// What is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("nobody panics")).into_owned()
    }
}

#[tokio::test]
async fn a_camera_beside_a_microphone_carries_no_pictures_and_says_so() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::ERROR)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let (mut caller, mut callee) = (Side::new(), Side::new());
    let source = NativeVideoSource::new(
        VideoResolution {
            width: 640,
            height: 480,
        },
        false,
    );
    let camera = PeerConnectionFactory::default().create_video_track("camera", source.clone());
    caller
        .connection
        .add_transceiver(camera.into(), send_only("camera"))
        .expect("a sender");
    assert!(log.text().contains("nothing is sent"), "{}", log.text());
    let (_, feeder) = hum(&caller, "voice");
    negotiate(&mut caller, &mut callee, OfferOptions::default()).await;
    let frame = VideoFrame {
        rotation: VideoRotation::VideoRotation0,
        timestamp_us: 0,
        frame_metadata: None,
        buffer: I420Buffer::new_black(640, 480),
    };
    assert!(!source.capture_frame(&frame), "no frame is taken");

    let pictures = callee.connection.receivers().into_iter().find_map(|receiver| {
        let stream = receiver.streams().pop()?;
        stream.video_tracks().pop()
    });
    let mut pictures = NativeVideoStream::new(pictures.expect("a video track"));
    assert!(within("the end", pictures.next()).await.is_none());
    assert!(log.text().contains("ends at once"), "{}", log.text());
    let (heard, _) = received(&callee).expect("a track");
    hear(heard).await;
    feeder.abort();
}
