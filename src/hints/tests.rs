use super::*;

const STRANGERS: usize = LogSeldom::<Topic>::MOST_ALIKE;

fn instance(iss: &str) -> Hint {
    Hint::OtherInstance {
        reason: Rejection::WrongIssuer,
        iss: iss.into(),
        kid: None,
    }
}

fn expired() -> Hint {
    Hint::JustExpired {
        issuer: "clerk".into(),
        ago: 11,
        leeway: 10,
    }
}

#[test]
fn the_same_is_said_once_until_its_pause_is_over() {
    let start = clock::monotonic();
    for (hint, pause) in [
        (Hint::Webhook(Rejection::WebhookSignature), 5 * MINUTE),
        (
            Hint::FromTheFuture {
                issuer: "clerk".into(),
                claim: "iat",
                ahead: 60,
                leeway: 10,
            },
            5 * MINUTE,
        ),
        (instance("https://a.test"), 60 * MINUTE),
        (Hint::Placeholder("null"), 60 * MINUTE),
    ] {
        let mut seen = Seen::default();
        assert!(seen.is_worth_saying(&hint, start), "{hint:?}");
        assert!(
            !seen.is_worth_saying(&hint, start + pause - MINUTE),
            "{hint:?}"
        );
        assert!(seen.is_worth_saying(&hint, start + pause), "{hint:?}");
    }
}

#[test]
fn a_flood_of_made_up_issuers_is_a_few_lines_and_hides_nothing_else() {
    let (mut seen, start) = (Seen::default(), clock::monotonic());
    let said = |seen: &mut Seen, at| {
        (0..10_000)
            .filter(|n| seen.is_worth_saying(&instance(&format!("https://{n}.test")), at))
            .count()
    };
    assert_eq!(said(&mut seen, start), STRANGERS);
    assert_eq!(said(&mut seen, start + 59 * MINUTE), 0);
    assert!(seen.is_worth_saying(&Hint::Webhook(Rejection::WebhookTime), start));
    assert!(seen.is_worth_saying(&Hint::Origin("https://app.test".into()), start));
    assert_eq!(said(&mut seen, start + 60 * MINUTE), STRANGERS);
    assert!(seen.logged.waiting() <= STRANGERS + 2, "nothing grows");
}

#[test]
fn tokens_that_have_just_ended_are_a_warning_only_in_numbers() {
    let (mut seen, start) = (Seen::default(), clock::monotonic());
    for n in 0..100 {
        assert!(
            !seen.is_worth_saying(&expired(), start + n * MINUTE),
            "one a minute is everyday life"
        );
    }
    let later = start + 200 * MINUTE;
    let said = (0..100)
        .filter(|_| seen.is_worth_saying(&expired(), later))
        .count();
    assert_eq!((said, seen.expired.len()), (1, MANY));
}

#[test]
fn a_stranger_cannot_write_lines_of_his_own() {
    let told = advice::warning(
        &instance("https://a\n\u{1b}[2J{\"level\":\"x\"}"),
        &no_rules(),
        None,
    );
    assert!(!told.cause.contains(['\n', '\u{1b}']), "{told:?}");
}

#[test]
fn who_is_to_blame_for_old_tokens_follows_from_the_measured_clock() {
    for (ahead, part) in [
        (Some(40), "is 40 s ahead of the issuer's"),
        (
            Some(1),
            "not to blame (1 s ahead of the issuer's), so clients keep old tokens",
        ),
        (Some(-30), "so clients keep old tokens"),
        (
            None,
            "either the clock of this machine is ahead, or clients",
        ),
    ] {
        let told = advice::warning(&expired(), &no_rules(), ahead);
        assert!(told.cause.contains(part), "{ahead:?}: {told:?}");
        assert_eq!(told.fix.contains("set-ntp"), ahead == Some(40), "{ahead:?}");
    }
}

/// The rules of a gate without anything.
fn no_rules() -> Snapshot {
    use crate::config::interpolate::FakeEnv;
    use crate::config::load::{Overrides, load};

    let overrides = Overrides {
        upstream: Some("http://127.0.0.1:1".to_owned()),
        ..Overrides::default()
    };
    let key = "pk_test_YW11c2VkLWNhdC03LmNsZXJrLmFjY291bnRzLmRldiQ";
    let loaded = load(
        None,
        &overrides,
        &FakeEnv::new().with_var("CLERK_PUBLISHABLE_KEY", key),
    )
    .expect("a config");
    Snapshot {
        awaits_shared: false,
        generation: 1,
        rules: loaded.settings.reloadable.rules,
        keys: HashMap::new(),
        members: None,
        revocations: Default::default(),
    }
}
