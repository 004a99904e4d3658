//! The integration tests: one binary, one file per area.

// Helpers of tests are tests too: what they cannot have ends the test, with the line.
#![allow(clippy::unwrap_used)]

mod house;
