//! Names of GStreamer's that code under test mentions and does not call: nothing here is ever made.

pub enum CapsRef {}
pub enum StructureRef {}
pub enum Name {}
pub enum Fraction {}
pub mod glib {
    #[derive(Debug)]
    pub enum Error {}

    impl std::fmt::Display for Error {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            match *self {}
        }
    }

    impl std::error::Error for Error {}
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GetError {}

impl CapsRef {
    pub fn structure(&self, _: u32) -> Option<&StructureRef> {
        match *self {}
    }
}

impl StructureRef {
    pub fn name(&self) -> &Name {
        match *self {}
    }

    pub fn get<T>(&self, _: &str) -> Result<T, GetError> {
        match *self {}
    }
}

impl Name {
    pub fn as_str(&self) -> &'static str {
        match *self {}
    }
}

impl Fraction {
    pub fn numer(&self) -> i32 {
        match *self {}
    }

    pub fn denom(&self) -> i32 {
        match *self {}
    }
}
