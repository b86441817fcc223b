//! A compressed body, unpacked as it arrives.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use flate2::{Decompress, FlushDecompress, Status};
use futures_core::Stream;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use unattended_core::{HttpError, HttpErrorKind};

/// What comes out at once, at most.
const PIECE: usize = 64 << 10;
/// How many bytes may come out for each that went in. Text gives 3 to 20; a body that was made to fill the memory gives a
/// thousand. How many there may be in all is for who reads them to say.
const MOST_FOR_EACH: u64 = 200;

/// Whether the body is gzip and nothing else. If so, the headers that speak of the packed form are taken away.
pub(crate) fn unwrap(headers: &mut HeaderMap) -> bool {
    let is_gzip = headers.get(CONTENT_ENCODING).is_some_and(|encoding| {
        encoding.as_bytes().eq_ignore_ascii_case(b"gzip")
            || encoding.as_bytes().eq_ignore_ascii_case(b"x-gzip")
    });
    if is_gzip {
        headers.remove(CONTENT_ENCODING);
        headers.remove(CONTENT_LENGTH);
    }
    is_gzip
}

/// The bytes of a gzip body (RFC 1952), one member or several.
pub(crate) struct Gunzip<S> {
    packed: S,
    input: Bytes,
    inflate: Decompress,
    state: State,
    taken: u64,
    given: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Nothing is open: a member may begin, or the body end.
    Between,
    Inside,
    /// The body has ended, or failed.
    Over,
}

impl<S: Stream<Item = Result<Bytes, HttpError>> + Unpin> Gunzip<S> {
    pub(crate) fn new(packed: S) -> Self {
        Self { packed, input: Bytes::new(), inflate: inflate(), state: State::Between, taken: 0, given: 0 }
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, HttpError>> {
        loop {
            if self.input.is_empty() {
                match ready!(Pin::new(&mut self.packed).poll_next(context)).transpose()? {
                    Some(input) => self.input = input,
                    None if self.state == State::Inside => {
                        return Poll::Ready(Err(broken("the compressed body ends in the middle")));
                    }
                    None => return Poll::Ready(Ok(None)),
                }
                continue;
            }
            let piece = self.inflate_some()?;
            if !piece.is_empty() {
                return Poll::Ready(Ok(Some(piece)));
            }
        }
    }

    fn inflate_some(&mut self) -> Result<Bytes, HttpError> {
        if self.state == State::Between {
            self.state = State::Inside;
            self.inflate = inflate();
        }
        // Text unpacks to eight times its length or so: a short input gets no long piece.
        let mut piece = Vec::with_capacity(self.input.len().saturating_mul(8).clamp(1 << 10, PIECE));
        let before = self.inflate.total_in();
        let status = self.inflate.decompress_vec(&self.input, &mut piece, FlushDecompress::None);
        let status = status.map_err(broken)?;
        let taken = self.inflate.total_in() - before;
        if status == Status::StreamEnd {
            self.state = State::Between;
        } else if taken == 0 && piece.is_empty() {
            return Err(broken("the compressed body makes no sense"));
        }
        // No more than there was.
        self.input.advance(taken as usize);
        self.taken += taken;
        self.given += piece.len() as u64;
        if self.given > self.taken.saturating_mul(MOST_FOR_EACH).max(PIECE as u64) {
            let reason = format!("the body unpacks to more than {MOST_FOR_EACH} times its length");
            return Err(HttpError::new(HttpErrorKind::TooLong, reason));
        }
        Ok(piece.into())
    }
}

impl<S: Stream<Item = Result<Bytes, HttpError>> + Unpin> Stream for Gunzip<S> {
    type Item = Result<Bytes, HttpError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.state == State::Over {
            return Poll::Ready(None);
        }
        let piece = ready!(this.poll_piece(context)).transpose();
        if !matches!(piece, Some(Ok(_))) {
            this.state = State::Over;
        }
        Poll::Ready(piece)
    }
}

fn inflate() -> Decompress {
    Decompress::new_gzip(15)
}

fn broken(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> HttpError {
    HttpError::new(HttpErrorKind::Interrupted, cause)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use futures_util::{StreamExt as _, TryStreamExt as _, stream};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpack(packed: &[u8], pieces: usize) -> (usize, Result<Vec<u8>, HttpError>) {
        let chunks: Vec<_> = packed.chunks(pieces).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let body = Gunzip::new(stream::iter(chunks));
        let all = futures_util::FutureExt::now_or_never(body.collect::<Vec<_>>()).unwrap();
        let longest = all.iter().flatten().map(Bytes::len).max().unwrap_or_default();
        let whole = all.into_iter().collect::<Result<Vec<_>, _>>().map(|pieces| pieces.concat());
        (longest, whole)
    }

    // CP-1
    #[test]
    fn a_body_is_the_same_however_it_is_cut_and_however_many_members_it_has() {
        let text: Vec<u8> = (0..20_000_u32)
            .flat_map(|n| format!("{}\n", n.wrapping_mul(2_654_435_761)).into_bytes())
            .collect();
        for pieces in [1, 7, 1_000, usize::MAX] {
            let (longest, whole) = unpack(&gzip(&text), pieces);
            assert!(whole.unwrap() == text && longest <= PIECE, "{pieces}");
        }
        let two = [gzip(b"first, "), gzip(b"second")].concat();
        assert_eq!(unpack(&two, 5).1.unwrap(), b"first, second");
        assert!(unpack(b"", 1).1.unwrap().is_empty(), "the answer to a HEAD");
        assert!(unpack(&gzip(b""), 1).1.unwrap().is_empty());
    }

    // CP-1: a zip bomb costs no memory.
    #[test]
    fn what_unpacks_to_far_more_than_it_is_long_is_refused_early() {
        let bomb = gzip(&vec![0; 64 << 20]);
        let chunks = stream::iter(
            bomb.chunks(4_096).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect::<Vec<_>>(),
        );
        let mut given = 0;
        let read = Gunzip::new(chunks).try_for_each(|piece| {
            given += piece.len();
            std::future::ready(Ok(()))
        });
        let error = futures_util::FutureExt::now_or_never(read).unwrap().unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::TooLong);
        assert!(given <= 200 * 4_096, "{given}");
        // Short ones may be as regular as they like.
        assert_eq!(unpack(&gzip(&[b' '; 60_000]), 100).1.unwrap().len(), 60_000);
    }

    #[test]
    fn a_body_that_is_cut_or_no_gzip_at_all_is_no_body() {
        let packed = gzip(b"four more words here");
        for broken in
            [&packed[..1], &packed[..packed.len() - 1], b"plain text", &[packed.as_slice(), b"!"].concat()]
        {
            assert_eq!(unpack(broken, 3).1.unwrap_err().kind(), HttpErrorKind::Interrupted);
        }
        let mut wrong_sum = packed.clone();
        let sum = packed.len() - 8;
        wrong_sum[sum] ^= 1;
        assert_eq!(unpack(&wrong_sum, 100).1.unwrap_err().kind(), HttpErrorKind::Interrupted);
    }
}
