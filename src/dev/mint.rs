//! Session tokens as Clerk makes them, ID and access tokens as other providers make them, and every way to change one.
//!
//! A [`Mint`] starts as a correct session token of version 2. Each method changes one thing. The changes of [`Mint::claim`] and
//! [`Mint::without`] are applied last, so any claim can be made wrong.

use serde_json::{Map, Value, json};

use super::key::SigningKey;

/// The category of session tokens, in the header member `cat`.
pub const CATEGORY_SESSION: &str = "cl_B7d4PD111AAA";
/// The category of tokens made from a JWT template.
pub const CATEGORY_TEMPLATE: &str = "cl_B7d4PD222AAA";

/// Clerk's default lifetime.
const LIFETIME_SECS: u64 = 60;
/// The usual lifetime of other providers' access tokens.
const OIDC_LIFETIME_SECS: u64 = 3600;
/// The distance of `nbf` before `iat`, for clocks that are behind.
const NOT_BEFORE_SECS: u64 = 10;
/// The bit masks are computed in 128 bits.
const PERMISSIONS_MAX: usize = 128;

/// A token in the making. Nothing is signed before [`Mint::sign`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Mint {
    issuer: String,
    subject: String,
    jti: String,
    issued_at: u64,
    lifetime: u64,
    shape: Shape,
    azp: Option<String>,
    organization: Map<String, Value>,
    actor: Option<String>,
    claims: Vec<Change>,
    header: Vec<Change>,
}

/// A member to set, or to leave out.
type Change = (String, Option<Value>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    V2,
    V1,
    Template,
    /// A token of a provider other than Clerk.
    Oidc,
}

impl Mint {
    /// A session token of `issuer` for the user `sub`, at the unix time `now` in seconds.
    pub fn new(issuer: &str, sub: &str, now: u64) -> Self {
        Self {
            issuer: issuer.to_owned(),
            subject: sub.to_owned(),
            jti: super::random_id(""),
            issued_at: now,
            lifetime: LIFETIME_SECS,
            shape: Shape::V2,
            azp: None,
            organization: Map::new(),
            actor: None,
            claims: Vec::new(),
            header: Vec::new(),
        }
    }

    /// The origin of the app that asked for the token.
    pub fn azp(mut self, origin: &str) -> Self {
        self.azp = Some(origin.to_owned());
        self
    }

    /// When the token was made; `nbf` and `exp` follow.
    pub fn issued_at(mut self, unix: u64) -> Self {
        self.issued_at = unix;
        self
    }

    /// How long the token lives, in seconds from `iat`.
    pub fn lifetime(mut self, secs: u64) -> Self {
        self.lifetime = secs;
        self
    }

    /// The active organization as version 2 writes it. `role` is without `org:`; a permission is
    /// `org:<feature>:<name>` or `<feature>:<name>`, others and those beyond the 128th name are left out.
    pub fn org(mut self, id: &str, slug: &str, role: &str, permissions: &[&str]) -> Self {
        let mut org = Map::from_iter([
            ("id".to_owned(), json!(id)),
            ("rol".to_owned(), json!(role)),
            ("slg".to_owned(), json!(slug)),
        ]);
        self.organization.clear();
        if let Some(packed) = PackedPermissions::of(permissions) {
            org.insert("per".to_owned(), json!(packed.names));
            org.insert("fpm".to_owned(), json!(packed.masks));
            self.organization
                .insert("fea".to_owned(), json!(packed.features));
        }
        self.organization.insert("o".to_owned(), Value::Object(org));
        self
    }

    /// A token of version 1 with its flat claims. `role` is with its prefix: `org:admin`.
    pub fn v1_org(mut self, id: &str, slug: &str, role: &str, permissions: &[&str]) -> Self {
        self.shape = Shape::V1;
        self.organization = Map::from_iter([
            ("org_id".to_owned(), json!(id)),
            ("org_slug".to_owned(), json!(slug)),
            ("org_role".to_owned(), json!(role)),
            ("org_permissions".to_owned(), json!(permissions)),
        ]);
        self
    }

    /// A token of version 1 without an organization.
    pub fn v1(mut self) -> Self {
        self.shape = Shape::V1;
        self
    }

    /// A token made from a JWT template: no session, no version, and it outlives a revocation.
    pub fn template(mut self) -> Self {
        self.shape = Shape::Template;
        self
    }

    /// A token of an OpenID provider for this audience: no session, no category, nothing of Clerk's. It lives an hour.
    pub fn oidc(mut self, audience: &str) -> Self {
        self.shape = Shape::Oidc;
        self.lifetime = OIDC_LIFETIME_SECS;
        self.claim("aud", audience)
    }

    /// An access token of RFC 9068, which this client got.
    pub fn access_token(self, client_id: &str) -> Self {
        self.header("typ", "at+jwt").claim("client_id", client_id)
    }

    /// Impersonation: `sub` is the person behind it.
    pub fn actor(mut self, sub: &str) -> Self {
        self.actor = Some(sub.to_owned());
        self
    }

    /// Sets any claim to any value, the right ones included.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.push((name.to_owned(), Some(value.into())));
        self
    }

    /// Leaves a claim out.
    pub fn without(mut self, name: &str) -> Self {
        self.claims.push((name.to_owned(), None));
        self
    }

    /// Sets any member of the header.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.push((name.to_owned(), Some(value.into())));
        self
    }

    /// Leaves a member of the header out.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.push((name.to_owned(), None));
        self
    }

    /// The claims as they will be signed.
    #[must_use]
    pub fn claims(&self) -> Value {
        let mut claims = Map::from_iter([
            ("iss".to_owned(), json!(self.issuer)),
            ("sub".to_owned(), json!(self.subject)),
            ("iat".to_owned(), json!(self.issued_at)),
            (
                "nbf".to_owned(),
                json!(self.issued_at.saturating_sub(NOT_BEFORE_SECS)),
            ),
            (
                "exp".to_owned(),
                json!(self.issued_at.saturating_add(self.lifetime)),
            ),
        ]);
        if let Some(azp) = &self.azp {
            claims.insert("azp".to_owned(), json!(azp));
        }
        if self.shape != Shape::V1 {
            claims.insert("jti".to_owned(), json!(self.jti));
        }
        if matches!(self.shape, Shape::V1 | Shape::V2) {
            self.session_claims(&mut claims);
        }
        change(&mut claims, &self.claims);
        Value::Object(claims)
    }

    fn session_claims(&self, claims: &mut Map<String, Value>) {
        claims.insert("sid".to_owned(), json!(session_of(&self.subject)));
        claims.insert("fva".to_owned(), json!([0, -1]));
        if self.shape == Shape::V2 {
            claims.insert("v".to_owned(), json!(2));
            claims.insert("sts".to_owned(), json!("active"));
        }
        if let Some(actor) = &self.actor {
            let act = json!({"iss": self.issuer, "sid": session_of(actor), "sub": actor});
            claims.insert("act".to_owned(), act);
        }
        claims.extend(self.organization.clone());
    }

    /// The header as it will be signed, for a key of this name.
    #[must_use]
    pub fn header_json(&self, kid: &str) -> Value {
        let category = match self.shape {
            Shape::V1 | Shape::V2 => Some(CATEGORY_SESSION),
            Shape::Template => Some(CATEGORY_TEMPLATE),
            Shape::Oidc => None,
        };
        let mut header = Map::from_iter([
            ("alg".to_owned(), json!("RS256")),
            ("typ".to_owned(), json!("JWT")),
            ("kid".to_owned(), json!(kid)),
        ]);
        header.extend(category.map(|category| ("cat".to_owned(), json!(category))));
        change(&mut header, &self.header);
        Value::Object(header)
    }

    /// The token, signed with RS256 whatever its header says.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> String {
        key.sign(&self.header_json(key.kid()), &self.claims())
    }
}

/// The session of every minted token for this user. It is always the same one, so that a test or a webhook can name it.
#[must_use]
pub fn session_of(sub: &str) -> String {
    format!("sess_{}", sub.strip_prefix("user_").unwrap_or(sub))
}

fn change(members: &mut Map<String, Value>, changes: &[Change]) {
    for (name, value) in changes {
        match value {
            Some(value) => members.insert(name.clone(), value.clone()),
            None => members.remove(name),
        };
    }
}

/// Permissions in the form of version 2. The i-th mask belongs to the i-th feature. Its bit j means that the feature has the j-th
/// permission name.
struct PackedPermissions {
    features: String,
    names: String,
    masks: String,
}

impl PackedPermissions {
    /// `None` when there is nothing to pack.
    fn of(permissions: &[&str]) -> Option<Self> {
        let mut names: Vec<&str> = Vec::new();
        let mut features: Vec<(&str, u128)> = Vec::new();
        for permission in permissions {
            let Some((feature, name)) = permission
                .strip_prefix("org:")
                .unwrap_or(permission)
                .split_once(':')
            else {
                continue;
            };
            let bit = names
                .iter()
                .position(|known| *known == name)
                .unwrap_or(names.len());
            if bit >= PERMISSIONS_MAX {
                continue;
            }
            if bit == names.len() {
                names.push(name);
            }
            match features.iter_mut().find(|(known, _)| *known == feature) {
                Some((_, mask)) => *mask |= 1 << bit,
                None => features.push((feature, 1 << bit)),
            }
        }
        if features.is_empty() {
            return None;
        }
        let listed = |(name, _): &(&str, u128)| format!("o:{name}");
        let masked = |(_, mask): &(&str, u128)| mask.to_string();
        Some(Self {
            features: features.iter().map(listed).collect::<Vec<_>>().join(","),
            names: names.join(","),
            masks: features.iter().map(masked).collect::<Vec<_>>().join(","),
        })
    }
}

#[cfg(test)]
mod tests;
