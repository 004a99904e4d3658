//! What a connection is about: requests in work, and answers on their way, each with when it last got further.
//!
//! HTTP/2 has its own windows: a client that never opens them, and answers pings meanwhile, looks alive to whoever counts bytes. So what is looked at is
//! whether the body of an answer is asked for more.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::Instant;

/// An answer goes out in pieces of so many bytes at most: who takes less of it than that in the patience for writes takes nothing, as far as we know. Over
/// 30 s it is 35 kb/s, less than any rendition has.
const PIECE: usize = 128 * 1024;

/// Why a connection was ended by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// No whole head came in time.
    Head,
    /// Nothing was asked any more.
    Idle,
    /// What was asked for was not read.
    Reader,
    /// TLS was not agreed on.
    Handshake,
}

impl Gone {
    /// As the metric has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Idle => "idle",
            Self::Reader => "reader",
            Self::Handshake => "handshake",
        }
    }
}

/// One connection's.
pub(super) struct Progress {
    state: Mutex<State>,
}

struct State {
    /// Requests whose answers are not wholly handed over.
    in_work: usize,
    /// How many there were.
    asked: u64,
    quiet_since: Instant,
    /// Answers on their way: since when each waits for its reader, if it does.
    answers: Vec<(u64, Option<Instant>)>,
    gone: Option<Gone>,
}

impl Progress {
    pub fn new() -> Arc<Self> {
        let state = State { in_work: 0, asked: 0, quiet_since: Instant::now(), answers: Vec::new(), gone: None };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// A request begins.
    pub fn begin(self: &Arc<Self>) -> InWork {
        let mut state = self.state.lock();
        state.in_work += 1;
        state.asked += 1;
        InWork { number: state.asked, progress: self.clone() }
    }

    pub fn is_busy(&self) -> bool {
        self.state.lock().in_work > 0
    }

    /// The first reason stays.
    pub fn note(&self, gone: Gone) {
        self.state.lock().gone.get_or_insert(gone);
    }

    pub fn gone(&self) -> Option<Gone> {
        self.state.lock().gone
    }

    /// Why a head that did not come ended it.
    pub fn without_head(&self) -> Gone {
        if self.state.lock().asked == 0 { Gone::Head } else { Gone::Idle }
    }

    /// Whether it is over at `now`: an answer waited for its reader for `write`, or nothing was asked for `idle`.
    pub fn verdict(&self, now: Instant, idle: Duration, write: Duration) -> Option<Gone> {
        let state = self.state.lock();
        let waits = |since: &Instant| now.duration_since(*since) >= write;
        if state.answers.iter().filter_map(|(_, since)| since.as_ref()).any(waits) {
            return Some(Gone::Reader);
        }
        (state.in_work == 0 && now.duration_since(state.quiet_since) >= idle).then_some(Gone::Idle)
    }
}

/// A request, from its head to the end of its answer.
pub(super) struct InWork {
    number: u64,
    progress: Arc<Progress>,
}

impl InWork {
    /// The body of its answer.
    pub fn answered<B>(self, body: B) -> Answer<B> {
        self.progress.state.lock().answers.push((self.number, Some(Instant::now())));
        Answer { body, rest: Bytes::new(), of: self }
    }

    fn waits(&self, since: Option<Instant>) {
        let mut state = self.progress.state.lock();
        if let Some(answer) = state.answers.iter_mut().find(|(number, _)| *number == self.number) {
            answer.1 = since;
        }
    }
}

impl Drop for InWork {
    fn drop(&mut self) {
        let mut state = self.progress.state.lock();
        state.in_work -= 1;
        state.quiet_since = Instant::now();
        state.answers.retain(|(number, _)| *number != self.number);
    }
}

/// A body that goes out in pieces, each of which is noted.
pub(super) struct Answer<B> {
    body: B,
    /// What is left of the last frame.
    rest: Bytes,
    of: InWork,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Answer<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        if this.rest.is_empty() {
            let poll = Pin::new(&mut this.body).poll_frame(cx);
            // Where there is nothing yet, it is us who are waited for.
            this.of.waits(poll.is_ready().then(Instant::now));
            match poll {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                other => return other,
            }
        } else {
            this.of.waits(Some(Instant::now()));
        }
        let piece = this.rest.split_to(PIECE.min(this.rest.len()));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + rest);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt, Full};

    const PATIENCE: Duration = Duration::from_secs(30);

    /// A body that is still being made.
    struct NotYet;

    impl Body for NotYet {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            Poll::Pending
        }
    }

    /// What is said of it when so many seconds more have gone by.
    fn in_s(progress: &Progress, seconds: u64) -> Option<Gone> {
        progress.verdict(Instant::now() + Duration::from_secs(seconds), 2 * PATIENCE, PATIENCE)
    }

    #[tokio::test]
    async fn an_answer_that_nobody_reads_is_told_from_one_that_is_read() {
        let progress = Progress::new();
        let whole = Bytes::from(vec![7; 3 * PIECE + 1]);
        let mut read = progress.begin().answered(Full::new(whole.clone()));
        assert_eq!(read.size_hint().exact(), Some(whole.len() as u64));
        let mut got = Vec::new();
        for left in [2 * PIECE + 1, PIECE + 1, 1, 0] {
            let before = read.of.progress.state.lock().answers[0].1;
            got.extend_from_slice(&read.frame().await.unwrap().unwrap().into_data().unwrap());
            assert_eq!(read.size_hint().exact(), Some(left as u64));
            assert!(progress.state.lock().answers[0].1 > before, "each piece counts anew");
        }
        assert!(got == whole && read.is_end_stream());
        drop(read);
        let unread = progress.begin().answered(Full::new(whole));
        assert_eq!((in_s(&progress, 20), in_s(&progress, 31)), (None, Some(Gone::Reader)));
        drop(unread);
        assert_eq!(in_s(&progress, 31), None);
    }

    #[tokio::test]
    async fn what_takes_us_long_is_no_fault_of_who_waits() {
        let progress = Progress::new();
        let asked = progress.begin();
        assert!(progress.is_busy());
        assert_eq!(in_s(&progress, 1000), None, "an answer that is not there yet");
        let mut answer = asked.answered(NotYet);
        let polled = std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut answer).poll_frame(cx).is_pending())).await;
        assert!(polled);
        assert_eq!(in_s(&progress, 1000), None, "one whose next piece is not there yet");
        drop(answer);
        assert_eq!((in_s(&progress, 50), in_s(&progress, 61)), (None, Some(Gone::Idle)), "nothing is asked any more");
    }
}
