//! One value of a row: the types that a column may have, and the meaning of its bytes.
//!
//! Apps write ids as text, UUIDs and numbers, and roles as text and enumerations. A type with exactly one reading is accepted.
//! Other types are refused by name when the query is prepared, and not row by row.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Kind, Type};
use uuid::Uuid;

/// The bytes of a row's values, by column.
pub(super) trait Cells {
    /// `None` for NULL.
    fn cell(&self, column: usize) -> Option<&[u8]>;
}

/// Takes the bytes of any type as they are.
struct Bytes<'r>(&'r [u8]);

impl<'r> FromSql<'r> for Bytes<'r> {
    fn from_sql(_: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl Cells for Row {
    fn cell(&self, column: usize) -> Option<&[u8]> {
        // The column is one of the statement's, so this cannot fail.
        self.try_get::<_, Option<Bytes<'_>>>(column)
            .ok()
            .flatten()
            .map(|bytes| bytes.0)
    }
}

/// How the bytes of a column are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Form {
    Text,
    Uuid,
    Int2,
    Int4,
    Int8,
    Bool,
    Texts,
    Json,
    Jsonb,
}

impl Form {
    /// How values of this type are read. `None` for a type without one clear reading.
    pub(super) fn of(kind: &Type) -> Option<Self> {
        match *kind {
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => {
                return Some(Self::Text);
            }
            Type::UUID => return Some(Self::Uuid),
            Type::INT2 => return Some(Self::Int2),
            Type::INT4 => return Some(Self::Int4),
            Type::INT8 => return Some(Self::Int8),
            Type::BOOL => return Some(Self::Bool),
            Type::JSON => return Some(Self::Json),
            Type::JSONB => return Some(Self::Jsonb),
            _ => {}
        }
        match kind.kind() {
            Kind::Enum(_) => Some(Self::Text),
            Kind::Domain(inner) => Self::of(inner),
            Kind::Array(inner) => (Self::of(inner) == Some(Self::Text)).then_some(Self::Texts),
            _ => (kind.name() == "citext").then_some(Self::Text),
        }
    }

    /// Whether an id can have this form.
    pub(super) fn is_id(self) -> bool {
        matches!(
            self,
            Self::Text | Self::Uuid | Self::Int2 | Self::Int4 | Self::Int8
        )
    }
}

/// Why a value cannot be read. Completes "`column` …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CellError {
    #[error("is no UTF-8")]
    Encoding,
    #[error("is not encoded as its type says")]
    Form,
    #[error("has a NULL in its list")]
    Null,
    #[error("is not a JSON object whose values are texts")]
    Texts,
}

/// An id as a text: a UUID in its usual spelling, a number in digits.
pub(super) fn id(form: Form, raw: &[u8]) -> Result<Cow<'_, str>, CellError> {
    let written = match form {
        Form::Uuid => Uuid::from_slice(raw)
            .map(|uuid| uuid.hyphenated().to_string())
            .ok(),
        Form::Int2 => raw
            .try_into()
            .map(|raw| i16::from_be_bytes(raw).to_string())
            .ok(),
        Form::Int4 => raw
            .try_into()
            .map(|raw| i32::from_be_bytes(raw).to_string())
            .ok(),
        Form::Int8 => raw
            .try_into()
            .map(|raw| i64::from_be_bytes(raw).to_string())
            .ok(),
        _ => return text(raw).map(Cow::Borrowed),
    };
    written.map(Cow::Owned).ok_or(CellError::Form)
}

pub(super) fn text(raw: &[u8]) -> Result<&str, CellError> {
    std::str::from_utf8(raw).map_err(|_| CellError::Encoding)
}

pub(super) fn boolean(raw: &[u8]) -> Result<bool, CellError> {
    match raw {
        [0] => Ok(false),
        [1] => Ok(true),
        _ => Err(CellError::Form),
    }
}

/// A list, which is an array or a text with commas.
pub(super) fn list(form: Form, raw: &[u8]) -> Result<Vec<&str>, CellError> {
    if form == Form::Texts {
        let read = <Vec<Option<&str>> as FromSql<'_>>::from_sql(&Type::TEXT_ARRAY, raw)
            .map_err(|_| CellError::Form)?;
        return read
            .into_iter()
            .map(|item| item.ok_or(CellError::Null))
            .collect();
    }
    Ok(text(raw)?
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .collect())
}

/// A JSON object of texts. Other values would have two readings, as a number and as a text.
pub(super) fn texts(form: Form, raw: &[u8]) -> Result<BTreeMap<Box<str>, Box<str>>, CellError> {
    let kind = if form == Form::Jsonb {
        Type::JSONB
    } else {
        Type::JSON
    };
    let Ok(Value::Object(object)) = Value::from_sql(&kind, raw) else {
        return Err(CellError::Texts);
    };
    let text = |(name, value): (String, Value)| match value {
        Value::String(text) => Ok((name.into(), text.into())),
        _ => Err(CellError::Texts),
    };
    object.into_iter().map(text).collect()
}
