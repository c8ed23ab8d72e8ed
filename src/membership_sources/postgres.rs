//! PostgreSQL as the source of the membership. Two queries read the app's own tables, read-only.
//!
//! A whole table is loaded in one transaction, when a `NOTIFY` reports a change and periodically in any case. A lookup asks for one
//! user. Each row is judged by itself, and one bad row makes the gate refuse a whole table.

mod cell;
mod directory;
mod load;
mod rows;
mod session;

use std::sync::Arc;
use std::time::Duration;

pub(super) use directory::PostgresDirectory;
pub(super) use rows::Words;

use super::Sink;
use crate::background::background;
use crate::clock;
use crate::config::postgres::{PostgresMode, PostgresSource};
use crate::domain::membership::{Flags, Roles, TableTime};
use crate::domain::retry::{Backoff, Polling};
use crate::random::chance;
use load::{LoadedRows, PrintKeys, RowsDigest, load};
use session::{PostgresError, Session};

/// First and longest pause between two attempts to connect.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));
/// Shortest time from the end of one load to the beginning of the next: a row that changes a thousand times a second leads to
/// twenty loads. It is never shorter than the last load took, so the database works for the gate at most half of the time.
const REST: Duration = Duration::from_millis(50);

/// A source that delivers whole tables, and its state.
struct Follower {
    source: Arc<PostgresSource>,
    sink: Sink,
    words: Words,
    channel: String,
    interval: Duration,
    allow_empty: bool,
    keys: PrintKeys,
    /// The digest of the table in force, if this task has put it in force.
    last: Option<RowsDigest>,
}

/// Keeps the membership in force equal to the database, until the task is dropped.
pub(super) async fn follow(source: Arc<PostgresSource>, sink: Sink) {
    let PostgresMode::Snapshot {
        channel,
        interval,
        allow_empty,
    } = source.mode.clone()
    else {
        return;
    };
    let words = Words {
        roles: sink.roles.clone(),
        flags: sink.flags.clone(),
    };
    let keys = PrintKeys::default();
    let mut follower = Follower {
        source,
        sink,
        words,
        channel,
        interval,
        allow_empty,
        keys,
        last: None,
    };
    let mut backoff = Backoff::new(RECONNECT.0, RECONNECT.1);
    loop {
        let why = follower.session(&mut backoff).await;
        follower.sink.failed(&why);
        tokio::time::sleep(backoff.delay(chance())).await;
    }
}

/// How long the server may take to begin listening.
const LISTENS_WITHIN: Duration = Duration::from_secs(10);

impl Follower {
    /// Follows the database over one connection until that is lost, and returns why.
    async fn session(&mut self, reconnect: &mut Backoff) -> PostgresError {
        let mut session = match Session::open(&self.source).await {
            Ok(session) => session,
            Err(why) => return why,
        };
        // First listen, then load: a later change sends a notice, and the load contains all earlier ones.
        let listen = format!("LISTEN \"{}\"", self.channel);
        // A paused pooler accepts the command and never answers.
        let Ok(listening) =
            tokio::time::timeout(LISTENS_WITHIN, session.client.batch_execute(&listen)).await
        else {
            return PostgresError::Silent {
                place: self.source.to_string(),
                after: LISTENS_WITHIN,
            };
        };
        if let Err(error) = listening {
            if error.as_db_error().is_none() || session.client.is_closed() {
                return session.ended(&error);
            }
            // A standby refuses LISTEN, but its tables can be read.
            let (why, interval) = (session::told(&error), self.interval.as_secs());
            tracing::warn!(source = %self.source, %why, interval, "no NOTIFY is heard; changes are found at each interval, in seconds");
        }
        let mut polling = Polling::every(self.interval);
        loop {
            session.notices.borrow_and_update();
            let began = clock::monotonic();
            let wait = match self.load(&session).await {
                Ok(()) => {
                    reconnect.reset();
                    polling.succeeded(chance())
                }
                Err(why) if why.is_of_the_connection() => return why,
                Err(why) => {
                    self.sink.failed(&why);
                    polling.failed(chance())
                }
            };
            let rest = REST.max(clock::monotonic().saturating_duration_since(began));
            let rested = tokio::time::sleep(rest);
            tokio::select! {
                heard = session.notices.changed() => match heard {
                    Ok(()) => rested.await,
                    Err(_) => {
                        let (place, why) = (self.source.to_string(), "closed by the server".to_owned());
                        return PostgresError::Ended { place, why };
                    }
                },
                () = self.sink.wait(wait.max(rest)) => {}
            }
        }
    }

    /// Loads once, and puts in force what has changed.
    async fn load(&mut self, session: &Session) -> Result<(), PostgresError> {
        let LoadedRows {
            table,
            print,
            asked,
        } = load(session, &self.source, &self.words, &self.keys).await?;
        if self.last == Some(print) {
            self.sink.unchanged(asked);
            return Ok(());
        }
        if table.size().0 == 0 {
            // An empty answer is mostly a mistake: a revoked permission, or the wrong database.
            if self.sink.has_users() && !self.allow_empty {
                return Err(PostgresError::Empty);
            }
            tracing::warn!(source = %self.source, "the query for users gives none");
        }
        let sink = self.sink.clone();
        let put = background(move || sink.loaded(table, TableTime::WhenChanged, asked).is_some());
        // The table is not put in force when the config has changed; this task is about to end then.
        if put.await.map_err(|_| PostgresError::Abnormal)? {
            self.last = Some(print);
        }
        Ok(())
    }
}

/// The result of asking a database once.
#[derive(Debug)]
pub struct ProbeReport {
    /// Users, workspaces and memberships; `None` where users are looked up one by one.
    pub size: Option<(usize, usize, usize)>,
}

/// Asks `source` once, for `bailiff check --online`.
///
/// # Errors
/// Everything that keeps it from being used, one line for each.
pub async fn try_out(
    source: &PostgresSource,
    roles: &Roles,
    flags: &Flags,
) -> Result<ProbeReport, Vec<String>> {
    let words = Words {
        roles: roles.clone(),
        flags: flags.clone(),
    };
    let tried = async {
        let session = Session::open(source).await?;
        if source.is_lookup() {
            directory::PreparedConnection::new(session, source).await?;
            return Ok(ProbeReport { size: None });
        }
        let loaded = load(&session, source, &words, &PrintKeys::default()).await?;
        Ok(ProbeReport {
            size: Some(loaded.table.size()),
        })
    };
    tried.await.map_err(|why: PostgresError| match why {
        PostgresError::Rows(faults) => faults.lines(),
        other => vec![other.to_string()],
    })
}

#[cfg(test)]
mod tests;
