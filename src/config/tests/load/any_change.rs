//! The full config with any one thing changed: a verdict every time, and never one without a reason.

use proptest::prelude::*;

use super::*;

const FULL: &str = include_str!("../../../../config/full.yaml");
const PEM: &str = include_str!("public_key.pem");

fn verdict(text: &str) -> String {
    let env = env()
        .with_var("CLERK_SECRET_KEY", "sk_test_abcdefghijklmnopqrst")
        .with_var(
            "CLERK_WEBHOOK_SIGNING_SECRET",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        )
        .with_var("OFFLINE_JWT_KEY", PEM)
        .with_var("ENGINE_TOKEN", "0123456789abcdef")
        .with_var("BAILIFF_ADMIN_TOKEN", "admin-0123456789abcdef")
        .with_var("REDIS_PASSWORD", "a password");
    printed(file(text, env))
}

/// Lines that say something.
fn lines() -> Vec<&'static str> {
    FULL.lines()
        .filter(|line| !line.trim_start().starts_with('#') && !line.trim().is_empty())
        .collect()
}

/// Puts `new` in the place of the value in the line with this number, counted around.
fn changed(number: usize, new: &str) -> String {
    let mut lines: Vec<String> = lines().into_iter().map(str::to_owned).collect();
    let count = lines.len();
    let line = &mut lines[number % count];
    let end = line.find(": ").map_or(line.len(), |at| at + 2);
    line.replace_range(end.., new);
    lines.join("\n") + "\n"
}

#[test]
fn the_full_config_is_right_before_it_is_changed() {
    assert!(!verdict(&(lines().join("\n") + "\n")).contains("error["));
}

#[test]
fn every_value_of_another_kind_is_a_fault_with_a_reason() {
    for number in 0..lines().len() {
        for new in [
            "",
            "~",
            "[]",
            "{}",
            "[[]]",
            "{a: {}}",
            "\"\"",
            "-1",
            "\"${NONE}\"",
            "99999999999999999999",
            "\u{7f}",
        ] {
            let text = changed(number, new);
            let verdict = verdict(&text);
            assert!(
                !verdict.contains("B090"),
                "a mistake in bailiff itself:\n{text}\n{verdict}"
            );
        }
    }
}

proptest! {
    #[test]
    fn any_value_gets_a_verdict(number in 0..200_usize, new in "[ -~é\u{202e}]{0,40}") {
        let text = changed(number, &new);
        let verdict = verdict(&text);
        prop_assert!(!verdict.contains("B090"), "{}\n{}", text, verdict);
    }

    #[test]
    fn any_line_can_be_missing(from in 0..200_usize, count in 1..20_usize) {
        let lines = lines();
        let text: String = lines.iter().enumerate().filter(|(i, _)| !(from..from + count).contains(i)).map(|(_, line)| format!("{line}\n")).collect();
        let verdict = verdict(&text);
        prop_assert!(!verdict.contains("B090"), "{}\n{}", text, verdict);
    }

    #[test]
    fn any_text_of_a_variable_gets_a_verdict_and_is_not_shown(which in 0..17_usize, value in "[!-~é]{12,60}") {
        const NAMES: [&str; 19] = [
            "AUTH_DISABLED", "AUTH_MODE", "BAILIFF_ADMIN", "BAILIFF_ADMIN_TOKEN", "BAILIFF_LISTEN", "BAILIFF_STORE", "BAILIFF_UPSTREAM",
            "CLERK_API_URL", "CLERK_JWT_KEY", "CLERK_LEEWAY", "CLERK_PUBLISHABLE_KEY", "CLERK_SECRET_KEY", "CLERK_VERIFY_IAT",
            "CLERK_WEBHOOK_SECRET", "CLERK_WEBHOOK_SIGNING_SECRET", "CORS_ORIGINS", "LOCAL_AUTH_TOKEN", "PORT", "SERVICE_AUTH_TOKEN",
        ];
        let verdict = printed(alone(&env().with_var(NAMES[which], &value)));
        prop_assert!(!verdict.contains("B090"), "{}", verdict);
        prop_assert!(!verdict.contains(&value), "{}", verdict);
    }
}
