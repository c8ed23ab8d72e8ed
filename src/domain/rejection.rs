//! Why a request is refused: one table from reason to label to kind of answer.

use super::answer::Kind;

/// Builds [`Rejection`] from the table below. Label and kind of answer are total matches without `_`: a new reason does not
/// compile until someone has decided what the log calls it and what the client may see.
macro_rules! reasons {
    ($($(#[doc = $doc:literal])* $name:ident => $label:literal, $kind:ident;)*) => {
        /// Why a request does not reach the upstream. The reason goes to log and metrics; the client sees only its [`Kind`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Rejection { $($(#[doc = $doc])* $name,)* }

        impl Rejection {
            /// Every reason, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The stable word for this reason in log, metrics and `bailiff explain`.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }

            /// What the client may see of it.
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self { $(Self::$name => Kind::$kind,)* }
            }

            /// What the reason means, for whoever reads a log at night.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),*).trim_ascii(),)* }
            }
        }
    };
}

reasons! {
    /// no token came with the request
    MissingToken => "missing_token", Challenge;
    /// a browser's preflight, which never carries a token, from an origin that is not in `cors.origins`
    OriginNotListed => "origin_not_listed", Challenge;
    /// the Authorization field is not `Bearer` and one token, or the token is not a well-formed JWT
    MalformedToken => "malformed_token", InvalidToken;
    /// more than one token came with the request, and they do not agree
    SeveralTokens => "several_tokens", InvalidToken;
    /// the token is not signed with RS256
    WrongAlgorithm => "wrong_algorithm", InvalidToken;
    /// the token is valid JWT of another kind: machine, OAuth, or JWT template
    WrongTokenType => "wrong_token_type", InvalidToken;
    /// no configured issuer has the key that the token names: usually a token of another Clerk instance
    UnknownKey => "unknown_key", InvalidToken;
    /// the signature does not match
    BadSignature => "bad_signature", InvalidToken;
    /// the token has expired
    Expired => "expired", InvalidToken;
    /// the token's `nbf` lies in the future: usually a clock that is wrong
    NotYetValid => "not_yet_valid", InvalidToken;
    /// the token's `iat` lies in the future or is missing: usually a clock that is wrong
    IssuedInFuture => "issued_in_future", InvalidToken;
    /// the token is older than `max_token_age`
    TokenTooOld => "token_too_old", InvalidToken;
    /// the token's `iss` is no configured issuer
    WrongIssuer => "wrong_issuer", InvalidToken;
    /// the token was made for another party: its `azp` is not in `authorized_parties`, or it is not for `client_id`
    WrongParty => "wrong_party", InvalidToken;
    /// the token's `aud` is not the configured audience
    WrongAudience => "wrong_audience", InvalidToken;
    /// the session has open tasks (`sts: pending`)
    SessionPending => "session_pending", InvalidToken;
    /// the token names no user
    MissingSubject => "missing_subject", InvalidToken;
    /// the token belongs to no session
    MissingSession => "missing_session", InvalidToken;
    /// the session was ended
    SessionRevoked => "session_revoked", InvalidToken;
    /// the user's tokens from before were revoked, and this is one
    UserRevoked => "user_revoked", InvalidToken;
    /// the token lives longer than revocations are remembered (`revocations.keep`)
    TokenLivesTooLong => "token_lives_too_long", InvalidToken;
    /// the route asks for a service token, and this is none that we know
    UnknownService => "unknown_service", InvalidToken;
    /// the token is a service's that may not use this route
    ServiceRoute => "service_route", InvalidToken;
    /// the token is a service's, and the request does not come from where that service calls
    ServiceNetwork => "service_network", InvalidToken;
    /// the token is a service's, and a proxy that is not in `trusted_proxies` forwarded the request
    UndeclaredProxy => "undeclared_proxy", InvalidToken;
    /// the gate runs in local mode, and this is not its shared token
    WrongLocalToken => "wrong_local_token", InvalidToken;

    /// the membership does not know the user
    UnknownUser => "unknown_user", Forbidden;
    /// the user was deleted
    UserDeleted => "user_deleted", Forbidden;
    /// the user is banned or locked at Clerk
    UserBanned => "user_banned", Forbidden;
    /// the user is suspended
    Suspended => "suspended", Forbidden;
    /// the user's access is still pending
    NotActive => "not_active", Forbidden;
    /// the user is not a member of the workspace
    NotAMember => "not_a_member", Forbidden;
    /// neither path, header nor token names a workspace
    NoWorkspace => "no_workspace", Forbidden;
    /// the user's role in the workspace is too low
    RoleTooLow => "role_too_low", Forbidden;
    /// the token lacks the permission
    NoPermission => "no_permission", Forbidden;
    /// the token lacks the feature
    NoFeature => "no_feature", Forbidden;
    /// the token has another plan
    NoPlan => "no_plan", Forbidden;
    /// a flag that the route asks for is not set on the user
    NoFlag => "no_flag", Forbidden;
    /// the second factor was never given, or too long ago
    SecondFactor => "second_factor", Forbidden;
    /// another issuer is asked for
    IssuerNotAllowed => "issuer_not_allowed", Forbidden;
    /// the session is impersonated, and the route does not allow that
    Impersonated => "impersonated", Forbidden;
    /// a long answer was ended, as its user's access had
    AccessEnded => "access_ended", Forbidden;
    /// the route is closed to everybody
    Denied => "denied", Forbidden;
    /// authentication is switched off, and the request came through a proxy, so it is somebody else's
    AuthDisabledBehindProxy => "auth_disabled_behind_proxy", Forbidden;
    /// authentication is switched off, and the request's host is neither an IP address nor localhost
    AuthDisabledHost => "auth_disabled_host", Forbidden;
    /// authentication is switched off, and the request comes from a page of another site
    AuthDisabledOrigin => "auth_disabled_origin", Forbidden;

    /// the svix headers are missing, double or malformed
    WebhookHeaders => "webhook_headers", Challenge;
    /// no configured secret made any of the signatures
    WebhookSignature => "webhook_signature", Challenge;
    /// the webhook's timestamp is too far from now
    WebhookTime => "webhook_time", Challenge;
    /// the webhook's body is larger than `webhooks.max_body`
    WebhookTooLarge => "webhook_too_large", TooLarge;
    /// another delivery of the same event is still on its way to the upstream
    WebhookInFlight => "webhook_in_flight", Unavailable;
    /// so many webhooks are being read that there is no memory for another one
    WebhooksBusy => "webhooks_busy", Unavailable;
    /// the event could not be kept, so its sender is asked to send it again
    WebhookNotKept => "webhook_not_kept", Unavailable;

    /// no route covers method and path
    NoRoute => "no_route", NotFound;
    /// the path is one that no honest client sends, or its readings cannot be let in together
    AmbiguousPath => "ambiguous_path", BadRequest;
    /// method, Host or framing headers are not in order
    BadRequest => "bad_request", BadRequest;
    /// the request names its workspace twice, or not as an id
    BadWorkspace => "bad_workspace", BadRequest;
    /// the request target is too long
    TargetTooLong => "target_too_long", UriTooLong;
    /// the header block is too large
    HeadTooLarge => "head_too_large", HeadTooLarge;
    /// the body is larger than the route's `max_body`
    BodyTooLarge => "body_too_large", TooLarge;
    /// the client took too long to send the body, or went away
    BodyTimeout => "body_timeout", RequestTimeout;

    /// no usable keys of the issuer are there, so no token can be checked
    KeysUnavailable => "keys_unavailable", Unavailable;
    /// the membership is not loaded, so no access can be checked
    MembersUnavailable => "members_unavailable", Unavailable;
    /// the source of the membership has been silent for longer than `membership.max_age`
    MembersStale => "members_stale", Unavailable;
    /// what replicas share was never read, so somebody's access may have ended
    SharedStateUnavailable => "shared_state_unavailable", Unavailable;
    /// the upstream could not be reached
    UpstreamConnect => "upstream_connect", BadGateway;
    /// the upstream did not answer in time
    UpstreamTimeout => "upstream_timeout", GatewayTimeout;
    /// the upstream's answer was broken off or is no HTTP
    UpstreamProtocol => "upstream_protocol", BadGateway;
    /// the client went away before the answer
    ClientGone => "client_gone", ClientGone;
    /// a fault of bailiff's own: please report it
    Internal => "internal", Internal;
}

impl Rejection {
    /// Refusals about a token can be mended by the client with a fresh token; the others cannot.
    #[must_use]
    pub fn concerns_token(self) -> bool {
        matches!(self.kind(), Kind::Challenge | Kind::InvalidToken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_stable_snake_case_words_and_no_two_are_the_same() {
        let mut seen = std::collections::HashSet::new();
        for reason in Rejection::ALL {
            let label = reason.label();
            assert!(
                label.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{label}"
            );
            assert!(seen.insert(label), "twice: {label}");
            assert!(!reason.meaning().is_empty());
        }
    }

    #[test]
    fn the_page_of_reasons_has_a_row_for_each_with_status_meaning_and_cure() {
        let page = include_str!("../../docs/reasons.md");
        let rows: Vec<_> = page
            .lines()
            .filter(|line| line.starts_with("| `"))
            .collect();
        for reason in Rejection::ALL {
            let row = format!(
                "| `{}` | {} | {} | ",
                reason.label(),
                reason.kind().status(),
                reason.meaning()
            );
            let found = rows.iter().find_map(|line| line.strip_prefix(row.as_str()));
            assert!(
                found.is_some_and(|cure| cure.len() > 2),
                "docs/reasons.md lacks: {row}"
            );
        }
        assert_eq!(
            rows.len(),
            Rejection::ALL.len(),
            "docs/reasons.md has a row of no reason"
        );
    }

    #[test]
    fn a_preflight_of_a_strange_origin_looks_like_every_request_without_a_token() {
        assert_eq!(
            Rejection::OriginNotListed.kind(),
            Rejection::MissingToken.kind()
        );
    }

    #[test]
    fn every_doubt_about_a_token_looks_the_same_from_outside() {
        for reason in [
            Rejection::MalformedToken,
            Rejection::Expired,
            Rejection::BadSignature,
            Rejection::UnknownKey,
            Rejection::WrongParty,
            Rejection::UnknownService,
            Rejection::ServiceRoute,
            Rejection::ServiceNetwork,
            Rejection::UndeclaredProxy,
        ] {
            assert_eq!(reason.kind(), Kind::InvalidToken, "{}", reason.label());
        }
    }
}
