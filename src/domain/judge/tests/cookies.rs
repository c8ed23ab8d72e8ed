//! Two tokens in one request (attack A-58).

use super::*;

fn users() -> Snapshot {
    gate([route("/x", Access::User), route("/open", Access::Optional)])
}

fn beside(cookie: impl AsRef<[u8]>) -> Request {
    get("/x")
        .bearer(&token("user_owner"))
        .field("cookie", cookie)
}

#[test]
fn a_session_cookie_of_the_same_user_or_of_nobody_changes_nothing() {
    let stale = mint("user_owner").issued_at(NOW - 600).sign(key());
    for (given, cookie) in [
        (
            "the same user",
            format!("__session={}", token("user_owner")),
        ),
        (
            "the same user, expired",
            format!("a=1; __session_ab12cd34={stale}; b=2"),
        ),
        (
            "another application's",
            format!("__sessions={}", token("user_admin")),
        ),
        (
            "another application's of that name",
            "__session=s3cr3t".to_owned(),
        ),
        (
            "an issuer that is none of ours",
            format!(
                "__session={}",
                Mint::new(ISS_2, "user_admin", NOW).sign(key())
            ),
        ),
        ("an empty one", "__session=".to_owned()),
    ] {
        assert_eq!(
            beside(&cookie).at(&users()),
            "forward user_owner",
            "{given}"
        );
    }
}

#[test]
fn a_session_cookie_of_another_user_refuses_the_request_wherever_it_hides() {
    let other = token("user_admin");
    for (given, cookie) in [
        ("plain", format!("__session={other}")),
        ("suffixed", format!("__session_ab12cd34={other}")),
        (
            "second of two",
            format!(
                "__session={}; __session_ab12cd34={other}",
                token("user_owner")
            ),
        ),
        ("without spaces", format!("a=1;__session={other};b=2")),
        ("in quotes", format!("__session=\"{other}\"")),
        (
            "expired",
            format!(
                "__session={}",
                mint("user_admin").issued_at(NOW - 600).sign(key())
            ),
        ),
        (
            "without a user",
            format!(
                "__session={}",
                mint("user_admin").without("sub").sign(key())
            ),
        ),
    ] {
        assert_eq!(
            beside(&cookie).at(&users()),
            "reject several_tokens",
            "{given}"
        );
    }
    let odd = [format!("__session={other}; a=").as_bytes(), b"\xff"].concat();
    assert_eq!(
        beside(odd).at(&users()),
        "reject several_tokens",
        "on a line with an odd byte"
    );
    let lines = beside("a=1").field("cookie", format!("__session={other}"));
    assert_eq!(
        lines.at(&users()),
        "reject several_tokens",
        "on a second line"
    );
}

#[test]
fn a_session_cookie_of_another_issuer_of_ours_counts_too() {
    let gate = with_other_issuer(users());
    for user in ["user_owner", "user_admin"] {
        let cookie = format!(
            "__session={}",
            Mint::new(ISS_2, user, NOW).sign(other_key())
        );
        assert_eq!(
            beside(cookie).at(&gate),
            "reject several_tokens",
            "{user}: the same name is another person there"
        );
    }
}

#[test]
fn a_cookie_alone_is_no_token() {
    let cookie = format!("__session={}", token("user_owner"));
    assert_eq!(
        get("/x").field("cookie", &cookie).at(&users()),
        "reject missing_token"
    );
    assert_eq!(
        get("/open").field("cookie", &cookie).at(&users()),
        "forward nobody"
    );
    assert_eq!(
        get(&format!("/x?__session={}", token("user_owner"))).at(&users()),
        "reject missing_token"
    );
}

#[test]
fn two_authorization_fields_are_refused_even_when_they_agree() {
    let token = token("user_owner");
    assert_eq!(
        get("/x").bearer(&token).bearer(&token).at(&users()),
        "reject several_tokens"
    );
    assert_eq!(
        get("/open").bearer(&token).bearer("x").at(&users()),
        "reject several_tokens"
    );
}
