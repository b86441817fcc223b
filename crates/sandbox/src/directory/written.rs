//! A body in two parts, the larger of which many answers share: it is not copied for any of them.

use std::convert::Infallible;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// JSON that is text already.
#[derive(Clone, Debug)]
pub(super) struct Written([Bytes; 2]);

impl Written {
    /// One text behind the other.
    pub(super) fn new(head: Bytes, rest: Bytes) -> Self {
        Self([head, rest])
    }

    /// All of it.
    pub(super) fn whole(&self) -> Vec<u8> {
        self.0.concat()
    }
}

impl Body for Written {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let part = self.0.iter_mut().find(|part| !part.is_empty());
        Poll::Ready(part.map(|part| Ok(Frame::data(mem::take(part)))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.iter().all(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        let left: usize = self.0.iter().map(Bytes::len).sum();
        SizeHint::with_exact(left as u64)
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    #[tokio::test]
    async fn what_is_sent_is_one_part_behind_the_other_and_its_length_is_known_at_any_time() {
        for [head, rest] in [["ab", "cde"], ["", "cde"], ["ab", ""], ["", ""]] {
            let mut written = Written::new(head.into(), rest.into());
            let whole = [head, rest].concat();
            assert_eq!(written.whole(), whole.as_bytes());
            assert_eq!(to_bytes(axum::body::Body::new(written.clone()), 5).await.unwrap(), whole);
            let mut left = whole.len();
            while !written.is_end_stream() {
                assert_eq!(written.size_hint().exact(), Some(left as u64));
                let frame = std::future::poll_fn(|context| Pin::new(&mut written).poll_frame(context)).await;
                left -= frame.unwrap().unwrap().into_data().unwrap().len();
            }
            assert_eq!(left, 0);
        }
    }
}
