//! Request targets that two readers might take for two.

use crate::dice::Dice;

/// Every route with its gaps filled, and neighbours of each.
const PATHS: &[&str] = &[
    "/",
    "/public",
    "/public/x",
    "/public/admin/x",
    "/public/closed/x",
    "/login",
    "/items",
    "/items/7",
    "/items/7/open",
    "/items/7/open/x",
    "/items/7/8/open",
    "/files",
    "/files/x",
    "/files/x/y",
    "/admin",
    "/admin/x",
    "/admin/x/y",
    "/Mixed/Case",
    "/api",
    "/api/7",
    "/api/special",
    "/api/7/x",
    "/api/special/x",
    "/api/7/x/y",
    "/a.b/c-d_e~f",
    "/users",
    "/users/@me",
    "/users/7",
    "/users/7/x",
    "/closed",
    "/closed/x",
    "/tenant",
    "/tenant/x",
    "/other",
    "/other/page",
    "/other/page/x",
];

/// Beginnings under which a path is another one: of open routes, and those that servers take away.
const PREFIXES: &[&str] = &[
    "/public",
    "/items",
    "/tenant",
    "/login",
    "/api/special",
    "/index.php",
    "/app",
    "/index.html",
];

const SUFFIXES: &[&str] = &[
    ".json",
    ".html",
    ".php",
    "/index.html",
    "/index.php",
    ".",
    "..",
    "%20",
    "%09",
    "+",
    "%2e",
    "~",
    ";",
    ";x",
    ";x=1",
    "%3b",
    "%3bx",
    ",x",
    "=",
    "/.",
    "/..",
    "/%2e",
    "/%2e%2e",
    "//",
    "%2f",
    "%5c",
    "\\",
    "%00",
    "%0a",
    "%0d%0a",
    "%23",
    "%3f",
    "#x",
    ":",
    "!",
    "*",
    "'",
    "%",
    "%zz",
    "%25",
    "%252f",
    "%c0%af",
    "%ef%bc%8f",
    "%c2%a0",
    "%e2%80%8b",
];

/// What stands between two segments in the place of a slash.
const SLASHES: &[&str] = &[
    "//",
    "///",
    "/./",
    "/../",
    "/x/../",
    "/%2e/",
    "/%2e%2e/",
    "/.%2E/",
    "%2f",
    "%2F",
    "%5c",
    "\\",
    "/;/",
    "/;x/",
    ";/",
    "/%3b/",
    "/%20/",
    "/+/",
    "/..;/",
    "/.;/",
    "%252f",
    "/%2f",
    "/ /",
    "/.../",
    "%ef%bc%8f",
];

const QUERIES: &[&str] = &[
    "?",
    "?_method=DELETE",
    "?_method=delete&_path=/admin/x",
    "?x-user-id=user_admin",
    "?/../admin/x",
    "?url=/admin/x",
    "?a=1?b",
    "?%",
    "?_format=json",
    "?SCRIPT_NAME=/public",
];

/// A path of the scene, sometimes under another one.
pub fn plain(dice: &mut Dice) -> String {
    let before = if dice.once_in(2) {
        *dice.one_of(PREFIXES)
    } else {
        ""
    };
    format!("{before}{}", dice.one_of(PATHS))
}

/// A path of the scene with up to three changes.
pub fn bent(dice: &mut Dice) -> String {
    let changes = *dice.one_of(&[0, 1, 1, 1, 1, 1, 2, 2, 3]);
    (0..changes).fold((*dice.one_of(PATHS)).to_owned(), |path, _| {
        changed(dice, path)
    })
}

/// The whole target: most often the path alone.
pub fn target(dice: &mut Dice, path: &str, host: &str) -> String {
    let query = if dice.once_in(6) {
        *dice.one_of(QUERIES)
    } else {
        ""
    };
    let before = match dice.below(32) {
        0 => format!("http://{host}"),
        1 => "http://evil.test".to_owned(),
        2 => format!("{}://{host}", dice.one_of(&["https", "HTTP", "ws"])),
        _ => String::new(),
    };
    format!("{before}{path}{query}")
}

fn changed(dice: &mut Dice, path: String) -> String {
    match dice.below(12) {
        0..3 => encoded(dice, &path),
        3 => all_encoded(dice, &path),
        4 | 5 => recased(dice, &path),
        6 | 7 => format!("{path}/"),
        8 => format!("{path}{}", dice.one_of(SUFFIXES)),
        9 => in_place_of_a_slash(dice, &path),
        10 => format!("{}{path}", dice.one_of(PREFIXES)),
        _ => look_alike(dice, &path),
    }
}

fn hex(dice: &mut Dice, c: char) -> String {
    let mut buffer = [0; 4];
    let upper = dice.once_in(2);
    let byte = |b: &u8| {
        if upper {
            format!("%{b:02X}")
        } else {
            format!("%{b:02x}")
        }
    };
    c.encode_utf8(&mut buffer)
        .as_bytes()
        .iter()
        .map(byte)
        .collect()
}

/// The places that hold something else than a slash or a part of an escape.
fn places(path: &str) -> Vec<usize> {
    let bytes = path.as_bytes();
    let escape = |at: usize| (0..3).any(|back| at >= back && bytes.get(at - back) == Some(&b'%'));
    (0..bytes.len())
        .filter(|at| path.is_char_boundary(*at) && bytes[*at] != b'/' && !escape(*at))
        .collect()
}

/// One sign percent-encoded, which is no other path for RFC 3986 as long as it is not reserved.
fn encoded(dice: &mut Dice, path: &str) -> String {
    let places = places(path);
    if places.is_empty() {
        return path.to_owned();
    }
    let at = *dice.one_of(&places);
    let c = path[at..].chars().next().unwrap_or_default();
    format!(
        "{}{}{}",
        &path[..at],
        hex(dice, c),
        &path[at + c.len_utf8()..]
    )
}

/// A whole segment percent-encoded.
fn all_encoded(dice: &mut Dice, path: &str) -> String {
    let mut segments: Vec<String> = path.split('/').map(str::to_owned).collect();
    let which = dice.below(segments.len());
    if !segments[which].contains('%') {
        segments[which] = segments[which]
            .clone()
            .chars()
            .map(|c| hex(dice, c))
            .collect();
    }
    segments.join("/")
}

/// Letters of another case: one, or all of a segment. Those of an escape change with them, which means nothing.
fn recased(dice: &mut Dice, path: &str) -> String {
    let turn = |c: char| {
        if c.is_ascii_lowercase() {
            c.to_ascii_uppercase()
        } else {
            c.to_ascii_lowercase()
        }
    };
    let letters: Vec<usize> = path
        .char_indices()
        .filter(|(_, c)| c.is_ascii_alphabetic())
        .map(|(at, _)| at)
        .collect();
    if letters.is_empty() {
        return path.to_owned();
    }
    let one = *dice.one_of(&letters);
    let segment = |at: usize| path[..at].matches('/').count();
    let whole = dice.once_in(2);
    let turned = |at: usize| {
        if whole {
            segment(at) == segment(one)
        } else {
            at == one
        }
    };
    path.char_indices()
        .map(|(at, c)| if turned(at) { turn(c) } else { c })
        .collect()
}

fn in_place_of_a_slash(dice: &mut Dice, path: &str) -> String {
    let slashes: Vec<usize> = path.match_indices('/').map(|(at, _)| at).collect();
    if slashes.is_empty() {
        return path.to_owned();
    }
    let at = *dice.one_of(&slashes);
    format!("{}{}{}", &path[..at], dice.one_of(SLASHES), &path[at + 1..])
}

/// A letter that becomes the ASCII one when its case is changed or its form is normalised.
fn look_alike(dice: &mut Dice, path: &str) -> String {
    let alike = [
        ('s', "\u{17f}"),
        ('i', "\u{131}"),
        ('i', "\u{130}"),
        ('e', "e\u{301}"),
        ('a', "\u{ff41}"),
        ('x', "\u{ff58}"),
        ('@', "\u{ff20}"),
    ];
    let (plain, other) = *dice.one_of(&alike);
    let encoded: String = other.chars().map(|c| hex(dice, c)).collect();
    path.replacen(plain, &encoded, 1)
}
