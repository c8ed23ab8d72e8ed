//! The commands that the shared store gets, and the parsing of its answers.

use std::time::Duration;

use redis::{Cmd, Value, cmd, pipe};

use super::link::{Link, SharedStoreError};
use crate::config::settings::SharedSettings;
use crate::domain::event::EncodedEvent;
use crate::domain::ids::SvixId;
use crate::domain::shared::{Cursor, Item, LogEntry, Nonce, Offered, Position};

/// The version of keys and values. A store with another version is refused.
const VERSION: &str = "1";
/// Bound: log entries in one answer.
pub(super) const MAX_ENTRIES: usize = 25;
/// Bound: events in one commit.
pub(super) const MAX_COMMIT: usize = 100;
/// Events requested per step of a scan. The store may return more when it keeps them in a small table.
const SCAN: usize = 500;
/// Bound: events in the store, by number and in bytes. All replicas together keep fewer: see
/// [`crate::domain::membership::MAX_CHANGES`] and [`crate::domain::revocation::MAX_REVOCATIONS`].
const MAX_FACTS: usize = 4_000_000;
const MAX_BYTES: usize = 1 << 30;
/// Time limit of a command that does not block in the store.
const QUICK: Duration = Duration::from_secs(2);

const COMMIT: &str = include_str!("commit.lua");
/// Deletes a claim if it is still the caller's own.
const RELEASE: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/// How long a claim counts without being released. It is longer than a slow upstream takes; otherwise a retry would be a second
/// delivery.
const CLAIM: Duration = Duration::from_secs(90);
/// How long a delivery counts as done. Svix retries for 27.6 hours.
const DONE: Duration = Duration::from_secs(48 * 3600);

/// The names of bailiff's keys. All share the part in braces, so they are in one slot of a cluster and one script may use them all.
#[derive(Clone, Debug)]
pub(super) struct StoreKeys {
    head: String,
    facts: String,
    forget: String,
    log: String,
    hook: String,
    kept: u64,
}

impl StoreKeys {
    pub(super) fn of(settings: &SharedSettings) -> Self {
        let key = |name: &str| format!("{{{}}}:{name}", settings.namespace);
        let (head, facts, forget, log) = (key("head"), key("facts"), key("forget"), key("log"));
        Self {
            head,
            facts,
            forget,
            log,
            hook: key("hook"),
            kept: settings.log,
        }
    }

    fn claim(&self, id: &SvixId) -> String {
        format!("{}:{id}", self.hook)
    }
}

/// The position of the store, and what its log has behind another position.
#[derive(Debug)]
pub(super) struct StoreCheck {
    pub head: Option<Position>,
    pub items: Vec<Item>,
    /// Whether `items` is everything behind that position.
    pub whole: bool,
}

/// All events, and the position of the store before and after the scan.
#[derive(Debug)]
pub(super) struct Everything {
    pub before: Option<Position>,
    pub facts: Vec<EncodedEvent>,
    pub after: Option<Position>,
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitOutcome {
    /// The position of the store after it.
    pub position: Position,
    /// Events that were new to the store.
    pub taken: usize,
    /// Events for which the store has no room.
    pub full: usize,
}

/// The answer to a claim of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    Made,
    /// Another replica is delivering it.
    Foreign,
    /// A replica has delivered it.
    Done,
}

impl Link {
    pub(super) async fn head(
        &self,
        keys: &StoreKeys,
    ) -> Result<Option<Position>, SharedStoreError> {
        head(self.ask(&ask_head(keys), QUICK).await?)
    }

    /// What the log has behind `cursor`. Waits for an entry for up to `patience`.
    pub(super) async fn tail(
        &self,
        keys: &StoreKeys,
        cursor: Cursor,
        patience: Duration,
    ) -> Result<Vec<Item>, SharedStoreError> {
        let mut command = cmd("XREAD");
        // `BLOCK 0` would wait for ever.
        command
            .arg("BLOCK")
            .arg(patience.as_millis().max(1).to_string());
        let read = self
            .ask(behind(&mut command, keys, cursor), patience + QUICK)
            .await?;
        items(read)
    }

    /// The position of the store and what is behind `position`, both of the same moment.
    pub(super) async fn check(
        &self,
        keys: &StoreKeys,
        position: Position,
    ) -> Result<StoreCheck, SharedStoreError> {
        let mut both = pipe();
        let mut read = cmd("XREAD");
        behind(&mut read, keys, position.into());
        both.atomic().add_command(ask_head(keys)).add_command(read);
        let mut answers = self.ask_at_once(&both, QUICK).await?.into_iter();
        let (Some(at), Some(read), None) = (answers.next(), answers.next(), answers.next()) else {
            return Err(SharedStoreError::Strange("the answer to MULTI"));
        };
        let items = items(read)?;
        let whole = items.len() < MAX_ENTRIES;
        Ok(StoreCheck {
            head: head(at)?,
            items,
            whole,
        })
    }

    pub(super) async fn everything(
        &self,
        keys: &StoreKeys,
    ) -> Result<Everything, SharedStoreError> {
        let before = self.head(keys).await?;
        let (mut facts, mut bytes) = (Vec::new(), 0_usize);
        let mut from = "0".to_owned();
        // Each round returns at least one event or moves on in a finite table. The bound is for a foreign store, which may answer
        // anything.
        for _ in 0..MAX_FACTS {
            let mut command = cmd("HSCAN");
            command.arg(&keys.facts).arg(&from).arg("COUNT").arg(SCAN);
            let [next, list] = list(self.ask(&command, QUICK).await?)?;
            let mut parts = several(list)?.into_iter();
            while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
                let fact = EncodedEvent {
                    key: text(key)?.into(),
                    value: text(value)?.into(),
                };
                bytes = bytes.saturating_add(fact.key.len() + fact.value.len());
                facts.push(fact);
            }
            if facts.len() > MAX_FACTS || bytes > MAX_BYTES {
                return Err(SharedStoreError::TooMuch);
            }
            from = text(next)?;
            if from == "0" {
                return Ok(Everything {
                    before,
                    facts,
                    after: self.head(keys).await?,
                });
            }
        }
        Err(SharedStoreError::TooMuch)
    }

    /// Writes at most [`MAX_COMMIT`] events, all at once.
    pub(super) async fn commit(
        &self,
        keys: &StoreKeys,
        facts: &[Offered],
        nonce: Nonce,
    ) -> Result<CommitOutcome, SharedStoreError> {
        let mut command = script(COMMIT, &[&keys.head, &keys.facts, &keys.forget, &keys.log]);
        command
            .arg(written(nonce))
            .arg(keys.kept.to_string())
            .arg(MAX_FACTS.to_string());
        for Offered { event, lasts } in facts {
            let lasts = lasts.map_or(0, |lasts| lasts.as_millis());
            command
                .arg(&*event.key)
                .arg(&*event.value)
                .arg(lasts.to_string());
        }
        let [seq, nonce, taken, full] = list(self.ask(&command, QUICK).await?)?;
        let position = position(&text(seq)?, &text(nonce)?)
            .ok_or(SharedStoreError::Strange("the answer to a commit"))?;
        Ok(CommitOutcome {
            position,
            taken: count(&taken),
            full: count(&full),
        })
    }

    /// Claims the delivery of a webhook for `owner`.
    pub(super) async fn claim(
        &self,
        keys: &StoreKeys,
        id: &SvixId,
        owner: Nonce,
        within: Duration,
    ) -> Result<Claim, SharedStoreError> {
        let mut set = cmd("SET");
        set.arg(keys.claim(id))
            .arg(written(owner))
            .arg("NX")
            .arg("PX")
            .arg(CLAIM.as_millis().to_string());
        if self.ask(&set, within).await? != Value::Nil {
            return Ok(Claim::Made);
        }
        let mut get = cmd("GET");
        get.arg(keys.claim(id));
        Ok(match self.ask(&get, within).await? {
            Value::BulkString(done) if done == b"done" => Claim::Done,
            _ => Claim::Foreign,
        })
    }

    pub(super) async fn done(&self, keys: &StoreKeys, id: &SvixId) -> Result<(), SharedStoreError> {
        let mut set = cmd("SET");
        set.arg(keys.claim(id))
            .arg("done")
            .arg("PX")
            .arg(DONE.as_millis().to_string());
        self.ask(&set, QUICK).await.map(drop)
    }

    pub(super) async fn release(
        &self,
        keys: &StoreKeys,
        id: &SvixId,
        owner: Nonce,
    ) -> Result<(), SharedStoreError> {
        let mut command = script(RELEASE, &[&keys.claim(id)]);
        command.arg(written(owner));
        self.ask(&command, QUICK).await.map(drop)
    }
}

/// Runs a script by its whole text. By its hash alone, the text would have to be sent again whenever the store has forgotten it,
/// and commits are rare.
fn script(source: &str, keys: &[&str]) -> Cmd {
    let mut command = cmd("EVAL");
    command.arg(source).arg(keys.len());
    for key in keys {
        command.arg(*key);
    }
    command
}

fn ask_head(keys: &StoreKeys) -> Cmd {
    let mut command = cmd("HMGET");
    command.arg(&keys.head).arg("fmt").arg("seq").arg("nonce");
    command
}

fn behind<'c>(command: &'c mut Cmd, keys: &StoreKeys, Cursor(seq, part): Cursor) -> &'c mut Cmd {
    command
        .arg("COUNT")
        .arg(MAX_ENTRIES)
        .arg("STREAMS")
        .arg(&keys.log)
        .arg(format!("{seq}-{part}"))
}

/// A head that no version of bailiff wrote counts as none: the next commit starts anew.
fn head(value: Value) -> Result<Option<Position>, SharedStoreError> {
    match list::<3>(value)?.map(|value| text(value).ok()) {
        [Some(version), ..] if version != VERSION => Err(SharedStoreError::OtherVersion),
        [Some(_), Some(seq), Some(nonce)] => Ok(position(&seq, &nonce)),
        _ => Ok(None),
    }
}

fn position(seq: &str, nonce: &str) -> Option<Position> {
    let plain = !seq.is_empty() && seq.len() <= 15 && seq.bytes().all(|b| b.is_ascii_digit());
    let seq = seq.parse().ok().filter(|_| plain)?;
    Some(Position {
        seq,
        nonce: read_nonce(nonce)?,
    })
}

fn read_nonce(text: &str) -> Option<Nonce> {
    let plain = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    u64::from_str_radix(text, 16)
        .ok()
        .filter(|_| plain)
        .map(Nonce)
}

fn written(Nonce(nonce): Nonce) -> String {
    format!("{nonce:016x}")
}

/// The entries of the log, the one stream that was read.
fn items(value: Value) -> Result<Vec<Item>, SharedStoreError> {
    if value == Value::Nil {
        return Ok(vec![]);
    }
    let [stream] = list(value)?;
    let [_, elements] = list(stream)?;
    several(elements)?.into_iter().map(item).collect()
}

fn item(element: Value) -> Result<Item, SharedStoreError> {
    let [id, fields] = list(element)?;
    let id = text(id)?;
    let (seq, part) = id
        .split_once('-')
        .ok_or(SharedStoreError::Strange("the log"))?;
    let (Ok(seq), Ok(part)) = (seq.parse(), part.parse()) else {
        return Err(SharedStoreError::Strange("the log"));
    };
    let entry = if part == 0 { entry(seq, fields) } else { None };
    Ok(entry.map_or(Item::InvalidEntry(Cursor(seq, part)), Item::LogEntry))
}

/// Reads `p` and the nonce of the entry before, `n` and its own nonce, then keys and values of events. `None` for anything else.
fn entry(seq: u64, fields: Value) -> Option<LogEntry> {
    let mut fields = several(fields)
        .ok()?
        .into_iter()
        .map(|field| text(field).ok());
    let (p, previous, n, nonce) = (
        fields.next()??,
        fields.next()??,
        fields.next()??,
        fields.next()??,
    );
    if p != "p" || n != "n" {
        return None;
    }
    let (previous, nonce) = (read_nonce(&previous)?, read_nonce(&nonce)?);
    let mut facts = Vec::new();
    while let Some(key) = fields.next() {
        facts.push(EncodedEvent {
            key: key?.into(),
            value: fields.next()??.into(),
        });
    }
    Some(LogEntry {
        seq,
        previous,
        nonce,
        facts,
    })
}

fn several(value: Value) -> Result<Vec<Value>, SharedStoreError> {
    match value {
        Value::Array(values) => Ok(values),
        _ => Err(SharedStoreError::Strange("the answer")),
    }
}

fn list<const N: usize>(value: Value) -> Result<[Value; N], SharedStoreError> {
    several(value)?
        .try_into()
        .map_err(|_| SharedStoreError::Strange("the answer"))
}

/// Bytes that are no UTF-8 become a text that is no valid event, nonce or number.
fn text(value: Value) -> Result<String, SharedStoreError> {
    match value {
        Value::BulkString(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Value::SimpleString(text) => Ok(text),
        _ => Err(SharedStoreError::Strange("the answer")),
    }
}

fn count(value: &Value) -> usize {
    match value {
        Value::Int(count) => usize::try_from(*count).unwrap_or(0),
        _ => 0,
    }
}
