//! What is told to whoever runs the gate about a hint: what is wrong, why, and what to do. Once, for the log of a running gate and
//! for `bailiff explain`.
//!
//! What to do about a reason stands with the reason, in [`Rejection::fix`]; only what depends on more than the reason stands here.

use crate::config::faults::quoted;
use crate::domain::hint::Hint;
use crate::domain::{Rejection, Snapshot};

/// A message about what refusals have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// One sentence without a period.
    pub what: String,
    pub cause: String,
    pub fix: &'static str,
}

/// What to do about a wrong clock.
const SET_CLOCK: &str = Rejection::NotYetValid.fix();
const FRESH_TOKEN: &str =
    "call getToken() for every request instead of keeping its result: Clerk's tokens live 60 s";
const CLOCK_OR_TOKEN: &str = "measure the clock first: `bailiff check --online`; if it is right, call getToken() for every request \
                              instead of keeping its result";
const SIGNED_IN: &str =
    "ask only once the user is signed in: wrap the component in <SignedIn>, or wait for isSignedIn";
const AWAIT: &str = "getToken() gives a promise: `await getToken()`";

/// The message for a hint. `ahead` is the clock's last measured lead over the issuer's, in seconds.
#[must_use]
pub fn warning(hint: &Hint, snapshot: &Snapshot, ahead: Option<i64>) -> Warning {
    match hint {
        Hint::FromTheFuture {
            issuer,
            claim,
            ahead,
            leeway,
        } => Warning {
            what: format!(
                "the clock of this machine is at least {ahead} s behind that of the issuer `{issuer}`"
            ),
            cause: format!(
                "the {claim} of a good token lies {ahead} s in the future, and the leeway is {leeway} s"
            ),
            fix: SET_CLOCK,
        },
        Hint::JustExpired {
            issuer,
            ago,
            leeway,
        } => just_expired(issuer, *ago, *leeway, ahead),
        Hint::OtherInstance { reason, iss, kid } => {
            other_instance(snapshot, *reason, iss, kid.as_deref())
        }
        Hint::OtherKey { issuer } => Warning {
            what: format!("a token of the issuer `{issuer}` does not fit the key in the config"),
            cause: "the key is another instance's, or an old one; or the token is forged"
                .to_owned(),
            fix: Rejection::BadSignature.fix(),
        },
        Hint::Placeholder(word) if word.starts_with('[') => Warning {
            what: format!("a client sends `Bearer {word}`"),
            cause: "the page sends an object in the place of a token".to_owned(),
            fix: AWAIT,
        },
        Hint::Placeholder(word) => Warning {
            what: format!("a client sends `Bearer {word}`"),
            cause: format!("getToken() gave {word}: the user is not signed in"),
            fix: SIGNED_IN,
        },
        Hint::Origin(origin) => Warning {
            what: format!(
                "a browser was refused: the origin {} is not listed",
                quoted(origin)
            ),
            cause: format!("its preflight is answered only for {}", origins(snapshot)),
            fix: Rejection::OriginNotListed.fix(),
        },
        Hint::Webhook(reason) => webhook(*reason, snapshot),
    }
}

/// The message for clocks that differ by more than the leeway.
#[must_use]
pub fn clock_is_off(issuer: &str, ahead: i64, leeway: u64) -> Warning {
    let (word, effect) = if ahead > 0 {
        ("ahead of", "early")
    } else {
        ("behind", "late")
    };
    let by = ahead.unsigned_abs();
    Warning {
        what: format!("the clock of this machine is {by} s {word} that of the issuer `{issuer}`"),
        cause: format!(
            "so says the `Date` of its keys; tokens end {by} s too {effect}, and the leeway is {leeway} s"
        ),
        fix: SET_CLOCK,
    }
}

fn just_expired(issuer: &str, ago: u64, leeway: u64, ahead: Option<i64>) -> Warning {
    let ended = format!("the last one had ended {ago} s before, and the leeway is {leeway} s");
    let (cause, fix) = match ahead {
        Some(ahead) if ahead > i64::try_from(leeway).unwrap_or(i64::MAX) => (
            format!("{ended}; the clock of this machine is {ahead} s ahead of the issuer's"),
            SET_CLOCK,
        ),
        Some(ahead) => (
            format!(
                "{ended}; the clock is not to blame ({ahead} s ahead of the issuer's), so clients keep old tokens"
            ),
            FRESH_TOKEN,
        ),
        None => (
            format!(
                "{ended}; either the clock of this machine is ahead, or clients keep old tokens"
            ),
            CLOCK_OR_TOKEN,
        ),
    };
    Warning {
        what: format!("many tokens of the issuer `{issuer}` come just after their end"),
        cause,
        fix,
    }
}

fn other_instance(snapshot: &Snapshot, reason: Rejection, iss: &str, kid: Option<&str>) -> Warning {
    let kid = kid.map_or_else(|| "no kid".to_owned(), |kid| format!("kid {}", quoted(kid)));
    let (what, cause) = match snapshot
        .rules
        .issuer(iss)
        .and_then(|issuer| snapshot.keys.get(&issuer.name))
    {
        // A rotation is noticed within `keys.cooldown`; what goes on for longer is none.
        Some(keys) if reason == Rejection::UnknownKey => (
            "tokens by an unknown key arrive: of another Clerk instance, or of one that has just changed its keys",
            format!(
                "they say iss {} and {kid}, and that issuer has {}",
                quoted(iss),
                keys.kids().join(", ")
            ),
        ),
        _ => {
            let known: Vec<_> = snapshot
                .rules
                .issuers
                .iter()
                .map(|issuer| quoted(&issuer.iss))
                .collect();
            let cause = format!(
                "they say iss {} and {kid}; configured is {}",
                quoted(iss),
                known.join(", ")
            );
            ("tokens of another Clerk instance arrive", cause)
        }
    };
    Warning {
        what: what.to_owned(),
        cause,
        fix: reason.fix(),
    }
}

fn origins(snapshot: &Snapshot) -> String {
    match snapshot.rules.cors.origins.as_slice() {
        [] => "the origins of `cors.origins`, and there are none".to_owned(),
        listed => listed.join(", "),
    }
}

fn webhook(reason: Rejection, snapshot: &Snapshot) -> Warning {
    let tolerance = snapshot
        .rules
        .webhooks
        .as_ref()
        .map_or(0, |webhooks| webhooks.tolerance.as_secs());
    let (what, cause) = match reason {
        Rejection::WebhookSignature => (
            "a webhook was refused: its signature fits no configured secret",
            "the secret is another endpoint's or an old one, a proxy has changed the body, or it is forged".to_owned(),
        ),
        Rejection::WebhookTime => (
            "a webhook was refused: its time is too far from now",
            format!("more than {tolerance} s: this machine's clock is wrong, or an old delivery came again"),
        ),
        _ => (
            "a request to a webhook route was refused: its svix headers are missing, double or malformed",
            "it does not come from Clerk, or a proxy in between drops these headers".to_owned(),
        ),
    };
    Warning {
        what: what.to_owned(),
        cause,
        fix: reason.fix(),
    }
}
