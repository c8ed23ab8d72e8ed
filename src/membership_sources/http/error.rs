//! Why an endpoint gave no membership. Every message names the cause and the cure, and never the token.

use super::document::DocumentError;
use crate::fetch::FetchError;

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("{url} answered {status}{}", cure(*status))]
    Status { url: String, status: u16 },
    #[error("{error}{}", more(.error))]
    Fetch { error: FetchError },
    #[error(
        "{url} answered with a web page; is it the right address, and no portal or sign-in page in front of it?"
    )]
    Page { url: String },
    #[error("the answer of {url} cannot be used: {why}")]
    Unusable { url: String, why: DocumentError },
    #[error(
        "{url} answered without a single user, and there were some before: say `allow_empty: true` if that can be right"
    )]
    Empty { url: String },
    #[error("reading the answer of {url} ended abnormally")]
    Abnormal { url: String },
}

impl HttpError {
    /// Each fault as a line of its own.
    pub(crate) fn lines(&self) -> Vec<String> {
        match self {
            Self::Unusable {
                why: DocumentError::Rows(faults),
                ..
            } => faults.lines(),
            other => vec![other.to_string()],
        }
    }

    /// A document that could not be read. For a web page, the position of the first wrong character would not help.
    pub(super) fn document(url: String, page: bool, why: DocumentError) -> Self {
        if page {
            Self::Page { url }
        } else {
            Self::Unusable { url, why }
        }
    }
}

impl From<FetchError> for HttpError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Status { url, status } => Self::Status { url, status },
            error => Self::Fetch { error },
        }
    }
}

/// The cure for an answer with this status.
fn cure(status: u16) -> &'static str {
    match status {
        304 => ": it was not asked whether anything has changed",
        300..=399 => {
            ": a redirect, which is not followed, as the token would go along; write the address where it leads to into the config"
        }
        401 | 403 => ": does the app know the token of `membership.http.token`?",
        404 | 410 => ": is `membership.http.url` right? The app has nothing there",
        429 => ": it is asked too often for its taste; make `interval` longer",
        500.. => ": the app has failed; its own log knows more",
        _ => ": only 200 with the membership is good",
    }
}

/// A further cure, where the error itself does not contain one.
fn more(error: &FetchError) -> &'static str {
    match error {
        FetchError::TooLarge { .. } => "; if that is right, raise `membership.http.max_bytes`",
        FetchError::Broken { .. } => "; the connection was cut, or the app ended in the middle",
        _ => "",
    }
}
