//! A stream that nobody holds for ever: it fails once nothing moves, or once what is written gets no further.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::progress::{Gone, Progress};

/// A stream that fails with `TimedOut` once no byte has moved either way for `idle` while nothing is asked, or once a write has waited for `write`
/// without getting further, whatever the other side sends meanwhile.
///
/// hyper's own timer starts with a request's head, after the protocol's version is known: without this, a client that
/// connects and says nothing, or never reads its answer, would hold its connection for ever.
pub(super) struct Patient<S> {
    stream: S,
    idle: Duration,
    write: Duration,
    idle_until: Pin<Box<Sleep>>,
    /// Counts while `is_stuck`.
    write_until: Pin<Box<Sleep>>,
    is_stuck: bool,
    progress: Arc<Progress>,
}

impl<S> Patient<S> {
    pub fn new(stream: S, idle: Duration, write: Duration, progress: Arc<Progress>) -> Self {
        let (idle_until, write_until) = (Box::pin(tokio::time::sleep(idle)), Box::pin(tokio::time::sleep(write)));
        Self { stream, idle, write, idle_until, write_until, is_stuck: false, progress }
    }

    fn moved(&mut self) {
        let deadline = Instant::now() + self.idle;
        self.idle_until.as_mut().reset(deadline);
    }

    fn waited(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        while self.idle_until.as_mut().poll(cx).is_ready() {
            if !self.progress.is_busy() {
                self.progress.note(Gone::Idle);
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            // A request is in work: a playlist that is waited for, say. It is us who say nothing.
            self.moved();
        }
        Poll::Pending
    }

    fn wrote(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if poll.is_ready() {
            self.is_stuck = false;
            self.moved();
            return poll;
        }
        if !std::mem::replace(&mut self.is_stuck, true) {
            let deadline = Instant::now() + self.write;
            self.write_until.as_mut().reset(deadline);
        }
        match self.write_until.as_mut().poll(cx) {
            Poll::Ready(()) => {
                self.progress.note(Gone::Reader);
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_read(cx, buf);
        if poll.is_pending() {
            return self.waited(cx).map(Err);
        }
        self.moved();
        poll
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(cx, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
