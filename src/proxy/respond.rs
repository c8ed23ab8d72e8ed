//! The one place that writes the gate's own answers.

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::ctx::Ctx;
use crate::domain::Rejection;
use crate::domain::answer::Answer;
use crate::domain::cors::ResponseFields;
use crate::domain::identity::name;

/// Answers a refusal: status and body of its kind, and the fields that let a browser of a listed origin read them. A client that
/// has disconnected gets no answer.
pub async fn refuse(session: &mut Session, ctx: &Ctx, reason: Rejection) -> pingora::Result<u16> {
    if reason == Rejection::ClientGone {
        session.set_keepalive(None);
        return Ok(0);
    }
    let answer = ctx.snapshot.rules.answers.answer(reason.kind());
    let status = answer.status;
    // After a request that cannot be read with certainty, the gate reads nothing more on this connection.
    if matches!(status, 400 | 408 | 413 | 414 | 431) {
        session.set_keepalive(None);
    }
    local(session, ctx, &answer).await?;
    Ok(status)
}

/// Writes an answer of the gate, with the fields that let a browser of a listed origin read it.
pub async fn local(session: &mut Session, ctx: &Ctx, answer: &Answer) -> pingora::Result<()> {
    let mut fields = ctx
        .snapshot
        .rules
        .cors
        .on_refusal(&session.req_header().headers);
    if let Some(challenge) = answer.challenge {
        fields.push((
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(challenge),
        ));
    }
    if let Some(seconds) = answer.retry_after {
        fields.push((header::RETRY_AFTER, HeaderValue::from(seconds)));
    }
    write(session, ctx, answer.status, &fields, answer.body.clone()).await
}

/// Answers a preflight of a listed origin.
pub async fn preflight(
    session: &mut Session,
    ctx: &Ctx,
    fields: &ResponseFields,
) -> pingora::Result<()> {
    write(session, ctx, 204, fields, Bytes::new()).await
}

/// Acknowledges a webhook that the upstream accepted before.
pub async fn acknowledge(session: &mut Session, ctx: &Ctx) -> pingora::Result<()> {
    write(
        session,
        ctx,
        200,
        &vec![],
        Bytes::from_static(br#"{"detail":"Already delivered"}"#),
    )
    .await
}

/// Writes header and body. The connection is kept when the request has no unread body. Otherwise Pingora closes it, so that
/// unread bytes are never taken for a next request that was not judged (attack A-87).
async fn write(
    session: &mut Session,
    ctx: &Ctx,
    status: u16,
    fields: &ResponseFields,
    body: Bytes,
) -> pingora::Result<()> {
    let mut head = ResponseHeader::build(status, Some(fields.len() + 4))?;
    // RFC 9110, 8.6: no Content-Length on 204.
    if status != 204 {
        head.insert_header(header::CONTENT_TYPE, "application/json")?;
        head.insert_header(header::CONTENT_LENGTH, body.len())?;
    }
    head.insert_header(header::CACHE_CONTROL, "no-store")?;
    head.insert_header(name::REQUEST_ID, ctx.request_id.to_header())?;
    for (name, value) in fields {
        head.append_header(name.clone(), value.clone())?;
    }
    let without_body = body.is_empty() || session.req_header().method == Method::HEAD;
    session
        .write_response_header(Box::new(head), without_body)
        .await?;
    if without_body {
        Ok(())
    } else {
        session.write_response_body(Some(body), true).await
    }
}
