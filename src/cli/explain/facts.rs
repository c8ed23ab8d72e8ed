//! Facts about one request: the token, the issuer, the caller, and how a cause describes them.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::advice::Evidence;
use crate::cli::offline_gate::KeyFetch;
use crate::cli::token::inspect;
use crate::cli::token::parts::TokenParts;
use crate::config::faults::quoted;
use crate::domain::client::forwarding_header;
use crate::domain::issuer::{Issuer, IssuerKind};
use crate::domain::judge::Identified;
use crate::domain::routes::{Access, Condition, Route};
use crate::domain::{Rejection, Snapshot, UnixTime};

/// The facts on which advice is based.
pub(super) struct Facts<'f> {
    /// The token, as far as it can be read. It is not verified.
    pub parts: Option<&'f TokenParts>,
    pub snapshot: &'f Snapshot,
    pub looks: &'f [KeyFetch],
    pub now: UnixTime,
    pub headers: &'f HeaderMap,
    /// The caller as the judgement has identified them.
    pub who: &'f Identified,
    /// The route, where one covers the request.
    pub route: Option<&'f Route>,
    /// Where the request comes from; `None` for a Unix socket.
    pub peer: Option<IpAddr>,
}

impl Facts<'_> {
    pub(super) fn header(&self, name: &str) -> String {
        self.parts
            .map_or_else(|| "unreadable".to_owned(), |parts| parts.shown_header(name))
    }

    pub(super) fn claim(&self, name: &str) -> String {
        self.parts
            .map_or_else(|| "the user".to_owned(), |parts| parts.shown_claim(name))
    }

    /// The issuer that the token claims, if the config has it.
    fn issuer(&self) -> Option<&Issuer> {
        self.snapshot.rules.issuer(self.parts?.text("iss")?)
    }

    /// The kind of issuer whose rules apply to the token.
    pub(super) fn kind(&self) -> IssuerKind {
        self.issuer()
            .map_or(IssuerKind::Clerk, |issuer| issuer.kind)
    }

    /// The value of the claim that should name the user.
    pub(super) fn subject(&self) -> String {
        let name = self
            .issuer()
            .map_or("sub", |issuer| &issuer.claim_names.user_id);
        format!("{name} {}", self.claim(name))
    }

    /// The cure for a token without an e-mail address.
    pub(super) fn no_email(&self) -> Option<String> {
        inspect::no_email(&self.parts?.claims, self.issuer())
    }

    pub(super) fn user_state(&self, reason: Rejection) -> String {
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
    pub(super) fn proxy(&self) -> String {
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

    /// The highest role that the route demands, by its `access` or by `require`.
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

    pub(super) fn malformed(&self) -> String {
        let field = self
            .headers
            .get(AUTHORIZATION)
            .and_then(|field| field.to_str().ok());
        match field.and_then(|field| field.split_once(' ')) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => match TokenParts::read(token) {
                Err(why) => why,
                Ok(_) => "a member of the token has a form that it must not have; `bailiff token inspect` lists what"
                    .to_owned(),
            },
            _ => "the Authorization field is not `Bearer`, one space, and a token".to_owned(),
        }
    }

    /// The key that signed, and the keys that may sign.
    pub(super) fn signer(&self) -> String {
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

    pub(super) fn no_keys(&self) -> String {
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

    pub(super) fn time(&self, reason: Rejection) -> Option<Evidence> {
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
                        Some("verify_iat: false".to_owned()),
                    ));
                };
                format!(
                    "the token's {name} lies {} s in the future, and the leeway is {leeway} s",
                    at.saturating_sub(now)
                )
            }
        };
        let ended = matches!(reason, Rejection::Expired | Rejection::TokenTooOld);
        let fix = (ended && self.kind() == IssuerKind::Oidc).then(|| {
            let clock = Rejection::NotYetValid.fix();
            format!("get a fresh one. If it is fresh, the clock is ahead: {clock}")
        });
        Some((cause, fix))
    }

    pub(super) fn party(&self, reason: Rejection) -> Option<Evidence> {
        let policy = &self.issuer()?.claims;
        if let (Rejection::WrongParty, Some(client)) = (reason, &policy.client_id) {
            let [azp, id, aud] = ["azp", "client_id", "aud"].map(|name| self.claim(name));
            let cause = format!(
                "the token was made for azp {azp}, client_id {id}, aud {aud}; `client_id` is {}",
                quoted(client)
            );
            return Some((
                cause,
                Some("sign in through that client, or correct `client_id`: it is the provider's id of your app".to_owned()),
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
        let fix = (claim == "aud" && self.kind() == IssuerKind::Oidc).then(|| {
            "ask the provider for a token for your API (an ID token has the client id in `aud`), or add it to `audience` if it is yours".to_owned()
        });
        Some((cause, fix))
    }

    pub(super) fn webhook_time(&self) -> String {
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
