//! The default cryptography, with one thing added: RTCP that was just decrypted passes through
//! [`sdes`]. It is the only place between `rtc`'s decrypting and its reading of RTCP where anybody
//! else is called.
//!
//! Reports under AES-GCM are covered (RFC 7714), which LiveKit and browsers choose; under the older
//! AES counter mode the cipher does not see what it decrypts, and reports are dropped as before.

use std::sync::Arc;

use rtc::crypto::{
    ActiveKeyExchange, AeadAlgorithm, AeadCipher, BlockCipherAlgorithm, CbcAlgorithm, CbcCipher,
    CryptoAlgorithm, CryptoError, HashAlgorithm, HmacAlgorithm, KeyExchangeAlgorithm, Mac, PublicKey,
    RTCCrypto, RTCCryptoProvider, RTCRandom, SignatureScheme, SigningKey, StreamCipher,
    StreamCipherAlgorithm, default_provider,
};

use super::sdes;

/// Kinds of RTCP packets (RFC 5761, section 4): what else is encrypted with as much additional data
/// has another number here.
const RTCP_KINDS: std::ops::RangeInclusive<u8> = 192..=223;
/// What SRTCP authenticates without encrypting it: the first eight bytes and the index.
const SRTCP_ADDITIONAL_BYTES: usize = 12;

pub(in crate::engine) fn provider() -> Result<Arc<dyn RTCCryptoProvider>, CryptoError> {
    Ok(Arc::new(ReadableReports(default_provider()?)))
}

struct ReadableReports(Arc<dyn RTCCryptoProvider>);

impl RTCCryptoProvider for ReadableReports {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn crypto(&self) -> &dyn RTCCrypto {
        self
    }

    fn random(&self) -> &dyn RTCRandom {
        self.0.random()
    }
}

impl RTCCrypto for ReadableReports {
    fn supports(&self, algorithm: CryptoAlgorithm) -> bool {
        self.0.crypto().supports(algorithm)
    }

    fn hash(&self, algorithm: HashAlgorithm, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.0.crypto().hash(algorithm, data)
    }

    fn block_encrypt(
        &self,
        algorithm: BlockCipherAlgorithm,
        key: &[u8],
        block: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.0.crypto().block_encrypt(algorithm, key, block)
    }

    fn new_hmac(&self, algorithm: HmacAlgorithm, key: &[u8]) -> Result<Box<dyn Mac>, CryptoError> {
        self.0.crypto().new_hmac(algorithm, key)
    }

    fn new_stream_cipher(
        &self,
        algorithm: StreamCipherAlgorithm,
        key: &[u8],
    ) -> Result<Box<dyn StreamCipher>, CryptoError> {
        self.0.crypto().new_stream_cipher(algorithm, key)
    }

    fn new_aead(&self, algorithm: AeadAlgorithm, key: &[u8]) -> Result<Box<dyn AeadCipher>, CryptoError> {
        Ok(Box::new(ReadableCipher(
            self.0.crypto().new_aead(algorithm, key)?,
        )))
    }

    fn new_cbc(&self, algorithm: CbcAlgorithm, key: &[u8]) -> Result<Box<dyn CbcCipher>, CryptoError> {
        self.0.crypto().new_cbc(algorithm, key)
    }

    fn start_key_exchange(
        &self,
        algorithm: KeyExchangeAlgorithm,
    ) -> Result<Box<dyn ActiveKeyExchange>, CryptoError> {
        self.0.crypto().start_key_exchange(algorithm)
    }

    fn generate_signing_key(&self, scheme: SignatureScheme) -> Result<Arc<dyn SigningKey>, CryptoError> {
        self.0.crypto().generate_signing_key(scheme)
    }

    fn import_signing_key(
        &self,
        scheme: SignatureScheme,
        pkcs8_der: &[u8],
    ) -> Result<Arc<dyn SigningKey>, CryptoError> {
        self.0.crypto().import_signing_key(scheme, pkcs8_der)
    }

    fn verify_signature(
        &self,
        scheme: SignatureScheme,
        public_key: PublicKey<'_>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        self.0
            .crypto()
            .verify_signature(scheme, public_key, message, signature)
    }
}

struct ReadableCipher(Box<dyn AeadCipher>);

impl AeadCipher for ReadableCipher {
    fn tag_len(&self) -> usize {
        self.0.tag_len()
    }

    fn seal_in_place(
        &mut self,
        nonce: &[u8],
        aad: &[u8],
        data: &mut [u8],
        tag_out: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.0.seal_in_place(nonce, aad, data, tag_out)
    }

    fn open_in_place(
        &mut self,
        nonce: &[u8],
        aad: &[u8],
        data: &mut [u8],
        tag: &[u8],
    ) -> Result<(), CryptoError> {
        self.0.open_in_place(nonce, aad, data, tag)?;
        if aad.len() == SRTCP_ADDITIONAL_BYTES
            && RTCP_KINDS.contains(&aad[1])
            && let Some(clear) = aad.first_chunk()
        {
            sdes::rename_unknown_items(clear, data);
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
            .encrypt_rtcp(&super::sdes::tests::report_of_livekit())
            .expect("a packet");
        let read = |crypto: &dyn RTCCrypto| {
            let decrypted = context(crypto).decrypt_rtcp(&encrypted).expect("a packet");
            rtcp::packet::unmarshal(&mut Bytes::from(decrypted)).map(|packets| packets.len())
        };
        assert!(read(plain.crypto()).is_err());
        assert_eq!(read(ours.crypto()).ok(), Some(2));
    }
}
