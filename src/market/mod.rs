//! Markets: a tenant's named rules for the sessions that are made in them, tiers, which say how much of the quality a session may have, and rights of games. No
//! pictures and no HTTP: who asks is told what may be, and holds to it.

mod board;
mod breaks;
mod region;
mod rights;
mod rules;
mod tier;

pub use board::{MarketError, MarketOrigin, Markets, RegisteredMarket};
pub use breaks::{DecidedFor, MarketBreakPolicy, MarketBreaks, WordError};
pub use region::is_region;
pub use rights::{GameRights, MAX_RIGHTS_NAMES, Restriction, Viewer};
pub use rules::{KeyTerms, Market, speaks};
pub use tier::{Feature, FeatureError, Tier};
