//! What the integration tests share.

pub mod barcode;
pub mod decode;
pub mod hostile;
pub mod program;
pub mod receiver;
mod round_trip;
pub mod service;
pub mod tone;
