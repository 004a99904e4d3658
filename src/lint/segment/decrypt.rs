//! Segments that are encrypted as a whole with AES-128 (8216bis 4.4.4.4, 5.2).

use aes::Aes128;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt as _, KeyIvInit as _};

/// Undoes AES-128-CBC with PKCS #7 padding; `None` if the bytes do not fit.
pub fn decrypt(bytes: &[u8], key: &[u8; 16], iv: u128) -> Option<Vec<u8>> {
    let cipher = cbc::Decryptor::<Aes128>::new(key.into(), &iv.to_be_bytes().into());
    cipher.decrypt_padded_vec::<Pkcs7>(bytes).ok()
}
