//! Mosaics: which run, on which engine, for how many sessions; who may start one.

mod admission;
mod cache;
mod contract;
mod encoding;
mod engine;
mod identity;
mod registry;
mod render;
mod ticker;
mod trial;

pub use admission::{Admission, Budget, process_cpu_time};
pub use contract::{
    AdmitError, EngineChoice, EngineKind, GameKey, MosaicId, MosaicSpec, Mosaics, Placement, RenditionSpec,
};
pub use encoding::EncodingShared;
pub use engine::{Engine, Tick};
pub use identity::Signer;
pub use registry::{MosaicRegistry, RegistryError, RegistrySettings};
pub use render::{RenderEngine, RenderSettings};
pub use ticker::{Games, Ticker, TickerSettings};
pub use trial::{Trial, TrialError, trial_costs};
