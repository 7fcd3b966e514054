//! The default cryptography, with two things added: RTCP that was just decrypted passes through [`sdes`], and what DTLS
//! carries passes the [`Guard`] of SCTP, in both directions. It is the only place between `rtc`'s decrypting and its
//! reading of packets where anybody else is called.
//!
//! Reports under AES-GCM are covered (RFC 7714), which LiveKit and browsers choose; under the older
//! AES counter mode the cipher does not see what it decrypts, and reports are dropped as before. DTLS with CBC is not
//! offered and not taken, for the same reason; everybody has AES-GCM.

use std::sync::Arc;

use parking_lot::Mutex;
use rtc::crypto::{
    ActiveKeyExchange, AeadAlgorithm, AeadCipher, BlockCipherAlgorithm, CbcAlgorithm, CbcCipher,
    CryptoAlgorithm, CryptoError, HashAlgorithm, HmacAlgorithm, KeyExchangeAlgorithm, Mac, PublicKey,
    RTCCrypto, RTCCryptoProvider, RTCRandom, SignatureScheme, SigningKey, StreamCipher,
    StreamCipherAlgorithm, default_provider,
};

use super::{rtcp::sdes, sctp::Guard};

/// Kinds of RTCP packets (RFC 5761, section 4): what else is encrypted with as much additional data
/// has another number here.
const RTCP_KINDS: std::ops::RangeInclusive<u8> = 192..=223;
/// What SRTCP authenticates without encrypting it: the first eight bytes and the index.
const SRTCP_ADDITIONAL_BYTES: usize = 12;
/// What a DTLS record authenticates besides (RFC 5246, section 6.2.3.3): SRTP always authenticates multiples of four.
const DTLS_ADDITIONAL_BYTES: usize = 13;
/// Where among them the record's kind is.
const RECORD_KIND: usize = 8;
/// The kind that SCTP travels in.
const APPLICATION_DATA: u8 = 23;

/// For one connection.
pub(super) fn provider() -> Result<Arc<dyn RTCCryptoProvider>, CryptoError> {
    Ok(Arc::new(WatchedCrypto {
        plain: default_provider()?,
        guard: Arc::default(),
    }))
}

struct WatchedCrypto {
    plain: Arc<dyn RTCCryptoProvider>,
    guard: Arc<Mutex<Guard>>,
}

impl RTCCryptoProvider for WatchedCrypto {
    fn name(&self) -> &'static str {
        self.plain.name()
    }

    fn crypto(&self) -> &dyn RTCCrypto {
        self
    }

    fn random(&self) -> &dyn RTCRandom {
        self.plain.random()
    }
}

impl RTCCrypto for WatchedCrypto {
    fn supports(&self, algorithm: CryptoAlgorithm) -> bool {
        !matches!(algorithm, CryptoAlgorithm::Cbc(_)) && self.plain.crypto().supports(algorithm)
    }

    fn hash(&self, algorithm: HashAlgorithm, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.plain.crypto().hash(algorithm, data)
    }

    fn block_encrypt(
        &self,
        algorithm: BlockCipherAlgorithm,
        key: &[u8],
        block: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.plain.crypto().block_encrypt(algorithm, key, block)
    }

    fn new_hmac(&self, algorithm: HmacAlgorithm, key: &[u8]) -> Result<Box<dyn Mac>, CryptoError> {
        self.plain.crypto().new_hmac(algorithm, key)
    }

    fn new_stream_cipher(
        &self,
        algorithm: StreamCipherAlgorithm,
        key: &[u8],
    ) -> Result<Box<dyn StreamCipher>, CryptoError> {
        self.plain.crypto().new_stream_cipher(algorithm, key)
    }

    fn new_aead(&self, algorithm: AeadAlgorithm, key: &[u8]) -> Result<Box<dyn AeadCipher>, CryptoError> {
        Ok(Box::new(WatchedCipher {
            plain: self.plain.crypto().new_aead(algorithm, key)?,
            guard: self.guard.clone(),
        }))
    }

    fn new_cbc(&self, algorithm: CbcAlgorithm, key: &[u8]) -> Result<Box<dyn CbcCipher>, CryptoError> {
        self.plain.crypto().new_cbc(algorithm, key)
    }

    fn start_key_exchange(
        &self,
        algorithm: KeyExchangeAlgorithm,
    ) -> Result<Box<dyn ActiveKeyExchange>, CryptoError> {
        self.plain.crypto().start_key_exchange(algorithm)
    }

    fn generate_signing_key(&self, scheme: SignatureScheme) -> Result<Arc<dyn SigningKey>, CryptoError> {
        self.plain.crypto().generate_signing_key(scheme)
    }

    fn import_signing_key(
        &self,
        scheme: SignatureScheme,
        pkcs8_der: &[u8],
    ) -> Result<Arc<dyn SigningKey>, CryptoError> {
        self.plain.crypto().import_signing_key(scheme, pkcs8_der)
    }

    fn verify_signature(
        &self,
        scheme: SignatureScheme,
        public_key: PublicKey<'_>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        self.plain
            .crypto()
            .verify_signature(scheme, public_key, message, signature)
    }
}

struct WatchedCipher {
    plain: Box<dyn AeadCipher>,
    guard: Arc<Mutex<Guard>>,
}

fn carries_sctp(aad: &[u8]) -> bool {
    aad.len() == DTLS_ADDITIONAL_BYTES && aad[RECORD_KIND] == APPLICATION_DATA
}

impl AeadCipher for WatchedCipher {
    fn tag_len(&self) -> usize {
        self.plain.tag_len()
    }

    fn seal_in_place(
        &mut self,
        nonce: &[u8],
        aad: &[u8],
        data: &mut [u8],
        tag_out: &mut [u8],
    ) -> Result<(), CryptoError> {
        if carries_sctp(aad) {
            self.guard.lock().sent(data);
        }
        self.plain.seal_in_place(nonce, aad, data, tag_out)
    }

    fn open_in_place(
        &mut self,
        nonce: &[u8],
        aad: &[u8],
        data: &mut [u8],
        tag: &[u8],
    ) -> Result<(), CryptoError> {
        self.plain.open_in_place(nonce, aad, data, tag)?;
        if aad.len() == SRTCP_ADDITIONAL_BYTES
            && RTCP_KINDS.contains(&aad[1])
            && let Some(clear) = aad.first_chunk()
        {
            sdes::rename_unknown_items(clear, data);
        } else if carries_sctp(aad)
            && let Err(rule) = self.guard.lock().received(data)
        {
            tracing::debug!(rule, "an SCTP packet of the peer is dropped");
            // Zeros have not the checksum of a packet.
            data.fill(0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rtc::{
        rtcp,
        srtp::{context::Context, protection_profile::ProtectionProfile},
    };

    use super::*;

    fn context(crypto: &dyn RTCCrypto) -> Context {
        let profile = ProtectionProfile::AeadAes128Gcm;
        Context::new(&[1; 16], &[2; 12], profile, None, None, crypto).expect("a context")
    }

    #[test]
    fn an_encrypted_report_of_livekit_can_be_read() {
        let plain = default_provider().expect("a provider");
        let ours = provider().expect("a provider");
        let encrypted = context(plain.crypto())
            .encrypt_rtcp(&sdes::tests::report_of_livekit())
            .expect("a packet");
        let read = |crypto: &dyn RTCCrypto| {
            let decrypted = context(crypto).decrypt_rtcp(&encrypted).expect("a packet");
            rtcp::packet::unmarshal(&mut Bytes::from(decrypted)).map(|packets| packets.len())
        };
        assert!(read(plain.crypto()).is_err());
        assert_eq!(read(ours.crypto()).ok(), Some(2));
    }

    #[test]
    fn what_dtls_carries_passes_the_guard_of_sctp() {
        let ours = provider().expect("a provider");
        let mut cipher = ours
            .crypto()
            .new_aead(AeadAlgorithm::Aes128Gcm, &[1; 16])
            .expect("a cipher");
        let mut opened = |kind: u8| {
            let nonce = [2; 12];
            let aad = [0, 1, 0, 0, 0, 0, 0, 1, kind, 254, 253, 0, 16];
            // No packet: it has no chunk.
            let mut data = [3; 16];
            let mut tag = [0; 16];
            cipher
                .seal_in_place(&nonce, &aad, &mut data, &mut tag)
                .expect("sealed");
            cipher
                .open_in_place(&nonce, &aad, &mut data, &tag)
                .expect("opened");
            data
        };
        const HANDSHAKE: u8 = 22;
        assert_eq!(opened(HANDSHAKE), [3; 16]);
        assert_eq!(opened(APPLICATION_DATA), [0; 16]);
        // The way around it.
        assert!(
            !ours
                .crypto()
                .supports(CryptoAlgorithm::Cbc(CbcAlgorithm::Aes256Cbc))
        );
    }
}
