//! Small values of a document, read without judging them. The callers know which values are allowed where.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Bound: members of one small object. A larger one is skipped and becomes [`JsonNode::Many`].
const MOST: usize = 64;

/// A value. The content of objects below the requested depth, and of lists in lists, is not kept.
#[derive(Debug, PartialEq)]
pub(super) enum JsonNode {
    Null,
    Bool(bool),
    Whole(i128),
    Fraction,
    Text(String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
    /// A list or an object with more members than allowed.
    Many,
}

impl JsonNode {
    /// The kind of value, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Whole(_) | Self::Fraction => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "an object",
            Self::Many => "too much",
        }
    }

    /// A text that is not empty. Numbers and booleans are taken as they are written, as in the file: an app may number its users.
    pub(super) fn text(&self) -> Result<String, String> {
        match self {
            Self::Text(text) if text.is_empty() => {
                Err("is empty; leave it out where there is nothing".to_owned())
            }
            Self::Text(text) => Ok(text.clone()),
            Self::Whole(number) => Ok(number.to_string()),
            Self::Bool(value) => Ok(value.to_string()),
            Self::Null => Err("is null; leave it out where there is nothing".to_owned()),
            other => Err(format!("is {}, and must be a text", other.kind())),
        }
    }

    pub(super) fn bool(&self) -> Result<bool, String> {
        match self {
            Self::Bool(value) => Ok(*value),
            other => Err(format!("is {}, and must be true or false", other.kind())),
        }
    }
}

/// Reads a [`JsonNode`] with objects down to this depth.
#[derive(Clone, Copy)]
pub(super) struct Depth(pub u8);

impl<'de> DeserializeSeed<'de> for Depth {
    type Value = JsonNode;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<JsonNode, D::Error> {
        from.deserialize_any(self)
    }
}

impl Depth {
    fn below(self) -> Option<Self> {
        self.0.checked_sub(1).map(Self)
    }
}

impl<'de> Visitor<'de> for Depth {
    type Value = JsonNode;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<JsonNode, E> {
        Ok(JsonNode::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<JsonNode, E> {
        Ok(JsonNode::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<JsonNode, E> {
        Ok(JsonNode::Whole(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<JsonNode, E> {
        Ok(JsonNode::Whole(value.into()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<JsonNode, E> {
        // A number such as 1e3 or 1.50 would come out in another spelling.
        Ok(JsonNode::Fraction)
    }

    fn visit_str<E>(self, value: &str) -> Result<JsonNode, E> {
        Ok(JsonNode::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<JsonNode, E> {
        Ok(JsonNode::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<JsonNode, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(Self(0))? {
            if items.len() == MOST {
                while access.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(JsonNode::Many);
            }
            items.push(item);
        }
        Ok(JsonNode::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<JsonNode, A::Error> {
        let Some(below) = self.below() else {
            while access.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(JsonNode::Map(Vec::new()));
        };
        let mut members = Vec::new();
        while let Some(name) = access.next_key::<String>()? {
            if members.len() == MOST {
                access.next_value::<IgnoredAny>()?;
                while access.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                return Ok(JsonNode::Many);
            }
            members.push((name, access.next_value_seed(below)?));
        }
        Ok(JsonNode::Map(members))
    }
}

/// Takes the members of an object one by one, so that the object is never in memory as a whole.
pub(super) trait MemberSink {
    /// Reads the value of `name` from `access`.
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: String,
        access: &mut A,
    ) -> Result<(), A::Error>;

    /// Called when the value is not an object.
    fn other(&mut self, kind: &'static str);
}

/// Reads an object into [`MemberSink`].
pub(super) struct Each<'m, M>(pub &'m mut M);

impl<'de, M: MemberSink> DeserializeSeed<'de> for Each<'_, M> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<M: MemberSink> Each<'_, M> {
    fn other<E>(self, node: &JsonNode) -> Result<(), E> {
        self.0.other(node.kind());
        Ok(())
    }
}

impl<'de, M: MemberSink> Visitor<'de> for Each<'_, M> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        while let Some(name) = access.next_key::<String>()? {
            self.0.member(name, &mut access)?;
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.other(&JsonNode::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.other(&JsonNode::Bool(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.other(&JsonNode::Fraction)
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.other(&JsonNode::Fraction)
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.other(&JsonNode::Fraction)
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.other(&JsonNode::Text(String::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        while access.next_element::<IgnoredAny>()?.is_some() {}
        self.other(&JsonNode::List(Vec::new()))
    }
}
