//! AES-128-CBC with PKCS #7 padding, as segments are encrypted (RFC 8216, 4.3.2.4).

use aes::Aes128;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt as _, KeyIvInit as _};

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecryptError {
    #[error("the key has {0} bytes instead of 16")]
    Key(usize),
    #[error("the segment does not fit its key")]
    Unfit,
}

/// The initialisation vector of a segment whose key names none: its media sequence number.
pub fn iv_of(sequence: u64) -> [u8; 16] {
    u128::from(sequence).to_be_bytes()
}

/// In place: a segment is held once.
///
/// # Errors
/// Then the bytes are of no use.
pub fn decrypt(bytes: &mut Vec<u8>, key: &[u8], iv: [u8; 16]) -> Result<(), DecryptError> {
    let key: &[u8; 16] = key.try_into().map_err(|_| DecryptError::Key(key.len()))?;
    let cipher = cbc::Decryptor::<Aes128>::new(key.into(), &iv.into());
    let length = cipher.decrypt_padded::<Pkcs7>(bytes).map_err(|_| DecryptError::Unfit)?.len();
    bytes.truncate(length);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_openssl_encrypts_comes_out_as_it_was() {
        // printf 'one segment of a game' | openssl enc -aes-128-cbc -K 000102…0f -iv 0000…07
        let key: Vec<u8> = (0..16).collect();
        let cipher = hex::decode(OPENSSL).unwrap();
        let clear = |cipher: &[u8], key: &[u8]| {
            let mut bytes = cipher.to_vec();
            decrypt(&mut bytes, key, iv_of(7)).map(|()| bytes)
        };
        assert_eq!(clear(&cipher, &key).unwrap(), b"one segment of a game");
        assert_eq!(clear(&cipher, &key[..15]), Err(DecryptError::Key(15)));
        assert_eq!(clear(&cipher[..20], &key), Err(DecryptError::Unfit));
    }

    const OPENSSL: &str = "b58ceb8b30ae2be540e40bf1b7992e68993b9192b31de1bfefcdf6becf7fcc1d";
}
