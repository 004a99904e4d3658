//! Names of games inside the service, and the opaque names of their pictures in URLs.

use std::sync::Arc;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::mosaic::GameKey;

/// A shared game's key is its id, a tenant's own game's is `tenant/id`; ids never hold a slash.
pub fn game_key(tenant: Option<&str>, id: &str) -> GameKey {
    match tenant {
        None => Arc::from(id),
        Some(tenant) => Arc::from(format!("{tenant}/{id}")),
    }
}

/// The path element under which a game's thumbnail is fetched: nobody can guess it.
pub fn thumbnail_element(secret: &[u8; 32], key: &GameKey) -> String {
    // HMAC takes keys of any length, so this cannot fail; an empty name would only be one that nothing is found under.
    Hmac::<Sha256>::new_from_slice(secret).map_or_else(
        |_| String::new(),
        |mut mac| {
            mac.update(b"thumbnail");
            mac.update(key.as_bytes());
            hex::encode(&mac.finalize().into_bytes()[..16])
        },
    )
}
