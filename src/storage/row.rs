//! The content of the store: tables of rows, each with a text key and a value of bytes. The callers decide what the bytes mean.

use std::collections::BTreeMap;
use std::fmt;

use redb::TableDefinition;

/// A table. The set is closed; another one is another version of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StoreTable {
    Users,
    Members,
    Organizations,
    Providers,
    Deliveries,
    Revocations,
    /// What this replica remembers of the shared store. Files of older versions do not have this table.
    Shared,
}

impl StoreTable {
    pub const ALL: [Self; 7] = [
        Self::Users,
        Self::Members,
        Self::Organizations,
        Self::Providers,
        Self::Deliveries,
        Self::Revocations,
        Self::Shared,
    ];

    /// Its name in the file, which must never change.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Members => "members",
            Self::Organizations => "organizations",
            Self::Providers => "providers",
            Self::Deliveries => "deliveries",
            Self::Revocations => "revocations",
            Self::Shared => "shared",
        }
    }

    pub(super) fn definition(self) -> TableDefinition<'static, &'static str, &'static [u8]> {
        TableDefinition::new(self.name())
    }
}

/// A key and its value.
pub type StoredRow = (String, Vec<u8>);

/// Why a row cannot be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpError {
    #[error("a key of {0} bytes; it must have 1 to {max}", max = Op::MAX_KEY)]
    Key(usize),
    #[error("a value of {0} bytes; it can have at most {max}", max = Op::MAX_VALUE)]
    Value(usize),
}

/// One row to write, or to delete.
#[derive(Clone, PartialEq, Eq)]
pub struct Op {
    table: StoreTable,
    key: String,
    value: Option<Vec<u8>>,
}

impl Op {
    /// Bound on a key, in bytes.
    pub const MAX_KEY: usize = 1024;
    /// Bound on a value, in bytes.
    pub const MAX_VALUE: usize = 64 * 1024;

    /// Writes the row, and replaces an existing one.
    ///
    /// # Errors
    /// When the key is empty or longer than [`Op::MAX_KEY`], or the value longer than [`Op::MAX_VALUE`].
    pub fn put(
        table: StoreTable,
        key: impl Into<String>,
        value: impl Into<Vec<u8>>,
    ) -> Result<Self, OpError> {
        let value = value.into();
        if value.len() > Self::MAX_VALUE {
            return Err(OpError::Value(value.len()));
        }
        Ok(Self {
            table,
            key: bounded(key.into())?,
            value: Some(value),
        })
    }

    /// Deletes the row; one that is not there is no error.
    ///
    /// # Errors
    /// When the key is empty or longer than [`Op::MAX_KEY`].
    pub fn delete(table: StoreTable, key: impl Into<String>) -> Result<Self, OpError> {
        Ok(Self {
            table,
            key: bounded(key.into())?,
            value: None,
        })
    }

    /// Which row it writes.
    #[must_use]
    pub fn row_key(&self) -> (StoreTable, &str) {
        (self.table, &self.key)
    }

    pub(super) fn table(&self) -> StoreTable {
        self.table
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// `None` deletes.
    pub(super) fn value(&self) -> Option<&[u8]> {
        self.value.as_deref()
    }

    /// Its size in memory while it waits.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.key.len() + self.value.as_ref().map_or(0, Vec::len)
    }
}

fn bounded(key: String) -> Result<String, OpError> {
    if (1..=Op::MAX_KEY).contains(&key.len()) {
        Ok(key)
    } else {
        Err(OpError::Key(key.len()))
    }
}

/// Values may be secrets of identity providers: only their length is printed.
impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.value.as_ref().map(Vec::len);
        f.debug_struct("Op")
            .field("table", &self.table)
            .field("key", &self.key)
            .field("bytes", &bytes)
            .finish()
    }
}

/// The size of the content. It is counted so that a store never grows beyond what the next start would read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) rows: u64,
    /// Keys and values together.
    pub(super) bytes: u64,
}

impl Size {
    /// Bound: about 400 MiB of memory for the smallest rows.
    pub(super) const MAX: Self = Self {
        rows: 4_000_000,
        bytes: 1 << 30,
    };

    pub(super) fn of(key: &str, value: &[u8]) -> Self {
        Self {
            rows: 1,
            bytes: u64::try_from(key.len() + value.len()).unwrap_or(u64::MAX),
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            rows: self.rows.saturating_add(other.rows),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    pub(super) fn minus(self, other: Self) -> Self {
        Self {
            rows: self.rows.saturating_sub(other.rows),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    pub(super) fn fits(self, max: Self) -> bool {
        self.rows <= max.rows && self.bytes <= max.bytes
    }
}

/// Every row of every table, as it was when the store was opened.
#[derive(Default)]
pub struct Contents(BTreeMap<StoreTable, Vec<StoredRow>>);

impl Contents {
    /// Takes the rows of `table`, sorted by the bytes of their keys. A second call gets none.
    #[must_use]
    pub fn take(&mut self, table: StoreTable) -> Vec<StoredRow> {
        self.0.remove(&table).unwrap_or_default()
    }

    /// How many rows are left to take.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn push(&mut self, table: StoreTable, key: &str, value: &[u8]) {
        self.0
            .entry(table)
            .or_default()
            .push((key.to_owned(), value.to_owned()));
    }
}

/// Values may be secrets: only numbers are printed.
impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.0.iter().map(|(table, rows)| (table, rows.len())))
            .finish()
    }
}
