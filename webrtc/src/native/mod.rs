//! What only native builds have: end-to-end encryption, metadata beside video frames, which is inert,
//! and a source of random identifiers.

pub mod frame_cryptor;
pub mod packet_trailer;

/// A random UUID (version 4), as text.
pub fn create_random_uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}
