//! A large answer, read piece by piece. It is not read at all when the caller has it already.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, header};
use reqwest::Response;

use super::{FetchError, Fetcher, TOTAL, authorization, failed, send};
use crate::config::secret::Secret;

/// A request for a large answer.
#[derive(Debug)]
pub struct DownloadRequest<'a> {
    /// Built by the caller from an address of the config.
    pub url: &'a str,
    /// The address as messages show it.
    pub shown: &'a str,
    pub bearer: Option<&'a Secret>,
    /// The ETag of the answer that the caller has already (RFC 9110, 13.1.2).
    pub etag: Option<&'a HeaderValue>,
    /// Bound on the whole exchange, also with a server that answers slowly.
    pub within: Duration,
    /// Bound on the body, in bytes.
    pub max: u64,
}

/// A body that is on its way.
#[derive(Debug)]
pub struct Download {
    answer: Response,
    shown: String,
    read: u64,
    max: u64,
    /// The ETag of this answer.
    pub etag: Option<HeaderValue>,
}

impl Fetcher {
    /// Begins to read a 200 answer. `None` when the server confirms the `etag` of the request (304).
    ///
    /// # Errors
    /// See [`FetchError`]. A 304 to a request without `etag` is a wrong status like any other.
    pub async fn begin(&self, ask: &DownloadRequest<'_>) -> Result<Option<Download>, FetchError> {
        let mut request = self.client(ask.url).get(ask.url).timeout(ask.within);
        if let Some(bearer) = ask.bearer {
            request = request.header(header::AUTHORIZATION, authorization(bearer, ask.shown)?);
        }
        if let Some(etag) = ask.etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        let answer = in_time(send(request, ask.shown), ask.shown).await?;
        match answer.status().as_u16() {
            200 => {
                let etag = answer.headers().get(header::ETAG).cloned();
                Ok(Some(Download {
                    answer,
                    shown: ask.shown.to_owned(),
                    read: 0,
                    max: ask.max,
                    etag,
                }))
            }
            304 if ask.etag.is_some() => Ok(None),
            status => Err(FetchError::Status {
                url: ask.shown.to_owned(),
                status,
            }),
        }
    }
}

/// Gives up on a silent server long before the time limit of the whole exchange.
async fn in_time<T>(
    step: impl Future<Output = Result<T, FetchError>>,
    shown: &str,
) -> Result<T, FetchError> {
    tokio::time::timeout(TOTAL, step).await.unwrap_or_else(|_| {
        Err(FetchError::Timeout {
            url: shown.to_owned(),
        })
    })
}

impl Download {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// When the connection is cut before the end, or the body exceeds the bound, with or without a declared length.
    pub async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        let shown = self.shown.clone();
        let piece = async {
            self.answer
                .chunk()
                .await
                .map_err(|error| failed(error, &shown))
        };
        let piece = in_time(piece, &self.shown).await?;
        self.read = self
            .read
            .saturating_add(piece.as_ref().map_or(0, |piece| piece.len() as u64));
        if self.read > self.max {
            let max = usize::try_from(self.max).unwrap_or(usize::MAX);
            return Err(FetchError::TooLarge {
                url: self.shown.clone(),
                max,
            });
        }
        Ok(piece)
    }
}
