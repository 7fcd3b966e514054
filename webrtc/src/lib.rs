//! libwebrtc
