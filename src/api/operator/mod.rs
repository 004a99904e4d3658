//! `/v1/operator/…`: what holders of an operator key may see and change, all of it within their tenant.

pub mod assets;
pub mod audit;
pub mod breaks;
pub mod capacity;
pub mod clips;
pub mod games;
pub mod keys;
pub mod markets;
pub mod outputs;
pub mod sessions;
pub mod sources;
pub mod usage;
pub mod webhooks;
