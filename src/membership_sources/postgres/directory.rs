//! The database as a directory that is asked for one user at a time, over a few connections.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_postgres::Statement;
use tokio_postgres::types::Type;

use super::load::{TableLoader, member_columns, user_columns};
use super::rows::{MemberColumns, QueryName, UserColumns, Words};
use super::session::{PostgresError, Session};
use crate::clock;
use crate::config::postgres::PostgresSource;
use crate::domain::ids::UserId;
use crate::domain::membership::Table;
use crate::domain::retry::Backoff;
use crate::membership_sources::lookups::{LookupError, MemberDirectory};
use crate::random::chance;

/// Connections at a time: enough for several thousand lookups a second, and a small share of what a server allows (100 by default).
const CONNECTIONS: usize = 4;
/// Time limit of a whole answer, without connecting.
const ANSWER: Duration = Duration::from_secs(2);
/// Bound: rows of a query for one user.
const MAX_ROWS: usize = 10_000;
/// Both queries see the same moment of the database. `LOCAL` ends the setting with the transaction, so that a pooler does not hand
/// it on with the connection.
const BEGIN: &str =
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '2s'";
/// First and longest pause after a failure to connect, so that requests do not wait for it one after another.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A connection with its prepared statements.
pub(super) struct PreparedConnection {
    session: Session,
    users: (Statement, UserColumns),
    members: Option<(Statement, MemberColumns)>,
}

impl PreparedConnection {
    /// # Errors
    /// When the queries cannot be prepared.
    pub(super) async fn new(
        session: Session,
        source: &PostgresSource,
    ) -> Result<Self, PostgresError> {
        let users = prepare(&session, QueryName::Users, &source.users).await?;
        let users = (users.clone(), user_columns(&users)?);
        let members = match &source.members {
            Some(sql) => {
                let members = prepare(&session, QueryName::Members, sql).await?;
                let columns = member_columns(&members)?;
                Some((members, columns))
            }
            None => None,
        };
        Ok(Self {
            session,
            users,
            members,
        })
    }

    /// The result of both queries for `user`.
    async fn ask(&self, user: &UserId, words: &Words) -> Result<Option<Table>, PostgresError> {
        let client = &self.session.client;
        let id = user.as_str();
        let rows = async |statement| {
            let rows = client.query_raw(statement, [id]).await?;
            // One row more than the bound. The driver drops the rest.
            rows.take(MAX_ROWS + 1).try_collect::<Vec<_>>().await
        };
        let members = async {
            match &self.members {
                Some((statement, _)) => rows(statement).await,
                None => Ok(Vec::new()),
            }
        };
        // All are sent at once and answered in this order: one round trip.
        let (begun, users, members, ended) = tokio::join! {
            biased;
            client.batch_execute(BEGIN),
            rows(&self.users.0),
            members,
            client.batch_execute("COMMIT"),
        };
        begun.map_err(|error| self.session.ended(&error))?;
        let users = users.map_err(|error| self.session.failed(QueryName::Users, &error))?;
        let members = members.map_err(|error| self.session.failed(QueryName::Members, &error))?;
        ended.map_err(|error| self.session.ended(&error))?;
        if users.len() + members.len() > MAX_ROWS {
            let why = format!("it gives more than {MAX_ROWS} rows for one user");
            return Err(PostgresError::QueryName {
                query: QueryName::Members,
                why,
            });
        }
        let mut builder = TableLoader::of_one(user.clone(), words.clone());
        for (row, number) in users.iter().zip(1..) {
            builder.user(&self.users.1, number, row, row.len());
        }
        for (row, number) in members.iter().zip(1..) {
            if let Some((_, columns)) = &self.members {
                builder.member(columns, number, row, row.len());
            }
        }
        let (table, _) = builder.end(|| ()).map_err(PostgresError::Rows)?;
        Ok((!users.is_empty() || !members.is_empty()).then_some(table))
    }
}

async fn prepare(
    session: &Session,
    query: QueryName,
    sql: &str,
) -> Result<Statement, PostgresError> {
    let prepared = session.client.prepare_typed(sql, &[Type::TEXT]);
    let prepared = tokio::time::timeout(ANSWER, prepared)
        .await
        .map_err(|_| session.silent(ANSWER))?;
    let statement = prepared.map_err(|error| session.failed(query, &error))?;
    match statement.params() {
        [one] if *one == Type::TEXT => Ok(statement),
        _ => Err(PostgresError::QueryName {
            query,
            why: "it must take the user's id as `$1`, and nothing else".to_owned(),
        }),
    }
}

/// When connecting may be tried again.
struct Pause {
    backoff: Backoff,
    until: Option<(Instant, String)>,
}

/// Asks the database for one user at a time.
pub(in crate::membership_sources) struct PostgresDirectory {
    source: Arc<PostgresSource>,
    words: Words,
    idle: Mutex<Vec<PreparedConnection>>,
    room: Semaphore,
    pause: Mutex<Pause>,
}

impl PostgresDirectory {
    #[must_use]
    pub(in crate::membership_sources) fn new(source: Arc<PostgresSource>, words: Words) -> Self {
        let pause = Pause {
            backoff: Backoff::new(RECONNECT.0, RECONNECT.1),
            until: None,
        };
        let (idle, room) = (Mutex::default(), Semaphore::new(CONNECTIONS));
        Self {
            source,
            words,
            idle,
            room,
            pause: Mutex::new(pause),
        }
    }

    /// A connection that was used before, or a new one. Returns also whether it is new.
    async fn connection(&self) -> Result<(PreparedConnection, bool), PostgresError> {
        while let Some(idle) = self.take() {
            if !idle.session.client.is_closed() {
                return Ok((idle, false));
            }
        }
        self.may_connect()?;
        let opened = async {
            PreparedConnection::new(Session::open(&self.source).await?, &self.source).await
        };
        let opened = opened.await;
        let mut pause = self.pause.lock();
        match &opened {
            Ok(_) => {
                pause.backoff.reset();
                pause.until = None;
            }
            Err(why) => {
                let wait = pause.backoff.delay(chance());
                pause.until = Some((clock::monotonic() + wait, why.to_string()));
            }
        }
        opened.map(|prepared| (prepared, true))
    }

    fn take(&self) -> Option<PreparedConnection> {
        self.idle.lock().pop()
    }

    fn may_connect(&self) -> Result<(), PostgresError> {
        match &self.pause.lock().until {
            Some((until, why)) if clock::monotonic() < *until => Err(PostgresError::Connect {
                place: self.source.to_string(),
                why: why.clone(),
            }),
            _ => Ok(()),
        }
    }

    async fn answer(&self, user: &UserId) -> Result<Option<Table>, PostgresError> {
        let turn = self.room.acquire().await;
        let _turn = turn.map_err(|_| PostgresError::Abnormal)?;
        loop {
            let (connection, new) = self.connection().await?;
            let silent = |_| connection.session.silent(ANSWER);
            let asked = tokio::time::timeout(ANSWER, connection.ask(user, &self.words))
                .await
                .map_err(silent);
            match asked.and_then(|asked| asked) {
                Ok(answer) => {
                    self.idle.lock().push(connection);
                    return Ok(answer);
                }
                // The server has closed the connection meanwhile, as after a restart. A new one shows whether the server is back.
                Err(PostgresError::Ended { .. }) if !new => {}
                // The state of the transaction is unknown, so the next lookup gets another connection.
                Err(why) => return Err(why),
            }
        }
    }
}

#[async_trait]
impl MemberDirectory for PostgresDirectory {
    async fn rows(&self, user: &UserId) -> Result<Option<Table>, LookupError> {
        self.answer(user)
            .await
            .map_err(|why| LookupError::Failed(why.to_string().into()))
    }
}
