//! The comment at the head of a config: what it tells to set before `bailiff check`.

use std::path::{Path, PathBuf};

/// A value for every variable that such a comment names.
fn value(name: &str) -> &'static str {
    match name {
        "AUTH_MODE" => panic!("AUTH_MODE is said in full"),
        "CLERK_PUBLISHABLE_KEY" => "pk_test_YW11c2VkLWNhdC03LmNsZXJrLmFjY291bnRzLmRldiQ",
        "CLERK_SECRET_KEY" => "sk_test_abcdefghijklmnopqrst",
        "CLERK_WEBHOOK_SIGNING_SECRET" | "CLERK_WEBHOOK_SECRET" => {
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        }
        // Each token its own: that two services share one is a fault.
        "LOCAL_AUTH_TOKEN" => "local-0123456789abcdef0123456789abcdef",
        "BAILIFF_ADMIN_TOKEN" => "admin-0123456789abcdef0123456789abcdef",
        "SERVICE_AUTH_TOKEN" => "service-0123456789abcdef0123456789abcdef",
        "TRIAGE_AGENT_TOKEN" => "triage-0123456789abcdef0123456789abcdef",
        "REPORT_AGENT_TOKEN" => "report-0123456789abcdef0123456789abcdef",
        other => panic!("the head of a config names {other}: give it a value here"),
    }
}

/// The variables of the command in the head of this config, each with a value that would do.
#[must_use]
pub fn variables(config: &str) -> Vec<(String, String)> {
    let head = config.lines().take_while(|line| line.starts_with('#'));
    let command: Vec<&str> = head.filter_map(|line| line.strip_prefix("#   ")).collect();
    let command = command.join(" ");
    assert!(
        command.contains("bailiff check --config config/systems/"),
        "the head shows how to check it: {command}"
    );
    let named = command
        .split_whitespace()
        .filter_map(|word| word.split_once('='));
    let named = named.filter(|(name, _)| {
        name.bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
    });
    named
        .map(|(name, said)| {
            let placeholder = said.contains('…') || said.starts_with("$(");
            (
                name.to_owned(),
                if placeholder {
                    value(name).to_owned()
                } else {
                    said.to_owned()
                },
            )
        })
        .collect()
}

/// Every config of a product.
#[must_use]
pub fn systems() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/systems");
    let files = std::fs::read_dir(folder)
        .expect("the folder is there")
        .flatten()
        .map(|entry| entry.path());
    let config = |path: &PathBuf| {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        name.ends_with(".yaml") && !name.ends_with(".membership.yaml")
    };
    let mut systems: Vec<_> = files.filter(config).collect();
    systems.sort();
    assert!(
        systems.len() >= 6,
        "five products, one of them in two set-ups: {systems:?}"
    );
    systems
}
