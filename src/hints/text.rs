//! The words: what is wrong, why, and what to do.

use crate::config::faults::quoted;
use crate::domain::hint::Hint;
use crate::domain::{Rejection, Snapshot};

/// A message for whoever runs the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// One sentence without a period.
    pub what: String,
    pub cause: String,
    pub fix: &'static str,
}

const SET_CLOCK: &str = "timedatectl set-ntp true on the host; `bailiff check --online` measures the difference. `clerk.leeway` \
                         (CLERK_LEEWAY) bridges at most 60 s, and lengthens the life of every stolen token";
const FRESH_TOKEN: &str =
    "call getToken() for every request instead of keeping its result: Clerk's tokens live 60 s";
const CLOCK_OR_TOKEN: &str = "measure the clock first: `bailiff check --online`; if it is right, call getToken() for every request \
                              instead of keeping its result";
const ONE_INSTANCE: &str = "CLERK_PUBLISHABLE_KEY here and in the frontend must be of one Clerk application, both pk_test_ \
                                       or both pk_live_; a second instance is listed under `issuers:`";
const PEM: &str = "compare `jwt_key` (CLERK_JWT_KEY) with the dashboard (API keys, JWKS public key): it changes when Clerk rotates \
                   the key; without it, the keys are fetched";
const SIGNED_IN: &str =
    "ask only once the user is signed in: wrap the component in <SignedIn>, or wait for isSignedIn";
const AWAIT: &str = "getToken() gives a promise: `await getToken()`";
const LIST_ORIGIN: &str = "if these are your pages, add the origin to `cors.origins` (or CORS_ORIGINS), to the letter and without a \
                           slash at its end";
const WEBHOOK_SECRET: &str = "compare `webhooks.secrets` (CLERK_WEBHOOK_SIGNING_SECRET, CLERK_WEBHOOK_SECRET) with the signing secret, \
                              whsec_…, of this very endpoint in the Clerk dashboard (Webhooks), and keep the body as it came";
const WEBHOOK_SENDER: &str = "if it was Clerk, let every proxy in between pass svix-id, svix-timestamp and svix-signature; anybody \
                              else has no business here. `bailiff webhook send` makes a good one";
const WEBHOOK_CLOCK: &str = "timedatectl set-ntp true on the host, or send it anew from the Clerk dashboard if it is an old one; \
                             `webhooks.tolerance` is the bound";

/// The message for a hint. `ahead` is the clock's last measured lead over the issuer's, in seconds.
#[must_use]
pub fn told(hint: &Hint, snapshot: &Snapshot, ahead: Option<i64>) -> Told {
    match hint {
        Hint::FromTheFuture {
            issuer,
            claim,
            ahead,
            leeway,
        } => Told {
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
        Hint::OtherKey { issuer } => Told {
            what: format!("a token of the issuer `{issuer}` does not fit the key in the config"),
            cause: "the key is another instance's, or an old one; or the token is forged"
                .to_owned(),
            fix: PEM,
        },
        Hint::Placeholder(word) if word.starts_with('[') => Told {
            what: format!("a client sends `Bearer {word}`"),
            cause: "the page sends an object in the place of a token".to_owned(),
            fix: AWAIT,
        },
        Hint::Placeholder(word) => Told {
            what: format!("a client sends `Bearer {word}`"),
            cause: format!("getToken() gave {word}: the user is not signed in"),
            fix: SIGNED_IN,
        },
        Hint::Origin(origin) => Told {
            what: format!(
                "a browser was refused: the origin {} is not listed",
                quoted(origin)
            ),
            cause: format!("its preflight is answered only for {}", origins(snapshot)),
            fix: LIST_ORIGIN,
        },
        Hint::Webhook(reason) => webhook(*reason, snapshot),
    }
}

/// The message for clocks that differ by more than the leeway.
pub(super) fn clock_is_off(issuer: &str, ahead: i64, leeway: u64) -> Told {
    let (word, effect) = if ahead > 0 {
        ("ahead of", "early")
    } else {
        ("behind", "late")
    };
    let by = ahead.unsigned_abs();
    Told {
        what: format!("the clock of this machine is {by} s {word} that of the issuer `{issuer}`"),
        cause: format!(
            "so says the `Date` of its keys; tokens end {by} s too {effect}, and the leeway is {leeway} s"
        ),
        fix: SET_CLOCK,
    }
}

fn just_expired(issuer: &str, ago: u64, leeway: u64, ahead: Option<i64>) -> Told {
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
    Told {
        what: format!("many tokens of the issuer `{issuer}` come just after their end"),
        cause,
        fix,
    }
}

fn other_instance(snapshot: &Snapshot, reason: Rejection, iss: &str, kid: Option<&str>) -> Told {
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
    Told {
        what: what.to_owned(),
        cause,
        fix: ONE_INSTANCE,
    }
}

fn origins(snapshot: &Snapshot) -> String {
    match snapshot.rules.cors.origins.as_slice() {
        [] => "the origins of `cors.origins`, and there are none".to_owned(),
        listed => listed.join(", "),
    }
}

fn webhook(reason: Rejection, snapshot: &Snapshot) -> Told {
    let tolerance = snapshot
        .rules
        .webhooks
        .as_ref()
        .map_or(0, |webhooks| webhooks.tolerance.as_secs());
    let (what, cause, fix) = match reason {
        Rejection::WebhookSignature => (
            "a webhook was refused: its signature fits no configured secret",
            "the secret is another endpoint's or an old one, a proxy has changed the body, or it is forged".to_owned(),
            WEBHOOK_SECRET,
        ),
        Rejection::WebhookTime => (
            "a webhook was refused: its time is too far from now",
            format!("more than {tolerance} s: this machine's clock is wrong, or an old delivery came again"),
            WEBHOOK_CLOCK,
        ),
        _ => (
            "a request to a webhook route was refused: its svix headers are missing, double or malformed",
            "it does not come from Clerk, or a proxy in between drops these headers".to_owned(),
            WEBHOOK_SENDER,
        ),
    };
    Told {
        what: what.to_owned(),
        cause,
        fix,
    }
}
