use crate::harness::{Demo, file, folder, get, run, run_with};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[test]
fn a_signature_is_the_published_one() {
    let args = [
        "webhook",
        "sign",
        "--id",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "--timestamp",
        "1614265330",
    ];
    let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    let body = "{\"test\": 2432232314}";
    let secret_file = file(&folder(), "secret", &format!("{SECRET}\n"));
    for (variables, more) in [
        (&[("CLERK_WEBHOOK_SIGNING_SECRET", SECRET)][..], &[][..]),
        (&[("CLERK_WEBHOOK_SECRET", SECRET)], &[]),
        (&[], &["--secret-file", &secret_file]),
    ] {
        let ended = run_with(&[&args[..], more].concat(), variables, body);
        assert_eq!(ended.status, 0, "{ended:?}");
        let lines: Vec<_> = ended.out.lines().collect();
        assert_eq!(
            lines,
            [
                "svix-id: msg_p5jXN8AQM9LWM0D4loKWxJek",
                "svix-timestamp: 1614265330",
                &format!("svix-signature: {expected}")
            ]
        );
    }
    let json = run_with(
        &[&args[..], &["--json"]].concat(),
        &[("CLERK_WEBHOOK_SECRET", SECRET)],
        body,
    )
    .json();
    assert_eq!(json["svix-signature"], expected);
}

#[test]
fn a_missing_or_weak_secret_is_refused_and_never_shown() {
    assert_eq!(run(&["webhook", "sign"]).status, 2);
    let ended = run_with(
        &["webhook", "sign"],
        &[("CLERK_WEBHOOK_SECRET", "whsec_c2hvcnQ=")],
        "x",
    );
    assert_eq!(ended.status, 1, "{ended:?}");
    assert!(
        ended.err.contains("CLERK_WEBHOOK_SECRET") && !ended.all().contains("c2hvcnQ"),
        "{ended:?}"
    );
}

#[test]
fn a_sent_event_is_taken_and_counts_and_one_with_another_secret_is_not() {
    let (_demo, addresses) = Demo::json(&[]);
    let text = |name: &str| addresses[name].as_str().expect("an address").to_owned();
    let (gate, secret) = (
        format!("{}/webhooks/clerk", text("gate")),
        text("config").replace("bailiff.yaml", "webhook-secret"),
    );
    let send = [
        "webhook",
        "send",
        "organizationMembership.updated",
        "--to",
        &gate,
        "--user",
        "user_bob",
        "--org",
        "org_acme",
    ];

    let ended = run(&[&send[..], &["--role", "owner", "--secret-file", &secret]].concat());
    assert_eq!(ended.status, 0, "{ended:?}");
    assert!(
        ended.out.starts_with("200\n") && ended.out.contains("organizationMembership.updated"),
        "{ended:?}"
    );
    let metrics = get(&format!("{}/metrics", text("admin")));
    assert!(
        metrics
            .lines()
            .any(|line| line.starts_with("bailiff_webhooks_total") && line.ends_with(" 1")),
        "{metrics}"
    );

    let ended = run_with(&send, &[("CLERK_WEBHOOK_SECRET", SECRET)], "");
    assert_eq!(ended.status, 1, "{ended:?}");
    assert!(ended.out.starts_with("401\n"), "{ended:?}");

    let data = file(&folder(), "data.json", "{\"id\": \"x\"}");
    let ended = run(&[
        "webhook",
        "send",
        "sms.created",
        "--to",
        &gate,
        "--data",
        &data,
        "--json",
        "--secret-file",
        &secret,
    ]);
    assert_eq!(
        (ended.status, ended.json()["status"].as_u64()),
        (0, Some(200)),
        "{ended:?}"
    );
}

#[test]
fn an_event_that_cannot_be_made_up_and_a_receiver_that_is_not_there_are_explained() {
    let secret = [("CLERK_WEBHOOK_SECRET", SECRET)];
    let ended = run_with(
        &[
            "webhook",
            "send",
            "user.exploded",
            "--to",
            "http://127.0.0.1:1",
        ],
        &secret,
        "",
    );
    assert_eq!(ended.status, 2, "{ended:?}");
    assert!(
        ended.err.contains("user.created") && ended.err.contains("--data"),
        "{ended:?}"
    );
    let ended = run_with(
        &[
            "webhook",
            "send",
            "user.created",
            "--to",
            "http://127.0.0.1:1/x",
        ],
        &secret,
        "",
    );
    assert_eq!(ended.status, 1, "{ended:?}");
    assert!(
        ended.err.contains("http://127.0.0.1:1/x") && ended.err.contains("fix"),
        "{ended:?}"
    );
}
