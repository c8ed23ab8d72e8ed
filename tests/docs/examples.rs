//! Configs in the pages load, and commands parse; those of the README run one after the other.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::pages::{self, Page};

/// What a config of a page refers to, and may leave out because another section of the page has it.
const MEMBERSHIP: &str = "users: {}\n";
const SECTIONS: [(&str, &str); 3] = [
    ("upstream", "upstream: http://127.0.0.1:3000\n"),
    (
        "clerk",
        "clerk: {publishable_key: \"${CLERK_PUBLISHABLE_KEY}\", authorized_parties: [\"https://app.example.com\"]}\n",
    ),
    (
        "membership",
        "membership: {file: membership.yaml, roles: [member, admin, owner]}\n",
    ),
];
/// Each token its own: two services with one token are a fault.
const VARIABLES: [(&str, &str); 8] = [
    (
        "CLERK_PUBLISHABLE_KEY",
        "pk_test_YW11c2VkLWNhdC03LmNsZXJrLmFjY291bnRzLmRldiQ",
    ),
    (
        "CLERK_WEBHOOK_SIGNING_SECRET",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    ),
    ("BAILIFF_ADMIN_TOKEN", "admin-0123456789abcdef"),
    ("REDIS_PASSWORD", "a-password"),
    (
        "DATABASE_URL",
        "postgres://bailiff:a-password@127.0.0.1/app",
    ),
    ("ENGINE_TOKEN", "engine-0123456789abcdef0123456789abcdef"),
    (
        "AGENT_SHA256",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ),
    (
        "AGENT_OLD_SHA256",
        "f82192d94de677b06d0232c772f5c35f2f008e909690c1c44eab16fa08a95c2d",
    ),
];
/// Warnings that a page announces, or that come from what is left out: the page, and a part of the warning.
const ANNOUNCED: [(&str, &str); 1] = [(
    "docs/known-attacks.md",
    "every client may send `x-http-method-override`",
)];
/// What stands for a value in inline code.
const PLACEHOLDERS: [(&str, &str); 1] = [("ADDRESS", "10.0.0.7")];
/// Programs of others, whose options are theirs.
const OTHERS: [&str; 4] = ["cargo", "docker", "sudo", "curl"];

/// A folder with these files, for one test.
fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = format!("docs-{}-{name}", std::process::id());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    for (name, text) in files {
        std::fs::write(folder.join(name), text).expect("a file");
    }
    folder
}

fn bailiff(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bailiff"));
    command
        .args(words)
        .env_clear()
        .envs(VARIABLES)
        .current_dir(folder);
    command
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts")
}

/// What it wrote, for messages.
fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr]
        .map(|bytes| String::from_utf8_lossy(bytes))
        .concat()
}

fn is_membership(block: &str) -> bool {
    block.starts_with("# membership.yaml\n")
}

/// The config of a block with what it leaves out, so that it stands alone.
fn completed(block: &str) -> String {
    let has = |section: &str| {
        block
            .lines()
            .any(|line| line.starts_with(&format!("{section}:")))
    };
    let left_out = SECTIONS.iter().filter(|(section, _)| !has(section));
    left_out.fold(block.to_owned(), |text, (_, section)| text + section)
}

#[test]
fn every_config_of_every_page_loads_and_warns_of_nothing_but_what_is_announced() {
    let mut count = 0;
    for page in pages::pages() {
        let blocks = page.blocks();
        let yaml = || blocks.iter().filter(|block| block.language == "yaml");
        let membership = yaml().find(|block| is_membership(&block.text));
        let membership = membership.map_or(MEMBERSHIP, |block| &block.text);
        for block in yaml().filter(|block| !is_membership(&block.text)) {
            let config = completed(&block.text);
            let files = [
                ("bailiff.yaml", config.as_str()),
                ("membership.yaml", membership),
            ];
            count += 1;
            let folder = folder(&count.to_string(), &files);
            let output = bailiff(&folder, &["check"]);
            let place = format!("{}:{}", page.name(), block.line);
            assert!(
                output.status.success(),
                "{place}\n{config}\n{}",
                said(&output)
            );
            let text = said(&output);
            let warnings = text.split("warning[").skip(1);
            let mut unannounced = warnings.filter(|warning| {
                !ANNOUNCED
                    .iter()
                    .any(|(path, part)| page.name() == *path && warning.contains(part))
            });
            assert_eq!(unannounced.next(), None, "{place}\n{config}");
        }
    }
    assert!(count > 12, "{count}");
}

/// The lines of the shell blocks of a page, each joined with what it continues on, without comments.
fn commands(page: &Page) -> Vec<String> {
    let shell = page
        .blocks()
        .into_iter()
        .filter(|block| block.language == "sh");
    let mut commands: Vec<String> = vec![];
    for block in shell {
        let mut open = false;
        for line in block.text.lines() {
            let line = line.split("  #").next().unwrap_or_default().trim();
            match commands.last_mut().filter(|_| open) {
                Some(command) => *command += &format!(" {line}"),
                None if line.is_empty() => continue,
                None => commands.push(line.to_owned()),
            }
            open = commands
                .last()
                .is_some_and(|command| command.matches('\'').count() % 2 == 1);
        }
    }
    commands
}

/// Whether the parser of the command line takes these words: it reads all of them before it shows its help.
fn parses(words: &[&str]) -> bool {
    let value = |word| {
        let placeholder = PLACEHOLDERS.iter().find(|(name, _)| *name == word);
        placeholder.map_or(word, |(_, value)| *value)
    };
    let words = words.iter().map(|word| value(*word)).chain(["--help"]);
    let words: Vec<&str> = words.collect();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    bailiff(folder, &words).status.success()
}

/// The command with a word in the place of what another one prints.
fn without_substitution(command: &str) -> String {
    let mut parts = command.split("$(");
    let first = parts.next().unwrap_or_default().to_owned();
    let rests = parts.filter_map(|part| part.split_once(')'));
    rests.fold(first, |text, (_, rest)| text + "word" + rest)
}

/// The fault of a command, if it has one.
fn fault(command: &str) -> Option<String> {
    let command = without_substitution(command);
    let command = command.split(['<', '|']).next()?;
    let words: Vec<&str> = command.split_whitespace().collect();
    let is_part = |b: u8| b.is_ascii_uppercase() || b == b'_';
    let variable = |word: &&str| {
        let (name, _) = word.split_once('=')?;
        name.bytes().all(is_part).then(|| name.to_owned())
    };
    let configs = ["config/full.yaml", "config/local.yaml"];
    let configs = configs.map(|path| pages::read(path.as_ref())).concat();
    let known = |name: &String| {
        let mut words = configs.split(|c: char| !c.is_ascii_uppercase() && c != '_');
        words.any(|word| word == name)
    };
    let unknown = words.iter().filter_map(variable).find(|name| !known(name));
    if let Some(name) = unknown {
        return Some(format!("{name} is in no config"));
    }
    let words: Vec<&str> = words
        .iter()
        .filter(|word| variable(word).is_none())
        .copied()
        .collect();
    let exists = |path: String| super::package().join(path).exists();
    match words.as_slice() {
        [] | ["export"] => None,
        ["bailiff", rest @ ..] => (!parses(rest)).then(|| "bailiff does not know it".into()),
        ["./run", what] => {
            let known = pages::read("run".as_ref()).contains(&format!("\n  {what})\n"));
            (!known).then(|| "run does not know it".into())
        }
        ["cargo", "test" | "run", .., "--test" | "--example", name]
        | ["cargo", "test", "--test", name, ..] => {
            let places = ["tests/{}.rs", "tests/{}/main.rs", "examples/{}.rs"];
            let found = places.iter().any(|place| exists(place.replace("{}", name)));
            (!found).then(|| format!("there is no target {name}"))
        }
        ["curl", ..] => {
            let mut urls = words
                .iter()
                .filter_map(|word| word.strip_prefix("http://127.0.0.1:8485/"));
            let path = urls
                .next()
                .map(|path| format!("\"{}", path.trim_matches('"')));
            let admin = ["src/admin.rs", "src/admin/api.rs"]
                .map(|file| pages::read(file.as_ref()))
                .concat();
            let known = path.is_some_and(|path| {
                admin.contains(&path) || admin.contains(&path.replace('"', "\"/"))
            });
            (!known).then(|| "the admin listener has no such path".into())
        }
        [program, ..] => (!OTHERS.contains(program)).then(|| "what is it?".into()),
    }
}

#[test]
fn every_command_of_every_page_is_one_that_there_is() {
    let mut count = 0;
    for page in pages::pages() {
        let inline = page.inline_code().into_iter();
        let inline = inline.filter(|code| {
            code.starts_with("bailiff ")
                || code.starts_with("./run ")
                || code.starts_with("cargo test --")
        });
        for command in commands(&page).into_iter().chain(inline) {
            count += 1;
            let fault = fault(&command);
            assert_eq!(fault, None, "{}: {command}", page.name());
        }
    }
    assert!(count > 40, "{count}");
}

#[test]
fn the_commands_of_the_readme_do_what_they_say_with_the_files_that_it_shows() {
    let readme = pages::pages()
        .into_iter()
        .find(|page| page.name() == "README.md")
        .expect("the README");
    let blocks = readme.blocks();
    let block = |head: &str| {
        let found = blocks.iter().find(|block| block.text.starts_with(head));
        found
            .unwrap_or_else(|| panic!("there is no {head}"))
            .text
            .as_str()
    };
    let (config, membership) = (block("# bailiff.yaml"), block("# membership.yaml"));
    let folder = folder(
        "readme",
        &[
            ("bailiff.yaml", config),
            ("membership.yaml", membership),
            ("token.txt", "no token"),
        ],
    );
    let commands = commands(&readme);
    for line in ["bailiff check", "bailiff serve", "bailiff --version"] {
        assert!(
            commands.iter().any(|command| command == line),
            "{commands:#?}"
        );
    }
    let check = bailiff(&folder, &["check"]);
    assert!(
        check.status.success() && !said(&check).contains("warning["),
        "{}",
        said(&check)
    );
    assert!(bailiff(&folder, &["--version"]).status.success());

    let explain = commands
        .iter()
        .find_map(|command| command.strip_prefix("bailiff explain "));
    let (words, file) = explain
        .and_then(|line| line.split_once(" < "))
        .expect("a token from a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_bailiff"));
    let token = std::fs::File::open(folder.join(file)).expect("the file that stdin is");
    command
        .arg("explain")
        .args(words.split_whitespace())
        .env_clear()
        .envs(VARIABLES);
    let output = command
        .current_dir(&folder)
        .stdin(token)
        .output()
        .expect("it starts");
    let text = said(&output);
    assert!(
        output.status.code() == Some(1) && text.contains("malformed_token"),
        "{text}"
    );
}

#[test]
fn a_command_that_there_is_not_is_noticed() {
    for good in [
        "bailiff check --online",
        "export CLERK_SECRET_KEY=sk",
        "./run demo",
        "curl -s http://127.0.0.1:8485/readyz",
    ] {
        assert_eq!(fault(good), None, "{good}");
    }
    for bad in [
        "bailiff chek",
        "bailiff check --on-line",
        "./run away",
        "export CLERK_SECRET=1",
        "cargo test --test none",
        "curl http://127.0.0.1:8485/none",
        "rm -r docs",
    ] {
        assert!(fault(bad).is_some(), "{bad}");
    }
}
