//! Users and workspaces as an app has them, each by its number.

use bailiff::domain::ids::{AppUserId, OrgId, UserId, WorkspaceId};
use bailiff::domain::membership::{AccessStatus, User};
use serde_json::json;

use crate::WORKSPACES;

const FIRST: [&str; 8] = [
    "Alexandra",
    "Bo",
    "Carmen",
    "Dimitri",
    "Eleanor",
    "Faruk",
    "Guadalupe",
    "Hye-jin",
];
const LAST: [&str; 8] = [
    "Abramovich",
    "Chen",
    "Delacroix",
    "Eriksen",
    "Fitzgerald",
    "Garcia",
    "Hashimoto",
    "Igwe",
];

/// A number that looks drawn (SplitMix64).
fn drawn(of: usize, salt: u64) -> u64 {
    let mut z = (of as u64)
        .wrapping_add(salt)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The 27 characters of an id of Clerk's.
fn ksuid(of: usize, salt: u64) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let digit = |at: u64| char::from(DIGITS[(drawn(of, salt + at) % 62) as usize]);
    // The number itself is a part of it, so that no two are the same.
    (0..20).map(digit).collect::<String>() + &format!("{of:07}")
}

fn uuid(of: usize, salt: u64) -> String {
    let drawn = drawn(of, salt);
    let (a, b, c, d) = (
        drawn >> 32,
        (drawn >> 16) & 0xffff,
        drawn & 0xfff,
        (drawn >> 12) & 0xfff,
    );
    format!("{a:08x}-{b:04x}-4{c:03x}-8{d:03x}-{of:012x}")
}

fn name(of: usize) -> (&'static str, &'static str) {
    (FIRST[of % 8], LAST[of / 8 % 8])
}

pub fn user_id(of: usize) -> UserId {
    UserId::parse(&format!("user_{}", ksuid(of, 1))).expect("a user id")
}

fn texts(of: usize) -> (String, String, String) {
    let (first, last) = name(of);
    let email = format!(
        "{}.{}{of}@example.com",
        first.to_lowercase(),
        last.to_lowercase()
    );
    (uuid(of, 100), email, format!("{first} {last}"))
}

pub fn user(of: usize) -> User {
    let (own, email, name) = texts(of);
    let own = AppUserId::parse(&own).expect("an id");
    User::new(
        Some(own),
        Some(&email),
        Some(&name),
        AccessStatus::Active,
        of.is_multiple_of(1000),
    )
}

/// The workspace of a user.
pub fn place_of(user: usize) -> usize {
    user % WORKSPACES
}

pub fn workspace_id(of: usize) -> WorkspaceId {
    WorkspaceId::parse(&uuid(of, 200)).expect("a workspace id")
}

pub fn org_id(of: usize) -> OrgId {
    OrgId::parse(&format!("org_{}", ksuid(of, 300))).expect("an organization id")
}

/// All of them as an endpoint tells it, without the opening brace: in front of it comes what makes two answers differ.
pub fn document(members: usize) -> String {
    let mut text = String::with_capacity(members * 220);
    for of in 0..members {
        let (own, email, name) = texts(of);
        let row = json!({"id": own, "email": email, "name": name, "access": "active"});
        text += &format!("\"{}\":{row},", user_id(of));
    }
    text.pop();
    text += "},\"workspaces\":{";
    for place in 0..WORKSPACES {
        text += &format!(
            "\"{}\":{{\"org\":\"{}\",\"members\":{{",
            workspace_id(place),
            org_id(place)
        );
        for of in (place..members).step_by(WORKSPACES) {
            text += &format!("\"{}\":\"member\",", user_id(of));
        }
        text.truncate(text.trim_end_matches(',').len());
        text += "}},";
    }
    text.pop();
    text + "}}"
}
