//! Mosaics: which run, on which engine, for how many sessions; who may start one.

mod contract;

pub use contract::{
    AdmitError, EngineChoice, EngineKind, GameKey, MosaicId, MosaicSpec, Mosaics, Placement, RenditionSpec,
};
