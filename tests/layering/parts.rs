//! Who may import whom within one module of the crate.

#![allow(
    clippy::indexing_slicing,
    reason = "a test may panic, and the index is a place in the table"
)]

use super::circles::Graph;
use super::scan::{Import, imports, module_of};
use super::{crates, exempt, top_module, tree};

/// Modules whose own parts are floors as well, the lowest first: a part imports only itself and the parts before it.
const PARTS: &[(&str, &[&str])] = &[(
    "config",
    &[
        "values",
        "document",
        "settings",
        "reader",
        "sections",
        "checks",
        "membership_file",
        "provider",
        "load",
    ],
)];

/// Modules in which no file imports one that imports it, over any number of steps.
const WITHOUT_CIRCLES: &[&str] = &["admin", "config"];

/// The import of a later part of the same module, if this is one.
fn later_part(file: &str, import: &Import) -> Option<String> {
    let home = module_of(file);
    let (_, parts) = PARTS
        .iter()
        .find(|(module, _)| home.first().is_some_and(|first| first == module))?;
    let own = home.get(1)?;
    let place = |name: &String| parts.iter().position(|part| part == name);
    let Some(own_place) = place(own) else {
        return Some(format!(
            "src/{file}: `{own}` has no row in the table of parts: give it one"
        ));
    };
    let same_module = import.path.first()? == "crate" && import.path.get(1) == home.first();
    let target = import.path.get(2).filter(|_| same_module)?;
    // What is no part is an item of the module itself, which declares all parts.
    let later = place(target).is_none_or(|place| place > own_place);
    later.then(|| {
        format!(
            "src/{file}:{}: `{}` is not allowed here: `{own}` may import only {}",
            import.line,
            import.path.join("::"),
            parts[..own_place].join(", ")
        )
    })
}

fn later_parts(file: &str, source: &str) -> Vec<String> {
    if exempt(file) {
        return vec![];
    }
    let imports = imports(file, source, &crates());
    imports
        .iter()
        .filter_map(|import| later_part(file, import))
        .collect()
}

#[test]
fn no_part_of_a_module_imports_a_later_one() {
    let all: Vec<String> = tree()
        .iter()
        .flat_map(|(file, text)| later_parts(file, text))
        .collect();
    assert_eq!(all, [""; 0]);
    for (file, source, right) in [
        (
            "config/reader/field.rs",
            "use crate::config::document::faults::Fault;",
            true,
        ),
        ("config/reader.rs", "mod field; pub use field::Field;", true),
        (
            "config/reader/environment.rs",
            "use crate::config::load::Overrides;",
            false,
        ),
        (
            "config/reader/environment.rs",
            "use super::super::load::Overrides;",
            false,
        ),
        (
            "config/reader/environment.rs",
            "use crate::config::faults::Fault;",
            false,
        ),
        (
            "config/document.rs",
            "use super::values::url::Url; use super::reader::Field;",
            false,
        ),
        ("config/gadgets.rs", "use crate::domain::ids;", false),
        ("config/mod.rs", "pub use document::faults;", true),
    ] {
        assert_eq!(
            later_parts(file, source).is_empty(),
            right,
            "{file}: {source}"
        );
    }
}

#[test]
fn no_file_imports_one_that_imports_it() {
    let files: Vec<_> = tree()
        .into_iter()
        .filter(|(file, _)| WITHOUT_CIRCLES.contains(&top_module(file)) && !exempt(file))
        .collect();
    assert_eq!(Graph::of(&files, &crates()).circles(), [[""; 0]; 0]);
}

#[test]
fn a_circle_is_found_over_several_files() {
    let file = |(file, text): (&str, &str)| (file.to_owned(), text.to_owned());
    let circles = |files: &[(&str, &str)]| {
        let files: Vec<_> = files.iter().copied().map(file).collect();
        Graph::of(&files, &crates()).circles()
    };
    let chain = [
        ("a/mod.rs", "mod b; mod c; mod d; pub use d::D;"),
        ("a/b.rs", "use super::c::C;"),
        ("a/c.rs", "use crate::a::d::D;"),
    ];
    let with = |last| circles(&[&chain[..], &[("a/d.rs", last)]].concat());
    assert_eq!(with("use std::fmt;"), [[""; 0]; 0]);
    assert_eq!(
        with("#[cfg(test)]\nmod tests { use super::super::b; }"),
        [[""; 0]; 0]
    );
    assert_eq!(
        with("fn f() { super::b::run() }"),
        [["a::b", "a::c", "a::d"]]
    );
    // A module that shows an item of a part again, and the part that takes another one from there.
    assert_eq!(with("use super::E;"), [["a", "a::d"]]);
}
