//! Header fields that a server or framework might take for its proxy's word, in every spelling that it might fold.

use bailiff::domain::identity::name;

use crate::dice::Dice;

/// What a field would change for whoever believes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moves {
    Path,
    Method,
    Scheme,
    Host,
    User,
    Address,
    /// Several of them at once, as `Forwarded` does.
    All,
}

/// Fields that move a request, each with what it moves. Who reads them is in `movers.rs`, as far as it can be had here. Those at
/// the top are read by the servers of the scene as they come, and are sent most often.
pub const MOVERS: &[(&str, Moves)] = &[
    ("Script-Name", Moves::Path),
    ("Daphne-Root-Path", Moves::Path),
    ("Path-Info", Moves::Path),
    ("X-Forwarded-Proto", Moves::Scheme),
    ("X-Forwarded-Protocol", Moves::Scheme),
    ("X-Forwarded-Ssl", Moves::Scheme),
    ("X-Forwarded-For", Moves::Address),
    ("X-Forwarded-Host", Moves::Host),
    ("Path-Translated", Moves::Path),
    ("Request-Uri", Moves::Path),
    ("Raw-Uri", Moves::Path),
    ("Document-Uri", Moves::Path),
    ("Unencoded-Url", Moves::Path),
    ("Root-Path", Moves::Path),
    ("X-Script-Name", Moves::Path),
    ("X-Root-Path", Moves::Path),
    ("X-Forwarded-Prefix", Moves::Path),
    ("X-Forwarded-Path", Moves::Path),
    ("X-Forwarded-Uri", Moves::Path),
    ("X-Forwarded-Path-Base", Moves::Path),
    ("X-Ingress-Path", Moves::Path),
    ("X-Original-URL", Moves::Path),
    ("X-Original-URI", Moves::Path),
    ("X-Original-Path", Moves::Path),
    ("X-Rewrite-URL", Moves::Path),
    ("X-Envoy-Original-Path", Moves::Path),
    ("X-Accel-Redirect", Moves::Path),
    ("X-Replaced-Path", Moves::Path),
    ("X-HTTP-Method-Override", Moves::Method),
    ("X-HTTP-Method", Moves::Method),
    ("X-Method-Override", Moves::Method),
    ("X-Original-Method", Moves::Method),
    ("X-Forwarded-Method", Moves::Method),
    ("Request-Method", Moves::Method),
    ("X-Forwarded-Scheme", Moves::Scheme),
    ("X-Forwarded-Https", Moves::Scheme),
    ("X-Forwarded-Port", Moves::Scheme),
    ("X-Url-Scheme", Moves::Scheme),
    ("X-Scheme", Moves::Scheme),
    ("Url-Scheme", Moves::Scheme),
    ("Front-End-Https", Moves::Scheme),
    ("Https", Moves::Scheme),
    ("X-ARR-SSL", Moves::Scheme),
    ("Cloudfront-Forwarded-Proto", Moves::Scheme),
    ("X-Forwarded-Server", Moves::Host),
    ("X-Original-Host", Moves::Host),
    ("X-Host", Moves::Host),
    ("X-HTTP-Host-Override", Moves::Host),
    ("Host", Moves::Host),
    ("Server-Name", Moves::Host),
    ("Remote-User", Moves::User),
    ("X-Remote-User", Moves::User),
    ("X-Forwarded-User", Moves::User),
    ("X-Forwarded-Preferred-Username", Moves::User),
    ("X-Forwarded-Email", Moves::User),
    ("X-Forwarded-Groups", Moves::User),
    ("X-Auth-Request-User", Moves::User),
    ("X-Auth-Request-Email", Moves::User),
    ("X-Authenticated-User", Moves::User),
    ("X-WebAuth-User", Moves::User),
    ("Auth-User", Moves::User),
    ("Logon-User", Moves::User),
    ("Auth-Type", Moves::User),
    ("SSL-Client-S-DN", Moves::User),
    ("X-SSL-Client-Verify", Moves::User),
    ("X-MS-Client-Principal", Moves::User),
    ("X-Forwarded-Client-Cert", Moves::User),
    ("Remote-Addr", Moves::Address),
    ("Remote-Host", Moves::Address),
    ("X-Remote-Addr", Moves::Address),
    ("X-Forwarded-By", Moves::Address),
    ("X-Real-Ip", Moves::Address),
    ("X-Client-Ip", Moves::Address),
    ("Client-Ip", Moves::Address),
    ("True-Client-Ip", Moves::Address),
    ("X-Cluster-Client-Ip", Moves::Address),
    ("CF-Connecting-Ip", Moves::Address),
    ("Fastly-Client-Ip", Moves::Address),
    ("X-ProxyUser-Ip", Moves::Address),
    ("Forwarded", Moves::All),
    ("Via", Moves::All),
    ("Proxy", Moves::All),
];
/// How many of them are at the top.
const OFTEN: usize = 8;

/// Names that the gate itself speaks for, by a beginning or by the whole name.
const RESERVED: &[&str] = &["X-Clerk-Auth-Status", "X-Bailiff-Verified", "X-Request-Id"];

const PATHS: &[&str] = &[
    "/public",
    "/admin",
    "/admin/x",
    "/items",
    "/api",
    "/api/special",
    "/closed",
    "/",
    "x",
    "",
];
const METHODS: &[&str] = &["DELETE", "GET", "POST", "TRACE", "delete", ""];
const SCHEMES: &[&str] = &["https", "on", "ssl", "wss", "443", "1", "ftp", ""];
const HOSTS: &[&str] = &["evil.test", "evil.test:443", "localhost", ""];
const USERS: &[&str] = &[
    "user_admin",
    "user_a",
    "admin",
    "is_admin",
    "active",
    "SUCCESS",
    "",
];
const ADDRESSES: &[&str] = &[
    "10.0.0.9",
    "127.0.0.1",
    "::1",
    "unix:",
    "10.0.0.9, 127.0.0.1",
    "",
];
const SEVERAL: &[&str] = &[
    "for=10.0.0.9;proto=https;host=evil.test",
    "proto=https",
    "1.1 evil.test",
    "http://evil.test",
    "",
];

/// One forged field, sometimes more than once and sometimes beside its honest form. `path` is the one of the request: some
/// servers believe only a prefix of it.
pub fn forge(dice: &mut Dice, path: &str, fields: &mut Vec<(String, String)>) {
    let (name, moves) = match dice.below(8) {
        0..3 => (*dice.one_of(name::IDENTITY), Moves::User),
        3 if dice.once_in(4) => (*dice.one_of(RESERVED), Moves::User),
        3 | 4 => *dice.one_of(MOVERS),
        _ => *dice.one_of(&MOVERS[..OFTEN]),
    };
    fields.push((spelling(dice, name), value(dice, moves, path)));
    if dice.once_in(4) {
        fields.push((spelling(dice, name), value(dice, moves, path)));
    }
    if dice.once_in(6) {
        fields.push((name.to_owned(), value(dice, moves, path)));
    }
    // What is named here is for the next hop alone, and not passed on by whoever heeds it.
    if dice.once_in(12) {
        fields.push(("Connection".to_owned(), format!("keep-alive, {name}")));
    }
}

fn value(dice: &mut Dice, moves: Moves, path: &str) -> String {
    let own_prefix = || {
        path.char_indices()
            .filter(|(at, c)| *c == '/' && *at > 0)
            .map(|(at, _)| at)
            .collect::<Vec<_>>()
    };
    let values = match moves {
        // Half of them: the beginning of the very path, up to one of its slashes.
        Moves::Path if dice.once_in(2) => match own_prefix().as_slice() {
            [] => return path.to_owned(),
            cuts => return path[..*dice.one_of(cuts)].to_owned(),
        },
        Moves::Path => PATHS,
        Moves::Method => METHODS,
        Moves::Scheme => SCHEMES,
        Moves::Host => HOSTS,
        Moves::User => USERS,
        Moves::Address => ADDRESSES,
        Moves::All => SEVERAL,
    };
    (*dice.one_of(values)).to_owned()
}

/// The name as it is, or in a spelling that folds to it: other separators, other letter cases.
pub fn spelling(dice: &mut Dice, name: &str) -> String {
    /// What may stand in a name beside letters and digits (RFC 9110, 5.6.2).
    const TOKEN: &[u8] = b"!#$%&'*+-.^_`|~";
    let separators = dice.below(8);
    let separator = |dice: &mut Dice| match separators {
        0..3 => '-',
        3..6 => '_',
        6 => '.',
        _ => char::from(*dice.one_of(TOKEN)),
    };
    let letters = dice.below(6);
    let letter = |dice: &mut Dice, c: char| match letters {
        0 | 1 => c,
        2 => c.to_ascii_lowercase(),
        3 | 4 => c.to_ascii_uppercase(),
        _ if dice.once_in(2) => c.to_ascii_uppercase(),
        _ => c.to_ascii_lowercase(),
    };
    let spelt: String = name
        .chars()
        .map(|c| {
            if c == '-' {
                separator(dice)
            } else {
                letter(dice, c)
            }
        })
        .collect();
    // What a lenient reader takes away, or for the rest of the line before.
    match dice.below(96) {
        0 => spelt + " ",
        1 => spelt + "\t",
        2 => format!(" {spelt}"),
        _ => spelt,
    }
}
