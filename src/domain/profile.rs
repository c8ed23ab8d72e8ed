//! The shape of a profile: the keys of `answer: profile`, and the value of each.

use bytes::Bytes;
use serde_json::Value;

/// The most keys of a profile.
pub const MAX_KEYS: usize = 64;
/// The longest key, and the longest name of an attribute or a claim, in bytes.
pub const MAX_KEY: usize = 255;

/// Keys in the order of the config, each with the word that selects its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile(Vec<(Box<str>, Word)>);

/// The value of one key. An unknown value is `null` and its key is never absent, so that callers need no second check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// The value of `x-user-id`.
    UserId,
    ClerkUserId,
    Email,
    Name,
    /// The value of `x-access-status`.
    AccessStatus,
    /// Whether the access is active or counts as active.
    HasAccess,
    Founder,
    /// The user's flags, as a list of texts.
    Flags,
    /// When the user got access, where that is known.
    ActivatedAt,
    /// The first time that the gate heard of the user, where they are known only because of that.
    Since,
    Issuer,
    SessionId,
    OrgId,
    /// An attribute of the membership's `attributes`, by name.
    Attribute(Box<str>),
    /// A claim at the top level of the token, unchanged.
    Claim(Box<str>),
}

const PLAIN: &[(&str, Word)] = &[
    ("user_id", Word::UserId),
    ("clerk_user_id", Word::ClerkUserId),
    ("email", Word::Email),
    ("name", Word::Name),
    ("access_status", Word::AccessStatus),
    ("has_access", Word::HasAccess),
    ("founder", Word::Founder),
    ("flags", Word::Flags),
    ("activated_at", Word::ActivatedAt),
    ("since", Word::Since),
    ("issuer", Word::Issuer),
    ("session_id", Word::SessionId),
    ("org_id", Word::OrgId),
];

impl Word {
    /// The names of the words without a parameter.
    pub fn names() -> impl Iterator<Item = &'static str> {
        PLAIN.iter().map(|(name, _)| *name)
    }

    /// The word with this name: one without a parameter, `attributes.NAME` or `claims.NAME`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let named = |name: &str| (1..=MAX_KEY).contains(&name.len()).then(|| Box::from(name));
        match text.split_once('.') {
            Some(("attributes", name)) => named(name).map(Self::Attribute),
            Some(("claims", name)) => named(name).map(Self::Claim),
            _ => PLAIN
                .iter()
                .find(|(name, _)| *name == text)
                .map(|(_, word)| word.clone()),
        }
    }
}

impl Default for Profile {
    /// The profile that frontends built on `GET /api/auth/me` expect.
    fn default() -> Self {
        let keys = [
            ("id", Word::UserId),
            ("email", Word::Email),
            ("name", Word::Name),
            ("clerkUserId", Word::ClerkUserId),
            ("accessStatus", Word::AccessStatus),
            ("hasProductAccess", Word::HasAccess),
            ("isFounder", Word::Founder),
            ("referralCode", Word::Attribute("referral_code".into())),
            ("activatedAt", Word::ActivatedAt),
        ];
        Self(keys.map(|(key, word)| (key.into(), word)).to_vec())
    }
}

impl Profile {
    /// 1 to [`MAX_KEYS`] distinct keys of 1 to [`MAX_KEY`] bytes. `None` for anything else.
    #[must_use]
    pub fn new(keys: Vec<(Box<str>, Word)>) -> Option<Self> {
        let distinct = keys
            .iter()
            .enumerate()
            .all(|(i, (key, _))| !keys.iter().take(i).any(|(other, _)| other == key));
        let short = keys
            .iter()
            .all(|(key, _)| (1..=MAX_KEY).contains(&key.len()));
        (distinct && short && (1..=MAX_KEYS).contains(&keys.len())).then_some(Self(keys))
    }

    /// The profile as a JSON object, with the keys in their order.
    #[must_use]
    pub fn render(&self, value: impl Fn(&Word) -> Value) -> Bytes {
        object(self.0.iter().map(|(key, word)| (&**key, value(word))))
    }
}

/// Writes a JSON object with the keys in this order. `serde_json::Map` would sort them.
pub(super) fn object<'k>(entries: impl IntoIterator<Item = (&'k str, Value)>) -> Bytes {
    let entries = entries
        .into_iter()
        .map(|(key, value)| format!("{}:{value}", Value::from(key)));
    format!("{{{}}}", entries.collect::<Vec<_>>().join(",")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_to_the_letter() {
        assert_eq!(Word::parse("user_id"), Some(Word::UserId));
        assert_eq!(
            Word::parse("attributes.referral_code"),
            Some(Word::Attribute("referral_code".into()))
        );
        assert_eq!(
            Word::parse("claims.https://x.test/a.b"),
            Some(Word::Claim("https://x.test/a.b".into()))
        );
        for bad in [
            "",
            "userid",
            "User_Id",
            "attributes",
            "attributes.",
            "claims.",
            "flags.x",
            "members.x",
        ] {
            assert_eq!(Word::parse(bad), None, "{bad}");
        }
        assert_eq!(
            Word::parse(&format!("claims.{}", "x".repeat(MAX_KEY + 1))),
            None
        );
    }

    #[test]
    fn keys_stay_in_their_order_and_cannot_break_out_of_the_object() {
        let keys = [
            ("z", Word::Email),
            ("a\",\"b", Word::Name),
            ("ä", Word::Flags),
        ];
        let profile = Profile::new(keys.map(|(key, word)| (key.into(), word)).to_vec()).unwrap();
        let body = profile.render(|word| match word {
            Word::Name => Value::from("\"}\n"),
            _ => Value::Null,
        });
        assert_eq!(body, "{\"z\":null,\"a\\\",\\\"b\":\"\\\"}\\n\",\"ä\":null}");
    }

    #[test]
    fn a_profile_has_a_bound_and_no_key_twice() {
        let keys = |count: usize| {
            (0..count)
                .map(|i| (i.to_string().into(), Word::Email))
                .collect::<Vec<_>>()
        };
        assert!(Profile::new(keys(MAX_KEYS)).is_some());
        assert_eq!(Profile::new(keys(MAX_KEYS + 1)), None);
        assert_eq!(Profile::new(vec![]), None);
        assert_eq!(Profile::new([keys(2), keys(1)].concat()), None);
        assert_eq!(Profile::new(vec![("".into(), Word::Email)]), None);
    }
}
