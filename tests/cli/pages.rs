//! What the pages under `docs/` name is there.

use std::path::Path;

/// Every test file below `tests/`, and the tests beside the code.
fn sources(folder: &Path, all: &mut String) {
    for entry in std::fs::read_dir(folder)
        .expect("a readable folder")
        .flatten()
    {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            *all += &std::fs::read_to_string(&path).expect("a readable file");
        }
    }
}

#[test]
fn every_test_that_the_page_on_troubleshooting_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/troubleshooting.md")).expect("the page");
    let mut all = String::new();
    ["tests", "src"]
        .iter()
        .for_each(|folder| sources(&root.join(folder), &mut all));
    let named: Vec<_> = page
        .split('`')
        .filter(|word| word.contains('_') && word.matches('_').count() > 4)
        .collect();
    assert!(named.len() >= 12, "{named:?}");
    for name in named {
        assert!(
            all.contains(&format!("fn {name}()")),
            "no test is called {name}"
        );
    }
}
