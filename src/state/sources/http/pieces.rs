//! A body that arrives in pieces, as something that can be read on a thread of its own.

use std::io::{self, Read};
use std::time::Duration;

use aws_lc_rs::digest::{Context, Digest, SHA256};
use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc::Receiver;

/// After so much, in bytes, there is a pause. Reading it takes about a millisecond.
const STRIDE: usize = 64 << 10;
/// As long as reading is, so the thread takes half of one processor at the most. That it steps back (see [`crate::state::aside`]) is of no
/// avail where processor time is metered, as in a container with a quota: there it would use up what requests need. 100 MiB take 1.6 s
/// more by this.
const PAUSE: Duration = Duration::from_millis(1);

/// What the body was, beside what was read from it.
pub(super) struct Seen {
    pub digest: Digest,
    /// Whether it began as a web page does.
    pub page: bool,
}

/// Reads the pieces that somebody sends.
pub(super) struct Pieces {
    pieces: Receiver<Bytes>,
    piece: Bytes,
    since_pause: usize,
    digest: Context,
    page: Option<bool>,
}

impl Pieces {
    pub(super) fn new(pieces: Receiver<Bytes>) -> Self {
        Self { pieces, piece: Bytes::new(), since_pause: 0, digest: Context::new(&SHA256), page: None }
    }

    pub(super) fn seen(self) -> Seen {
        Seen { digest: self.digest.finish(), page: self.page.unwrap_or(false) }
    }
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            let Some(piece) = self.pieces.blocking_recv() else { return Ok(0) };
            self.digest.update(&piece);
            if self.page.is_none() {
                self.page = piece.trim_ascii_start().first().map(|first| *first == b'<');
            }
            self.piece = piece;
        }
        let count = self.piece.len().min(into.len());
        self.piece.split_to(count).copy_to_slice(into.get_mut(..count).unwrap_or_default());
        self.since_pause += count;
        if self.since_pause >= STRIDE {
            self.since_pause = 0;
            std::thread::sleep(PAUSE);
        }
        Ok(count)
    }
}
