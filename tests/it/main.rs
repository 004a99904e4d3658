//! The integration tests: one binary, one file per area.

mod house;
