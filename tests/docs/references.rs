//! Links lead somewhere; files, metrics and config keys that pages and comments name are there.

use std::path::Path;

use super::pages::{self, Page};

/// The targets of the links of a page.
fn links(page: &Page) -> Vec<String> {
    let prose = page.prose();
    let targets = prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    targets.map(str::to_owned).collect()
}

/// The name by which a heading is linked, as GitHub and GitLab make it.
fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| {
        if c == ' ' {
            '-'
        } else {
            c.to_ascii_lowercase()
        }
    })
    .collect()
}

#[test]
fn every_link_of_every_page_leads_somewhere() {
    let all = pages::pages();
    for page in &all {
        for link in links(page)
            .iter()
            .filter(|link| !link.starts_with("https://"))
        {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let folder = page.path.parent().expect("a page is a file");
            let target = if file.is_empty() {
                page.path.clone()
            } else {
                folder.join(file)
            };
            let target = super::package().join(target);
            assert!(target.exists(), "{} links to {link}", page.name());
            if !heading.is_empty() {
                let text = std::fs::read_to_string(&target).expect("a page");
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                let found =
                    headings.any(|line| anchor(line.trim_start_matches('#').trim()) == heading);
                assert!(
                    found,
                    "{} links to {link}, and there is no such heading",
                    page.name()
                );
            }
        }
    }
}

#[test]
fn every_page_can_be_reached_from_the_readme() {
    let all = pages::pages();
    let links: Vec<String> = all
        .iter()
        .filter(|page| page.name() == "README.md")
        .flat_map(links)
        .collect();
    for page in all.iter().filter(|page| page.name() != "README.md") {
        assert!(
            links.contains(&page.name()),
            "the README does not link to {}",
            page.name()
        );
    }
}

/// The words of a text that look like a file of this repository: `docs/scale.md`, `tests/layering.rs`.
fn files(text: &str) -> impl Iterator<Item = &str> {
    const FOLDERS: [&str; 7] = [
        "src/",
        "tests/",
        "docs/",
        "config/",
        "benches/",
        "examples/",
        "fuzz/",
    ];
    const KINDS: [&str; 8] = [".rs", ".md", ".yaml", ".lua", ".sql", ".txt", ".py", ".svg"];
    let words =
        text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '/' | '.' | '_' | '-'));
    let words = words.map(|word| word.trim_end_matches('.').trim_start_matches("../"));
    words.filter(|word| {
        FOLDERS.iter().any(|folder| word.starts_with(folder))
            && KINDS.iter().any(|kind| word.ends_with(kind))
    })
}

#[test]
fn every_file_that_a_page_or_a_comment_names_is_there() {
    let exists = |path: &str| super::package().join(path).exists();
    for path in pages::sources() {
        // The file format that this one quotes is described in a page of another project.
        if path.ends_with("storage/file.rs") {
            continue;
        }
        let mark = match path.extension().and_then(|kind| kind.to_str()) {
            Some("lua") => "--",
            Some("py" | "yaml" | "rb") => "#",
            _ => "//",
        };
        let text = pages::read(&path);
        let comments = text
            .lines()
            .map(str::trim_start)
            .filter(|line| line.starts_with(mark));
        for file in comments.flat_map(files) {
            assert!(exists(file), "{} names {file}", path.display());
        }
    }
    for page in pages::pages() {
        for file in files(&page.text) {
            let module = format!("src/{file}");
            assert!(
                exists(file) || exists(&module),
                "{} names {file}",
                page.name()
            );
        }
    }
}

/// The map of ARCHITECTURE.md and the design notes name modules from `src/` on.
#[test]
fn every_module_that_the_pages_for_developers_name_is_there() {
    let sources = pages::sources();
    let sources: Vec<_> = sources
        .iter()
        .map(|path| format!("/{}", path.display()))
        .collect();
    let mut count = 0;
    for page in pages::pages() {
        let for_developers = ["ARCHITECTURE.md", "docs/design-notes.md", "CONTRIBUTING.md"];
        if !for_developers.contains(&page.name().as_str()) {
            continue;
        }
        let code = page.inline_code();
        let is_path = |code: &&String| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-".contains(&b);
            let kind = code.ends_with(".rs") || code.ends_with('/');
            kind && code.contains('/') && !code.starts_with('/') && code.bytes().all(plain)
        };
        for path in code.iter().filter(is_path) {
            count += 1;
            // The end of a path is enough: a row of the map names the folder once.
            let (end, folder) = (format!("/{path}"), path.ends_with('/'));
            let mut found = sources
                .iter()
                .map(|source| (source.ends_with(&end), source.contains(&end)));
            let found = found.any(|(file, below)| file || (folder && below));
            let other = super::package().join(path).exists();
            assert!(found || other, "{} names {path}", page.name());
        }
    }
    assert!(count > 50, "{count}");
}

#[test]
fn every_metric_that_a_page_names_is_there() {
    let sources = pages::sources();
    let metrics = sources.iter().filter(|path| path.starts_with("src"));
    let metrics = metrics.map(|path| pages::read(path)).collect::<String>();
    let mut count = 0;
    for page in pages::pages() {
        let words = page
            .text
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for name in words.filter(|word| word.starts_with("bailiff_")) {
            count += 1;
            // The channel of a `NOTIFY` begins like a metric.
            let ours = metrics.contains(&format!("\"{name}\""));
            let channel = name == "bailiff_membership";
            assert!(ours || channel, "{} names the metric {name}", page.name());
        }
    }
    assert!(count > 15, "{count}");
}

/// `section.key` between backticks is a key of the config, where `section` is one.
#[test]
fn every_config_key_that_a_page_names_is_there() {
    let configs = ["full", "local", "http", "postgres", "clerk", "token"];
    let configs = configs.map(|name| pages::read(Path::new(&format!("config/{name}.yaml"))));
    let configs = configs.concat();
    let is_section = |name: &str| {
        configs
            .lines()
            .any(|line| line.starts_with(&format!("{name}:")))
    };
    let has_key = |key: &str| {
        let marks = [format!(" {key}:"), format!("{{{key}:")];
        marks.iter().any(|mark| configs.contains(mark.as_str()))
    };
    let mut count = 0;
    for page in pages::pages() {
        let code = page.inline_code();
        for code in code.iter().filter(|code| !code.starts_with('/')) {
            let words = code.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '.'));
            for (section, key) in words.filter_map(|word| word.split_once('.')) {
                if is_section(section) && !["yaml", "store", "rs", "md", ""].contains(&key) {
                    count += 1;
                    assert!(has_key(key), "{} names {section}.{key}", page.name());
                }
            }
        }
    }
    assert!(count > 30, "{count}");
}
