//! Advice on what browsers send: preflights, and JavaScript's words in the place of a token.

use super::advice::Facts;
use crate::domain::Rejection;
use crate::domain::hint::{self, Hint};
use crate::hints::{Told, told};

/// Cause and cure, where the reason is about a browser. The same words as in the log of a running gate.
pub(super) fn advice(reason: Rejection, facts: &Facts<'_>) -> Option<(String, String)> {
    let hint = match reason {
        Rejection::OriginNotListed => hint::hint(
            facts.snapshot,
            &http::Method::OPTIONS,
            facts.headers,
            reason,
            facts.now,
        )?,
        Rejection::MalformedToken | Rejection::UnknownService => {
            Hint::Placeholder(hint::placeholder(facts.headers)?)
        }
        _ => return None,
    };
    let Told { what, cause, fix } = told(&hint, facts.snapshot, None);
    Some((format!("{what}; {cause}"), fix.to_owned()))
}
