//! A whole membership. It is read in one transaction, and built on a thread that serves no requests.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::pin::pin;
use std::time::Duration;

use futures_util::TryStreamExt;
use tokio::sync::mpsc;
use tokio_postgres::{Row, Statement};

use super::super::RowFaults;
use super::cell::Cells;
use super::rows::{BadRow, MemberColumns, MemberRow, QueryName, UserColumns, Words};
use super::session::{PostgresError, Session};
use crate::background::{BackgroundError, Throttle, background};
use crate::clock;
use crate::config::postgres::PostgresSource;
use crate::domain::UnixTime;
use crate::domain::ids::UserId;
use crate::domain::membership::{RowFault, Table, TableBuilder};

/// Both queries see the same moment of the database. Nothing can be written, whatever functions they call.
const BEGIN: &str =
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '600s'";
/// How long the server may take for the next rows. This also ends a load whose peer has vanished.
const QUIET: Duration = Duration::from_secs(60);
/// Rows handed over at a time.
const BATCH: usize = 128;
/// Batches that wait to be built. When there are more, the server has to wait.
const WAITING: usize = 8;
/// Bound: rows of one query.
const MAX_ROWS: usize = 20_000_000;

/// A fingerprint of all rows of a load in any order: the sum of a keyed hash of each row. Those who write rows do not know the key,
/// so they cannot make two tables with the same fingerprint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RowsDigest(u64, u64);

/// The keys of [`RowsDigest`].
#[derive(Clone, Debug, Default)]
pub(super) struct PrintKeys(RandomState, RandomState);

impl PrintKeys {
    fn add(&self, print: &mut RowsDigest, item: impl Fn(&mut dyn Hasher)) {
        let one = |key: &RandomState| {
            let mut hasher = key.build_hasher();
            item(&mut hasher);
            hasher.finish()
        };
        *print = RowsDigest(
            print.0.wrapping_add(one(&self.0)),
            print.1.wrapping_add(one(&self.1)),
        );
    }

    fn row(&self, print: &mut RowsDigest, query: QueryName, row: &impl Cells, columns: usize) {
        self.add(print, |mut hasher| {
            query.hash(&mut hasher);
            (0..columns).for_each(|column| row.cell(column).hash(&mut hasher));
        });
    }
}

/// The result of a load.
#[derive(Debug)]
pub(super) struct LoadedRows {
    pub(super) table: Table,
    pub(super) print: RowsDigest,
    /// The time of the query.
    pub(super) asked: UnixTime,
}

/// A message to the builder.
enum Part {
    Users(UserColumns),
    Members(MemberColumns),
    Rows(Vec<Row>),
    /// Both queries are complete.
    End,
}

/// Reads both queries.
///
/// # Errors
/// When the answer is incomplete or has a fault. Nothing of it may be used then.
pub(super) async fn load(
    session: &Session,
    source: &PostgresSource,
    words: &Words,
    keys: &PrintKeys,
) -> Result<LoadedRows, PostgresError> {
    let asked = clock::now();
    let (parts, receiver) = mpsc::channel(WAITING);
    let builder = TableLoader::new(words.clone(), keys.clone());
    let mut building = pin!(background(move || builder.run(receiver)));
    let reading = async move {
        let read = transaction(session, source, &parts).await;
        // The builder ends when all senders are gone.
        drop(parts);
        read
    };
    let mut reading = pin!(reading);
    let (read, built) = tokio::select! {
        built = &mut building => (reading.await, built),
        read = &mut reading => (read, building.await),
    };
    let built = whole(built);
    match read {
        // The builder stops at the first row beyond the bound. Sending to it fails then, and the builder knows the cause.
        Err(PostgresError::Abnormal) => Err(built.err().unwrap_or(PostgresError::Abnormal)),
        Err(why) => Err(why),
        Ok(()) => built.map(|(table, print)| LoadedRows {
            table,
            print,
            asked,
        }),
    }
}

fn whole(
    built: Result<Result<Option<(Table, RowsDigest)>, RowFaults>, BackgroundError>,
) -> Result<(Table, RowsDigest), PostgresError> {
    match built {
        Ok(Ok(Some(built))) => Ok(built),
        Ok(Err(faults)) => Err(PostgresError::Rows(faults)),
        Ok(Ok(None)) | Err(_) => Err(PostgresError::Abnormal),
    }
}

async fn transaction(
    session: &Session,
    source: &PostgresSource,
    parts: &mpsc::Sender<Part>,
) -> Result<(), PostgresError> {
    let simple = async |sql: &str| match tokio::time::timeout(
        QUIET,
        session.client.batch_execute(sql),
    )
    .await
    {
        Ok(done) => done.map_err(|error| session.ended(&error)),
        Err(_) => Err(session.silent(QUIET)),
    };
    simple(BEGIN).await?;
    let read = async {
        read(session, QueryName::Users, &source.users, parts).await?;
        if let Some(members) = &source.members {
            read(session, QueryName::Members, members, parts).await?;
        }
        Ok(())
    };
    let read: Result<(), PostgresError> = read.await;
    match &read {
        Ok(()) => simple("COMMIT").await?,
        Err(why) if why.is_of_the_connection() => {}
        // The connection will be reused.
        Err(_) => simple("ROLLBACK").await?,
    }
    read?;
    parts
        .send(Part::End)
        .await
        .map_err(|_| PostgresError::Abnormal)
}

async fn read(
    session: &Session,
    query: QueryName,
    sql: &str,
    parts: &mpsc::Sender<Part>,
) -> Result<(), PostgresError> {
    let silent = |_| session.silent(QUIET);
    let failed = |error| session.failed(query, &error);
    let statement = tokio::time::timeout(QUIET, session.client.prepare(sql))
        .await
        .map_err(silent)?
        .map_err(failed)?;
    if !statement.params().is_empty() {
        let why = "it has a parameter, which only `mode: lookup` fills in".to_owned();
        return Err(PostgresError::QueryName { query, why });
    }
    let head = match query {
        QueryName::Users => user_columns(&statement).map(Part::Users),
        QueryName::Members => member_columns(&statement).map(Part::Members),
    }?;
    hand(parts, head).await?;
    let rows = session
        .client
        .query_raw(&statement, std::iter::empty::<&str>());
    let mut rows = pin!(
        tokio::time::timeout(QUIET, rows)
            .await
            .map_err(silent)?
            .map_err(failed)?
    );
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(row) = tokio::time::timeout(QUIET, rows.try_next())
        .await
        .map_err(silent)?
        .map_err(failed)?
    {
        batch.push(row);
        if batch.len() == BATCH {
            let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
            hand(parts, Part::Rows(full)).await?;
        }
    }
    hand(parts, Part::Rows(batch)).await
}

async fn hand(parts: &mpsc::Sender<Part>, part: Part) -> Result<(), PostgresError> {
    parts.send(part).await.map_err(|_| PostgresError::Abnormal)
}

/// # Errors
/// What is wrong with the columns.
pub(super) fn user_columns(statement: &Statement) -> Result<UserColumns, PostgresError> {
    let columns = statement
        .columns()
        .iter()
        .map(|column| (column.name(), column.type_()));
    UserColumns::of(columns).map_err(|faults| PostgresError::QueryName {
        query: QueryName::Users,
        why: faults.join("; "),
    })
}

/// # Errors
/// What is wrong with the columns.
pub(super) fn member_columns(statement: &Statement) -> Result<MemberColumns, PostgresError> {
    let columns = statement
        .columns()
        .iter()
        .map(|column| (column.name(), column.type_()));
    MemberColumns::of(columns).map_err(|faults| PostgresError::QueryName {
        query: QueryName::Members,
        why: faults.join("; "),
    })
}

/// Builds a table from rows, on a thread of its own.
pub(super) struct TableLoader {
    words: Words,
    keys: PrintKeys,
    table: TableBuilder,
    print: RowsDigest,
    faults: RowFaults,
    /// If set, rows of other users are refused.
    only: Option<UserId>,
}

impl TableLoader {
    pub(super) fn new(words: Words, keys: PrintKeys) -> Self {
        let (print, faults) = (RowsDigest::default(), RowFaults::default());
        Self {
            words,
            keys,
            table: TableBuilder::new(),
            print,
            faults,
            only: None,
        }
    }

    /// For a lookup of one user. Fail closed: rows of other users do not belong to this answer, and are faults.
    pub(super) fn of_one(user: UserId, words: Words) -> Self {
        Self {
            only: Some(user),
            ..Self::new(words, PrintKeys::default())
        }
    }

    /// `None` when the parts ended without [`Part::End`].
    fn run(
        mut self,
        mut parts: mpsc::Receiver<Part>,
    ) -> Result<Option<(Table, RowsDigest)>, RowFaults> {
        let mut columns = None;
        let mut number = 0;
        let mut throttle = Throttle::default();
        while let Some(part) = parts.blocking_recv() {
            match part {
                Part::End => return self.end(|| throttle.rest_if_due()).map(Some),
                Part::Rows(rows) => {
                    for row in &rows {
                        number += 1;
                        if number > MAX_ROWS {
                            self.faults
                                .push(format_args!("row {number}"), RowFault::TooMany);
                            return self.end(|| ()).map(Some);
                        }
                        match &columns {
                            Some(Part::Users(columns)) => {
                                self.user(columns, number, row, row.len())
                            }
                            Some(Part::Members(columns)) => {
                                self.member(columns, number, row, row.len())
                            }
                            _ => return Ok(None),
                        }
                    }
                }
                head => (columns, number) = (Some(head), 0),
            }
            throttle.rest_if_due();
        }
        Ok(None)
    }

    /// Adds a row of the first query.
    pub(super) fn user(
        &mut self,
        columns: &UserColumns,
        number: usize,
        row: &impl Cells,
        width: usize,
    ) {
        self.keys.row(&mut self.print, QueryName::Users, row, width);
        match columns.user(row, &self.words) {
            Err(bad) => self.bad(QueryName::Users, number, &bad),
            Ok((id, user)) => {
                let added = self
                    .asked_for(&id)
                    .and_then(|()| self.table.user(&id, &user).map_err(|why| why.to_string()));
                if let Err(why) = added {
                    self.bad(
                        QueryName::Users,
                        number,
                        &BadRow {
                            user: Some(id),
                            why,
                        },
                    );
                }
            }
        }
    }

    /// Adds a row of the second query.
    pub(super) fn member(
        &mut self,
        columns: &MemberColumns,
        number: usize,
        row: &impl Cells,
        width: usize,
    ) {
        self.keys
            .row(&mut self.print, QueryName::Members, row, width);
        match columns.member(row, &self.words) {
            Err(bad) => self.bad(QueryName::Members, number, &bad),
            Ok(MemberRow {
                workspace,
                org,
                user,
                role,
            }) => {
                let add = || {
                    org.map_or(Ok(()), |org| self.table.workspace(&workspace, org.as_ref()))?;
                    self.table.member(&workspace, &user, role)
                };
                let added = add().map_err(|why| why.to_string());
                if let Err(why) = self.asked_for(&user).and(added) {
                    self.bad(
                        QueryName::Members,
                        number,
                        &BadRow {
                            user: Some(user),
                            why,
                        },
                    );
                }
            }
        }
    }

    fn asked_for(&self, user: &UserId) -> Result<(), String> {
        match &self.only {
            Some(only) if only != user => Err(format!("the query was asked for {only}")),
            _ => Ok(()),
        }
    }

    fn bad(&mut self, query: QueryName, number: usize, BadRow { user, why }: &BadRow) {
        match user {
            Some(user) => self
                .faults
                .push(format_args!("{query}, row {number} ({user})"), why),
            None => self.faults.push(format_args!("{query}, row {number}"), why),
        }
    }

    /// The table. Calls `rest` during the work. On a thread that serves requests, `rest` must not block.
    ///
    /// # Errors
    /// Every fault of a row, within a bound.
    pub(super) fn end(self, rest: impl FnMut()) -> Result<(Table, RowsDigest), RowFaults> {
        let Self {
            table,
            print,
            faults,
            ..
        } = self;
        faults
            .judge(())
            .map(|()| (table.build_with_rests(rest), print))
    }
}
