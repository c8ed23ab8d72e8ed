//! What the gate answers itself: who the caller is, and whether a token is good.

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

/// The answer to a person who was let in.
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
    /// Whether a refusal for this reason is told in the shape of the answer, and not in that of every other refusal.
    #[must_use]
    pub fn tells(self, reason: Rejection) -> bool {
        self == Self::Verify && told(reason).is_some()
    }
}

/// What `answer: verify` says of a request that is refused. `None` where the refusal says nothing about token and user.
///
/// The status is that of the refusal, and 401 wherever token or user are to blame. RFC 7662, 2.2 would answer 200 with
/// `active: false`; but a caller that looks at nothing but the status would then take any token for a good one.
pub(super) fn not_valid(answers: &Answers, reason: Rejection) -> Option<Answer> {
    let (kind, word) = told(reason)?;
    let body = object([("valid", false.into()), ("reason", word.into())]);
    Some(Answer {
        body,
        ..answers.answer(kind)
    })
}

/// The kind of answer, and the word for its reader.
fn told(reason: Rejection) -> Option<(AnswerKind, &'static str)> {
    use Rejection as R;
    Some(match (reason, reason.kind()) {
        (R::MissingToken, kind) => (kind, "missing_token"),
        (R::Expired, kind) => (kind, "expired"),
        // Which other check failed is nobody's business outside.
        (_, kind @ AnswerKind::InvalidToken) => (kind, "invalid_token"),
        (R::UserDeleted | R::UserBanned | R::Suspended, _) => {
            (AnswerKind::InvalidToken, "user_refused")
        }
        (R::KeysUnavailable, kind) => (kind, "issuer unreachable"),
        (_, kind @ AnswerKind::Unavailable) => (kind, "temporarily unavailable"),
        _ => return None,
    })
}

/// What a word of the profile says of a person.
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
            // Who was active from the first moment got access in that moment; of all others nobody has said.
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

/// An id, which is visible ASCII as it is.
fn plain(id: &HeaderValue) -> Value {
    id.to_str().ok().into()
}

/// A text that [`crate::domain::ids::text_header`] has encoded.
fn decoded(text: &HeaderValue) -> Value {
    percent_decode(text.as_bytes()).decode_utf8_lossy().into()
}

/// `2026-01-31T10:00:00Z`. `None` for a time that no calendar has: an event can claim any.
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
                assert!(
                    !reason.concerns_token() || reason.kind() == AnswerKind::Challenge,
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
