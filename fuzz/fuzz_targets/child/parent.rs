//! The link, without a pipe back: what is said is written down, and what is heard lets time go by.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Condvar, Mutex};

use super::doors::Desk;
use super::message::{self, Down, Lie};
use super::watched::Ended;
use crate::feed::error::SourceError;

pub struct Link {
    over: AtomicBool,
    pub failed: Mutex<Vec<(Ended, SourceError)>>,
    pub lied: Mutex<Option<String>>,
    /// Done with each message that comes.
    pub heard: Box<dyn Fn() + Send + Sync>,
    pub desk: Mutex<Desk>,
    pub changed: Condvar,
}

impl Link {
    pub fn new(heard: Box<dyn Fn() + Send + Sync>) -> Self {
        let (failed, lied) = (Mutex::default(), Mutex::default());
        Self { over: AtomicBool::new(false), failed, lied, heard, desk: Mutex::default(), changed: Condvar::new() }
    }

    pub fn say(&self, message: &Down) -> bool {
        self.say_with(message, &[])
    }

    pub fn say_with(&self, message: &Down, tail: &[u8]) -> bool {
        message::send(&mut Vec::new(), message, tail).unwrap();
        !self.is_over()
    }

    pub fn fail(&self, why: Ended, error: SourceError) {
        self.failed.lock().push((why, error));
    }

    pub fn lied(&self, lie: &Lie) {
        *self.lied.lock() = Some(lie.to_string());
    }

    pub fn handed_over(&self, _: u64) {}

    pub fn hear(&self) {
        (self.heard)();
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    pub fn end(&self) {
        self.over.store(true, Ordering::Release);
    }
}
