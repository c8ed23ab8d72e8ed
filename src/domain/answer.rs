//! The answer that the client gets for a refusal: status, body and headers. All of it is decided here.

use std::collections::BTreeMap;

use bytes::Bytes;

/// The kinds of answer that the gate gives itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AnswerKind {
    /// 401 to a request without a token.
    Challenge,
    /// 401 to a request whose token is not valid. The body is that of `Challenge`: the client does not learn which check failed.
    InvalidToken,
    Forbidden,
    BadRequest,
    NotFound,
    TooLarge,
    UriTooLong,
    HeadTooLarge,
    RequestTimeout,
    ClientGone,
    Unavailable,
    BadGateway,
    GatewayTimeout,
    Internal,
}

/// An answer, ready to be written. Every answer is JSON, and caches never store it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: Bytes,
    /// `WWW-Authenticate` (RFC 9110, 11.6.1): every 401 must have one.
    pub challenge: Option<&'static str>,
    /// `Retry-After` in seconds.
    pub retry_after: Option<u32>,
}

impl AnswerKind {
    /// The status of this kind.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Challenge | Self::InvalidToken => 401,
            Self::Forbidden => 403,
            Self::BadRequest => 400,
            Self::NotFound => 404,
            Self::TooLarge => 413,
            Self::UriTooLong => 414,
            Self::HeadTooLarge => 431,
            Self::RequestTimeout => 408,
            // The status that nginx logs when the client did not wait. It is never sent.
            Self::ClientGone => 499,
            Self::Unavailable => 503,
            Self::BadGateway => 502,
            Self::GatewayTimeout => 504,
            Self::Internal => 500,
        }
    }

    const fn body(self) -> &'static str {
        match self {
            Self::Challenge | Self::InvalidToken => r#"{"detail":"Not authenticated"}"#,
            Self::Forbidden => r#"{"detail":"Forbidden","code":"FORBIDDEN"}"#,
            Self::BadRequest => r#"{"detail":"Bad request"}"#,
            Self::NotFound => r#"{"detail":"Not found"}"#,
            Self::TooLarge => r#"{"detail":"Payload too large"}"#,
            Self::UriTooLong => r#"{"detail":"URI too long"}"#,
            Self::HeadTooLarge => r#"{"detail":"Request header fields too large"}"#,
            Self::RequestTimeout | Self::ClientGone => r#"{"detail":"Request timeout"}"#,
            Self::Unavailable => r#"{"detail":"Temporarily unavailable"}"#,
            Self::BadGateway => r#"{"detail":"Bad gateway"}"#,
            Self::GatewayTimeout => r#"{"detail":"Gateway timeout"}"#,
            Self::Internal => r#"{"detail":"Internal error"}"#,
        }
    }

    /// Every status that the gate answers itself. For these the operator can replace the body.
    pub const STATUSES: &[u16] = &[400, 401, 403, 404, 408, 413, 414, 431, 500, 502, 503, 504];
}

/// Bodies that the operator set in place of the gate's own, by status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    replaced: BTreeMap<u16, Bytes>,
}

impl Answers {
    /// `bodies` are JSON texts by status.
    #[must_use]
    pub fn new(bodies: BTreeMap<u16, Bytes>) -> Self {
        Self { replaced: bodies }
    }

    /// The answer of this kind.
    #[must_use]
    pub fn answer(&self, kind: AnswerKind) -> Answer {
        let status = kind.status();
        Answer {
            status,
            body: self
                .replaced
                .get(&status)
                .cloned()
                .unwrap_or(Bytes::from_static(kind.body().as_bytes())),
            // RFC 6750, 3.1: no error code when the request had no token.
            challenge: match kind {
                AnswerKind::Challenge => Some("Bearer"),
                AnswerKind::InvalidToken => Some(r#"Bearer error="invalid_token""#),
                _ => None,
            },
            retry_after: (kind == AnswerKind::Unavailable).then_some(5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_and_a_bad_token_differ_in_nothing_but_the_error_code_of_rfc_6750() {
        let answers = Answers::default();
        let (missing, bad) = (
            answers.answer(AnswerKind::Challenge),
            answers.answer(AnswerKind::InvalidToken),
        );
        assert_eq!(missing.body, r#"{"detail":"Not authenticated"}"#);
        assert_eq!((missing.status, &missing.body), (bad.status, &bad.body));
        assert_eq!(missing.challenge, Some("Bearer"));
        assert_eq!(bad.challenge, Some(r#"Bearer error="invalid_token""#));
    }

    #[test]
    fn a_body_can_be_replaced_but_never_the_status() {
        let answers = Answers::new(BTreeMap::from([(
            403,
            Bytes::from_static(b"{\"error\":\"no\"}"),
        )]));
        assert_eq!(
            answers.answer(AnswerKind::Forbidden).body,
            "{\"error\":\"no\"}"
        );
        assert_eq!(answers.answer(AnswerKind::Forbidden).status, 403);
        assert_eq!(
            answers.answer(AnswerKind::NotFound).body,
            r#"{"detail":"Not found"}"#
        );
    }
}
