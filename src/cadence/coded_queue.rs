//! Frames of coded sound that are handed on as they came, until each finds its place among the frames of the grid.

use std::collections::VecDeque;

use bytes::Bytes;

use super::SourceNanos;

/// Frames that wait at most, and their bytes.
const MOST: usize = 1024;
const MOST_BYTES: usize = 4 << 20;

/// A source's frames don't begin where the grid's do. The first one goes to the place nearest to it, half a frame away at most; those that follow it go
/// to the places that follow, until the source's clock has gone three quarters of a frame from ours: then one is left out, or a place stays empty.
#[derive(Clone, Debug, Default)]
pub struct CodedQueue {
    /// Ascending.
    waiting: VecDeque<(SourceNanos, Bytes)>,
    bytes: usize,
    /// The last place had a frame.
    in_step: bool,
}

impl CodedQueue {
    /// Another source, or another form.
    pub fn restart(&mut self) {
        *self = Self::default();
    }

    /// Adds a frame that begins at `at`. What is not earlier gives way: the source went back. Past the bounds the oldest go.
    pub fn push(&mut self, at: SourceNanos, data: Bytes) {
        while let Some((_, late)) = self.waiting.pop_back_if(|(last, _)| *last >= at) {
            self.bytes -= late.len();
        }
        self.bytes += data.len();
        self.waiting.push_back((at, data));
        while self.waiting.len() > MOST || self.bytes > MOST_BYTES {
            self.pop();
        }
    }

    fn pop(&mut self) -> Option<Bytes> {
        let (_, data) = self.waiting.pop_front()?;
        self.bytes -= data.len();
        Some(data)
    }

    /// The frame for the place that begins when `due` is due, `frame` ns long; places are asked for one after the other.
    pub fn take(&mut self, due: SourceNanos, frame: i64) -> Option<Bytes> {
        let limit = if self.in_step { frame * 3 / 4 } else { frame / 2 };
        while self.waiting.front().is_some_and(|(at, _)| *at < due - limit) {
            self.pop();
        }
        let fits = self.waiting.front().is_some_and(|(at, _)| *at <= due + limit);
        self.in_step = fits;
        if fits { self.pop() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FRAME: i64 = 32_000_000;

    /// What each place gets of a source whose frames begin `phase` after places and last `length` each: the number of the frame.
    fn places(phase: i64, length: i64, count: i64) -> Vec<Option<(i64, i64)>> {
        let mut queue = CodedQueue::default();
        let mut sent = 0i64;
        let place = |n: i64| {
            let due = n * FRAME;
            while sent * length + phase <= due + 2 * FRAME {
                queue.push(sent * length + phase, sent.to_be_bytes().to_vec().into());
                sent += 1;
            }
            let got = queue.take(due, FRAME)?;
            let number = i64::from_be_bytes(got[..].try_into().unwrap());
            Some((number, number * length + phase - due))
        };
        (0..count).map(place).collect()
    }

    proptest! {
        #[test]
        fn in_step_every_place_has_the_next_frame(phase in -FRAME / 2 + 1..FRAME / 2, jitter in 0i64..4) {
            let got = places(phase, FRAME + jitter - 2, 400);
            prop_assert!(got.iter().zip(0..).all(|(got, n)| got.is_some_and(|(number, _)| number == n)), "{:?}", got);
        }

        #[test]
        fn a_clock_that_drifts_costs_a_frame_or_an_empty_place_now_and_then(phase in -FRAME / 3..FRAME / 3, ppm in -2000i64..2000) {
            let length = FRAME + FRAME * ppm / 1_000_000;
            let got = places(phase, length, 4000);
            // So far goes the clock in that time, in frames.
            let off = 4000 * ppm.abs() / 1_000_000 + 2;
            let numbers: Vec<i64> = got.iter().flatten().map(|(number, _)| *number).collect();
            prop_assert!(got.iter().filter(|got| got.is_none()).count() as i64 <= off);
            prop_assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "none twice, none out of order");
            let left_out = numbers.windows(2).filter(|pair| pair[1] > pair[0] + 1).count() as i64;
            prop_assert!(left_out <= off);
            prop_assert!(got.iter().flatten().all(|(_, off)| off.abs() <= FRAME * 3 / 4), "lips and voice");
        }
    }

    #[test]
    fn a_source_that_goes_back_replaces_what_it_had_said_and_memory_is_bounded() {
        let mut queue = CodedQueue::default();
        for n in 0..5000 {
            queue.push(n * FRAME, vec![0; 3000].into());
        }
        assert!(queue.waiting.len() <= MOST && queue.bytes <= MOST_BYTES);
        queue.push(4500 * FRAME, Bytes::from_static(b"x"));
        assert_eq!(queue.waiting.back().unwrap().0, 4500 * FRAME);
        assert_eq!(queue.bytes, queue.waiting.iter().map(|(_, data)| data.len()).sum::<usize>());
        assert_eq!(queue.take(4500 * FRAME, FRAME), Some(Bytes::from_static(b"x")));
        assert_eq!(queue.take(4501 * FRAME, FRAME), None);
    }
}
