use serde_json::json;
use tokio::sync::watch;

use super::*;
use crate::config::secret::Secret;
use crate::config::settings::BackendSettings;
use crate::dev::issuer::{DevIssuer, DevUser, ListBehaviour, Org};
use crate::domain::ids::{OrgId, UserId, WorkspaceId};
use crate::domain::membership::{AccessStatus, Members, Policy, Roles, UserState};
use crate::fetch::Fetcher;
use crate::listen;

const KEY: &str = "sk_test_hunter2hunter2hunter2";

fn roles() -> Roles {
    Roles::new(&["member", "admin"].map(str::to_owned)).unwrap()
}

fn person(number: usize, orgs: &[(usize, &str)]) -> DevUser {
    let org = |&(id, role): &(usize, &str)| Org {
        id: format!("org_{id}"),
        slug: format!("o{id}"),
        role: role.to_owned(),
        permissions: Vec::new(),
    };
    DevUser {
        name: format!("p{number}"),
        user_id: format!("user_{number}"),
        email: Some(format!("p{number}@example.com")),
        full_name: "Pat Person".to_owned(),
        orgs: orgs.iter().map(org).collect(),
    }
}

/// A Backend API with so many people in organizations of ten. It serves for as long as this lives.
struct Clerk {
    issuer: DevIssuer,
    backend: Arc<Backend>,
    _serving: watch::Sender<bool>,
}

impl Clerk {
    fn with(people: usize) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = DevIssuer::new(
            format!("http://{}", listener.local_addr().unwrap()),
            Vec::new(),
        );
        let role = |number| if number % 10 == 0 { "admin" } else { "member" };
        issuer.set_people(
            (0..people)
                .map(|number| person(number, &[(number / 10, role(number))]))
                .collect(),
        );
        issuer.set_secret_key(Some(KEY.to_owned()));
        let (serving, shutdown) = watch::channel(false);
        listen::spawn("issuer", issuer.clone(), listener, shutdown);
        let secret = Arc::new(Secret::from(KEY.to_owned()));
        let settings = BackendSettings {
            api_url: issuer.url().to_owned(),
            secret,
            live: true,
        };
        let backend = Arc::new(Backend::new(settings, Fetcher::new().unwrap()));
        Self {
            issuer,
            backend,
            _serving: serving,
        }
    }

    async fn load(&self) -> Result<LoadedTable, load::LoadError> {
        load(&self.backend, &roles()).await
    }

    /// Why nothing was loaded. It never tells the secret key.
    async fn refused(&self) -> String {
        let why = self
            .load()
            .await
            .err()
            .expect("nothing should be loaded")
            .to_string();
        assert!(!why.contains("hunter2"), "{why}");
        why
    }
}

fn members(loaded: LoadedTable) -> Members {
    Members::new(loaded.table, Policy::default())
}

fn user(number: usize) -> UserId {
    UserId::parse(&format!("user_{number}")).unwrap()
}

fn role(members: &Members, org: usize, number: usize) -> Option<String> {
    let workspace = WorkspaceId::parse(&format!("org_{org}")).unwrap();
    members
        .role(&workspace, &user(number), None)
        .map(|role| roles().name(role).to_owned())
}

#[tokio::test]
async fn an_instance_of_many_pages_is_read_whole() {
    let clerk = Clerk::with(1234);
    let loaded = clerk.load().await.unwrap();
    assert_eq!(loaded.table.size(), (1234, 124, 1234));
    assert!(loaded.roleless.is_empty());
    let members = members(loaded);
    assert_eq!(role(&members, 123, 1230).as_deref(), Some("admin"));
    assert_eq!(role(&members, 123, 1233).as_deref(), Some("member"));
    assert_eq!(role(&members, 122, 1233), None);
    let UserState::Known(known) = members.user_state(&user(777)) else {
        panic!("a user")
    };
    assert_eq!(known.access, AccessStatus::Active);
    assert_eq!(known.email().unwrap(), "p777@example.com");
    assert_eq!(
        members.org_of(&WorkspaceId::parse("org_5").unwrap()),
        OrgId::parse("org_5").ok()
    );
    // Three pages of users and of memberships, one of organizations.
    assert_eq!(clerk.issuer.list_hits(), 7);
}

#[tokio::test]
async fn whoever_is_banned_is_suspended_and_a_role_that_nobody_knows_is_none() {
    let clerk = Clerk::with(0);
    clerk.issuer.set_people(vec![
        person(1, &[(1, "member")]),
        person(2, &[(1, "superuser")]),
    ]);
    clerk.issuer.set_banned(["user_1".to_owned()]);
    let loaded = clerk.load().await.unwrap();
    assert!(
        loaded.roleless.to_string().contains("user_2 in org_1"),
        "{}",
        loaded.roleless
    );
    let members = members(loaded);
    let UserState::Known(known) = members.user_state(&user(1)) else {
        panic!("a user")
    };
    assert_eq!(known.access, AccessStatus::Suspended);
    assert_eq!(role(&members, 1, 2), None);
}

#[tokio::test]
async fn a_walk_that_was_disturbed_once_is_walked_again() {
    use ListBehaviour::{Moved, Normal, Repeat, Short, Shrunk};
    for disturbed in [
        vec![Normal, Repeat],
        vec![Normal, Moved],
        vec![Normal, Shrunk],
        vec![Normal, Short],
        // The third page of memberships is the last: organizations, then users.
        vec![Normal, Normal, Normal, Short],
        vec![Normal, Normal, Normal, Normal, Normal, Repeat],
        vec![Normal, Normal, Normal, Normal, Normal, Normal, Short],
    ] {
        let clerk = Clerk::with(1234);
        clerk.issuer.next_lists(disturbed.clone());
        let loaded = clerk.load().await.unwrap();
        assert_eq!(
            loaded.table.size(),
            (1234, 124, 1234),
            "after {disturbed:?}"
        );
        assert!(clerk.issuer.list_hits() > 7, "after {disturbed:?}");
    }
}

#[tokio::test]
async fn an_api_that_repeats_pages_for_ever_gives_nothing_and_is_left_alone() {
    let clerk = Clerk::with(1234);
    clerk.issuer.set_list_behaviour(ListBehaviour::Repeat);
    let why = clerk.refused().await;
    assert!(
        why.contains("3 times in a row")
            && why.contains("did not begin where the one before ended"),
        "{why}"
    );
    assert_eq!(clerk.issuer.list_hits(), 6, "two pages, three times");
}

#[tokio::test]
async fn a_membership_of_somebody_in_no_list_is_no_snapshot() {
    let clerk = Clerk::with(3);
    let stranger = json!({"id": "orgmem_x", "role": "org:member", "organization": {"id": "org_0"},
        "public_user_data": {"user_id": "user_gone"}});
    clerk
        .issuer
        .next_lists(vec![ListBehaviour::Rows(vec![stranger.clone()])]);
    assert_eq!(
        clerk.load().await.unwrap().table.size().2,
        3,
        "it was deleted meanwhile: the next walk is whole"
    );
    clerk
        .issuer
        .set_list_behaviour(ListBehaviour::Rows(vec![stranger]));
    clerk.issuer.next_lists(vec![]);
    let why = clerk.refused().await;
    assert!(why.contains("3 times"), "{why}");
}

#[tokio::test]
async fn a_429_is_waited_for_as_clerk_says_and_not_for_ever() {
    let clerk = Clerk::with(3);
    clerk
        .issuer
        .next_lists(vec![ListBehaviour::RateLimited(Some(1))]);
    let start = crate::clock::monotonic();
    assert_eq!(clerk.load().await.unwrap().table.size().0, 3);
    assert!(
        start.elapsed() >= std::time::Duration::from_millis(900),
        "it came back too early"
    );
}

#[tokio::test]
async fn an_api_that_is_down_is_asked_a_few_times_and_given_up() {
    let clerk = Clerk::with(3);
    clerk.issuer.set_list_behaviour(ListBehaviour::Status(503));
    let why = clerk.refused().await;
    assert!(
        why.contains("answered 503") && why.contains("status.clerk.com"),
        "{why}"
    );
    assert_eq!(clerk.issuer.list_hits(), 6);
}

#[tokio::test]
async fn what_is_no_list_gives_nothing_and_says_what_to_do() {
    let id = |id: serde_json::Value| json!({"id": id, "updated_at": 1});
    for (given, parts) in [
        (
            ListBehaviour::Html,
            &["no page of a list", "CLERK_API_URL"][..],
        ),
        (ListBehaviour::Truncated, &["no page of a list"]),
        (ListBehaviour::Status(401), &["answered 401"]),
        (
            ListBehaviour::Rows(vec![id(json!(null)), id(json!("user_1")), id(json!(5))]),
            &[
                "organization_memberships[0]",
                "organization_memberships[2]",
                "names no organization or user",
            ],
        ),
    ] {
        let clerk = Clerk::with(3);
        clerk.issuer.set_list_behaviour(given.clone());
        let why = clerk.refused().await;
        for part in parts {
            assert!(why.contains(part), "given {given:?}: {why}");
        }
    }
    let clerk = Clerk::with(3);
    clerk
        .issuer
        .set_secret_key(Some("sk_test_another".to_owned()));
    let why = clerk.refused().await;
    assert!(
        why.contains("clerk_key_invalid") && why.contains("Clerk dashboard"),
        "{why}"
    );
}

#[tokio::test]
async fn an_answer_that_is_cut_is_asked_for_again() {
    let clerk = Clerk::with(30);
    clerk.issuer.next_lists(vec![ListBehaviour::Cut]);
    assert_eq!(clerk.load().await.unwrap().table.size(), (30, 3, 30));
    assert_eq!(clerk.issuer.list_hits(), 4);
}

#[tokio::test]
async fn the_time_of_a_load_is_that_of_its_beginning() {
    let clerk = Clerk::with(3);
    let before = crate::clock::now_ms();
    let loaded = clerk.load().await.unwrap();
    assert!((before..=crate::clock::now_ms()).contains(&loaded.began_ms));
}
