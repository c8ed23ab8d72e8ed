//! `answers:`: bodies of refusals in the place of ours.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value as Json;

use crate::domain::answer::{Answers, Kind};

use crate::config::document::faults::{Code, Fault, quoted};
use crate::config::reader::{Field, Fields, Member, Shape};

/// Bound on the body of a refusal.
const MAX_ANSWER: usize = 16 << 10;

/// Reads the bodies that replace ours.
pub(crate) fn answers(root: &mut Fields<'_>) -> Option<Answers> {
    let Some(members) = root.opt("answers").maybe(Field::members)? else {
        return Some(Answers::default());
    };
    let read: Vec<_> = members.iter().map(answer).collect();
    let bodies: Option<BTreeMap<u16, Bytes>> = read.into_iter().collect();
    bodies.map(Answers::new)
}

fn answer(member: &Member<'_>) -> Option<(u16, Bytes)> {
    let status = member
        .key
        .parse()
        .ok()
        .filter(|status| Kind::STATUSES.contains(status));
    if status.is_none() {
        let known = Kind::STATUSES
            .iter()
            .map(u16::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        let fault = Fault::error(
            Code::WrongValue,
            format!("bailiff never answers {}", quoted(member.key)),
        );
        member.reject(fault.expected(format!("one of {known}")));
    }
    if member.value.shape()? != Shape::Map {
        member.value.wrongly(
            Code::WrongValue,
            "must be a mapping",
            "keys and values, which become JSON: {detail: \"…\"}",
        );
        return None;
    }
    let body = json(member.value)?.to_string();
    if body.len() > MAX_ANSWER {
        member
            .value
            .wrongly(Code::Bound, "is too long for a refusal", "at most 16 KiB");
        return None;
    }
    Some((status?, Bytes::from(body)))
}

/// YAML as JSON: plain numbers, truth values and nothing keep their type, everything else is text.
fn json(field: Field<'_>) -> Option<Json> {
    match field.shape()? {
        Shape::Map => {
            let read: Vec<_> = field
                .members()?
                .iter()
                .map(|m| Some((m.key.to_owned(), json(m.value)?)))
                .collect();
            read.into_iter()
                .collect::<Option<serde_json::Map<_, _>>>()
                .map(Json::Object)
        }
        Shape::List => Field::each(field.list(), json).map(Json::Array),
        Shape::Scalar => {
            let text = field.text()?;
            let typed = text
                .plain
                .then(|| serde_json::from_str(&text.text).ok())
                .flatten();
            let typed = typed.filter(|json| matches!(json, Json::Bool(_) | Json::Number(_)));
            Some(typed.unwrap_or_else(|| Json::String(text.text.into_owned())))
        }
    }
}
