//! One name, one thing: no two public types of the crate share a name, so that a name can be searched for, and read without asking
//! which of several is meant.

use std::collections::BTreeMap;

use super::{exempt, tree};

/// The public types that a source text declares at its top level, its tests aside.
fn public_types(source: &str) -> impl Iterator<Item = &str> {
    let before_tests = source
        .split_once("#[cfg(test)]\nmod tests {")
        .map_or(source, |(before, _)| before);
    before_tests.lines().filter_map(declared)
}

/// The name of the public type that this line declares.
fn declared(line: &str) -> Option<&str> {
    let after_pub = line.strip_prefix("pub")?;
    let rest = match after_pub.strip_prefix('(') {
        Some(visibility) => visibility.split_once(')')?.1,
        None => after_pub,
    };
    let (keyword, rest) = rest.strip_prefix(' ')?.split_once(' ')?;
    if !["struct", "enum", "trait", "type", "union"].contains(&keyword) {
        return None;
    }
    let end = rest
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(rest.len());
    rest.get(..end)
}

/// Every name that more than one of these files declares, with the files, as a sentence.
fn shared<'s>(files: impl IntoIterator<Item = (&'s str, &'s str)>) -> Vec<String> {
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (file, source) in files {
        for name in public_types(source) {
            found.entry(name).or_default().push(file);
        }
    }
    found
        .into_iter()
        .filter(|(_, files)| files.len() > 1)
        .map(|(name, files)| format!("`{name}` is declared in {}", files.join(" and ")))
        .collect()
}

#[test]
fn no_two_public_types_share_a_name() {
    let tree = tree();
    let files = tree.iter().filter(|(file, _)| !exempt(file));
    let files = files.map(|(file, text)| (file.as_str(), text.as_str()));
    assert_eq!(shared(files), [""; 0]);
}

#[test]
fn a_name_that_is_declared_twice_is_found_however_it_is_public() {
    let first = "pub struct Entry<'a> {\n    pub key: &'a str,\n}\n";
    let second = "pub(in crate::config) enum Entry {\n}\nstruct Private;\n";
    let third = "pub(super) type Other = u8;\nstruct Private;\n#[cfg(test)]\nmod tests {\npub struct Entry;\n}\n";
    assert_eq!(
        shared([("a.rs", first), ("b.rs", second), ("c.rs", third)]),
        ["`Entry` is declared in a.rs and b.rs"]
    );
}
