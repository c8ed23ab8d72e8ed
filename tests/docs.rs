//! The pages are held to the code: what they name exists, and what they show works.
//!
//! `systems` below: docs/systems.md names the test of each sentence. `attacks`: docs/known-attacks.md and the numbers in the source.
//! `examples`: configs and commands. `references`: links, files, metrics and config keys.

#![expect(clippy::indexing_slicing, reason = "a test may panic")]

#[path = "docs/attacks.rs"]
mod attacks;
#[path = "docs/examples.rs"]
mod examples;
#[path = "docs/pages.rs"]
mod pages;
#[path = "docs/references.rs"]
mod references;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const SYSTEMS: &str = include_str!("../docs/systems.md");

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files in which `a::b::name` may be: of the end-to-end tests, of the command line, of another test binary, or beside the code.
fn places(modules: &[&str]) -> Vec<PathBuf> {
    let mut places = Vec::new();
    let beside = modules.strip_suffix(&["tests"]);
    for (folder, modules) in [
        ("tests/e2e", Some(modules)),
        ("tests/cli", modules.strip_prefix(&["cli"])),
        ("tests", Some(modules)),
        ("src", Some(modules)),
        ("src", beside),
    ] {
        let Some(path) = modules
            .filter(|modules| !modules.is_empty())
            .map(|modules| modules.join("/"))
        else {
            continue;
        };
        let path = package().join(folder).join(path);
        places.extend([path.with_extension("rs"), path.join("mod.rs")]);
    }
    places
}

/// Whether the text has a test of this name.
fn tests(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let wanted = [format!("fn {name}("), format!("async fn {name}(")];
    let at = lines.iter().position(|line| {
        wanted
            .iter()
            .any(|wanted| line.starts_with(wanted.as_str()))
    });
    // Attributes stand right above.
    at.is_some_and(|at| {
        let above = lines
            .iter()
            .take(at)
            .rev()
            .take_while(|line| line.starts_with('#'));
        above
            .into_iter()
            .any(|line| *line == "#[test]" || line.starts_with("#[tokio::test"))
    })
}

/// Every `path::of_a::test` between backticks, where a name has at least two parts and small letters only.
fn named(text: &str) -> BTreeSet<&str> {
    let is_path = |word: &&str| {
        let part = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        word.contains("::") && word.split("::").all(part)
    };
    text.split('`').skip(1).step_by(2).filter(is_path).collect()
}

/// Those of these paths at which there is no test.
fn missing<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let is_missing = |path: &&str| {
        let mut modules: Vec<&str> = path.split("::").collect();
        let name = modules.pop().unwrap_or_default();
        let texts = places(&modules)
            .into_iter()
            .filter_map(|place| std::fs::read_to_string(place).ok());
        !texts.into_iter().any(|text| tests(&text, name))
    };
    names.into_iter().filter(is_missing).collect()
}

/// Cells of the table rows: sentence and test.
fn rows(section: &str) -> Vec<(&str, &str)> {
    let rows = section.lines().filter_map(|line| {
        line.strip_prefix("| ")?
            .strip_suffix(" |")?
            .rsplit_once(" | ")
    });
    rows.filter(|(sentence, _)| *sentence != "sentence")
        .collect()
}

#[test]
fn every_test_that_the_page_of_the_systems_names_exists() {
    let names = named(SYSTEMS);
    assert!(names.len() > 50, "{names:?}");
    let missing = missing(names);
    assert!(
        missing.is_empty(),
        "docs/systems.md names tests that are not there: {missing:#?}"
    );
}

#[test]
fn every_sentence_of_every_system_has_a_test() {
    let sections: Vec<(&str, &str)> = SYSTEMS
        .split("\n## ")
        .skip(1)
        .filter_map(|section| section.split_once('\n'))
        .collect();
    for (title, section) in &sections {
        let rows = rows(section);
        assert!(rows.len() >= 5, "{title} has {} sentences", rows.len());
        for (sentence, tests) in rows {
            assert!(!named(tests).is_empty(), "{title}: no test for: {sentence}");
        }
    }
    for name in [
        "praxiom",
        "mission-control",
        "wordloop",
        "finance-agent",
        "ainative",
    ] {
        assert!(
            sections.iter().any(|(title, _)| *title == name),
            "there is no section {name}"
        );
        assert!(
            package()
                .join("config/systems")
                .join(name)
                .with_extension("yaml")
                .is_file()
        );
    }
}

#[test]
fn a_name_that_is_no_test_is_noticed() {
    assert!(tests("#[test]\nfn a_b() {}", "a_b"));
    assert!(!tests("fn a_b() {}", "a_b"), "not every function is a test");
    assert!(
        !tests("#[test]\nfn a_b_c() {}", "a_b"),
        "nor the beginning of one"
    );
    assert_eq!(
        named("`a::b` and `X-User-Id`, `Some::Type` and `c`"),
        BTreeSet::from(["a::b"])
    );
}
