//! Both engines behind the registry, without pixels.

mod bridges;
mod failures;
mod losses;
mod pace;
mod room;
mod tenants;
mod ticking;
