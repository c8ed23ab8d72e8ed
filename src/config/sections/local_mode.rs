//! `local:` and `AUTH_MODE`: one shared token in the place of an issuer.

use std::sync::Arc;

use crate::domain::ids::{Subject, text_header};
use crate::domain::service_token::TokenHash;
use crate::domain::static_user::{MAX_TOKENS, StaticAuth, StaticUser};

use crate::config::reader::{Code, Faulty, Field, ReadContext, Reading};

use super::tokens::{sha256, token};

/// The value of `AUTH_MODE`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Clerk,
    Local,
}

/// Reads `AUTH_MODE`.
pub(super) fn named(mode: Field<'_>) -> Reading<Named> {
    match mode.str()?.as_str() {
        "clerk" => Ok(Named::Clerk),
        "local" => Ok(Named::Local),
        _ => {
            let what = "is not a mode of this version";
            Err(mode.wrongly(Code::WrongValue, what, "`clerk`, `local`, or not set"))
        }
    }
}

/// Reads the shared token, and who its holder is.
pub(super) fn local<'a>(section: Field<'a>, cx: ReadContext<'a>) -> Reading<StaticAuth> {
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
    let user = fields.maybe("user_id", |field| {
        field.parse(Code::WrongValue, expected, subject)
    });
    let text = |field: Field<'a>| {
        field.parse(Code::Bound, "at most 1024 bytes, percent-encoded", |text| {
            text_header(text).ok_or("is too long for a header")
        })
    };
    let (email, name) = (fields.maybe("email", text), fields.maybe("name", text));
    fields.finish();
    let user = match user? {
        Some(user) => user,
        None => Subject::parse("local").map_err(|_| Faulty)?,
    };
    let who = Arc::new(StaticUser::local(&user, email?, name?).ok_or(Faulty)?);
    Ok(StaticAuth::Local {
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
) -> Reading<Vec<TokenHash>> {
    if !written.is_present() && !hashes.is_present() {
        if !outer.is_present() {
            let what = "local mode without a token: nobody could come in";
            let fix = "export LOCAL_AUTH_TOKEN=…, or `local: {token: \"${LOCAL_AUTH_TOKEN}\"}`, with what `openssl rand -hex 32` gives";
            return Err(of.refuse(Code::MissingKey, what, fix));
        }
        return token(outer).map(|hash| vec![hash]);
    }
    let list = |field: Field<'a>, read: fn(Field<'a>) -> Reading<TokenHash>| {
        field
            .hidden()
            .read_or(vec![], |field| Field::each(field.one_or_more(), read))
    };
    let (clear, hashed) = (list(written, token), list(hashes, sha256));
    let all = [clear?, hashed?].concat();
    if all.len() > MAX_TOKENS {
        let what = format!("local mode has more than {MAX_TOKENS} tokens");
        return Err(of.refuse(Code::Bound, what, "remove the old ones"));
    }
    if outer.is_present()
        && token(outer).is_ok_and(|outer| !all.iter().any(|known| known.same(&outer)))
    {
        let what = format!(
            "{} has no effect, because the config sets the tokens of local mode",
            outer.name
        );
        of.warn(
            Code::Contradiction,
            what,
            "unset it, or write `token: \"${LOCAL_AUTH_TOKEN}\"`",
        );
    }
    Ok(all)
}
