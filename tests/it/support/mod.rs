//! What the integration tests share.

pub mod barcode;
pub mod decode;
mod round_trip;
pub mod service;
pub mod tone;
