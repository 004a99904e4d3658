//! Both engines behind the registry, without pixels.

mod failures;
mod losses;
mod room;
mod ticking;
