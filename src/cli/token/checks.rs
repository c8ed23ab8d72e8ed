//! Every fault of a token at once. The gate stops at the first fault, but people who repair a token need all of them.
//!
//! These checks are for display only. The gate's own code decides, and `inspect` runs it as well.

use serde_json::Value;

use super::parts::TokenParts;
use crate::domain::ids::Subject;
use crate::domain::issuer::{ClaimsPolicy, Issuer, IssuerKind};
use crate::domain::token::person;
use crate::domain::{Rejection, UnixTime};

/// One fault: the reason that the gate would log, and the observation.
pub(super) struct Finding {
    pub reason: Rejection,
    pub text: String,
}

/// The faults of the token under `issuer`'s policy. Without an issuer, under Clerk's defaults.
pub(super) fn check(parts: &TokenParts, issuer: Option<&Issuer>, now: UnixTime) -> Vec<Finding> {
    let default = Issuer::new("clerk", "", IssuerKind::Clerk);
    let issuer = issuer.unwrap_or(&default);
    let policy = &issuer.claims;
    let mut found = Findings(vec![]);
    header(parts, issuer.kind, &mut found);
    times(parts, policy, now, &mut found);
    party(parts, policy, &mut found);
    audience(parts, policy, &mut found);
    match issuer.kind {
        IssuerKind::Clerk => session(parts, policy, &mut found),
        IssuerKind::Oidc => {
            client(parts, policy, &mut found);
            user(parts, &issuer.claim_names.user_id, &mut found);
        }
    }
    found.0
}

struct Findings(Vec<Finding>);

impl Findings {
    fn unless(&mut self, good: bool, reason: Rejection, text: impl FnOnce() -> String) {
        if !good {
            self.0.push(Finding {
                reason,
                text: text(),
            });
        }
    }
}

fn header(parts: &TokenParts, kind: IssuerKind, found: &mut Findings) {
    let alg = parts.header.get("alg").and_then(Value::as_str);
    found.unless(alg == Some("RS256"), Rejection::WrongAlgorithm, || {
        format!(
            "alg is {}, only RS256 is accepted",
            parts.shown_header("alg")
        )
    });
    let typ = parts.header.get("typ").map(Value::as_str);
    let (good, expected) = match (kind, typ) {
        (_, None | Some(Some("JWT"))) => (true, ""),
        (IssuerKind::Oidc, Some(Some("at+jwt" | "application/at+jwt"))) => (true, ""),
        (IssuerKind::Clerk, _) => (false, "a session token has JWT"),
        (IssuerKind::Oidc, _) => (false, "an ID token has JWT, an access token at+jwt"),
    };
    found.unless(good, Rejection::WrongTokenType, || {
        format!("typ is {}, {expected}", parts.shown_header("typ"))
    });
    found.unless(
        !parts.header.contains_key("crit"),
        Rejection::MalformedToken,
        || "the header has `crit`: an extension that must be understood, and is not".to_owned(),
    );
    let kid = parts.header.get("kid");
    found.unless(
        matches!(kid, Some(Value::String(kid)) if kid.len() <= 255),
        Rejection::UnknownKey,
        || format!("kid is {}: which key signed?", parts.shown_header("kid")),
    );
}

fn times(parts: &TokenParts, policy: &ClaimsPolicy, UnixTime(now): UnixTime, found: &mut Findings) {
    for name in ["exp", "nbf", "iat"] {
        let present = parts.claims.contains_key(name);
        let needed = name == "exp" || (name == "iat" && policy.verify_iat);
        let well_formed = if present {
            parts.seconds(name).is_some()
        } else {
            !needed
        };
        let reason = if present || name == "exp" {
            Rejection::MalformedToken
        } else {
            Rejection::IssuedInFuture
        };
        found.unless(well_formed, reason, || {
            format!(
                "{name} is {}, expected whole seconds since 1970",
                parts.shown_claim(name)
            )
        });
    }
    let leeway = policy.leeway.secs();
    let soon = now.saturating_add(leeway);
    if let Some(exp) = parts.seconds("exp") {
        found.unless(now < exp.saturating_add(leeway), Rejection::Expired, || {
            format!(
                "exp was {} s ago, and the leeway is {leeway} s",
                now.saturating_sub(exp)
            )
        });
    }
    if let Some(nbf) = parts.seconds("nbf") {
        found.unless(nbf <= soon, Rejection::NotYetValid, || {
            format!("nbf is in {} s: is a clock wrong?", nbf.saturating_sub(now))
        });
    }
    let Some(iat) = parts.seconds("iat") else {
        return;
    };
    found.unless(
        !policy.verify_iat || iat <= soon,
        Rejection::IssuedInFuture,
        || format!("iat is in {} s: is a clock wrong?", iat.saturating_sub(now)),
    );
    if let Some(max) = policy.max_token_age.map(|max| max.as_secs()) {
        found.unless(
            now.saturating_sub(iat) <= max.saturating_add(leeway),
            Rejection::TokenTooOld,
            || {
                format!(
                    "the token is {} s old, and `max_token_age` is {max} s",
                    now.saturating_sub(iat)
                )
            },
        );
    }
}

fn party(parts: &TokenParts, policy: &ClaimsPolicy, found: &mut Findings) {
    if let Some(parties) = &policy.authorized_parties {
        let good = match parts.text("azp") {
            Some(azp) => parties.iter().any(|party| **party == *azp),
            None => policy.azp_optional,
        };
        found.unless(good, Rejection::WrongParty, || {
            format!(
                "azp is {}, and `authorized_parties` lists {}",
                parts.shown_claim("azp"),
                parties.join(", ")
            )
        });
    }
}

fn audience(parts: &TokenParts, policy: &ClaimsPolicy, found: &mut Findings) {
    if let Some(audience) = &policy.audience {
        let is_ours = |value: &Value| {
            value
                .as_str()
                .is_some_and(|aud| audience.iter().any(|own| **own == *aud))
        };
        let good = match parts.claims.get("aud") {
            Some(Value::Array(list)) => list.iter().any(is_ours),
            Some(one) => is_ours(one),
            None => false,
        };
        found.unless(good, Rejection::WrongAudience, || {
            format!(
                "aud is {}, and `audience` lists {}",
                parts.shown_claim("aud"),
                audience.join(", ")
            )
        });
    }
}

fn session(parts: &TokenParts, policy: &ClaimsPolicy, found: &mut Findings) {
    let sub = parts.text("sub").unwrap_or_default();
    found.unless(
        sub.len() > 5 && sub.starts_with("user_"),
        Rejection::MissingSubject,
        || format!("sub is {}, a user is `user_…`", parts.shown_claim("sub")),
    );
    found.unless(
        parts.text("sid").is_some() || policy.allow_jwt_templates,
        Rejection::MissingSession,
        || "sid is missing: the token belongs to no session, and outlives a sign-out".to_owned(),
    );
    let active = matches!(parts.claims.get("sts"), None | Some(Value::Null))
        || parts.text("sts") == Some("active");
    found.unless(
        active || policy.allow_pending,
        Rejection::SessionPending,
        || {
            format!(
                "sts is {}: the session has open tasks",
                parts.shown_claim("sts")
            )
        },
    );
}

fn client(parts: &TokenParts, policy: &ClaimsPolicy, found: &mut Findings) {
    let Some(client) = policy.client_id.as_deref() else {
        return;
    };
    let named = parts.text("azp").or_else(|| parts.text("client_id"));
    let listed = |aud: &Value| match aud {
        Value::Array(list) => list.iter().any(|one| one == client),
        one => one == client,
    };
    let good = named.map_or_else(
        || parts.claims.get("aud").is_some_and(listed),
        |named| named == client,
    );
    found.unless(good, Rejection::WrongParty, || {
        let [azp, id, aud] = ["azp", "client_id", "aud"].map(|name| parts.shown_claim(name));
        format!("azp is {azp}, client_id {id}, aud {aud}, and the config's `client_id` is {client}")
    });
}

fn user(parts: &TokenParts, claim: &str, found: &mut Findings) {
    let good = parts
        .text(claim)
        .is_some_and(|sub| Subject::parse(sub).is_ok());
    found.unless(good, Rejection::MissingSubject, || {
        format!(
            "{claim} is {}, a user is 1 to 255 bytes of visible ASCII without , ; \" \\",
            parts.shown_claim(claim)
        )
    });
    let proven = claim != "email" || person::is_proven(&parts.claims);
    found.unless(!good || proven, Rejection::MissingSubject, || {
        format!(
            "the user is the address, and email_verified is {}, not true",
            parts.shown_claim("email_verified")
        )
    });
}
