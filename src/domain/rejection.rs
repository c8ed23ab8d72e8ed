//! Why a request is refused: one table of reasons, each with its label, the kind of its answer, what it means, and what to do.

use super::answer::AnswerKind;

/// Builds [`Rejection`] from the table below. Label, kind of answer and fix are total matches without `_`. So a new reason
/// compiles only with its label for the log, its answer for the client, and its fix for the operator.
macro_rules! reasons {
    ($($(#[doc = $doc:literal])* $name:ident => $label:literal, $kind:ident, $fix:literal;)*) => {
        /// Why a request does not reach the upstream. The reason goes to log and metrics; the client sees only its [`AnswerKind`].
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

            /// The kind of answer that the client gets.
            #[must_use]
            pub const fn kind(self) -> AnswerKind {
                match self { $(Self::$name => AnswerKind::$kind,)* }
            }

            /// The meaning of the reason, for an operator who reads the log.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),*).trim_ascii(),)* }
            }

            /// What the operator can do about it. `bailiff explain`, the warnings of a running gate and `docs/reasons.md` all
            /// take it from here.
            #[must_use]
            pub const fn fix(self) -> &'static str {
                match self { $(Self::$name => $fix,)* }
            }
        }
    };
}

reasons! {
    /// no token came with the request
    MissingToken => "missing_token", Challenge,
        "send `Authorization: Bearer` with `await getToken()`; if nobody has to be signed in there, `access: public` or `optional`";
    /// a browser's preflight, which never carries a token, from an origin that is not in `cors.origins`
    OriginNotListed => "origin_not_listed", Challenge,
        "if these are your pages, add the origin to `cors.origins` (or CORS_ORIGINS), to the letter and without a slash at its end";
    /// the Authorization field is not `Bearer` and one token, or the token is not a well-formed JWT
    MalformedToken => "malformed_token", InvalidToken,
        "send `Authorization: Bearer <token>` with the token as Clerk gave it; `bailiff token inspect` says what is wrong with one, and a page without a user sends `Bearer null`";
    /// more than one token came with the request, and they do not agree
    SeveralTokens => "several_tokens", InvalidToken,
        "send one token; a `__session` cookie of another user beside the header is a sign of two applications on one domain";
    /// the token is not signed with RS256
    WrongAlgorithm => "wrong_algorithm", InvalidToken,
        "let the provider sign with RS256 (a setting of the client or of the API there); Clerk does";
    /// the token is valid JWT of another kind: machine, OAuth, or JWT template
    WrongTokenType => "wrong_token_type", InvalidToken,
        "send the session token that `getToken()` gives without a template, or set `allow_jwt_templates: true`";
    /// no configured issuer has the key that the token names: usually a token of another Clerk instance
    UnknownKey => "unknown_key", InvalidToken,
        "use the publishable key of the Clerk instance that signed the user in: one Clerk application on both sides, so the publishable key here (CLERK_PUBLISHABLE_KEY) and the one in the frontend must be of the same, both pk_test_ or both pk_live_; a second instance is listed under `issuers:`";
    /// the signature does not match
    BadSignature => "bad_signature", InvalidToken,
        "get a fresh token, as it was given; if `jwt_key` (CLERK_JWT_KEY) is set, compare it with the dashboard (API keys, JWKS public key): it changes when Clerk rotates the key; without it, the keys are fetched";
    /// the token has expired
    Expired => "expired", InvalidToken,
        "call getToken() for every request instead of keeping its result: Clerk's tokens live 60 s; if fresh ones come too late, too, the clock of this machine is ahead: `bailiff check --online` measures it";
    /// the token's `nbf` lies in the future: usually a clock that is wrong
    NotYetValid => "not_yet_valid", InvalidToken,
        "timedatectl set-ntp true on the host; `bailiff check --online` measures the difference. `clerk.leeway` (CLERK_LEEWAY) bridges at most 60 s, and lengthens the life of every stolen token";
    /// the token's `iat` lies in the future or is missing: usually a clock that is wrong
    IssuedInFuture => "issued_in_future", InvalidToken,
        "timedatectl set-ntp true on the host; `bailiff check --online` measures the difference. `clerk.leeway` (CLERK_LEEWAY) bridges at most 60 s, and lengthens the life of every stolen token; a token without `iat` needs `verify_iat: false`";
    /// the token is older than `max_token_age`
    TokenTooOld => "token_too_old", InvalidToken,
        "a fresh token, or a larger `max_token_age`";
    /// the token's `iss` is no configured issuer
    WrongIssuer => "wrong_issuer", InvalidToken,
        "use the publishable key of the Clerk instance that signed the user in: one Clerk application on both sides, so the publishable key here (CLERK_PUBLISHABLE_KEY) and the one in the frontend must be of the same, both pk_test_ or both pk_live_; a second instance is listed under `issuers:`";
    /// the token was made for another party: its `azp` is not in `authorized_parties`, or it is not for `client_id`
    WrongParty => "wrong_party", InvalidToken,
        "add the origin to `authorized_parties` if it is yours, or set `azp: optional` for native apps, whose tokens have none";
    /// the token's `aud` is not the configured audience
    WrongAudience => "wrong_audience", InvalidToken,
        "add the token's `aud` to `audience` if it is yours";
    /// the session has open tasks (`sts: pending`)
    SessionPending => "session_pending", InvalidToken,
        "let the user finish the sign-in (choose an organization, set a password), or set `allow_pending: true`";
    /// the token names no user
    MissingSubject => "missing_subject", InvalidToken,
        "not a token of a user";
    /// the token belongs to no session
    MissingSession => "missing_session", InvalidToken,
        "send the session token that `getToken()` gives without a template, or set `allow_jwt_templates: true`";
    /// the session was ended
    SessionRevoked => "session_revoked", InvalidToken,
        "sign in again";
    /// the user's tokens from before were revoked, and this is one
    UserRevoked => "user_revoked", InvalidToken,
        "a fresh token; it counts if the user may come in";
    /// the token lives longer than revocations are remembered (`revocations.keep`)
    TokenLivesTooLong => "token_lives_too_long", InvalidToken,
        "shorter tokens, or a longer `revocations.keep`";
    /// the route asks for a service token, and this is none that we know
    UnknownService => "unknown_service", InvalidToken,
        "compare `printf %s \"$TOKEN\" | sha256sum` on both sides with `service_tokens`; users do not pass routes with `access: service`";
    /// the token is a service's that may not use this route
    ServiceRoute => "service_route", InvalidToken,
        "add the route to the `routes` of the service";
    /// the token is a service's, and the request does not come from where that service calls
    ServiceNetwork => "service_network", InvalidToken,
        "add the caller's address to its `networks`: `bailiff explain --from ADDRESS`";
    /// the token is a service's, and a proxy that is not in `trusted_proxies` forwarded the request
    UndeclaredProxy => "undeclared_proxy", InvalidToken,
        "list every proxy on the way in `trusted_proxies`, or let the service call bailiff directly, without such headers";
    /// the gate runs in local mode, and this is not its shared token
    WrongLocalToken => "wrong_local_token", InvalidToken,
        "send the token of LOCAL_AUTH_TOKEN or `local:`; for Clerk's tokens set AUTH_MODE=clerk and remove `local`";

    /// the membership does not know the user
    UnknownUser => "unknown_user", Forbidden,
        "list the user in the membership, or set `membership.first_sight: true`, or let Clerk send `user.created` to a route with `access: webhook` that is publicly accessible";
    /// the user was deleted
    UserDeleted => "user_deleted", Forbidden,
        "nothing: deleted is final, but for a row that gives more access";
    /// the user is banned or locked at Clerk
    UserBanned => "user_banned", Forbidden,
        "lift the ban at Clerk";
    /// the user is suspended
    Suspended => "suspended", Forbidden,
        "`access: active` in the membership; `allow_suspended` on routes that should say so to the user";
    /// the user's access is still pending
    NotActive => "not_active", Forbidden,
        "`access: active` in the membership, or `new_users: active` for those to come";
    /// the user is not a member of the workspace
    NotAMember => "not_a_member", Forbidden,
        "add the user to the workspace";
    /// neither path, header nor token names a workspace
    NoWorkspace => "no_workspace", Forbidden,
        "name it where the route's `workspace:` looks: in the path, a header, or as the token's active organization";
    /// the user's role in the workspace is too low
    RoleTooLow => "role_too_low", Forbidden,
        "a higher role in the workspace, or a lower one on the route";
    /// the token lacks the permission
    NoPermission => "no_permission", Forbidden,
        "give the role the permission at Clerk";
    /// the token lacks the feature
    NoFeature => "no_feature", Forbidden,
        "add the feature to the plan at Clerk";
    /// the token has another plan
    NoPlan => "no_plan", Forbidden,
        "the plan at Clerk";
    /// a flag that the route asks for is not set on the user
    NoFlag => "no_flag", Forbidden,
        "set the flag in the membership";
    /// the second factor was never given, or too long ago
    SecondFactor => "second_factor", Forbidden,
        "let the user confirm it again (reverification)";
    /// another issuer is asked for
    IssuerNotAllowed => "issuer_not_allowed", Forbidden,
        "sign in at the issuer that `require.issuer` names";
    /// the session is impersonated, and the route does not allow that
    Impersonated => "impersonated", Forbidden,
        "nothing: acting as somebody else is not allowed there";
    /// a long answer was ended, as its user's access had
    AccessEnded => "access_ended", Forbidden,
        "the field `why` of the line has the reason";
    /// the route is closed to everybody
    Denied => "denied", Forbidden,
        "nothing, or another route: `access: deny` is meant";
    /// authentication is switched off, and the request came through a proxy, so it is somebody else's
    AuthDisabledBehindProxy => "auth_disabled_behind_proxy", Forbidden,
        "ask the gate itself, or unset AUTH_DISABLED: what comes through a proxy can come from anywhere";
    /// authentication is switched off, and the request's host is neither an IP address nor localhost
    AuthDisabledHost => "auth_disabled_host", Forbidden,
        "call http://localhost or http://127.0.0.1, or unset AUTH_DISABLED";
    /// authentication is switched off, and the request comes from a page of another site
    AuthDisabledOrigin => "auth_disabled_origin", Forbidden,
        "add the page's origin to `cors.origins` if it is yours, or unset AUTH_DISABLED";

    /// the svix headers are missing, double or malformed
    WebhookHeaders => "webhook_headers", Challenge,
        "if it was Clerk, let every proxy in between pass svix-id, svix-timestamp and svix-signature; anybody else has no business here. `bailiff webhook send` makes a good one";
    /// no configured secret made any of the signatures
    WebhookSignature => "webhook_signature", Challenge,
        "compare `webhooks.secrets` (CLERK_WEBHOOK_SIGNING_SECRET, CLERK_WEBHOOK_SECRET) with the signing secret, whsec_…, of this very endpoint in the Clerk dashboard (Webhooks), and keep the body as it came";
    /// the webhook's timestamp is too far from now
    WebhookTime => "webhook_time", Challenge,
        "timedatectl set-ntp true on the host, or send it anew from the Clerk dashboard if it is an old one; `webhooks.tolerance` is the bound";
    /// the webhook's body is larger than `webhooks.max_body`
    WebhookTooLarge => "webhook_too_large", TooLarge,
        "a larger `webhooks.max_body`";
    /// another delivery of the same event is still on its way to the upstream
    WebhookInFlight => "webhook_in_flight", Unavailable,
        "nothing: the sender comes again";
    /// so many webhooks are being read that there is no memory for another one
    WebhooksBusy => "webhooks_busy", Unavailable,
        "nothing if it passes; else who sends so many?";
    /// the event could not be kept, so its sender is asked to send it again
    WebhookNotKept => "webhook_not_kept", Unavailable,
        "the log says why (a full disk, a store that cannot be written)";

    /// no route covers method and path
    NoRoute => "no_route", NotFound,
        "add a route for this path and method: `bailiff check` lists the routes, and `bailiff explain` says which one covers a request; an encoding or another spelling is not covered: `docs/known-attacks.md`";
    /// the path is one that no honest client sends, or its readings cannot be let in together
    AmbiguousPath => "ambiguous_path", BadRequest,
        "a path without `..`, `//`, `;`, `%2F` and the like; `bailiff explain` shows the readings: `docs/known-attacks.md`";
    /// method, Host or framing headers are not in order
    BadRequest => "bad_request", BadRequest,
        "one Host, one Content-Length or `Transfer-Encoding: chunked`, line ends of CR LF";
    /// the request names its workspace twice, or not as an id
    BadWorkspace => "bad_workspace", BadRequest,
        "one workspace in one form; all `workspace:` sources of a route must agree";
    /// the request target is too long
    TargetTooLong => "target_too_long", UriTooLong,
        "a shorter target: 8 KiB is the bound";
    /// the header block is too large
    HeadTooLarge => "head_too_large", HeadTooLarge,
        "fewer or shorter fields: 64 KiB is the bound";
    /// the body is larger than the route's `max_body`
    BodyTooLarge => "body_too_large", TooLarge,
        "a larger `max_body` on the route";
    /// the client took too long to send the body, or went away
    BodyTimeout => "body_timeout", RequestTimeout,
        "a slow client, or `timeouts.client` is too short for it";

    /// no usable keys of the issuer are there, so no token can be checked
    KeysUnavailable => "keys_unavailable", Unavailable,
        "look for a typo in the domain of `issuer`, `jwks_uri` or the publishable key; log, `/readyz` and `bailiff check --online` say why the keys cannot be had: DNS, egress, proxy";
    /// the membership is not loaded, so no access can be checked
    MembersUnavailable => "members_unavailable", Unavailable,
        "the log of the gate says why the membership is not loaded; `bailiff check --online` tries the source";
    /// the source of the membership has been silent for longer than `membership.max_age`
    MembersStale => "members_stale", Unavailable,
        "the log says why its source is silent";
    /// what replicas share was never read, so somebody's access may have ended
    SharedStateUnavailable => "shared_state_unavailable", Unavailable,
        "is Redis there? it must be read once after a start";
    /// the upstream could not be reached
    UpstreamConnect => "upstream_connect", BadGateway,
        "is the app up, and at the address of `upstream`?";
    /// the upstream did not answer in time
    UpstreamTimeout => "upstream_timeout", GatewayTimeout,
        "a slow app: `timeout` on the route";
    /// the upstream's answer was broken off or is no HTTP
    UpstreamProtocol => "upstream_protocol", BadGateway,
        "the log of the app; does it speak HTTP/1.1?";
    /// the client went away before the answer
    ClientGone => "client_gone", ClientGone,
        "nothing";
    /// a fault of bailiff's own: please report it
    Internal => "internal", Internal,
        "report it: SECURITY.md or an issue";
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
            assert!(!reason.meaning().is_empty() && !reason.fix().is_empty());
        }
    }

    #[test]
    fn the_page_of_reasons_has_a_row_for_each_with_status_meaning_and_fix() {
        let page = include_str!("../../docs/reasons.md");
        let rows: Vec<_> = page
            .lines()
            .filter(|line| line.starts_with("| `"))
            .collect();
        for reason in Rejection::ALL {
            let row = format!(
                "| `{}` | {} | {} | {} |",
                reason.label(),
                reason.kind().status(),
                reason.meaning(),
                reason.fix().replace('|', "\\|")
            );
            assert!(rows.contains(&row.as_str()), "docs/reasons.md lacks: {row}");
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
            assert_eq!(
                reason.kind(),
                AnswerKind::InvalidToken,
                "{}",
                reason.label()
            );
        }
    }
}
