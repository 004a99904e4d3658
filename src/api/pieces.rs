//! Answers whose bytes lie in several pieces, which go out one after the other: none is copied to stand beside the others.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::mosaic::Packaged;

/// The body of an answer that is `file`. Its length is known beforehand.
pub(super) fn body(file: &Packaged) -> Body {
    match file.pieces() {
        [] => Body::empty(),
        [one] => Body::from(one.clone()),
        _ => Body::new(Pieces { file: file.clone(), sent: 0, left: file.len() as u64 }),
    }
}

struct Pieces {
    file: Packaged,
    /// Pieces that were handed over.
    sent: usize,
    /// Bytes that were not.
    left: u64,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(piece) = self.file.pieces().get(self.sent).cloned() else { return Poll::Ready(None) };
        self.sent += 1;
        self.left -= piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::HttpBody as _;
    use http_body_util::BodyExt as _;

    #[tokio::test]
    async fn pieces_go_out_as_they_lie_and_their_length_is_known() {
        let all = ["abc", "de", "fghi"].map(Bytes::from);
        for count in 0..=all.len() {
            let file = Packaged::of(all[..count].to_vec());
            let mut body = body(&file);
            let mut left = file.len() as u64;
            for piece in &all[..count] {
                assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(left), false));
                let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
                assert_eq!((frame.as_ptr(), frame.len()), (piece.as_ptr(), piece.len()), "it is not copied");
                left -= piece.len() as u64;
            }
            assert_eq!(body.size_hint().exact(), Some(0));
            assert!(body.is_end_stream() && body.frame().await.is_none());
        }
    }
}
