//! The readings of one path among app servers: a row for each difference.

use super::*;

/// A site that is open except for some places.
fn site(rules: PathRules) -> RouteTable {
    let routes = vec![
        route("/", &[], Access::User),
        route("/**", &[], Access::Public),
        route("/admin/**", &[], Access::Deny),
        route("/items/{id}/open", &[], Access::Public),
        route("/items/**", &[], Access::User),
        route("/files", &[], Access::User),
        route("/files/**", &[], Access::Active),
        route("/café", &[], Access::User),
        route("/a b", &[], Access::User),
        route("/legacy.php", &[], Access::User),
        route("/hooks", &[Method::POST], Access::Webhook),
    ];
    RouteTable::new(routes, rules).expect("no contradiction")
}

#[track_caller]
fn reads(table: &RouteTable, rows: &[(&str, &str)]) {
    for (target, expected) in rows {
        assert_eq!(
            readings(table, "GET", target).as_deref(),
            Some(*expected),
            "{target}"
        );
    }
}

#[test]
fn an_encoding_that_was_not_needed_is_read_decoded_and_not() {
    reads(
        &site(PathRules::default()),
        &[
            ("/items/x/open", "/items/{id}/open"),
            ("/items/x/%6Fpen", "/items/{id}/open /items/**"),
            ("/items/x/%6fpen", "/items/{id}/open /items/**"),
            ("/items/%78/open", "/items/{id}/open"),
            ("/%69tems/x/open", "/items/{id}/open /items/** /**"),
            ("/%61dmin/x", "/admin/** /**"),
            ("/admin/%61", "/admin/**"),
            ("/caf%C3%A9", "/café"),
            ("/caf%c3%a9", "/café /**"),
            ("/a%20b", "/a b"),
            ("/a+b", "/a b /**"),
            ("/admin.", "/admin/** /**"),
            ("/admin%20/x", "/admin/** /**"),
        ],
    );
}

#[test]
fn a_reader_that_arrives_at_no_route_closes_the_path_to_all() {
    let table = plain(vec![
        route("/admin/**", &[], Access::User),
        route("/login", &[], Access::Public),
    ]);
    for target in ["/%61dmin/x", "/l%6Fgin", "/%6cogin", "/login/", "/admin."] {
        assert_eq!(readings(&table, "GET", target), None, "{target}");
    }
}

#[test]
fn a_slash_at_the_end_is_read_as_none_and_as_what_lies_below() {
    reads(
        &site(PathRules::default()),
        &[
            ("/files", "/files"),
            ("/files/", "/files /files/**"),
            ("/items/x/open/", "/items/{id}/open /items/**"),
            ("/admin/", "/admin/**"),
            ("/", "/"),
        ],
    );
}

#[test]
fn letter_case_makes_two_readings_where_the_app_does_not_tell_cases_apart() {
    reads(
        &site(PathRules::default()),
        &[("/ADMIN/x", "/**"), ("/Items/x/open", "/**")],
    );
    let rules = PathRules {
        case: LetterCase::Insensitive,
        ..PathRules::default()
    };
    reads(
        &site(rules),
        &[
            ("/ADMIN/x", "/admin/** /**"),
            ("/Items/x/Open", "/items/{id}/open /items/** /**"),
            ("/CAF%C3%89", "/café /**"),
            ("/%41DMIN/x", "/admin/** /**"),
        ],
    );
    let narrow = RouteTable::new(vec![route("/api/**", &[], Access::User)], rules).unwrap();
    assert_eq!(
        readings(&narrow, "GET", "/API/x").as_deref(),
        Some("/api/**"),
        "the config says that it is the same"
    );
    for target in ["/%41PI/x", "/ap%C4%B1/x", "/a%CC%87pi/x"] {
        assert_eq!(
            readings(&narrow, "GET", target),
            None,
            "not every such app reads it so: {target}"
        );
    }
    let twice = vec![
        route("/a", &[], Access::User),
        route("/A", &[], Access::Public),
    ];
    assert_eq!(RouteTable::new(twice, rules).err(), Some((0, 1)));
}

#[test]
fn a_suffix_makes_two_readings_where_the_app_ignores_it() {
    reads(
        &site(PathRules::default()),
        &[("/files.json", "/**"), ("/items/x/open.json", "/items/**")],
    );
    let rules = PathRules {
        suffix: Suffix::Ignored,
        ..PathRules::default()
    };
    reads(
        &site(rules),
        &[
            ("/files.json", "/files /files/** /**"),
            ("/admin.json", "/admin/** /**"),
            ("/admin.x/y", "/**"),
            ("/items/x/open.json", "/items/{id}/open /items/**"),
        ],
    );
}

#[test]
fn what_stands_behind_a_script_is_read_as_a_path_of_its_own() {
    let table = site(PathRules::default());
    reads(
        &table,
        &[
            ("/index.php/admin/x", "/** /admin/**"),
            ("/sub/INDEX.PHP/admin", "/** /admin/**"),
            ("/index.ph%70/admin", "/** /admin/**"),
            ("/index.php/%61dmin", "/** /admin/**"),
            ("/index.php./admin", "/** /admin/**"),
            ("/index.php/items/x/open", "/** /items/{id}/open"),
            ("/a.php/b.php/admin", "/** /admin/**"),
            ("/index.php", "/** /"),
            ("/index.php/", "/** /"),
            ("/index.php/files/", "/** /files /files/**"),
            ("/legacy.php", "/legacy.php"),
            ("/x.json/admin", "/**"),
        ],
    );
    assert_eq!(
        readings(&table, "GET", &"/a.php".repeat(MAX_ALIASES + 2)),
        None,
        "nobody does that in good faith"
    );
    assert_eq!(
        readings(&table, "POST", "/index.php/hooks"),
        None,
        "a webhook's path has one reading"
    );
    assert_eq!(readings(&table, "GET", "/index.php/hooks"), None);
}

#[test]
fn a_script_that_a_route_names_opens_what_it_says() {
    let table = plain(vec![
        route("/remote.php/**", &[], Access::Public),
        route("/lookup/{host}", &[], Access::Public),
        route("/admin/**", &[], Access::Deny),
        route("/**", &[], Access::User),
    ]);
    reads(
        &table,
        &[
            ("/remote.php/dav/files", "/remote.php/**"),
            ("/remote.php/admin", "/remote.php/** /admin/**"),
            ("/lookup/allegro.pl", "/lookup/{host}"),
            ("/lookup/index.html", "/lookup/{host} /**"),
        ],
    );
}

#[test]
fn the_data_of_a_page_is_read_as_the_page() {
    reads(
        &site(PathRules::default()),
        &[
            ("/_next/data/b1/admin.json", "/** /admin/**"),
            (
                "/docs/_next/data/b1/items/x/open.json",
                "/** /items/{id}/open",
            ),
            ("/_next/data/b1/index.json", "/** /"),
            ("/_next/data/b1", "/**"),
            ("/_next/static/x.js", "/**"),
            ("/files.data", "/** /files"),
            ("/files/_.data", "/files/** /files"),
            ("/files/__data.json", "/files/** /files"),
            ("/files/_payload.json", "/files/** /files"),
            ("/items/x/open/q-data.json", "/items/** /items/{id}/open"),
            ("/page-data/admin/page-data.json", "/** /admin/**"),
            ("/_root.data", "/** /"),
            ("/admin/_root.data", "/admin/**"),
            ("/admin.data/x", "/**"),
        ],
    );
}

#[test]
fn the_data_of_a_page_belongs_to_its_own_workspace_and_to_the_page_before_all_others() {
    let by_path = |path: &str| Route {
        workspace: vec![WorkspaceSource::Segment(1)],
        ..route(path, &[], Access::User)
    };
    let table = plain(vec![
        by_path("/w/{workspace}"),
        route("/{page}", &[], Access::Public),
        route("/", &[], Access::User),
        route("/**", &[], Access::Public),
    ]);
    let target = Target::parse(b"/_next/data/b1/w/ws_1.json").unwrap();
    let aliases = target.path.aliases().unwrap();
    let readings = table
        .readings(&Method::GET, &target.path, &aliases)
        .unwrap();
    let page = readings.further()[0].path;
    assert_eq!(
        page.segments().nth(1).map(|segment| segment.text()),
        Some("ws_1")
    );
    reads(&table, &[("/_root.data", "/{page} /")]);
}

#[test]
fn the_path_of_a_webhook_has_one_spelling() {
    let insensitive = PathRules {
        case: LetterCase::Insensitive,
        ..PathRules::default()
    };
    for table in [site(PathRules::default()), site(insensitive)] {
        assert_eq!(
            readings(&table, "POST", "/hooks").as_deref(),
            Some("/hooks")
        );
        for target in ["/hook%73", "/hooks/", "/hooks."] {
            assert_eq!(readings(&table, "POST", target), None, "{target}");
        }
    }
    assert_eq!(readings(&site(insensitive), "POST", "/Hooks"), None);
    let rules = PathRules {
        case: LetterCase::Insensitive,
        suffix: Suffix::Ignored,
    };
    let alone = RouteTable::new(
        vec![route("/hooks", &[Method::POST], Access::Webhook)],
        rules,
    )
    .unwrap();
    for target in ["/Hooks", "/hooks.json", "/hooks/"] {
        assert_eq!(
            readings(&alone, "POST", target),
            None,
            "also where nothing else covers it: {target}"
        );
    }
}
