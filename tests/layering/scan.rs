//! Finds the paths in a Rust source text that could reach another module or crate. It knows comments, texts, `use` trees and
//! nested modules, and nothing of types: enough to see an import, however it is written.

#![allow(
    clippy::indexing_slicing,
    reason = "a test may panic, and indices into its own tokens are in bounds"
)]

/// A path to a module of ours (`crate::…`, also where the text says `super::…`, `self::…` or names a module that it declares) or to
/// another crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    pub line: usize,
    pub path: Vec<String>,
    /// Whether it stands in a `use`, so that its last name is brought into scope.
    pub in_use: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    line: usize,
    text: String,
}

/// All imports of the file, tests aside. `crates` are the names that count as other crates.
pub fn imports(file: &str, source: &str, crates: &[String]) -> Vec<Import> {
    let tokens = tokens(source);
    let home: Vec<String> = module_of(file);
    let children = declared(&tokens);
    let mut found = Vec::new();
    // Inline modules that are open: name, and the depth of braces inside.
    let mut inline: Vec<(String, usize)> = Vec::new();
    let mut depth = 0;
    let mut i = 0;
    let text = |i: usize| tokens.get(i).map_or("", |t: &Token| t.text.as_str());
    while i < tokens.len() {
        if let Some(end) = test_module(&tokens, i) {
            i = end;
            continue;
        }
        match text(i) {
            "{" => depth += 1,
            "}" => {
                inline.retain(|(_, inside)| *inside != depth);
                depth = depth.saturating_sub(1);
            }
            "mod" if text(i + 2) == "{" => inline.push((text(i + 1).to_owned(), depth + 1)),
            _ => {}
        }
        let mut module = home.clone();
        module.extend(inline.iter().map(|(name, _)| name.clone()));
        // `use<'_>` in a return type captures lifetimes and imports nothing.
        if text(i) == "use" && text(i + 1) != "<" {
            let mut paths = Vec::new();
            i = use_tree(&tokens, i + 1, &[], &mut paths);
            found.extend(
                paths.into_iter().filter_map(|(line, path)| {
                    resolve(line, path, true, &module, &children, crates)
                }),
            );
            continue;
        }
        let starts = is_name(text(i))
            && text(i + 1) == "::"
            && !(i > 1 && text(i - 1) == "::" && is_name(text(i - 2)));
        if starts {
            let line = tokens[i].line;
            let mut path = vec![text(i).to_owned()];
            while text(i + 1) == "::" && is_name(text(i + 2)) {
                path.push(text(i + 2).to_owned());
                i += 2;
            }
            found.extend(resolve(line, path, false, &module, &children, crates));
        }
        i += 1;
    }
    found
}

/// The names of the modules whose files this one declares.
fn declared(tokens: &[Token]) -> Vec<String> {
    let is_declaration = |three: &&[Token]| three[0].text == "mod" && three[2].text == ";";
    tokens
        .windows(3)
        .filter(is_declaration)
        .map(|three| three[1].text.clone())
        .collect()
}

/// The path as seen from the root of the crate; `None` when it starts at a name that this file has in scope.
fn resolve(
    line: usize,
    path: Vec<String>,
    in_use: bool,
    module: &[String],
    children: &[String],
    crates: &[String],
) -> Option<Import> {
    let first = path.first()?.clone();
    let supers = path.iter().take_while(|name| *name == "super").count();
    let absolute = |rest: &[String]| {
        ["crate".to_owned()]
            .into_iter()
            .chain(rest.iter().cloned())
            .collect::<Vec<_>>()
    };
    let path = match first.as_str() {
        "bailiff" => absolute(&path[1..]),
        "super" => {
            let above = &module[..module.len().saturating_sub(supers)];
            absolute(&[above, &path[supers..]].concat())
        }
        "self" => absolute(&[module, &path[1..]].concat()),
        "crate" | "std" | "core" | "alloc" => path,
        name if children.iter().any(|child| child == name) => absolute(&[module, &path].concat()),
        name if crates.iter().any(|known| known == name) => path,
        // Whoever imported the type a line above was looked at there; asking it for the time is looked at here.
        "SystemTime" | "Instant" if path.last().is_some_and(|name| name == "now") => path,
        _ => return None,
    };
    Some(Import { line, path, in_use })
}

/// Reads a tree of a `use` from `i` on. Gives the index after it.
fn use_tree(
    tokens: &[Token],
    mut i: usize,
    before: &[String],
    found: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    let mut path = before.to_vec();
    let line = tokens.get(i).map_or(0, |t| t.line);
    while let Some(token) = tokens.get(i) {
        match token.text.as_str() {
            "::" => {}
            "{" => {
                i += 1;
                while tokens
                    .get(i)
                    .is_some_and(|t| !matches!(t.text.as_str(), "}" | ";"))
                {
                    i = use_tree(tokens, i, &path, found);
                    if tokens.get(i).is_some_and(|t| t.text == ",") {
                        i += 1;
                    }
                }
                return skip_semicolon(tokens, i + 1, before);
            }
            "as" => i += 1,
            "self" if !before.is_empty() || !path.is_empty() => {}
            "," | "}" | ";" => break,
            name => path.push(name.to_owned()),
        }
        i += 1;
    }
    found.push((line, path));
    skip_semicolon(tokens, i, before)
}

fn skip_semicolon(tokens: &[Token], i: usize, before: &[String]) -> usize {
    let ends = before.is_empty() && tokens.get(i).is_some_and(|t| t.text == ";");
    if ends { i + 1 } else { i }
}

/// When a `#[cfg(test)]` module begins at `i`: the index after it.
fn test_module(tokens: &[Token], i: usize) -> Option<usize> {
    let text = |i: usize| tokens.get(i).map(|t| t.text.as_str());
    let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
    if !attribute
        .iter()
        .enumerate()
        .all(|(n, expected)| text(i + n) == Some(expected))
    {
        return None;
    }
    let mut i = i + attribute.len();
    // Further attributes and the visibility stand before `mod`; anything else is no module.
    while !matches!(text(i)?, "mod") {
        if !matches!(
            text(i)?,
            "#" | "[" | "]" | "(" | ")" | "pub" | "crate" | "super" | "in" | "allow" | "::"
        ) && !is_name(text(i)?)
        {
            return None;
        }
        if matches!(
            text(i)?,
            "use" | "fn" | "impl" | "struct" | "enum" | "const" | "static" | "type" | "trait"
        ) {
            return None;
        }
        i += 1;
    }
    let mut depth = 0;
    loop {
        match text(i)? {
            ";" if depth == 0 => return Some(i + 1),
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                if depth == 0 {
                    return Some(i + 1);
                }
            }
            _ => {}
        }
        i += 1;
    }
}

/// `domain/judge/access.rs` is the module `domain::judge::access`.
pub fn module_of(file: &str) -> Vec<String> {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
    if matches!(path, "lib" | "main") {
        vec![]
    } else {
        path.split('/').map(str::to_owned).collect()
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Names, `::` and single characters, without comments and without what stands in quotes.
fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut tokens = Vec::new();
    let (mut i, mut line) = (0, 1);
    while i < chars.len() {
        let start = i;
        match at(i) {
            '/' if at(i + 1) == '/' => {
                while i < chars.len() && at(i) != '\n' {
                    i += 1;
                }
            }
            '/' if at(i + 1) == '*' => i = after_comment(&chars, i),
            'r' if matches!(at(i + 1), '"' | '#') && raw_text(&chars, i).is_some() => {
                i = raw_text(&chars, i).unwrap_or(i + 1);
            }
            '"' => i = after_quote(&chars, i),
            // A character, and not a lifetime.
            '\'' if at(i + 1) == '\\' || at(i + 2) == '\'' => {
                i += if at(i + 1) == '\\' { 3 } else { 2 };
                while i < chars.len() && at(i) != '\'' {
                    i += 1;
                }
                i += 1;
            }
            c if c.is_alphanumeric() || c == '_' => {
                while at(i).is_alphanumeric() || at(i) == '_' {
                    i += 1;
                }
                tokens.push(Token {
                    line,
                    text: chars[start..i].iter().collect(),
                });
            }
            ':' if at(i + 1) == ':' => {
                tokens.push(Token {
                    line,
                    text: "::".into(),
                });
                i += 2;
            }
            c => {
                if !c.is_whitespace() {
                    tokens.push(Token {
                        line,
                        text: c.into(),
                    });
                }
                i += 1;
            }
        }
        line += chars[start..i.min(chars.len())]
            .iter()
            .filter(|c| **c == '\n')
            .count();
    }
    tokens
}

fn after_comment(chars: &[char], mut i: usize) -> usize {
    let mut depth = 0;
    while i < chars.len() {
        match (chars.get(i), chars.get(i + 1)) {
            (Some('/'), Some('*')) => (depth, i) = (depth + 1, i + 2),
            (Some('*'), Some('/')) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i
}

fn after_quote(chars: &[char], mut i: usize) -> usize {
    i += 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

/// The index after `r"…"` or `r#"…"#` at `i`; `None` when there is none (`r#match` is a name).
fn raw_text(chars: &[char], i: usize) -> Option<usize> {
    let hashes = chars[i + 1..].iter().take_while(|c| **c == '#').count();
    let open = i + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let closes = |at: usize| {
        chars[at] == '"' && chars[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes
    };
    (open + 1..chars.len())
        .find(|at| closes(*at))
        .map(|at| at + 1 + hashes)
}
