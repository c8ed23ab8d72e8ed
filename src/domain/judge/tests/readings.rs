//! One path in the readings of several app servers: the strictest decision counts, and the headers hold for all readings.
//!
//! The property test at the end does not use the gate's way to find readings. It has its own app servers, each of which reads a
//! path in one way. For every forwarded request it checks that the handler that this server runs would admit the caller.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::domain::routes::{LetterCase, Streams, Suffix};

fn site() -> Snapshot {
    let member = |path| Route {
        workspace: vec![WorkspaceSource::Header(HeaderName::from_static("x-tenant"))],
        ..route(path, Access::Role(role("member")))
    };
    gate([
        route("/**", Access::Public),
        route("/admin/**", Access::Deny),
        route("/items/{id}/open", Access::Public),
        route("/items/**", Access::User),
        Route {
            max_body: Some(10),
            timeout: Some(Duration::from_secs(9)),
            ..route("/files", Access::User)
        },
        Route {
            max_body: Some(99),
            forward_token: Some(false),
            ..route("/files/**", Access::Active)
        },
        route("/w/{workspace}/**", Access::Role(role("member"))),
        member("/w/{other}/open"),
        Route {
            mode: Mode::Report,
            ..route("/trial", Access::Role(role("member")))
        },
        route("/trial/**", Access::User),
        Route {
            answer: Some(Own::Profile),
            ..route("/me", Access::User)
        },
        route("/me/**", Access::User),
    ])
}

#[test]
fn a_request_is_let_in_only_where_every_reading_lets_it_in() {
    let (site, user) = (site(), token("user_member"));
    for (target, nobody, member) in [
        ("/items/x/open", "forward nobody", "forward nobody"),
        (
            "/items/x/%6Fpen",
            "reject missing_token",
            "forward user_member",
        ),
        ("/%61dmin", "reject denied", "reject denied"),
        ("/index.php/admin", "reject denied", "reject denied"),
        ("/index.php/admin.data", "reject denied", "reject denied"),
        ("/%66iles", "reject missing_token", "forward user_member"),
        ("/me", "reject missing_token", "answer 200"),
        ("/me/", "reject missing_token", "answer 200"),
        (
            "/trial",
            "forward nobody, reported missing_token",
            "forward nobody, reported no_workspace",
        ),
        ("/trial/", "reject missing_token", "reject ambiguous_path"),
    ] {
        assert_eq!(get(target).at(&site), nobody, "{target} without a token");
        assert_eq!(
            get(target).bearer(&user).at(&site),
            member,
            "{target} with a token"
        );
    }
    assert_eq!(
        get("/files/").bearer(&token("user_pending")).at(&site),
        "reject not_active"
    );
    assert_eq!(
        get("/files").bearer(&token("user_pending")).at(&site),
        "forward user_pending"
    );
}

#[test]
fn what_the_app_is_told_holds_for_every_reading() {
    let (site, user) = (site(), token("user_member"));
    let seen = get("/items/x/%6Fpen").bearer(&user).upstream(&site);
    assert_eq!(
        values(&seen, "x-auth-kind"),
        ["user"],
        "the handler of /items/** relies on it"
    );
    assert_eq!(values(&seen, "x-user-id"), ["app-member"]);

    let open = |tenant| {
        get("/w/ws_1/%6Fpen")
            .field("x-tenant", tenant)
            .bearer(&user)
    };
    assert_eq!(
        values(&open("ws_1").upstream(&site), "x-workspace-id"),
        ["ws_1"]
    );
    assert_eq!(open("ws_2").at(&site), "reject not_a_member");
    let both = get("/w/ws_2/%6Fpen")
        .field("x-tenant", "ws_1")
        .bearer(&token("user_two"));
    assert_eq!(both.at(&site), "reject not_a_member");

    let seen = get("/files/").bearer(&user).upstream(&site);
    assert_eq!(
        values(&seen, "authorization"),
        [""; 0],
        "one of the readings keeps the token from the app"
    );
}

#[test]
fn two_workspaces_in_one_request_are_refused() {
    let (site, caller) = (site(), token("user_owner"));
    let org = crate::domain::ids::OrgId::parse("org_2").expect("an organization");
    let owner = UserId::parse("user_owner").expect("a user");
    let joins = Change::Member(
        org,
        owner,
        crate::domain::event::MemberChange::Role(role("member")),
    );
    let site = site
        .changed(&joins.at(EventTime(NOW * 1000)))
        .expect("room");
    let at = |tenant: &str| {
        get("/w/ws_1/%6Fpen")
            .field("x-tenant", tenant)
            .bearer(&caller)
            .at(&site)
    };
    assert_eq!(at("ws_1"), "forward user_owner");
    assert_eq!(
        at("ws_2"),
        "reject ambiguous_path",
        "the app would be told of one, and one handler works in the other"
    );
}

#[test]
fn the_smaller_bounds_count() {
    let (site, user) = (site(), token("user_member"));
    let grant = get("/files/").bearer(&user).grant(&site);
    assert_eq!(
        (grant.permit().max_body(), grant.permit().timeout(None)),
        (Some(10), Some(Duration::from_secs(9)))
    );
    let long = get("/files/").bearer(&user).field("content-length", "11");
    assert_eq!(long.at(&site), "reject body_too_large");
}

#[test]
fn a_stream_goes_on_while_every_reading_would_let_its_user_in() {
    let quiet = Route {
        streams: Streams::Never,
        ..route("/live", Access::User)
    };
    let site = gate([quiet, route("/live/**", Access::Active)]);
    let grant = get("/live/").bearer(&token("user_member")).grant(&site);
    assert!(!grant.streams_never_end());
    let suspended = UserChange::Described {
        banned: true,
        email: None,
        name: None,
    };
    let user = UserId::parse("user_member").expect("a user");
    let banned = site
        .changed(&Change::User(user, suspended).at(EventTime(NOW * 1000 + 1)))
        .expect("room");
    assert_eq!(reauthorize(&site, &grant, UnixTime(NOW)), Ok(()));
    assert!(reauthorize(&banned, &grant, UnixTime(NOW)).is_err());
}

#[test]
fn a_need_is_met_before_anybody_is_let_in() {
    let mut site = site();
    site.keys.clear();
    let request = get("/items/x/%6Fpen").bearer(&token("user_member"));
    assert_eq!(request.at(&site), "reject keys_unavailable");
    site.keys.insert("clerk".into(), key_set(other_key()));
    assert_eq!(request.at(&site), "need key clerk, else reject unknown_key");
    let trial = get("/trial/").bearer(&token("user_member"));
    assert_eq!(
        trial.at(&site),
        "need key clerk, else reject unknown_key",
        "report mode does not make up for it"
    );
}

/// A way to read a path.
#[derive(Clone, Copy, Debug)]
struct Server {
    decodes: fn(u8) -> bool,
    keeps_slash: bool,
    ignores_case: bool,
    ignores_suffix: bool,
    /// Treats the first segment with such a name as its script.
    is_script: bool,
    /// Serves the data of `/a` under `/a.data`.
    has_data: bool,
}

fn nothing(_: u8) -> bool {
    false
}

fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn unless_reserved(byte: u8) -> bool {
    !b";/?:@&=+$,#".contains(&byte)
}

fn everything(_: u8) -> bool {
    true
}

fn servers(rules: PathRules) -> Vec<Server> {
    let mut all = Vec::new();
    for decodes in [
        nothing as fn(u8) -> bool,
        unreserved,
        unless_reserved,
        everything,
    ] {
        for bits in 0..32_u8 {
            let [
                keeps_slash,
                is_script,
                ignores_case,
                ignores_suffix,
                has_data,
            ] = [1, 2, 4, 8, 16].map(|bit| bits & bit != 0);
            let told = (!ignores_case || rules.case == LetterCase::Insensitive)
                && (!ignores_suffix || rules.suffix == Suffix::Ignored);
            if told {
                all.push(Server {
                    decodes,
                    keeps_slash,
                    ignores_case,
                    ignores_suffix,
                    is_script,
                    has_data,
                });
            }
        }
    }
    all
}

impl Server {
    fn decode(self, raw: &str) -> String {
        let mut pieces = raw.split('%');
        let mut text = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let (digits, rest) = piece.split_at(2);
            let byte = u8::from_str_radix(digits, 16).expect("hex digits");
            match (self.decodes)(byte) {
                true => text.push(char::from(byte)),
                false => text += &format!("%{digits}"),
            }
            text += rest;
        }
        text
    }

    fn segments(self, path: &str) -> Vec<String> {
        let mut segments: Vec<_> = path
            .trim_start_matches('/')
            .split('/')
            .map(|raw| self.decode(raw))
            .collect();
        if segments.last().is_some_and(String::is_empty)
            && (!self.keeps_slash || segments.len() == 1)
        {
            segments.pop();
        }
        if let Some(at) = segments
            .iter()
            .position(|s| s.ends_with(".php"))
            .filter(|_| self.is_script)
        {
            segments.drain(..=at);
            // The path after the script is `/`.
            if segments == [""] {
                segments.clear();
            }
        }
        if let Some(last) = segments.last_mut().filter(|_| self.has_data)
            && let Some(page) = last.strip_suffix(".data").filter(|page| !page.is_empty())
        {
            *last = page.to_owned();
        }
        segments
    }

    /// The handler that runs: the most specific of these patterns that this server finds in its way of reading.
    fn runs<'r>(self, routes: &'r [(&str, Access)], path: &str) -> Option<&'r (&'r str, Access)> {
        let path = self.segments(path);
        let same = |wanted: &str, seen: &str| {
            wanted == seen || (self.ignores_case && wanted.eq_ignore_ascii_case(seen))
        };
        let fits = |pattern: &str| {
            let wanted: Vec<_> = pattern
                .split('/')
                .skip(1)
                .filter(|s| !s.is_empty())
                .collect();
            let (rest, wanted) = match wanted.split_last() {
                Some((&"**", before)) => (true, before),
                _ => (false, wanted.as_slice()),
            };
            let count = if rest {
                path.len() >= wanted.len()
            } else {
                path.len() == wanted.len()
            };
            count
                && wanted
                    .iter()
                    .zip(&path)
                    .enumerate()
                    .all(|(index, (wanted, seen))| {
                        let last = index + 1 == path.len() && self.ignores_suffix;
                        let bare = if last {
                            seen.rsplit_once('.').map_or(&**seen, |(bare, _)| bare)
                        } else {
                            seen
                        };
                        (wanted.starts_with('{') && !seen.is_empty())
                            || same(wanted, seen)
                            || same(wanted, bare)
                    })
        };
        let rank = |pattern: &str| {
            pattern
                .split('/')
                .skip(1)
                .filter(|s| !s.is_empty())
                .map(rank_of)
                .chain([2])
                .collect::<Vec<_>>()
        };
        routes
            .iter()
            .filter(|(pattern, _)| fits(pattern))
            .min_by_key(|(pattern, _)| rank(pattern))
    }
}

fn rank_of(segment: &str) -> u8 {
    match segment {
        "**" => 3,
        name if name.starts_with('{') => 1,
        _ => 0,
    }
}

const PATTERNS: &[&str] = &[
    "/", "/**", "/a", "/a/**", "/a/{x}", "/a/b", "/a/{x}/b", "/{x}", "/{x}/b", "/b/**", "/A/**",
    "/a.b", "/a/b/**",
];

/// A segment as an attacker may write it.
fn segment() -> impl Strategy<Value = String> {
    let letter = prop_oneof![Just("a"), Just("b"), Just("."), Just("c")];
    let written = (letter, 0..5_u8).prop_map(|(letter, how)| {
        let byte = letter.as_bytes()[0];
        match how {
            0 if letter != "." => format!("%{byte:02X}"),
            1 if letter != "." => format!("%{byte:02x}"),
            2 => letter.to_uppercase(),
            _ => letter.to_owned(),
        }
    });
    let word = proptest::collection::vec(written, 1..3).prop_map(|letters| letters.concat());
    prop_oneof![6 => word, 1 => Just("index.php".to_owned()), 1 => Just("a.json".to_owned()), 1 => Just("a.data".to_owned()), 3 => Just("a".to_owned())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_handler_a_server_runs_its_route_has_let_the_caller_in(
        patterns in subsequence(PATTERNS, 1..PATTERNS.len()),
        words in proptest::collection::vec(select(&[Access::Public, Access::User, Access::Active, Access::Deny][..]), PATTERNS.len()),
        segments in proptest::collection::vec(segment(), 0..4),
        slash in any::<bool>(),
        caller in select(&[None, Some("user_member"), Some("user_pending")][..]),
        ignored in any::<[bool; 2]>(),
    ) {
        let rules = PathRules {
            case: if ignored[0] { LetterCase::Insensitive } else { LetterCase::Sensitive },
            suffix: if ignored[1] { Suffix::Ignored } else { Suffix::Significant },
        };
        let routes: Vec<_> = patterns.iter().copied().zip(words).collect();
        let table = RouteTable::new(routes.iter().map(|(pattern, word)| route(pattern, *word)).collect(), rules);
        let Ok(table) = table else { return Ok(()) };
        let path = format!("/{}{}", segments.join("/"), if slash && !segments.is_empty() { "/" } else { "" });
        let request = get(&path);
        if crate::domain::path::Target::parse(path.as_bytes()).is_err() {
            return Ok(());
        }
        let site = ruled(gate([]), |rules| rules.routes = table);
        let asked = |request: Request| caller.into_iter().fold(request, |request, user| request.bearer(&token(user)));
        let verdict = asked(request).at(&site);
        let forwarded = verdict.starts_with("forward");
        for server in servers(rules) {
            let admits = server.runs(&routes, &path).map(|(_, word)| match word {
                Access::Public => true,
                Access::User => caller.is_some(),
                Access::Active => caller == Some("user_member"),
                _ => false,
            });
            prop_assert!(!forwarded || admits != Some(false), "{path} {routes:?} {server:?}: {verdict}");
            // A path that no route covers is refused. The exceptions are the slash that a route allows, a script that is only a
            // file, and paths that the config declares as the same.
            let plain = !server.keeps_slash && !server.is_script && !server.has_data && !rules_hide(rules);
            prop_assert!(!(plain && forwarded && admits.is_none()), "{path} {routes:?} {server:?}: {verdict}");
        }
    }
}

/// Whether the config treats some paths as the same that a plain server treats as different.
fn rules_hide(rules: PathRules) -> bool {
    rules != PathRules::default()
}
