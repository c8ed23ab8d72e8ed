//! Advice on requests of browsers: preflights, and words such as JavaScript's `undefined` in place of a token.

use super::advice::Evidence;
use super::facts::Facts;
use crate::advice::{Warning, warning};
use crate::domain::Rejection;
use crate::domain::hint::{self, Hint};

/// Cause and cure, where the reason is about a browser. The text is that of a running gate's log.
pub(super) fn evidence(reason: Rejection, facts: &Facts<'_>) -> Option<Evidence> {
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
    let Warning { what, cause, fix } = warning(&hint, facts.snapshot, None);
    Some((format!("{what}; {cause}"), Some(fix.to_owned())))
}
