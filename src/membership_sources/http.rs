//! An endpoint of the app as the source of the membership. It is asked for everything again and again, or for one user at a time.

mod document;
mod error;
mod node;
mod pieces;
mod rows;
#[cfg(test)]
mod tests;

use std::io::BufReader;
use std::pin::pin;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::digest::Digest;
use http::HeaderValue;
use percent_encoding::utf8_percent_encode;
use tokio::sync::mpsc;

pub(crate) use error::HttpError;

use super::Sink;
use crate::background::background;
use crate::clock;
use crate::config::settings::{HttpMode, HttpSource};
use crate::domain::ids::UserId;
use crate::domain::membership::{Flags, Roles, Table, TableTime};
use crate::domain::retry::Polling;
use crate::fetch::{DownloadRequest, Fetcher, SEGMENT};
use crate::membership_sources::lookups::{LookupError, MemberDirectory};
use crate::random::chance;
use pieces::Pieces;

/// Bound on reading everything: 1 GiB at 10 MB/s.
const ALL_WITHIN: Duration = Duration::from_secs(120);
/// Bound on the answer for one user, for whom a request waits.
const ONE_WITHIN: Duration = Duration::from_secs(5);
/// Bound: pieces that have arrived and are not parsed yet.
const WAITING: usize = 4;
/// Bound: unlisted members that a warning names.
const STRANGERS_TOLD: usize = 10;
/// What the reader parses at once, in bytes, before it may rest.
const BUFFER: usize = 16 << 10;

/// What identifies the last answer, so that the same answer is recognised.
#[derive(Default)]
pub(crate) struct Last {
    etag: Option<HeaderValue>,
    digest: Option<Vec<u8>>,
}

/// Asks for everything until the task is dropped.
pub(super) async fn follow(source: HttpSource, fetcher: Fetcher, sink: Sink) {
    let HttpMode::Snapshot {
        interval,
        allow_empty,
    } = source.mode
    else {
        return;
    };
    let mut last = Last::default();
    let mut polling = Polling::every(interval);
    loop {
        let asked = clock::now();
        let looked = look(&source, &fetcher, &last, (&sink.roles, &sink.flags)).await;
        let wait = match looked {
            Ok(None) => {
                sink.unchanged(asked);
                polling.succeeded(chance())
            }
            Ok(Some((table, _))) if !allow_empty && table.size().0 == 0 && sink.has_users() => {
                sink.failed(&HttpError::Empty {
                    url: source.shown().to_owned(),
                });
                polling.failed(chance())
            }
            Ok(Some((table, found))) => {
                let sink = sink.clone();
                let put = move || {
                    warn_of_strangers(&table);
                    sink.loaded(table, TableTime::WhenChanged, asked).is_some()
                };
                if background(put).await.unwrap_or(false) {
                    last = found;
                }
                polling.succeeded(chance())
            }
            Err(why) => {
                sink.failed(&why);
                polling.failed(chance())
            }
        };
        sink.wait(wait).await;
    }
}

/// Warns of members without a user. As in a file, they are no fault.
fn warn_of_strangers(table: &Table) {
    let first: Vec<String> = table
        .unlisted_members()
        .take(STRANGERS_TOLD)
        .map(|(workspace, user)| format!("{user} in {workspace}"))
        .collect();
    if !first.is_empty() {
        let first = first.join(", ");
        tracing::warn!(%first, "there are members who are not among `users`: they pass routes that ask for a token only");
    }
}

/// Asks once for everything. Returns the table, and what identifies the answer once it is in force. `None` when it is the last
/// answer again.
///
/// # Errors
/// See [`HttpError`].
pub(crate) async fn look(
    source: &HttpSource,
    fetcher: &Fetcher,
    last: &Last,
    (roles, flags): (&Roles, &Flags),
) -> Result<Option<(Table, Last)>, HttpError> {
    let ask = DownloadRequest {
        url: &source.url,
        shown: source.shown(),
        bearer: source.token.as_deref(),
        etag: last.etag.as_ref(),
        within: ALL_WITHIN,
        max: source.max_bytes,
    };
    let Some(mut download) = fetcher.begin(&ask).await? else {
        return Ok(None);
    };
    let (sender, receiver) = mpsc::channel(WAITING);
    let (roles, flags) = (roles.clone(), flags.clone());
    let mut reading = pin!(background(move || {
        let mut pieces = Pieces::new(receiver);
        let read = document::read_all(
            BufReader::with_capacity(BUFFER, &mut pieces),
            &roles,
            &flags,
        );
        (read, pieces.seen())
    }));
    // The reader stops at a fault, and then reports it; sending a piece fails after that.
    let sending = async {
        while let Some(piece) = download.next().await? {
            if sender.send(piece).await.is_err() {
                break;
            }
        }
        drop(sender);
        Ok::<_, HttpError>(())
    };
    let read = tokio::select! {
        read = &mut reading => read,
        sent = sending => {
            // A body that was cut off is not whole, whatever could be read of it.
            sent?;
            reading.await
        }
    };
    let url = || source.shown().to_owned();
    let (read, seen) = read.map_err(|_| HttpError::Abnormal { url: url() })?;
    let table = read.map_err(|why| HttpError::document(url(), seen.page, why))?;
    let digest = (&seen.digest as &Digest).as_ref().to_vec();
    if last.digest.as_ref() == Some(&digest) {
        return Ok(None);
    }
    Ok(Some((
        table,
        Last {
            etag: download.etag,
            digest: Some(digest),
        },
    )))
}

/// Asks once, for `bailiff check --online`. Returns the size of the answer, or nothing where the source is asked for one user at a
/// time. Such a source is asked for a user that does not exist.
///
/// # Errors
/// See [`HttpError`].
pub(crate) async fn try_out(
    source: &HttpSource,
    fetcher: &Fetcher,
    roles: &Roles,
    flags: &Flags,
) -> Result<Option<(usize, usize, usize)>, HttpError> {
    if let HttpMode::Lookup { .. } = source.mode {
        let (source, fetcher) = (source.clone(), fetcher.clone());
        let asking = Asking {
            source,
            fetcher,
            roles: roles.clone(),
            flags: flags.clone(),
        };
        if let Ok(nobody) = UserId::parse("user_bailiff_check") {
            asking.ask(&nobody).await?;
        }
        return Ok(None);
    }
    let found = look(source, fetcher, &Last::default(), (roles, flags)).await?;
    Ok(found.map(|(table, _)| table.size()))
}

/// Asks for one user at a time.
pub(super) struct Asking {
    pub source: HttpSource,
    pub fetcher: Fetcher,
    pub roles: Roles,
    pub flags: Flags,
}

#[async_trait]
impl MemberDirectory for Asking {
    async fn rows(&self, user: &UserId) -> Result<Option<Table>, LookupError> {
        self.ask(user)
            .await
            .map_err(|why| LookupError::Failed(why.to_string().into()))
    }
}

impl Asking {
    async fn ask(&self, user: &UserId) -> Result<Option<Table>, HttpError> {
        // Attack A-74: the issuer chooses the id, which must stay one segment of the path.
        let segment = utf8_percent_encode(user.as_str(), SEGMENT).to_string();
        let url = self.source.url.replace("{user}", &segment);
        let ask = DownloadRequest {
            url: &url,
            shown: self.source.shown(),
            bearer: self.source.token.as_deref(),
            etag: None,
            within: ONE_WITHIN,
            max: self.source.max_bytes,
        };
        let mut download = match self.fetcher.begin(&ask).await {
            Err(why) if why.status() == Some(404) => return Ok(None),
            Ok(Some(download)) => download,
            // Never here: a request without an ETag cannot get a 304.
            Ok(None) => {
                return Err(HttpError::Status {
                    url: self.source.shown().to_owned(),
                    status: 304,
                });
            }
            Err(why) => return Err(why.into()),
        };
        let mut body = Vec::new();
        while let Some(piece) = download.next().await? {
            body.extend_from_slice(&piece);
        }
        let page = body.trim_ascii_start().starts_with(b"<");
        let read = document::read_one(&body, user, &self.roles, &self.flags);
        read.map(Some)
            .map_err(|why| HttpError::document(self.source.shown().to_owned(), page, why))
    }
}
