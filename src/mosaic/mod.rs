//! Mosaics: which run, on which engine, for how many sessions; who may start one.

mod admission;
mod cache;
mod choosing;
mod contract;
mod decoding;
mod engine;
mod entries;
mod images;
mod known;
mod names;
mod opening;
mod overload;
mod pace;
mod rates;
mod refusals;
mod registry;
mod render;
mod shares;
mod spec;
mod standstill;
mod stitch;
mod sweep;
mod tenants;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod ticker;
mod tiles_of;
mod trial;

pub use crate::package::Packaged;
pub use crate::work::process_cpu_time;
pub use admission::{Admission, Budget};
pub use contract::{AdmitError, Mosaics, Placement, Rate};
pub use decoding::Decoders;
pub use engine::{Coded, Common, Engine, Tick, gather_segment, package_segment};
pub use images::{Image, SPRITE_COLUMNS, SPRITE_ROWS, SPRITE_SEGMENTS, image_size};
pub use names::{Named, Names};
pub use opening::{of_h264, open_ladder};
pub use overload::Pressure;
pub use registry::{MosaicRegistry, RegistryError, RegistrySettings};
pub use render::{RenderEngine, RenderSettings};
pub use shares::{Beyond, Kept, KeptBy, Shares, Standing, Taker, Takers};
pub use spec::{EngineChoice, EngineKind, GameKey, MosaicId, MosaicSpec};
pub use stitch::{
    Proof, Reel, ReelError, ReelMaker, ReelWriter, SelfTestError, StillReel, StitchEngine, StitchSettings,
    StitchUnsafe, TilePicture, prove, self_test, slowest_tile_preset,
};
pub use ticker::{GamePictures, Games, Ticker, TickerSettings};
pub use trial::{Trial, TrialError, trial_costs};
