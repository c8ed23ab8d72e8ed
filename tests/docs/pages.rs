//! The pages, their code blocks and their inline code; and the source files.

use std::path::{Path, PathBuf};

/// A page: its path from the root of the package, and its text.
pub struct Page {
    pub path: PathBuf,
    pub text: String,
}

/// A fenced block of a page.
pub struct Block<'a> {
    pub language: &'a str,
    pub text: String,
    /// The number of its first line.
    pub line: usize,
}

impl Page {
    /// For messages.
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    pub fn blocks(&self) -> Vec<Block<'_>> {
        let mut blocks = vec![];
        let mut lines = self.text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let Some(language) = line.strip_prefix("```") else {
                continue;
            };
            let body = lines.by_ref().map(|(_, line)| line);
            let body: Vec<_> = body.take_while(|line| !line.starts_with("```")).collect();
            blocks.push(Block {
                language,
                text: body.join("\n") + "\n",
                line: number + 2,
            });
        }
        blocks
    }

    /// The page without its fenced blocks.
    pub fn prose(&self) -> String {
        let mut within = false;
        let keep = |line: &&str| {
            let fence = line.starts_with("```");
            within ^= fence;
            !within && !fence
        };
        let kept: Vec<_> = self.text.lines().filter(keep).collect();
        kept.join("\n")
    }

    /// Everything between single backticks outside of blocks.
    pub fn inline_code(&self) -> Vec<String> {
        let prose = self.prose();
        let code = prose.split('`').skip(1).step_by(2);
        code.map(str::to_owned).collect()
    }
}

/// The pages at the root and below `docs/`.
pub fn pages() -> Vec<Page> {
    let mut paths = vec![];
    files(Path::new(""), false, &mut paths);
    files(Path::new("docs"), true, &mut paths);
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    let read = |path: PathBuf| Page {
        text: read(&path),
        path,
    };
    paths.into_iter().map(read).collect()
}

/// The files of the source that people read: paths from the root of the package.
pub fn sources() -> Vec<PathBuf> {
    let mut paths = vec![];
    for folder in [
        "src",
        "tests",
        "benches",
        "examples",
        "config",
        "fuzz/fuzz_targets",
    ] {
        files(Path::new(folder), true, &mut paths);
    }
    let kinds = ["rs", "lua", "py", "yaml", "js", "php", "rb"];
    paths.retain(|path| {
        let kind = path.extension().and_then(|kind| kind.to_str());
        let foreign = path
            .components()
            .any(|part| part.as_os_str() == "node_modules");
        !foreign && kind.is_some_and(|kind| kinds.contains(&kind))
    });
    paths.sort();
    paths
}

/// The text of a file, by its path from the root of the package.
pub fn read(path: &Path) -> String {
    let path = super::package().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files(folder: &Path, below: bool, all: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(super::package().join(folder)).expect("a readable folder");
    for entry in entries.flatten() {
        let path = folder.join(entry.file_name());
        let kind = entry.file_type().expect("a kind of file");
        if kind.is_file() {
            all.push(path);
        } else if kind.is_dir() && below {
            files(&path, below, all);
        }
    }
}
