//! Lists of Clerk's Backend API, page by page.

use http::Method;
use serde_json::{Map, Value};

use super::{Backend, BackendError};
use crate::background::background;
use crate::domain::token::json;

/// Rows of a page: the most that Clerk gives (`limit`, 1 to 500).
pub const PAGE: usize = 500;
/// Bound on a page, in bytes. 500 users with everything that Clerk knows of them are some MiB.
const MAX_PAGE: usize = 32 << 20;

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// `GET /v1/users`: an array, and the total at `GET /v1/users/count`.
    Users,
    /// `GET /v1/organizations`.
    Organizations,
    /// `GET /v1/organization_memberships`: those of all organizations of the instance.
    Memberships,
}

/// Some rows of a list.
#[derive(Debug)]
pub struct Page {
    pub rows: Vec<Map<String, Value>>,
    /// The number of rows of the whole list, where the answer contains it.
    pub total: Option<u64>,
}

impl List {
    /// The name, for messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Organizations => "organizations",
            Self::Memberships => "organization_memberships",
        }
    }
}

impl Backend {
    /// The rows of `list` from `offset` on, at most [`PAGE`]. The oldest come first, so that users who sign up meanwhile come
    /// behind them.
    ///
    /// # Errors
    /// See [`BackendError`]; [`BackendError::Limited`] without asking.
    pub async fn page(&self, list: List, offset: u64) -> Result<Page, BackendError> {
        let path = format!(
            "{}?limit={PAGE}&offset={offset}&order_by=%2Bcreated_at",
            list.name()
        );
        let body = self.request(Method::GET, &path, MAX_PAGE, None).await?.body;
        // A page has megabytes.
        let read = background(move || page(list, &body)).await;
        read.ok()
            .flatten()
            .ok_or_else(|| self.unreadable("it is no page of a list"))
    }

    /// The number of users.
    ///
    /// # Errors
    /// As [`Backend::page`].
    pub async fn count_users(&self) -> Result<u64, BackendError> {
        let answer = self
            .request(Method::GET, "users/count", super::MAX_BYTES, None)
            .await?;
        let total =
            json::object(&answer.body).and_then(|answer| answer.get("total_count")?.as_u64());
        total.ok_or_else(|| self.unreadable("it has no `total_count`"))
    }
}

fn page(list: List, body: &[u8]) -> Option<Page> {
    let (rows, total) = match list {
        List::Users => (
            serde_json::from_slice::<Vec<json::UniqueMembers>>(body).ok()?,
            None,
        ),
        List::Organizations | List::Memberships => {
            #[derive(serde::Deserialize)]
            struct Paginated {
                data: Vec<json::UniqueMembers>,
                total_count: u64,
            }
            let read: Paginated = serde_json::from_slice(body).ok()?;
            (read.data, Some(read.total_count))
        }
    };
    Some(Page {
        rows: rows
            .into_iter()
            .map(|json::UniqueMembers(row)| row)
            .collect(),
        total,
    })
}
