//! The answers that the gate gives itself: the caller's profile, and whether a token is valid.

use http::HeaderValue;
use percent_encoding::percent_decode;
use serde_json::Value;
use time::UtcDateTime;
use time::format_description::well_known::Rfc3339;

use super::principal::{Principal, UserProfile};
use crate::domain::Rejection;
use crate::domain::answer::{Answer, AnswerKind, Answers};
use crate::domain::event::EventTime;
use crate::domain::membership::{AccessStatus, Details};
use crate::domain::profile::{Word, object};
use crate::domain::routes::Own;
use crate::domain::snapshot::Snapshot;

/// The answer to an admitted user.
pub(super) fn answer(snapshot: &Snapshot, own: Own, principal: &Principal) -> Answer {
    let user_profile = UserProfile::of(snapshot, principal);
    let body = match own {
        Own::Profile => {
            let details = user_profile
                .known
                .and_then(|known| known.details())
                .unwrap_or_default();
            snapshot
                .rules
                .profile
                .render(|word| value(word, &user_profile, &details))
        }
        Own::Verify => object([
            ("valid", true.into()),
            (
                "provider",
                user_profile.issuer.as_ref().map_or(Value::Null, plain),
            ),
            ("user_id", plain(&user_profile.user_id)),
            (
                "email",
                user_profile.email.as_ref().map_or(Value::Null, decoded),
            ),
        ]),
    };
    Answer {
        status: 200,
        body,
        challenge: None,
        retry_after: None,
    }
}

impl Own {
    /// Whether a refusal for this reason is answered in the format of this route, and not as other refusals are.
    #[must_use]
    pub fn tells(self, reason: Rejection) -> bool {
        self == Self::Verify && told(reason).is_some()
    }
}

/// The answer of `answer: verify` to a request that is refused. `None` where the reason is not about token or user.
///
/// It has the status of the refusal, and 401 wherever the token or the user is the reason. RFC 7662, 2.2 would answer 200 with
/// `active: false`. But a client that checks only the status would then accept every token.
pub(super) fn not_valid(answers: &Answers, reason: Rejection) -> Option<Answer> {
    let (kind, word) = told(reason)?;
    let body = object([("valid", false.into()), ("reason", word.into())]);
    Some(Answer {
        body,
        ..answers.answer(kind)
    })
}

/// The kind of answer, and the word for the reason in its body.
fn told(reason: Rejection) -> Option<(AnswerKind, &'static str)> {
    use Rejection as R;
    Some(match (reason, reason.kind()) {
        (R::MissingToken, kind) => (kind, "missing_token"),
        (R::Expired, kind) => (kind, "expired"),
        // The client does not learn which other check failed.
        (_, kind @ AnswerKind::InvalidToken) => (kind, "invalid_token"),
        (R::UserDeleted | R::UserBanned | R::Suspended, _) => {
            (AnswerKind::InvalidToken, "user_refused")
        }
        (R::KeysUnavailable, kind) => (kind, "issuer unreachable"),
        (_, kind @ AnswerKind::Unavailable) => (kind, "temporarily unavailable"),
        _ => return None,
    })
}

/// The value of one profile key for a person.
fn value(word: &Word, of: &UserProfile<'_>, details: &Details) -> Value {
    let text = |value: &Option<HeaderValue>| value.as_ref().map_or(Value::Null, decoded);
    let id = |value: &Option<HeaderValue>| value.as_ref().map_or(Value::Null, plain);
    match word {
        Word::UserId => plain(&of.user_id),
        Word::ClerkUserId => id(&of.clerk_user_id),
        Word::Email => text(&of.email),
        Word::Name => text(&of.name),
        Word::AccessStatus => of.access.map(AccessStatus::name).into(),
        Word::HasAccess => (of.access == Some(AccessStatus::Active)).into(),
        Word::Founder => of.founder.into(),
        Word::Flags => of.flags.names().collect::<Vec<_>>().into(),
        Word::ActivatedAt => {
            let written = details.activated_at.as_deref().map(Value::from);
            // A user who was active from the first moment got access then. For other users the time is not known.
            let since = || of.since.filter(|_| of.access == Some(AccessStatus::Active));
            written.unwrap_or_else(|| since().and_then(rfc_3339).into())
        }
        Word::Since => of.since.and_then(rfc_3339).into(),
        Word::Issuer => id(&of.issuer),
        Word::SessionId => id(&of.session_id),
        Word::OrgId => id(&of.org_id),
        Word::Attribute(name) => details.attributes.get(name).map(|text| &**text).into(),
        Word::Claim(name) => of
            .claims
            .and_then(|claims| claims.all.get(&**name))
            .cloned()
            .into(),
    }
}

/// An id as JSON text. Ids are visible ASCII and need no decoding.
fn plain(id: &HeaderValue) -> Value {
    id.to_str().ok().into()
}

/// A text that [`crate::domain::ids::text_header`] has encoded.
fn decoded(text: &HeaderValue) -> Value {
    percent_decode(text.as_bytes()).decode_utf8_lossy().into()
}

/// `2026-01-31T10:00:00Z`. `None` for a time that is out of the calendar's range: an event can contain any number.
fn rfc_3339(at: EventTime) -> Option<String> {
    let seconds = i64::try_from(at.0 / 1000).ok()?;
    UtcDateTime::from_unix_timestamp(seconds)
        .ok()?
        .format(&Rfc3339)
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_whole_seconds_of_utc_or_not_at_all() {
        for (ms, expected) in [
            (0, Some("1970-01-01T00:00:00Z")),
            (1_769_853_600_999, Some("2026-01-31T10:00:00Z")),
            (951_782_400_000, Some("2000-02-29T00:00:00Z")),
            (253_402_300_799_999, Some("9999-12-31T23:59:59Z")),
            (253_402_300_800_000, None),
            (u64::MAX, None),
        ] {
            assert_eq!(rfc_3339(EventTime(ms)).as_deref(), expected, "{ms}");
        }
    }

    #[test]
    fn every_reason_about_token_or_user_is_a_401_and_every_other_is_no_business_of_verify() {
        let answers = Answers::default();
        for reason in Rejection::ALL {
            let Some(answer) = not_valid(&answers, *reason) else {
                assert_ne!(
                    reason.kind(),
                    AnswerKind::InvalidToken,
                    "{}",
                    reason.label()
                );
                continue;
            };
            let said: Value = serde_json::from_slice(&answer.body).expect("JSON");
            assert_eq!(said["valid"], false, "{}", reason.label());
            match answer.status {
                401 => assert!(
                    answer
                        .challenge
                        .is_some_and(|challenge| challenge.starts_with("Bearer"))
                ),
                503 => assert!(answer.retry_after.is_some()),
                other => panic!("{}: {other}", reason.label()),
            }
        }
        let word = |reason| {
            let answer = not_valid(&answers, reason).expect("an answer");
            serde_json::from_slice::<Value>(&answer.body).expect("JSON")["reason"].clone()
        };
        assert_eq!(word(Rejection::MissingToken), "missing_token");
        assert_eq!(word(Rejection::Expired), "expired");
        assert_eq!(word(Rejection::BadSignature), "invalid_token");
        assert_eq!(word(Rejection::TokenTooOld), "invalid_token");
        assert_eq!(word(Rejection::UserBanned), "user_refused");
        assert_eq!(word(Rejection::KeysUnavailable), "issuer unreachable");
        assert_eq!(
            word(Rejection::MembersUnavailable),
            "temporarily unavailable"
        );
        assert!(not_valid(&answers, Rejection::AuthDisabledHost).is_none());
    }
}
