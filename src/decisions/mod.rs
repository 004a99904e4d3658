//! What is shown in a break is decided elsewhere: an advertisement server is asked ahead of time, in VAST 4, and told what was served. What is late, broken or too
//! large is no decision, and whoever asked goes on without one.
//!
//! Everything that comes from such a server is somebody else's: addresses are fetched by the feeds' client, within the tenant's rules, and whatever is read has
//! a bound. Nothing here waits for a server but the threads that ask it.

mod ahead;
mod beacons;
mod choice;
mod client;
#[cfg(test)]
mod hostile_tests;
mod macros;
#[cfg(test)]
mod testing;
mod vast;

pub use ahead::{Ahead, Taken};
pub use beacons::{Beacons, Offered, Stepped};
pub use choice::Wanted;
pub use client::{Ask, Bounds, ChosenAd, Client, CreativeError, Decision, NoDecision};
pub use macros::Values;
#[cfg(test)]
pub use vast::Tracking;
pub use vast::{Event, MediaFile, VastError};
