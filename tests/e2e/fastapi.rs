//! A real application behind the gate: FastAPI under uvicorn, and a WSGI application inside of it.
//! Frameworks read headers their own way, and an attacker chooses the spelling that suits: no
//! spelling of a trusted name may reach either of them as identity.

use serde_json::{Value, json};

use crate::harness::{App, NOBODY, USER_A, World, fold, trusted_names};

/// All ways to write a name with these separators and in these letter cases.
fn spellings(name: &str) -> Vec<String> {
    let mut spelt = vec![String::new()];
    for (index, word) in name.split('-').enumerate() {
        let separators: &[&str] = if index == 0 { &[""] } else { &["-", "_", "."] };
        let longer = |start: &String| {
            separators
                .iter()
                .map(move |s| format!("{start}{s}{word}"))
                .collect::<Vec<_>>()
        };
        spelt = spelt.iter().flat_map(longer).collect();
    }
    let mixed = |name: &String| {
        let turn = |(n, c): (usize, char)| {
            if n % 2 == 0 {
                c.to_ascii_uppercase()
            } else {
                c
            }
        };
        name.chars().enumerate().map(turn).collect::<String>()
    };
    let cases = |name: &String| [name.clone(), name.to_uppercase(), mixed(name)];
    spelt.iter().flat_map(cases).collect()
}

/// Every line among those that an app could read as identity.
fn identity(scope: &Value) -> Vec<String> {
    let pairs = scope.as_array().into_iter().flatten();
    let text = |pair: &Value, at: usize| pair[at].as_str().unwrap_or_default().to_owned();
    let trusted = |pair: &&Value| trusted_names().contains(&fold(&text(pair, 0)).as_str());
    let mut lines: Vec<_> = pairs
        .filter(trusted)
        .map(|pair| format!("{}: {}", text(pair, 0), text(pair, 1)))
        .collect();
    lines.sort();
    lines
}

/// The same among variables of one spelling.
fn variables(environ: &Value) -> Vec<String> {
    let name = |key: &String| fold(key.trim_start_matches("HTTP_"));
    let pairs = environ.as_object().into_iter().flatten();
    let trusted = pairs.filter(|(key, _)| trusted_names().contains(&name(key).as_str()));
    let mut lines: Vec<_> = trusted
        .map(|(key, value)| {
            format!(
                "{}: {}",
                name(key).replace('_', "-"),
                value.as_str().unwrap_or_default()
            )
        })
        .collect();
    lines.sort();
    lines
}

#[track_caller]
fn no_spelling_reaches_the_app(parser: &str) {
    let app = App::with_parser("fastapi_app", parser, &[]);
    let world = World::plan().in_front_of(&app).start();
    let token = world.token("user_a");
    let all: Vec<String> = trusted_names()
        .iter()
        .flat_map(|name| spellings(&name.replace('_', "-")))
        .collect();
    assert!(all.len() > 400, "only {} spellings", all.len());

    // Each spelling alone would take long; together, and twice each, they are also duplicates.
    for batch in all.chunks(80) {
        let forged = batch
            .iter()
            .chain(batch)
            .map(|name| (name.as_str(), "forged"));
        let ask = |path: &str, token: Option<&str>| {
            let request = world.get(path).headers(forged.clone());
            let request = token
                .into_iter()
                .fold(request, |request, token| request.bearer(token));
            let answer = request.send().passed();
            assert!(
                !answer.text().contains("forged"),
                "given: {batch:?}, the app read {}",
                answer.text()
            );
            answer.json()
        };

        assert_eq!(
            identity(&ask("/public/x", None)["scope"]),
            NOBODY,
            "given: {batch:?}"
        );
        assert_eq!(
            identity(&ask("/api/x", Some(&token))["scope"]),
            USER_A,
            "given: {batch:?}"
        );
        assert_eq!(
            variables(&ask("/public/wsgi/x", None)["environ"]),
            NOBODY,
            "given: {batch:?}"
        );
        assert_eq!(
            variables(&ask("/api/wsgi/x", Some(&token))["environ"]),
            USER_A,
            "given: {batch:?}"
        );
    }
}

#[test]
fn no_spelling_of_a_trusted_name_reaches_fastapi_or_wsgi_through_h11() {
    no_spelling_reaches_the_app("h11");
}

#[test]
fn no_spelling_of_a_trusted_name_reaches_fastapi_or_wsgi_through_httptools() {
    no_spelling_reaches_the_app("httptools");
}

#[test]
fn fastapi_reads_the_member_and_nobody_else_however_it_asks() {
    let app = App::start("fastapi_app", &[]);
    let world = World::plan().in_front_of(&app).start();
    let token = world.token("user_a");

    let forged = [
        ("X_User_Id", "forged"),
        ("x-user-id", "forged"),
        ("X-Workspace_Role", "owner"),
    ];
    let request = world.get("/api/ws/ws_1/x").headers(forged).bearer(&token);
    let read = request
        .header("Connection", "x-user-id")
        .send()
        .passed()
        .json();

    let id = crate::harness::A_ID;
    assert_eq!(
        read["parameters"],
        json!({
            "x_user_id": id,
            "x_workspace_role": "member",
            "x_auth_kind": "user",
            "raw_user_id": null,
            "x_user_ids": [id],
        }),
    );
    assert_eq!(read["looked_up"], id);
    assert_eq!(read["all_looked_up"], json!([id]));
}
