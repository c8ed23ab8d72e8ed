//! `local:` and `AUTH_MODE`: one shared token in the place of an issuer.

use std::sync::Arc;

use crate::domain::ids::{Subject, text_header};
use crate::domain::service_token::TokenHash;
use crate::domain::static_user::{MAX_TOKENS, StaticAuth, StaticUser};

use crate::config::document::faults::{Code, Fault};
use crate::config::reader::Field;
use crate::config::reader::environment::ReadContext;

use super::tokens::{sha256, token};

/// What `AUTH_MODE` says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Clerk,
    Local,
}

pub(super) fn named(mode: Field<'_>) -> Option<Named> {
    match mode.str()?.as_str() {
        "clerk" => Some(Named::Clerk),
        "local" => Some(Named::Local),
        _ => {
            let fault = Fault::error(
                Code::WrongValue,
                format!("{} is not a mode of this version", mode.name),
            );
            mode.reject(fault.expected("`clerk`, `local`, or not set"));
            None
        }
    }
}

/// Reads the shared token, and who its holder is.
pub(super) fn local<'a>(section: Field<'a>, cx: ReadContext<'a>) -> Option<StaticAuth> {
    let (of, mut fields) = match section.is_present() {
        true => (section, section.fields("the local mode")?),
        false => cx.nothing("the local mode")?,
    };
    let tokens = tokens(
        of,
        fields.opt("token"),
        fields.opt("sha256"),
        cx.variable("LOCAL_AUTH_TOKEN"),
    );
    let expected = "the user's name alone: visible ASCII without , ; \" \\";
    let user = fields
        .opt("user_id")
        .maybe(|field| field.told(Code::WrongValue, expected, subject));
    let text = |field: Field<'a>| {
        field.told(Code::Bound, "at most 1024 bytes, percent-encoded", |text| {
            text_header(text).ok_or("is too long for a header")
        })
    };
    let (email, name) = (
        fields.opt("email").maybe(text),
        fields.opt("name").maybe(text),
    );
    fields.finish();
    let user = match user? {
        Some(user) => user,
        None => Subject::parse("local").ok()?,
    };
    let who = Arc::new(StaticUser::local(&user, email?, name?)?);
    Some(StaticAuth::Local {
        tokens: tokens?,
        who,
    })
}

fn subject(text: &str) -> Result<Subject, String> {
    if text.starts_with("local:") {
        return Err("is written without `local:`, which bailiff puts before it".to_owned());
    }
    Subject::parse(text).map_err(|error| error.to_string())
}

/// All shared tokens: those of the file, else the variable's.
fn tokens<'a>(
    of: Field<'a>,
    written: Field<'a>,
    hashes: Field<'a>,
    outer: Field<'a>,
) -> Option<Vec<TokenHash>> {
    if !written.is_present() && !hashes.is_present() {
        if !outer.is_present() {
            let what = "local mode without a token: nobody could come in";
            let fix = "export LOCAL_AUTH_TOKEN=…, or `local: {token: \"${LOCAL_AUTH_TOKEN}\"}`, with what `openssl rand -hex 32` gives";
            of.reject(Fault::error(Code::MissingKey, what).fix(fix));
            return None;
        }
        return token(outer).map(|hash| vec![hash]);
    }
    let clear = written
        .hidden()
        .maybe(|field| Field::each(field.one_or_more(), token));
    let hashed = hashes
        .hidden()
        .maybe(|field| Field::each(field.one_or_more(), sha256));
    let all = [clear?.unwrap_or_default(), hashed?.unwrap_or_default()].concat();
    if all.len() > MAX_TOKENS {
        of.reject(
            Fault::error(
                Code::Bound,
                format!("local mode has more than {MAX_TOKENS} tokens"),
            )
            .fix("remove the old ones"),
        );
        return None;
    }
    if outer.is_present()
        && token(outer).is_some_and(|outer| !all.iter().any(|known| known.same(&outer)))
    {
        let what = format!(
            "{} has no effect, because the config sets the tokens of local mode",
            outer.name
        );
        of.reject(
            Fault::warning(Code::Contradiction, what)
                .fix("unset it, or write `token: \"${LOCAL_AUTH_TOKEN}\"`"),
        );
    }
    Some(all)
}
