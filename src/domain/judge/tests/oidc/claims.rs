//! The claims that the gate reads from the tokens of other providers than Clerk, and those that it ignores.

use super::*;

#[test]
fn what_only_clerk_means_means_nothing_here() {
    let token = ["sts", "pla", "fea", "o", "org_id", "v"]
        .iter()
        .fold(access("a"), |token, name| token.claim(name, 7));
    let token = token.claim("fva", "never").claim("sid", json!(["s"]));
    assert_eq!(verdict(&beside(), &token), "forward partner:a");
    let claims = |token: Mint| match get("/x")
        .bearer(&token.sign(&partner_key()))
        .grant(&beside())
        .caller()
    {
        Caller::User(Principal::Verified(claims)) => claims.clone(),
        other => panic!("{other:?}"),
    };
    let boasting = claims(
        access("a")
            .claim("pla", "o:pro")
            .claim("fea", "o:billing")
            .claim("fva", json!([0, 0])),
    );
    let boasting = boasting.claims();
    assert!(
        boasting.plans.is_empty() && boasting.features.is_empty() && boasting.factor_age.is_none()
    );
    assert!(
        claims(access("a").claim("org_id", "org_1"))
            .claims()
            .org
            .is_none(),
        "only where the config maps it"
    );
    let session = upstream(&beside(), &access("a").claim("sid", "s-1"));
    assert_eq!(values(&session, "x-session-id"), ["s-1"]);
}

#[test]
fn an_actor_is_known_by_issuer_too_and_never_left_out() {
    let acted = upstream(
        &beside(),
        &access("a").claim("act", json!({"sub": "user_owner"})),
    );
    assert_eq!(values(&acted, "x-actor-id"), ["partner:user_owner"]);
    assert_eq!(
        verdict(&beside(), &access("a").claim("act", json!({}))),
        "reject malformed_token"
    );
}

#[test]
fn a_tenant_is_the_organization_and_nothing_more() {
    let mut gate = ruled(mapped(|names| names.tenant = Some("tid".into())), |rules| {
        let by_claim = Route {
            workspace: vec![WorkspaceSource::TokenOrg],
            ..route("/org", Access::Role(role("member")))
        };
        let mut all: Vec<Route> = routes().into();
        all.push(by_claim);
        rules.routes = RouteTable::new(all, PathRules::default()).expect("no contradiction");
    });
    let headers = upstream(&gate, &access("a").claim("tid", "t-1"));
    assert_eq!(values(&headers, "x-org-id"), ["partner:t-1"]);
    assert_eq!(values(&headers, "x-org-role"), [""; 0]);
    assert_eq!(values(&upstream(&gate, &access("a")), "x-org-id"), [""; 0]);
    let named = upstream(&gate, &access("a").claim("tid", "org_1"));
    assert_eq!(
        values(&named, "x-org-id"),
        ["partner:org_1"],
        "whose rows the app shows must not be theirs to say"
    );
    for bad in [json!(1), json!("a,b"), json!(""), json!({"id": "t-1"})] {
        assert_eq!(
            verdict(&gate, &access("a").claim("tid", bad.clone())),
            "reject malformed_token",
            "{bad}"
        );
    }

    let asked = |gate: &Snapshot, sub: &str| {
        get("/org")
            .bearer(&access(sub).claim("tid", "org_1").sign(&partner_key()))
            .at(gate)
    };
    assert_eq!(
        asked(&gate, "user_owner"),
        "reject unknown_user",
        "the row of Clerk's `user_owner` is not theirs"
    );
    let id = UserId::parse("partner:user_owner").expect("a user id");
    let user = User::new(None, None, None, AccessStatus::Active, false);
    let workspace = Workspace {
        org: OrgId::parse("org_1").ok(),
        members: HashMap::from([(id.clone(), role("member"))]),
    };
    let workspaces = HashMap::from([(WorkspaceId::parse("ws_1").expect("an id"), workspace)]);
    let table = Table::new(HashMap::from([(id, user)]), workspaces).expect("one workspace");
    gate.members = Some(Members::new(table, Policy::default()));
    assert_eq!(asked(&gate, "user_owner"), "forward partner:user_owner");
    assert_eq!(asked(&gate, "stranger"), "reject unknown_user");
}

#[test]
fn the_person_is_read_from_the_mapped_claims() {
    let token = || {
        access("a")
            .claim("email", "a@x.test")
            .claim("given_name", "Zoë")
            .claim("family_name", "Ŝ")
    };
    let told = |gate: &Snapshot, token: &Mint| {
        let headers = upstream(gate, token);
        [
            values(&headers, "x-user-email").concat(),
            values(&headers, "x-user-name").concat(),
        ]
    };
    assert_eq!(told(&beside(), &token()), ["a@x.test", "Zo%C3%AB %C5%9C"]);
    assert_eq!(
        told(&beside(), &token().claim("email_verified", false)),
        ["", "Zo%C3%AB %C5%9C"]
    );
    let other = mapped(|names| {
        names.email = vec!["mail".into(), "upn".into()];
        (names.name, names.name_parts) = (vec!["nick".into()], vec![]);
    });
    assert_eq!(
        told(
            &other,
            &token().claim("upn", "b@x.test").claim("nick", "zo")
        ),
        ["b@x.test", "zo"]
    );
    assert_eq!(
        told(&other, &token()),
        ["", ""],
        "the claims that are not mapped are not read"
    );
}

#[test]
fn clerks_tokens_are_read_by_clerks_rules_whatever_is_mapped() {
    let gate = ruled(beside(), |rules| {
        let names = Arc::make_mut(&mut rules.issuers[0].claim_names);
        (names.user_id, names.tenant) = ("email".into(), Some("team".into()));
    });
    let token = mint("user_owner")
        .org("org_1", "acme", "admin", &[])
        .claim("email", "user_two")
        .claim("team", "org_2");
    assert_eq!(
        get("/x").bearer(&token.clone().sign(key())).at(&gate),
        "forward user_owner",
        "never the subject"
    );
    let headers = get("/x").bearer(&token.clone().sign(key())).upstream(&gate);
    assert_eq!(
        (values(&headers, "x-org-id"), values(&headers, "x-org-role")),
        (vec!["org_2".to_owned()], vec![])
    );
    let elsewhere = get("/x")
        .bearer(&token.clone().claim("team", "partner:t-1").sign(key()))
        .upstream(&gate);
    assert_eq!(
        values(&elsewhere, "x-org-id"),
        [""; 0],
        "nor may a claim of Clerk's say that it is the partner's"
    );
    for (name, expected) in [("client_id", 5), ("events", 5), ("email_verified", 0)] {
        let token = token.clone().claim(name, expected).sign(key());
        assert_eq!(
            get("/x").bearer(&token).at(&gate),
            "forward user_owner",
            "{name} is no claim of Clerk's"
        );
    }
}
