//! The lists of Clerk's Backend API: `GET /v1/users`, `/v1/users/count`, `/v1/organizations`, `/v1/organization_memberships`.
//!
//! The oldest row comes first, whatever order the client requests: that of the first person.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Response, StatusCode};
use parking_lot::Mutex;
use pingora::protocols::http::ServerSession;
use serde_json::{Value, json};

use super::users::{error, no_key, play, rate_limited};
use super::{Behaviour, State, events};
use crate::dev::answer::{QueryParams, json as json_answer};
use crate::dev::webhook::data;

/// Default number of rows of a page, and the maximum.
const LIMIT: usize = 10;
const LIMIT_MAX: usize = 500;

/// How one request for a page is answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListBehaviour {
    /// With the page.
    #[default]
    Normal,
    /// With the first page, whatever the request is.
    Repeat,
    /// As if the first row had been deleted a moment ago, and another one added.
    Moved,
    /// With a total that is smaller by one.
    Shrunk,
    /// Without the last row of the page.
    Short,
    /// With half of the JSON.
    Truncated,
    /// With half of the JSON; then the connection is closed.
    Cut,
    /// With 429, and with `Retry-After` of so many seconds.
    RateLimited(Option<u64>),
    /// With this status and a short text.
    Status(u16),
    /// With a web page.
    Html,
    /// With these rows in place of the real ones.
    Rows(Vec<Value>),
}

/// The state of the lists.
#[derive(Default)]
pub(super) struct Lists {
    next: Mutex<VecDeque<ListBehaviour>>,
    always: ArcSwap<ListBehaviour>,
    banned: ArcSwap<HashSet<String>>,
    hits: AtomicU64,
}

impl Lists {
    pub(super) fn set(&self, behaviour: ListBehaviour) {
        self.always.store(behaviour.into());
    }

    pub(super) fn next(&self, behaviours: Vec<ListBehaviour>) {
        self.next.lock().extend(behaviours);
    }

    pub(super) fn set_banned(&self, users: HashSet<String>) {
        self.banned.store(users.into());
    }

    pub(super) fn hits(&self) -> u64 {
        self.hits.load(Ordering::SeqCst)
    }

    fn behaviour(&self) -> ListBehaviour {
        self.hits.fetch_add(1, Ordering::SeqCst);
        self.next
            .lock()
            .pop_front()
            .unwrap_or_else(|| ListBehaviour::clone(&self.always.load()))
    }
}

impl State {
    /// The number of users.
    pub(super) fn user_count(&self, session: &ServerSession) -> Response<Vec<u8>> {
        if !self.users.opens(session) {
            return no_key();
        }
        json_answer(
            StatusCode::OK,
            &json!({"object": "total_count", "total_count": self.people.load().len()}),
        )
    }

    /// A page of the list with this name.
    pub(super) async fn list(
        &self,
        session: &ServerSession,
        name: &str,
        query: &QueryParams,
    ) -> Response<Vec<u8>> {
        if !self.users.opens(session) {
            return no_key();
        }
        let number = |name| query.get(name).map(str::parse::<usize>).transpose();
        let (Ok(limit), Ok(offset)) = (number("limit"), number("offset")) else {
            return bad_page();
        };
        let (limit, offset) = (limit.unwrap_or(LIMIT), offset.unwrap_or(0));
        if !(1..=LIMIT_MAX).contains(&limit) {
            return bad_page();
        }
        let rows = self.rows(name);
        let behaviour = self.lists.behaviour();
        let offset = match behaviour {
            ListBehaviour::Repeat => 0,
            ListBehaviour::Moved => offset + 1,
            _ => offset,
        };
        let mut page: Vec<Value> = rows.iter().skip(offset).take(limit).cloned().collect();
        let mut total = rows.len();
        match behaviour {
            ListBehaviour::Shrunk => total = total.saturating_sub(1),
            ListBehaviour::Short => _ = page.pop(),
            ListBehaviour::RateLimited(after) => return rate_limited(after),
            ListBehaviour::Status(code) => return play(Behaviour::Status(code)).await,
            ListBehaviour::Html => return play(Behaviour::Html).await,
            ListBehaviour::Rows(ref instead) => (page, total) = (instead.clone(), instead.len()),
            _ => {}
        }
        let body = if name == "users" {
            Value::from(page)
        } else {
            json!({"data": page, "total_count": total})
        };
        cut(json_answer(StatusCode::OK, &body), &behaviour)
    }

    fn rows(&self, name: &str) -> Vec<Value> {
        let people = self.people.load_full();
        let (at, banned) = (self.users.changed_at(), self.lists.banned.load_full());
        let user = |person: &super::DevUser| {
            let is_banned = banned.contains(&person.user_id);
            events::described(person, person.email.as_deref(), (is_banned, false), at)
        };
        let memberships = || {
            people
                .iter()
                .flat_map(|person| person.orgs.iter().map(move |org| (person, org)))
        };
        match name {
            "users" => people.iter().map(user).collect(),
            "organizations" => {
                let mut seen = HashSet::new();
                let orgs = memberships().filter(|(_, org)| seen.insert(org.id.clone()));
                orgs.map(|(_, org)| data::organization(&org.id, &org.slug, &org.slug, at))
                    .collect()
            }
            _ => {
                let row = |(person, org): (&super::DevUser, &super::Org)| {
                    data::membership(&org.id, &person.user_id, &format!("org:{}", org.role), at)
                };
                memberships().map(row).collect()
            }
        }
    }
}

/// Cuts the body in half, for behaviours that a client must detect.
fn cut(mut whole: Response<Vec<u8>>, behaviour: &ListBehaviour) -> Response<Vec<u8>> {
    if !matches!(behaviour, ListBehaviour::Truncated | ListBehaviour::Cut) {
        return whole;
    }
    let half = whole.body().len() / 2;
    whole.body_mut().truncate(half);
    // The declared length is not reached: the connection ends before the answer does.
    if *behaviour == ListBehaviour::Truncated {
        whole
            .headers_mut()
            .insert(CONTENT_LENGTH, HeaderValue::from(half));
    }
    whole
}

fn bad_page() -> Response<Vec<u8>> {
    let why = "limit must be from 1 to 500, and offset a number";
    error(
        StatusCode::UNPROCESSABLE_ENTITY,
        "form_param_value_invalid",
        why,
    )
}
