use super::*;
use crate::config::settings::KeySource;
use crate::domain::routes::Access;

#[test]
fn the_environment_alone_is_a_working_gate() {
    let loaded = alone(&env()).expect("a config");
    let (boot, live) = (&loaded.settings.boot, &loaded.settings.live);
    assert_eq!(boot.listen.iter().map(ToString::to_string).collect::<Vec<_>>(), ["0.0.0.0:8484"]);
    assert_eq!(boot.admin.to_string(), "127.0.0.1:8485");
    assert_eq!(boot.upstream.to_string(), APP);
    let routes: Vec<_> = live.rules.routes.iter().map(|r| (r.pattern.text().to_string(), r.access)).collect();
    assert_eq!(routes, [("/**".to_owned(), Access::User)]);
    assert_eq!(&*live.rules.issuers[0].iss, "https://amused-cat-7.clerk.accounts.dev");
    assert_eq!(&*live.issuers[0].name, "clerk");
    let KeySource::Url(url) = &live.issuers[0].source else { panic!("no URL") };
    assert_eq!(url, "https://amused-cat-7.clerk.accounts.dev/.well-known/jwks.json");
}

#[test]
fn the_config_of_the_design_loads() {
    let text = "\
listen: 0.0.0.0:8484
upstream: http://127.0.0.1:3000
admin: 127.0.0.1:8485
clerk:
  publishable_key: ${CLERK_PUBLISHABLE_KEY}
  authorized_parties: [https://app.example.com]
  leeway: 10s
  verify_iat: true
membership:
  file: membership.yaml
  roles: [member, admin, owner]
webhooks:
  secrets: [\"${CLERK_WEBHOOK_SECRET}\"]
service_tokens: [{name: engine, token: \"${SERVICE_AUTH_TOKEN}\"}]
routes:
  - {path: /healthz, access: public}
  - {path: /api/webhooks/clerk, methods: [POST], access: webhook}
  - {path: /api/auth/**, access: user}
  - {path: \"/api/workspaces/{workspace}\", methods: [DELETE], access: owner}
  - {path: \"/api/workspaces/{workspace}/**\", access: member}
  - {path: /api/**, access: active}
  - {path: /internal/**, access: service}
";
    let env = env()
        .with_var("CLERK_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        .with_var("SERVICE_AUTH_TOKEN", "0123456789abcdef");
    let loaded = file(text, env).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(loaded.warnings.to_string(), "");
    assert_eq!(loaded.settings.live.rules.routes.iter().count(), 7);
    let source = loaded.settings.live.membership.expect("a membership");
    assert_eq!(source.file, Path::new("/etc/bailiff/membership.yaml"));
    assert_eq!(loaded.files, [Path::new("/etc/bailiff/bailiff.yaml")]);
}
