//! A body that arrives in pieces, as a reader for a thread of its own.

use std::io::{self, Read};

use aws_lc_rs::digest::{Context, Digest, SHA256};
use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc::Receiver;

use crate::background::Throttle;

/// Facts about the body that do not depend on its content as JSON.
pub(super) struct BodySummary {
    pub digest: Digest,
    /// Whether it begins like a web page.
    pub page: bool,
}

/// Reads the pieces as they arrive, with rests.
pub(super) struct Pieces {
    pieces: Receiver<Bytes>,
    piece: Bytes,
    throttle: Throttle,
    digest: Context,
    page: Option<bool>,
}

impl Pieces {
    pub(super) fn new(pieces: Receiver<Bytes>) -> Self {
        Self {
            pieces,
            piece: Bytes::new(),
            throttle: Throttle::default(),
            digest: Context::new(&SHA256),
            page: None,
        }
    }

    pub(super) fn seen(self) -> BodySummary {
        BodySummary {
            digest: self.digest.finish(),
            page: self.page.unwrap_or(false),
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            let Some(piece) = self.pieces.blocking_recv() else {
                return Ok(0);
            };
            self.digest.update(&piece);
            if self.page.is_none() {
                self.page = piece.trim_ascii_start().first().map(|first| *first == b'<');
            }
            self.piece = piece;
        }
        let count = self.piece.len().min(into.len());
        self.piece
            .split_to(count)
            .copy_to_slice(into.get_mut(..count).unwrap_or_default());
        self.throttle.rest_if_due();
        Ok(count)
    }
}
