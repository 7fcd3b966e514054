//! Links for people without an API key: a page's address carries a token that is bound to one purpose, one room and a
//! time. Fixed-size bytes under HMAC-SHA256, in base64url; the key is derived from the deployment's secrets, so changing
//! either of them ends every link.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

use crate::http::{Problem, ProblemKind};

const VERSION: u8 = 1;
const CLAIMS_BYTES: usize = 2 + 3 * 16 + 8;
const MAC_BYTES: usize = 32;
/// What a token becomes in base64url.
const TOKEN_CHARACTERS: usize = ((CLAIMS_BYTES + MAC_BYTES) * 8).div_ceil(6);

/// What a link is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// Watching a room's captions.
    Captions = 1,
    /// Entering a room as a new participant.
    Join = 2,
    /// Entering a room again as the participant that the token names.
    Rejoin = 3,
    /// Watching a room's captions and correcting them, as the participant that the token names.
    Review = 4,
}

/// What a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims {
    /// What it is good for.
    pub purpose: Purpose,
    /// Whose room it is.
    pub organisation: Uuid,
    /// The room.
    pub room: Uuid,
    /// The participant, with [`Purpose::Rejoin`] and [`Purpose::Review`]; nil otherwise.
    pub participant: Uuid,
    /// Until when it is good, in seconds of Unix time.
    pub expires_at: i64,
}

impl Claims {
    fn to_bytes(self) -> [u8; CLAIMS_BYTES] {
        let mut bytes = [0; CLAIMS_BYTES];
        bytes[0] = VERSION;
        bytes[1] = self.purpose as u8;
        bytes[2..18].copy_from_slice(self.organisation.as_bytes());
        bytes[18..34].copy_from_slice(self.room.as_bytes());
        bytes[34..50].copy_from_slice(self.participant.as_bytes());
        bytes[50..58].copy_from_slice(&self.expires_at.to_be_bytes());
        bytes
    }

    /// The inverse of [`Claims::to_bytes`]; `None` for another version or purpose.
    fn from_bytes(bytes: &[u8; CLAIMS_BYTES]) -> Option<Self> {
        let purpose = match (bytes[0], bytes[1]) {
            (VERSION, 1) => Purpose::Captions,
            (VERSION, 2) => Purpose::Join,
            (VERSION, 3) => Purpose::Rejoin,
            (VERSION, 4) => Purpose::Review,
            _ => return None,
        };
        let uuid = |from: usize| Uuid::from_slice(&bytes[from..from + 16]).ok();
        Some(Self {
            purpose,
            organisation: uuid(2)?,
            room: uuid(18)?,
            participant: uuid(34)?,
            expires_at: i64::from_be_bytes(bytes[50..58].try_into().ok()?),
        })
    }
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Cut, altered, or signed with another key.
    #[error("the link is damaged or was not made by this server")]
    Forged,
    /// Made for another room or another page.
    #[error("the link was made for another room or page")]
    Elsewhere,
    /// Past its time.
    #[error("the link has expired; ask whoever sent it for a new one")]
    Expired,
}

impl From<LinkError> for Problem {
    fn from(error: LinkError) -> Self {
        let kind = match error {
            LinkError::Expired => ProblemKind::LinkExpired,
            LinkError::Forged | LinkError::Elsewhere => ProblemKind::LinkInvalid,
        };
        Self::new(kind, error.to_string())
    }
}

/// Makes and checks tokens.
#[derive(Clone)]
pub struct Links {
    key: [u8; 32],
}

impl Links {
    /// Derives the key.
    pub fn new(api_key: &str, livekit_secret: &str) -> Self {
        let mut derive = keyed(api_key.as_bytes());
        derive.update(b"rapporteur links v1\0");
        derive.update(livekit_secret.as_bytes());
        Self {
            key: derive.finalize().into_bytes().into(),
        }
    }

    /// A token that says `claims`.
    pub fn sign(&self, claims: Claims) -> String {
        let bytes = claims.to_bytes();
        let mut mac = keyed(&self.key);
        mac.update(&bytes);
        let mut token = bytes.to_vec();
        token.extend_from_slice(&mac.finalize().into_bytes());
        URL_SAFE_NO_PAD.encode(token)
    }

    /// What a token says, if it is genuine, in time, and made for this room and one of these purposes.
    ///
    /// # Errors
    /// Says which of these it is not.
    pub fn verify(
        &self,
        token: &str,
        room: Uuid,
        purposes: &[Purpose],
        now: DateTime<Utc>,
    ) -> Result<Claims, LinkError> {
        if token.len() > TOKEN_CHARACTERS {
            return Err(LinkError::Forged);
        }
        let token = URL_SAFE_NO_PAD.decode(token).map_err(|_| LinkError::Forged)?;
        let (claims, signature) = token
            .split_first_chunk::<CLAIMS_BYTES>()
            .ok_or(LinkError::Forged)?;
        let mut mac = keyed(&self.key);
        mac.update(claims);
        // Compares in constant time, and only the full length.
        mac.verify_slice(signature).map_err(|_| LinkError::Forged)?;
        let claims = Claims::from_bytes(claims).ok_or(LinkError::Forged)?;
        if claims.room != room || !purposes.contains(&claims.purpose) {
            return Err(LinkError::Elsewhere);
        }
        if claims.expires_at <= now.timestamp() {
            return Err(LinkError::Expired);
        }
        Ok(claims)
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROOM: Uuid = Uuid::from_u128(2);

    fn links() -> Links {
        Links::new("api key", "livekit secret")
    }

    fn claims(purpose: Purpose) -> Claims {
        Claims {
            purpose,
            organisation: Uuid::from_u128(1),
            room: ROOM,
            participant: Uuid::from_u128(3),
            expires_at: 1_000,
        }
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn a_token_says_what_was_signed_until_it_expires() {
        for purpose in [Purpose::Captions, Purpose::Join, Purpose::Rejoin, Purpose::Review] {
            let token = links().sign(claims(purpose));
            assert_eq!(token.len(), TOKEN_CHARACTERS);
            assert_eq!(
                links().verify(&token, ROOM, &[purpose], at(999)),
                Ok(claims(purpose))
            );
            assert_eq!(
                links().verify(&token, ROOM, &[purpose], at(1_000)),
                Err(LinkError::Expired)
            );
        }
    }

    #[test]
    fn it_opens_no_other_room_and_no_other_page() {
        let token = links().sign(claims(Purpose::Captions));
        let elsewhere = Err(LinkError::Elsewhere);
        assert_eq!(
            links().verify(&token, Uuid::from_u128(9), &[Purpose::Captions], at(0)),
            elsewhere
        );
        assert_eq!(
            links().verify(&token, ROOM, &[Purpose::Join, Purpose::Rejoin], at(0)),
            elsewhere
        );
    }

    #[test]
    fn changing_either_secret_ends_every_link() {
        let token = links().sign(claims(Purpose::Join));
        for other in [
            Links::new("another", "livekit secret"),
            Links::new("api key", "another"),
        ] {
            assert_eq!(
                other.verify(&token, ROOM, &[Purpose::Join], at(0)),
                Err(LinkError::Forged)
            );
        }
    }

    proptest! {
        #[test]
        fn any_altered_bit_is_a_forgery(bit in 0..(CLAIMS_BYTES + MAC_BYTES) * 8) {
            let mut bytes = URL_SAFE_NO_PAD.decode(links().sign(claims(Purpose::Join))).unwrap();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let token = URL_SAFE_NO_PAD.encode(bytes);
            prop_assert_eq!(links().verify(&token, ROOM, &[Purpose::Join], at(0)), Err(LinkError::Forged));
        }

        #[test]
        fn no_text_is_more_than_a_forgery(token in "\\PC{0,200}") {
            prop_assert_eq!(links().verify(&token, ROOM, &[Purpose::Join], at(0)), Err(LinkError::Forged));
        }
    }
}
