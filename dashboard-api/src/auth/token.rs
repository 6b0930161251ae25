//! Tokens: 32 random bytes as text. The store has their SHA-256 and nothing that they could be made from.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::WallTime;
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};
use store::{Store, TokenRow};

use crate::auth::Role;
use crate::error::Error;

/// What every token begins with, so that scanners of repositories and logs can find one that leaked.
const PREFIX: &str = "bw_";
const SECRET_BYTES: usize = 32;
/// Base64 of the bytes, without padding.
const SECRET_LETTERS: usize = 43;
/// The name of the first token.
const FIRST: &str = "admin";

/// A new token. It is told once and never kept.
pub(crate) fn generate() -> Result<String, Error> {
    let mut secret = [0; SECRET_BYTES];
    OsRng.try_fill_bytes(&mut secret).map_err(Error::Random)?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret)))
}

/// What is kept of a token: its SHA-256 in hexadecimal. A slow hash would add nothing to 256 random bits.
pub(crate) fn digest(token: &str) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(token.as_bytes()) {
        for half in [byte >> 4, byte & 0xf] {
            text.push(char::from_digit(u32::from(half), 16).unwrap_or('0'));
        }
    }
    text
}

/// Whether a text has the form of a token; others needn't be looked up.
pub(crate) fn is_token(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|secret| {
        secret.len() == SECRET_LETTERS
            && secret.bytes().all(|letter| letter.is_ascii_alphanumeric() || b"-_".contains(&letter))
    })
}

/// An identifier for a row: 16 random bytes in hexadecimal.
pub(crate) fn identifier() -> Result<String, Error> {
    let mut bytes = [0_u8; 16];
    OsRng.try_fill_bytes(&mut bytes).map_err(Error::Random)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// The admin's token, the first time that a store is served; None when there is, or was, a token.
///
/// Two processes that start at the same time make one: the look and the write are one transaction.
pub async fn first_token(store: &Store) -> Result<Option<String>, Error> {
    let mut transaction = store.begin().await?;
    if !transaction.tokens().await?.is_empty() {
        transaction.rollback().await?;
        return Ok(None);
    }
    let token = generate()?;
    let row = TokenRow {
        name: FIRST.to_owned(),
        role: Role::Admin.name().to_owned(),
        sha256: digest(&token),
        created: WallTime::now(),
        created_by: String::new(),
        revoked: None,
    };
    transaction.insert_token(&row).await?;
    transaction.commit().await?;
    Ok(Some(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e2_tokens_have_one_form_and_no_two_are_alike() {
        let tokens = [generate().unwrap(), generate().unwrap()];
        assert_ne!(tokens[0], tokens[1]);
        for token in &tokens {
            assert!(is_token(token) && token.len() == 46, "{}", token.len());
            assert!(!is_token(&token[1..]) && !is_token(&format!("{token}A")) && !is_token(&token[..45]));
        }
        assert!(!is_token("bw_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' --"));
    }

    #[test]
    fn e2_what_is_kept_is_the_sha_256() {
        // `printf abc | sha256sum`
        assert_eq!(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[tokio::test]
    async fn e2_the_first_token_is_made_once_and_only_its_hash_is_kept() {
        let store = Store::in_memory().await.unwrap();
        let token = first_token(&store).await.unwrap().unwrap();
        let row = store.token_by_sha256(&digest(&token)).await.unwrap().unwrap();
        assert_eq!((row.name.as_str(), row.role.as_str()), ("admin", "admin"));
        assert_eq!((row.sha256.len(), row.sha256.contains(&token)), (64, false));
        assert_eq!(first_token(&store).await.unwrap(), None);
        // Nor again when it was revoked: that would hand the house to whoever restarts it.
        let mut transaction = store.begin().await.unwrap();
        assert!(transaction.revoke_token("admin", WallTime::now()).await.unwrap());
        transaction.commit().await.unwrap();
        assert_eq!(first_token(&store).await.unwrap(), None);
    }
}
