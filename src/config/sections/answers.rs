//! `answers:`: bodies of refusals in the place of ours.

use bytes::Bytes;
use serde_json::Value as Json;

use crate::domain::answer::{AnswerKind, Answers};

use crate::config::reader::{
    Code, Fault, Faulty, Field, Fields, Member, Reading, Shape, all, quoted,
};

/// Bound on the body of a refusal.
const MAX_ANSWER: usize = 16 << 10;

/// Reads the bodies that replace ours.
pub(crate) fn answers(root: &mut Fields<'_>) -> Reading<Answers> {
    let Some(members) = root.maybe("answers", Field::members)? else {
        return Ok(Answers::default());
    };
    all(members.iter().map(answer)).map(Answers::new)
}

fn answer(member: &Member<'_>) -> Reading<(u16, Bytes)> {
    let status = member.key.parse().ok();
    let status = status.filter(|status| AnswerKind::STATUSES.contains(status));
    let status = status.ok_or_else(|| {
        let known: Vec<_> = AnswerKind::STATUSES.iter().map(u16::to_string).collect();
        let what = format!("bailiff never answers {}", quoted(member.key));
        let fault = Fault::error(Code::WrongValue, what);
        member.reject(fault.expected(format!("one of {}", known.join(", "))))
    });
    if member.value.shape().ok_or(Faulty)? != Shape::Map {
        return Err(member.value.wrongly(
            Code::WrongValue,
            "must be a mapping",
            "keys and values, which become JSON: {detail: \"…\"}",
        ));
    }
    let body = json(member.value)?.to_string();
    if body.len() > MAX_ANSWER {
        let what = "is too long for a refusal";
        return Err(member.value.wrongly(Code::Bound, what, "at most 16 KiB"));
    }
    Ok((status?, Bytes::from(body)))
}

/// YAML as JSON: plain numbers, truth values and nothing keep their type, everything else is text.
fn json(field: Field<'_>) -> Reading<Json> {
    match field.shape().ok_or(Faulty)? {
        Shape::Map => {
            let members = field.members()?;
            let member = |member: &Member<'_>| Ok((member.key.to_owned(), json(member.value)?));
            all(members.iter().map(member)).map(Json::Object)
        }
        Shape::List => Field::each(field.list(), json).map(Json::Array),
        Shape::Scalar => {
            let text = field.text()?;
            let typed = text
                .plain
                .then(|| serde_json::from_str(&text.text).ok())
                .flatten();
            let typed = typed.filter(|json| matches!(json, Json::Bool(_) | Json::Number(_)));
            Ok(typed.unwrap_or_else(|| Json::String(text.text.into_owned())))
        }
    }
}
