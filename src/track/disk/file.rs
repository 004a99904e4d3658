//! A file of a track: a head, then a record a segment, appended and never changed. Numbers are big-endian.
//!
//! ```text
//! head:   "QDVR", length of the track's name (16 bits), the name, CRC-32 of all that (32)
//! record: "QSG1", segment (64), bytes of its blocks (32), CRC-32 of all that (32); of each block its length (32) and its bytes
//! ```
//!
//! The head is for people who look at the files. A record says itself what it is and of which version.
//!
//! A process that is killed leaves half a record at the end, and a disk that fails anything anywhere. So the head of a record has a sum of its own,
//! by which the next one is found, and blocks have theirs (`Block::to_bytes`), which is looked at when they are read: at start a file
//! is walked from head to head, whatever it holds.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use bytes::Bytes;

use crate::timeline::SegmentNumber;

const FILE_MAGIC: &[u8; 4] = b"QDVR";
const RECORD_MAGIC: &[u8; 4] = b"QSG1";

/// Bytes of a record's head.
const HEAD: usize = 20;

/// What a segment takes at most. More is none of ours: 64 MiB in two seconds are far beyond any encoder's rate.
const MOST_BYTES: u32 = 64 << 20;

/// Bytes that are looked through at once for the next record behind damage.
const LOOK: usize = 64 << 10;

/// A segment in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub segment: SegmentNumber,
    /// Where its blocks begin.
    pub offset: u64,
    pub bytes: u32,
}

impl Record {
    pub fn end(&self) -> u64 {
        self.offset + u64::from(self.bytes)
    }
}

/// What a file is found to hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Their segments ascend.
    pub records: Vec<Record>,
    /// What comes after this is no record.
    pub end: u64,
    /// Something between records is no record.
    pub is_damaged: bool,
}

/// What stands first in the file of a track.
pub(super) fn head_of(track: &str) -> Vec<u8> {
    let mut head = FILE_MAGIC.to_vec();
    // Names are bounded by those of games, far below this.
    head.extend_from_slice(&(track.len() as u16).to_be_bytes());
    head.extend_from_slice(track.as_bytes());
    sealed(head)
}

/// The bytes of a record; its blocks begin behind [`HEAD`]. `None` for what would not be read again.
pub(super) fn record_of(segment: SegmentNumber, blocks: &[Bytes]) -> Option<Vec<u8>> {
    let bytes: usize = blocks.iter().map(|block| 4 + block.len()).sum();
    let length = u32::try_from(bytes).ok().filter(|bytes| *bytes <= MOST_BYTES)?;
    let mut record = Vec::with_capacity(HEAD + bytes);
    record.extend_from_slice(RECORD_MAGIC);
    record.extend_from_slice(&segment.to_be_bytes());
    record.extend_from_slice(&length.to_be_bytes());
    let mut record = sealed(record);
    for block in blocks {
        record.extend_from_slice(&(block.len() as u32).to_be_bytes());
        record.extend_from_slice(block);
    }
    Some(record)
}

/// Where the blocks of a record begin that is written at `at`.
pub(super) const fn blocks_at(at: u64) -> u64 {
    at + HEAD as u64
}

/// The blocks of a record; `None` where their lengths do not add up.
pub(super) fn blocks_in(mut record: Bytes) -> Option<Vec<Bytes>> {
    let mut blocks = Vec::new();
    while !record.is_empty() {
        let length = u32::from_be_bytes(*record.first_chunk()?) as usize;
        if record.len() - 4 < length {
            return None;
        }
        let mut block = record.split_to(4 + length);
        blocks.push(block.split_off(4));
    }
    Some(blocks)
}

/// Walks through a file.
///
/// # Errors
/// Those of the disk.
pub(super) fn walk(file: &File) -> io::Result<Found> {
    let length = file.metadata()?.len();
    let mut found = Found::default();
    let mut at = match behind_head(file)? {
        Some(end) => end,
        None => {
            found.is_damaged = true;
            next_record(file, 0, length)?.unwrap_or(length)
        }
    };
    found.end = at.min(length);
    while at < length {
        match record_at(file, at)?.filter(|record| record.end() <= length) {
            Some(record) => {
                at = record.end();
                found.end = at;
                // What does not go on from what is there was never written by us: a file put together by hand.
                if found.records.last().is_none_or(|last| last.segment < record.segment) {
                    found.records.push(record);
                }
            }
            None => match next_record(file, at + 1, length)? {
                Some(next) => {
                    found.is_damaged = true;
                    at = next;
                }
                None => break,
            },
        }
    }
    if found.records.is_empty() {
        found.end = 0;
    }
    Ok(found)
}

/// Whether a file without a record is one that was only begun: nothing is in it, or what a head begins with.
pub(super) fn is_begun(file: &File) -> io::Result<bool> {
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX).min(FILE_MAGIC.len());
    let mut begin = [0; FILE_MAGIC.len()];
    Ok(read_all(file, &mut begin[..length], 0)? && FILE_MAGIC.starts_with(&begin[..length]))
}

/// Where the head ends, if it is one.
fn behind_head(file: &File) -> io::Result<Option<u64>> {
    let mut begin = [0; 6];
    if !read_all(file, &mut begin, 0)? || !begin.starts_with(FILE_MAGIC) {
        return Ok(None);
    }
    let [.., high, low] = begin;
    let mut rest = vec![0; usize::from(u16::from_be_bytes([high, low])) + 4];
    let is_there = read_all(file, &mut rest, begin.len() as u64)?;
    let all = [&begin[..], &rest].concat();
    Ok((is_there && is_sealed(&all)).then_some(all.len() as u64))
}

/// Whether there is as much.
fn read_all(file: &File, bytes: &mut [u8], at: u64) -> io::Result<bool> {
    match file.read_exact_at(bytes, at) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        other => other.map(|()| true),
    }
}

/// The record that begins at `at`, if one does.
fn record_at(file: &File, at: u64) -> io::Result<Option<Record>> {
    let mut head = [0; HEAD];
    Ok(if read_all(file, &mut head, at)? { parsed(&head, at) } else { None })
}

fn parsed(head: &[u8], at: u64) -> Option<Record> {
    let (magic, fields) = head.split_first_chunk::<4>()?;
    let (segment, fields) = fields.split_first_chunk::<8>()?;
    let bytes = u32::from_be_bytes(*fields.first_chunk()?);
    let is_ours = magic == RECORD_MAGIC && is_sealed(head) && bytes <= MOST_BYTES;
    is_ours.then(|| Record { segment: u64::from_be_bytes(*segment), offset: blocks_at(at), bytes })
}

/// Where the next record begins from `from` on.
fn next_record(file: &File, from: u64, length: u64) -> io::Result<Option<u64>> {
    let mut at = from;
    while at + (HEAD as u64) < length {
        let mut looked = vec![0; LOOK.min(usize::try_from(length - at).unwrap_or(LOOK))];
        file.read_exact_at(&mut looked, at)?;
        let is_record = |head: &&[u8]| parsed(head, 0).is_some();
        if let Some(found) = looked.windows(HEAD).position(|head| is_record(&head)) {
            return Ok(Some(at + found as u64));
        }
        // A head may lie across the end of what was looked at.
        at += (looked.len() - HEAD + 1) as u64;
    }
    Ok(None)
}

fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&sum.to_be_bytes());
    bytes
}

fn is_sealed(bytes: &[u8]) -> bool {
    bytes.split_last_chunk::<4>().is_some_and(|(body, sum)| crc32fast::hash(body) == u32::from_be_bytes(*sum))
}
