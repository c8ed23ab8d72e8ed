//! All data by which requests are judged. It is immutable and replaced as a whole, so each request sees exactly one version.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use ipnet::IpNet;

use super::UnixTime;
use super::answer::Answers;
use super::cors::Cors;
use super::event::{Change, MembershipEvent};
use super::identity::TrustedNames;
use super::ids::UserId;
use super::issuer::Issuer;
use super::keys::KeySet;
use super::membership::{Flags, Members, Roles, Table, TooManyChanges};
use super::profile::Profile;
use super::revocation::{Revocations, Revoked, TooManyRevocations};
use super::routes::RouteTable;
use super::service_token::ServiceToken;
use super::static_user::StaticAuth;
use super::webhook::WebhookSecret;

/// One version of all data.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Grows by one with each version. Every log line contains it.
    pub generation: u64,
    pub rules: Arc<Rules>,
    /// The keys of each issuer that has ever published some, by the issuer's name.
    pub keys: HashMap<Arc<str>, Arc<KeySet>>,
    /// `None` while a configured membership is not loaded.
    pub members: Option<Members>,
    pub revocations: Revocations,
    /// Whether the first full read of the shared store is still to come.
    pub awaits_shared: bool,
}

/// Why a change cannot be put in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotChange {
    #[error("no membership is configured")]
    Nowhere,
    #[error("the membership is not loaded")]
    NotLoaded,
    #[error(transparent)]
    Members(#[from] TooManyChanges),
    #[error(transparent)]
    Revocations(#[from] TooManyRevocations),
}

impl Snapshot {
    /// This version with the source's answer about `user` at `now`, for one request.
    #[must_use]
    pub fn asked(&self, user: UserId, rows: Arc<Table>, now: UnixTime) -> Self {
        let members = self
            .members
            .as_ref()
            .map(|members| members.answered(user, rows, now));
        Self {
            members,
            ..self.clone()
        }
    }

    /// What is needed after a judgement: the rules and the generation. An answer that streams for hours must not keep an old
    /// membership in memory, and one more after each reload.
    #[must_use]
    pub fn judged(&self) -> Self {
        let rules = self.rules.clone();
        let (keys, revocations) = (HashMap::new(), Revocations::default());
        Self {
            rules,
            keys,
            members: None,
            revocations,
            ..*self
        }
    }

    /// Whether `event` ranks above what this version knows. If it does not, applying it changes nothing. For events from tokens,
    /// ask [`Members::is_news`].
    #[must_use]
    pub fn is_news(&self, event: &MembershipEvent) -> bool {
        match (&event.change, &self.members) {
            (Change::Revoked(revoked), _) => self.revocations.at(revoked) < Some(event.at),
            (Change::Seen(..), _) => false,
            (_, Some(members)) => members.would_change(event),
            (_, None) => true,
        }
    }

    /// The version after `event`. An event that takes a user's access away also revokes the tokens that the user has. Otherwise
    /// these tokens would count again as soon as the ban is lifted. Without a membership, only the revocation refuses the user.
    ///
    /// # Errors
    /// See [`CannotChange`]; then nothing has changed.
    pub fn changed(&self, event: &MembershipEvent) -> Result<Self, CannotChange> {
        let MembershipEvent { change, at } = event;
        let members = match (&self.members, &self.rules.roles) {
            _ if matches!(change, Change::Revoked(_)) => self.members.clone(),
            (Some(members), Some(_)) => Some(members.changed(event)?),
            (None, Some(_)) => return Err(CannotChange::NotLoaded),
            (_, None) => None,
        };
        let revocations = match change {
            Change::Revoked(revoked) => self.revocations.with(revoked.clone(), *at)?,
            Change::User(user, told) if told.takes_access() => {
                let revoked = self.revocations.with(Revoked::User(user.clone()), *at);
                match (revoked, &members) {
                    // Fail closed: if there is no room for the revocation, the ban is applied all the same.
                    (Err(TooManyRevocations), Some(_)) => self.revocations.clone(),
                    (revoked, _) => revoked?,
                }
            }
            _ if members.is_none() => return Err(CannotChange::Nowhere),
            _ => self.revocations.clone(),
        };
        Ok(Self {
            members,
            revocations,
            ..self.clone()
        })
    }
}

/// The part of the settings that judges requests and can change while running.
#[derive(Clone, Debug)]
pub struct Rules {
    pub routes: RouteTable,
    pub issuers: Vec<Issuer>,
    /// How users come in without an issuer; `None` where only issuers authenticate users.
    pub static_user: Option<StaticAuth>,
    /// What a route with `answer: profile` answers.
    pub profile: Profile,
    /// The roles of the membership; `None` when no membership is configured.
    pub roles: Option<Roles>,
    /// The flags that a user may have.
    pub flags: Flags,
    pub services: Vec<ServiceToken>,
    pub webhooks: Option<WebhookPolicy>,
    pub cors: Cors,
    pub names: Arc<TrustedNames>,
    /// Further headers, each with the claim that fills it.
    pub claim_headers: Vec<(HeaderName, Box<str>)>,
    pub answers: Answers,
    /// How long a revocation is remembered. This is also the longest remaining lifetime that a token may have.
    pub keep_revocations: Duration,
    /// Proxies in front of the gate. Their forwarding headers are passed on, and used as the address from which a service calls.
    pub trusted_proxies: Vec<IpNet>,
}

/// Which webhooks are accepted.
#[derive(Clone, Debug)]
pub struct WebhookPolicy {
    /// One secret, or two while rotating.
    pub secrets: Vec<WebhookSecret>,
    /// Largest difference between the timestamp and now.
    pub tolerance: Duration,
    /// Largest body in bytes.
    pub max_body: usize,
}

impl Rules {
    /// The issuer with this `iss`.
    #[must_use]
    pub fn issuer(&self, iss: &str) -> Option<&Issuer> {
        self.issuers.iter().find(|issuer| *issuer.iss == *iss)
    }

    /// Whether the peer is a proxy whose forwarding headers are trusted.
    #[must_use]
    pub fn trusts(&self, peer: Option<IpAddr>) -> bool {
        peer.is_some_and(|peer| {
            self.trusted_proxies
                .iter()
                .any(|net| net.contains(&peer.to_canonical()))
        })
    }

    /// Whether authentication is switched off. Then every request has the same made-up user.
    #[must_use]
    pub fn auth_disabled(&self) -> bool {
        matches!(self.static_user, Some(StaticAuth::Disabled(_)))
    }

    /// The `instance_id` that webhooks must contain, if one is configured.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        self.issuers.first()?.instance_id.as_deref()
    }
}
