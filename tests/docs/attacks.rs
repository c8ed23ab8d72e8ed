//! docs/known-attacks.md has a row for each attack that the source names, and for no other; and its tests exist.

use std::collections::{BTreeMap, BTreeSet};

use super::pages;

/// The numbers in the page, each with its row.
fn rows(page: &str) -> BTreeMap<u16, Vec<&str>> {
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<_> = line
            .strip_prefix("| A-")?
            .strip_suffix(" |")?
            .split(" | ")
            .collect();
        Some((cells[0].parse().expect("a number"), cells))
    });
    let listed: Vec<_> = rows.collect();
    let count = listed.len();
    let rows = BTreeMap::from_iter(listed);
    assert_eq!(rows.len(), count, "an attack has two rows");
    rows
}

/// Numbers are below this; `a_429_…` is a test of an HTTP status.
const END: u16 = 200;

/// The numbers in a source file: `A-20`, each of `A-20 to A-26`, and `fn a_20_…`.
fn numbers(text: &str) -> BTreeSet<u16> {
    let mut all = BTreeSet::new();
    let mut previous: Option<(usize, u16)> = None;
    for (at, _) in text.match_indices("A-") {
        let alone = text[..at]
            .chars()
            .next_back()
            .is_none_or(|c| !c.is_alphanumeric() && c != '-');
        let digits = text[at + 2..]
            .bytes()
            .take_while(u8::is_ascii_digit)
            .count();
        let end = at + 2 + digits;
        let Some(number) = text[at + 2..end]
            .parse()
            .ok()
            .filter(|_| alone && digits >= 2)
        else {
            continue;
        };
        let range = previous.filter(|(before, _)| text[*before..at].trim() == "to");
        all.extend(range.map_or(number, |(_, first)| first)..=number);
        previous = Some((end, number));
    }
    let names = text.split("fn a_").skip(1);
    let names = names.filter_map(|name| name.split('_').next()?.parse::<u16>().ok());
    all.extend(names.filter(|number| *number < END));
    all
}

#[test]
fn the_page_of_known_attacks_has_a_row_for_each_that_the_source_names_and_for_no_other() {
    let sources = pages::sources();
    let sources = sources
        .iter()
        .filter(|path| !path.starts_with("tests/docs"));
    let named: BTreeSet<u16> = sources
        .flat_map(|path| numbers(&pages::read(path)))
        .collect();
    assert!(named.len() > 70, "{named:?}");
    let page = pages::read("docs/known-attacks.md".as_ref());
    let listed: BTreeSet<u16> = rows(&page).into_keys().collect();
    let lacking: Vec<_> = named.difference(&listed).collect();
    assert!(
        lacking.is_empty(),
        "docs/known-attacks.md has no row for A-{lacking:?}"
    );
    let strange: Vec<_> = listed.difference(&named).collect();
    assert!(
        strange.is_empty(),
        "the source does not name A-{strange:?} of docs/known-attacks.md"
    );
}

#[test]
fn every_known_attack_says_what_it_is_where_it_is_from_what_is_answered_and_which_test_shows_it() {
    let page = pages::read("docs/known-attacks.md".as_ref());
    for (number, cells) in rows(&page) {
        assert_eq!(cells.len(), 5, "A-{number}: {cells:?}");
        assert!(
            cells.iter().all(|cell| !cell.trim().is_empty()),
            "A-{number}: {cells:?}"
        );
        let tests = super::named(cells[4]);
        assert!(!tests.is_empty(), "A-{number} names no test");
        let missing = super::missing(tests);
        assert!(
            missing.is_empty(),
            "A-{number} names tests that are not there: {missing:#?}"
        );
    }
}

#[test]
fn numbers_are_found_alone_in_ranges_and_in_names_of_tests() {
    let text = "attack A-20, attacks A-30 to A-32 and A-40; fn a_101_no_more() fn a_429_is() fn a_frame() B-A-12 XA-13 A-1 a";
    assert_eq!(numbers(text), BTreeSet::from([20, 30, 31, 32, 40, 101]));
}
