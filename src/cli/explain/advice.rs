//! From a reason to what probably caused it and what to do, with what this request shows.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::browser;
use crate::cli::offline_gate::Look;
use crate::cli::token::inspect;
use crate::cli::token::parts::Parts;
use crate::config::faults::quoted;
use crate::domain::client::forwarding_header;
use crate::domain::issuer::{Issuer, Kind};
use crate::domain::judge::Identified;
use crate::domain::routes::{Access, Condition, Route};
use crate::domain::{Rejection, Snapshot, UnixTime};

/// Why, and what now.
pub(super) struct Advice {
    pub cause: String,
    pub fix: String,
}

/// What a piece of advice may look at.
pub(super) struct Facts<'f> {
    /// The token, as far as it can be read; nobody vouches for it.
    pub parts: Option<&'f Parts>,
    pub snapshot: &'f Snapshot,
    pub looks: &'f [Look],
    pub now: UnixTime,
    pub headers: &'f HeaderMap,
    /// What the judgement found out about the caller.
    pub who: &'f Identified,
    /// The route, where one covers the request.
    pub route: Option<&'f Route>,
    /// Where the request comes from; `None` for a Unix socket.
    pub peer: Option<IpAddr>,
}

const ANOTHER_INSTANCE: &str = "use the publishable key of the Clerk instance that signed the user in, or list whoever signed under `issuers:`";
const CLOCK: &str = "timedatectl set-ntp true; `bailiff check --online` measures by how much this machine's clock is off";

/// Advice for the common reasons; for the others their meaning says it all.
pub(super) fn advice(reason: Rejection, facts: &Facts<'_>) -> Option<Advice> {
    use Rejection as R;
    if let Some((cause, fix)) = browser::advice(reason, facts) {
        return Some(Advice { cause, fix });
    }
    let (cause, fix) = match reason {
        R::MissingToken => (
            "the request has no Authorization field; cookies and queries are not looked at".to_owned(),
            "--token -; in the app send `Authorization: Bearer <token>` with what `getToken()` gives".to_owned(),
        ),
        R::MalformedToken => (facts.malformed(), "send `Authorization: Bearer <token>` with the token as Clerk gave it".to_owned()),
        R::UnknownKey | R::WrongIssuer => (facts.signer(), ANOTHER_INSTANCE.to_owned()),
        R::BadSignature => (
            facts.signer(),
            "get a fresh token; if `jwt_key` is set, compare it with the dashboard (API keys, JWKS public key)".to_owned(),
        ),
        R::KeysUnavailable => (facts.no_keys(), "look for a typo in the domain of `issuer`, `jwks_uri` or the publishable key; `bailiff check --online` asks every issuer and says what is wrong".to_owned()),
        R::Expired | R::NotYetValid | R::IssuedInFuture | R::TokenTooOld => facts.time(reason)?,
        R::WrongParty | R::WrongAudience => facts.party(reason)?,
        R::WrongAlgorithm => (
            format!("the token says alg {}, and only RS256 is accepted", facts.header("alg")),
            match facts.kind() {
                Kind::Clerk => "this is no Clerk session token: send the one that `getToken()` gives".to_owned(),
                Kind::Oidc => "let the provider sign with RS256 (a setting of the client or of the API there)".to_owned(),
            },
        ),
        R::WrongTokenType | R::MissingSession => (
            format!("the token has typ {}, cat {}, sub {}, sid {}", facts.header("typ"), facts.header("cat"), facts.claim("sub"), facts.claim("sid")),
            match facts.kind() {
                Kind::Clerk => "send the session token that `getToken()` gives without a template, or set `allow_jwt_templates: true`".to_owned(),
                Kind::Oidc => "send the access token or the ID token of the user".to_owned(),
            },
        ),
        R::SessionPending => (
            "the session has open tasks, such as choosing an organization".to_owned(),
            "finish the sign-in, or set `allow_pending: true`".to_owned(),
        ),
        R::SeveralTokens => (
            "two Authorization fields, or a session cookie of another user beside the token".to_owned(),
            "send one token".to_owned(),
        ),
        R::MissingSubject if facts.kind() == Kind::Oidc => (
            format!("the token has {}", facts.subject()),
            "send the token of a user: one of the client credentials grant is the client's own; `claims: {user_id: …}` names another claim".to_owned(),
        ),
        R::WrongLocalToken => (
            "the gate runs in local mode, where one shared token counts, and this is another one".to_owned(),
            "send the token of LOCAL_AUTH_TOKEN or `local:`; for Clerk's tokens set AUTH_MODE=clerk and remove `local`".to_owned(),
        ),
        R::AuthDisabledBehindProxy => (
            facts.proxy(),
            "ask the gate itself, or unset AUTH_DISABLED: what comes through a proxy can come from anywhere".to_owned(),
        ),
        R::AuthDisabledHost => (
            "while authentication is switched off, only requests to an IP address or to localhost are let in".to_owned(),
            "call http://localhost or http://127.0.0.1, or unset AUTH_DISABLED".to_owned(),
        ),
        R::AuthDisabledOrigin => (
            "while authentication is switched off, only pages of this machine and of `cors.origins` are let in".to_owned(),
            "add the page's origin to `cors.origins` if it is yours, or unset AUTH_DISABLED".to_owned(),
        ),
        R::NoRoute => (
            "the routes are all there is; there is no default".to_owned(),
            "add a route for this path and method; `bailiff check` lists the routes".to_owned(),
        ),
        R::UnknownUser => (
            facts.standing(reason),
            "list the user in the membership. If users come by webhook (what webhooks changed in a running gate is not seen here): is the endpoint in the Clerk dashboard publicly accessible, does it lead to a route with `access: webhook`, and what does its log there say?".to_owned(),
        ),
        R::MembersUnavailable => (
            "the membership is in a database or with another service, which this command does not ask".to_owned(),
            "ask a running gate: its log names the reason of each refusal; `bailiff check --online` tries the source".to_owned(),
        ),
        R::NotAMember | R::RoleTooLow | R::Suspended | R::NotActive => (
            facts.standing(reason),
            "edit the membership, which is followed while the gate runs; what webhooks changed there is not seen here".to_owned(),
        ),
        R::NoWorkspace => (
            "the route asks for a workspace, and nothing in the request names one".to_owned(),
            "name it where the route's `workspace:` looks: in the path, a header, or as the token's active organization".to_owned(),
        ),
        R::WebhookHeaders => (
            "svix-id, svix-timestamp and svix-signature must each be there once; this route is for Clerk".to_owned(),
            "bailiff webhook send user.created --to URL".to_owned(),
        ),
        R::WebhookSignature => (
            "the secret is another endpoint's, or the body is not byte for byte what was signed".to_owned(),
            "compare the signing secret with the endpoint's in the Clerk dashboard (Webhooks); keep the body as it came".to_owned(),
        ),
        R::WebhookTime => (facts.webhook_time(), "send it anew; an old delivery can be sent again from the Clerk dashboard".to_owned()),
        other => super::services::advice(other, facts)?,
    };
    Some(Advice { cause, fix })
}

impl Facts<'_> {
    fn header(&self, name: &str) -> String {
        self.parts
            .map_or_else(|| "unreadable".to_owned(), |parts| parts.shown_header(name))
    }

    fn claim(&self, name: &str) -> String {
        self.parts
            .map_or_else(|| "the user".to_owned(), |parts| parts.shown_claim(name))
    }

    /// The issuer that the token claims, if the config has it.
    fn issuer(&self) -> Option<&Issuer> {
        self.snapshot.rules.issuer(self.parts?.text("iss")?)
    }

    /// By whose rules the token would be read.
    fn kind(&self) -> Kind {
        self.issuer().map_or(Kind::Clerk, |issuer| issuer.kind)
    }

    /// The claim that should name the user, as it is.
    fn subject(&self) -> String {
        let name = self
            .issuer()
            .map_or("sub", |issuer| &issuer.claim_names.user_id);
        format!("{name} {}", self.claim(name))
    }

    /// What to do about a token without an e-mail address.
    pub(super) fn no_email(&self) -> Option<String> {
        inspect::no_email(&self.parts?.claims, self.issuer())
    }

    fn standing(&self, reason: Rejection) -> String {
        let user = self
            .who
            .user
            .as_ref()
            .map_or("the user", |user| user.as_str());
        let workspace = self
            .who
            .workspace
            .as_ref()
            .map_or("the workspace", |workspace| workspace.as_str());
        match reason {
            Rejection::UnknownUser => format!("the membership does not list {user}"),
            Rejection::NotAMember => format!("the membership gives {user} no role in {workspace}"),
            Rejection::RoleTooLow => {
                let (has, asked) = (self.role(), self.asked_role());
                format!(
                    "the role of {user} in {workspace} is {has}, and the route asks for {asked}"
                )
            }
            Rejection::Suspended => format!("the membership says of {user}: suspended"),
            Rejection::NotActive => format!("the membership says of {user}: pending"),
            _ => format!("the membership says so of {user}"),
        }
    }

    /// The field that shows that a proxy brought the request.
    fn proxy(&self) -> String {
        let field =
            forwarding_header(self.headers).map_or("a field of a proxy", |name| name.as_str());
        format!(
            "authentication is switched off, and the request carries {}, which proxies write",
            quoted(field)
        )
    }

    /// The role of the user in the workspace.
    fn role(&self) -> String {
        let role = || {
            let (members, roles) = (
                self.snapshot.members.as_ref()?,
                self.snapshot.rules.roles.as_ref()?,
            );
            let role = members.role(self.who.workspace.as_ref()?, self.who.user.as_ref()?, None)?;
            Some(quoted(roles.name(role)))
        };
        role().unwrap_or_else(|| "none".to_owned())
    }

    /// The highest role that the route asks for, by its `access` or by `require`.
    fn asked_role(&self) -> String {
        let asked = || {
            let (route, roles) = (self.route?, self.snapshot.rules.roles.as_ref()?);
            let own = match route.access {
                Access::Role(role) => Some(role),
                _ => None,
            };
            let required = route
                .require
                .iter()
                .filter_map(|condition| match condition {
                    Condition::Role(role) => Some(*role),
                    _ => None,
                });
            Some(quoted(roles.name(required.chain(own).max()?)))
        };
        asked().unwrap_or_else(|| "a higher one".to_owned())
    }

    fn malformed(&self) -> String {
        let field = self
            .headers
            .get(AUTHORIZATION)
            .and_then(|field| field.to_str().ok());
        match field.and_then(|field| field.split_once(' ')) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => match Parts::read(token) {
                Err(why) => why,
                Ok(_) => "a member of the token has a form that it must not have; `bailiff token inspect` lists what"
                    .to_owned(),
            },
            _ => "the Authorization field is not `Bearer`, one space, and a token".to_owned(),
        }
    }

    /// Who signed, and who may.
    fn signer(&self) -> String {
        let issuers = self.snapshot.rules.issuers.iter().map(|issuer| {
            let keys = self.snapshot.keys.get(&issuer.name);
            let kids = keys
                .map(|keys| keys.kids().join(", "))
                .filter(|kids| !kids.is_empty());
            format!(
                "{} with {}",
                issuer.iss,
                kids.map_or_else(
                    || "a key without a name".to_owned(),
                    |kids| format!("kid {kids}")
                )
            )
        });
        let known: Vec<_> = issuers.collect();
        format!(
            "the token is by iss {} with kid {}; configured: {}",
            self.claim("iss"),
            self.header("kid"),
            known.join("; ")
        )
    }

    fn no_keys(&self) -> String {
        let issuer = self.issuer().map(|issuer| &issuer.name);
        let ours = self
            .looks
            .iter()
            .filter(|look| issuer.is_none_or(|name| *name == look.issuer));
        let failed: Vec<_> = ours
            .filter_map(|look| look.keys.as_ref().err())
            .map(String::as_str)
            .collect();
        failed.join("; ")
    }

    fn time(&self, reason: Rejection) -> Option<(String, String)> {
        let (parts, policy) = (self.parts?, &self.issuer()?.claims);
        let (UnixTime(now), leeway) = (self.now, policy.leeway.secs());
        let cause = match reason {
            Rejection::Expired => {
                let ago = now.saturating_sub(parts.seconds("exp")?);
                format!("the token ended {ago} s ago, and the leeway is {leeway} s")
            }
            Rejection::TokenTooOld => {
                let age = now.saturating_sub(parts.seconds("iat")?);
                format!(
                    "the token is {age} s old, and `max_token_age` is {} s",
                    policy.max_token_age?.as_secs()
                )
            }
            _ => {
                let name = if reason == Rejection::NotYetValid {
                    "nbf"
                } else {
                    "iat"
                };
                let Some(at) = parts.seconds(name) else {
                    return Some((
                        "the token has no `iat`".to_owned(),
                        "verify_iat: false".to_owned(),
                    ));
                };
                format!(
                    "the token's {name} lies {} s in the future, and the leeway is {leeway} s",
                    at.saturating_sub(now)
                )
            }
        };
        let fix = match reason {
            Rejection::Expired | Rejection::TokenTooOld => {
                let life = match self.kind() {
                    Kind::Clerk => ": Clerk's session tokens live 60 s",
                    Kind::Oidc => "",
                };
                format!("get a fresh one{life}. If it is fresh, the clock is ahead: {CLOCK}")
            }
            _ => format!("this machine's clock is behind: {CLOCK}"),
        };
        Some((cause, fix))
    }

    fn party(&self, reason: Rejection) -> Option<(String, String)> {
        let policy = &self.issuer()?.claims;
        if let (Rejection::WrongParty, Some(client)) = (reason, &policy.client_id) {
            let [azp, id, aud] = ["azp", "client_id", "aud"].map(|name| self.claim(name));
            let cause = format!(
                "the token was made for azp {azp}, client_id {id}, aud {aud}; `client_id` is {}",
                quoted(client)
            );
            return Some((
                cause,
                "sign in through that client, or correct `client_id`: it is the provider's id of your app".to_owned(),
            ));
        }
        let (claim, list, key) = match reason {
            Rejection::WrongParty => (
                "azp",
                policy.authorized_parties.as_ref()?,
                "authorized_parties",
            ),
            _ => ("aud", policy.audience.as_ref()?, "audience"),
        };
        let cause = format!(
            "the token's {claim} is {}, and `{key}` lists {}",
            self.claim(claim),
            list.join(", ")
        );
        let fix = match (claim, self.kind()) {
            ("azp", _) => {
                "add the origin to `authorized_parties` if it is yours, or set `azp: optional` for native apps, whose tokens have none"
            }
            (_, Kind::Clerk) => "add it to `audience` if it is yours",
            (_, Kind::Oidc) => {
                "ask the provider for a token for your API (an ID token has the client id in `aud`), or add it to `audience` if it is yours"
            }
        };
        Some((cause, fix.to_owned()))
    }

    fn webhook_time(&self) -> String {
        let sent = ["svix-timestamp", "webhook-timestamp"]
            .iter()
            .find_map(|name| self.headers.get(*name));
        let sent = sent
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let tolerance = self
            .snapshot
            .rules
            .webhooks
            .as_ref()
            .map_or(0, |webhooks| webhooks.tolerance.as_secs());
        match sent.parse::<u64>() {
            Ok(at) => format!(
                "it was signed {} s from now, and {tolerance} s are allowed",
                self.now.0.abs_diff(at)
            ),
            Err(_) => format!("its timestamp is {}", quoted(sent)),
        }
    }
}
