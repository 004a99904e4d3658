//! A file on HTTP, read by the parent for its child: the child says from which byte, and is answered with bytes, one piece at a time.
//!
//! One question is under way at most, so neither side holds more than a piece. What the child says is bounded as all that it says is:
//! places are within the file, and a file that can only be read on is read on.

use std::io::{BufReader, ErrorKind};
use std::net::Shutdown;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use url::Url;

use super::message::{self, Lie};
use super::parent::Link;
use super::watched::Ended;
use crate::feed::error::SourceError;
use crate::feed::fetch::Fetcher;
use crate::feed::reading::{ByPlace, Reading};

/// Each jump is a request to the server, which is not the child's to be overrun: a file whose streams lie far apart takes a few a second.
const MOST_JUMPS: u32 = 400;
const JUMPS_WITHIN: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// The file, from its beginning, as it is now.
    Open,
    /// What begins at that byte.
    Read { at: u64 },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    Opened {
        length: Option<u64>,
        seekable: bool,
    },
    /// They follow.
    Bytes,
    End,
    /// It cannot be had.
    Failed(SourceError),
}

/// The child's end of it.
pub(in crate::feed) struct Asked {
    line: UnixStream,
    buffer: Vec<u8>,
    at: u64,
    length: Option<u64>,
    seekable: bool,
}

impl Asked {
    /// Asks anew for what whoever holds the other end of `line` reads.
    ///
    /// # Errors
    /// It cannot be had.
    pub fn open(line: &OwnedFd) -> Result<Self, SourceError> {
        let line = line.as_fd().try_clone_to_owned().map_err(|_| over())?;
        let mut this = Self { line: line.into(), buffer: Vec::new(), at: 0, length: None, seekable: false };
        match this.ask(Ask::Open)?.0 {
            Answer::Opened { length, seekable } => (this.length, this.seekable) = (length, seekable),
            Answer::Failed(error) => return Err(error),
            Answer::Bytes | Answer::End => return Err(over()),
        }
        Ok(this)
    }

    fn ask(&mut self, ask: Ask) -> Result<(Answer, Bytes), SourceError> {
        message::send(&mut &self.line, &ask, &[]).map_err(|_| over())?;
        message::receive(&mut &self.line, &mut self.buffer).ok().flatten().ok_or_else(over)?;
        let (answer, bytes) = message::parse(&self.buffer).map_err(|_| over())?;
        Ok((answer, Bytes::copy_from_slice(bytes)))
    }
}

/// The other end is gone: so is the run.
fn over() -> SourceError {
    SourceError::Pipeline("nothing is read for the process that decodes it".into())
}

impl ByPlace for Asked {
    fn length(&self) -> Option<u64> {
        self.length
    }

    fn is_seekable(&self) -> bool {
        self.seekable
    }

    fn at(&self) -> u64 {
        self.at
    }

    fn seek(&mut self, at: u64) {
        self.at = at;
    }

    fn next(&mut self) -> Result<Option<Bytes>, SourceError> {
        match self.ask(Ask::Read { at: self.at })? {
            (Answer::Bytes, bytes) => {
                self.at += bytes.len() as u64;
                Ok(Some(bytes))
            }
            (Answer::End, _) => Ok(None),
            (Answer::Failed(error), _) => Err(error),
            (Answer::Opened { .. }, _) => Err(over()),
        }
    }
}

/// The parent's end of it.
pub struct Answering {
    pub line: UnixStream,
    pub url: Url,
    pub fetcher: Arc<Fetcher>,
    pub link: Arc<Link>,
}

impl Answering {
    /// Answers until the child or the run is gone, or the child asks for what cannot be.
    pub fn work(self) {
        let (mut from, mut buffer) = (BufReader::new(&self.line), Vec::new());
        let (mut reading, mut jumps) = (None, Jumps::default());
        loop {
            match message::receive(&mut from, &mut buffer) {
                Ok(Some(())) => {}
                Err(error) if error.kind() == ErrorKind::InvalidData => {
                    return self.refuse(&Lie::Length(message::MOST_BYTES + 1));
                }
                Ok(None) | Err(_) => return,
            }
            let ask = match message::parse(&buffer) {
                Ok((ask, [])) => ask,
                Ok(_) | Err(_) => return self.refuse(&Lie::Malformed),
            };
            let answer = match self.answer(ask, &mut reading, &mut jumps) {
                Ok(answer) => answer,
                Err(lie) => return self.refuse(&lie),
            };
            let (answer, bytes) = answer.unwrap_or_else(|error| {
                // Our word comes before the child's, which may say what it likes of why it has nothing.
                self.link.fail(Ended::Source, error.clone());
                (Answer::Failed(error), Bytes::new())
            });
            if message::send(&mut &self.line, &answer, &bytes).is_err() {
                return;
            }
        }
    }

    /// What there is to say; inside, why it cannot be had.
    fn answer(
        &self,
        ask: Ask,
        reading: &mut Option<Reading>,
        jumps: &mut Jumps,
    ) -> Result<Result<(Answer, Bytes), SourceError>, Lie> {
        Ok(match (ask, reading) {
            (Ask::Open, reading) => {
                jumps.count()?;
                Reading::open(Arc::clone(&self.fetcher), &self.url).map(|opened| {
                    let (length, seekable) = (opened.length(), opened.is_seekable());
                    *reading = Some(opened);
                    (Answer::Opened { length, seekable }, Bytes::new())
                })
            }
            (Ask::Read { at }, Some(reading)) => {
                if at != reading.at() {
                    jumps.count()?;
                    if !reading.is_seekable() || reading.length().is_some_and(|length| at > length) {
                        return Err(Lie::Value("a place in its file"));
                    }
                    reading.seek(at);
                }
                reading.next().map(|bytes| bytes.map_or((Answer::End, Bytes::new()), |bytes| (Answer::Bytes, bytes)))
            }
            (Ask::Read { .. }, None) => return Err(Lie::Value("a place in its file")),
        })
    }

    fn refuse(&self, lie: &Lie) {
        self.link.lied(lie);
        let _ = self.line.shutdown(Shutdown::Both);
    }
}

/// Jumps of the last seconds.
#[derive(Default)]
struct Jumps {
    since: Option<Instant>,
    count: u32,
}

impl Jumps {
    fn count(&mut self) -> Result<(), Lie> {
        if self.since.is_none_or(|since| since.elapsed() >= JUMPS_WITHIN) {
            *self = Self { since: Some(Instant::now()), count: 0 };
        }
        self.count += 1;
        if self.count > MOST_JUMPS { Err(Lie::Flood("places in its file")) } else { Ok(()) }
    }
}
