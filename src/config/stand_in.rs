//! Who comes in without an issuer: `local:` with `AUTH_MODE`, and `AUTH_DISABLED`.

use std::sync::Arc;

use crate::domain::ids::{Subject, text_header};
use crate::domain::service_token::{self, ServiceToken, TokenHash};
use crate::domain::static_user::{MAX_TOKENS, StaticAuth, StaticUser};

use super::faults::{Code, Fault};
use super::outside::Run;
use super::reader::{Field, Fields};
use super::services::{sha256, token};
use super::settings::Address;
use super::switched_off;
use super::yaml::Node;

/// Who vouches for users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AuthMode {
    Issuers,
    /// The holder of the shared token is the local user.
    SharedToken,
    /// Nobody: authentication is switched off.
    Nobody,
}

/// What was chosen, and what takes the place of issuers, as far as it could be read.
pub(super) struct Choice {
    pub(super) auth_mode: AuthMode,
    pub(super) mode: Option<Option<StaticAuth>>,
}

/// What `AUTH_MODE` says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Clerk,
    Local,
}

/// Reads who vouches for users. `file` is the whole config, and `listen` where requests come in.
pub(super) fn choice<'a>(
    root: &mut Fields<'a>,
    file: &Node,
    listen: Option<&[Address]>,
    run: Run<'a>,
) -> Choice {
    let section = root.opt("local");
    let mode = run.outside("AUTH_MODE");
    let named = mode.maybe(named);
    let off = switched_off::asked(run);
    let wants_local =
        named == Some(Some(Named::Local)) || (section.is_present() && named == Some(None));
    let local = (wants_local || section.is_present()).then(|| local(section, run));
    let mut good = named.is_some();
    if section.is_present() && named == Some(Some(Named::Clerk)) {
        let what = format!(
            "`local` beside {} `clerk`: either one shared token counts, or Clerk's tokens do",
            mode.name
        );
        section.reject(
            Fault::error(Code::Contradiction, what).fix("remove `local`, or set AUTH_MODE=local"),
        );
        good = false;
    }
    if off == Some(true) {
        if wants_local {
            let what = "`AUTH_DISABLED` beside local mode: either a token is asked for, or none is";
            run.push(Fault::error(Code::Contradiction, what).fix("unset AUTH_DISABLED"));
            good = false;
        }
        good &= switched_off::allowed(root, file, listen, run);
        let mode = good.then(|| Some(StaticAuth::Disabled(Arc::new(StaticUser::disabled()))));
        return Choice {
            auth_mode: AuthMode::Nobody,
            mode,
        };
    }
    if wants_local {
        let mode = local.flatten().filter(|_| good && off.is_some()).map(Some);
        return Choice {
            auth_mode: AuthMode::SharedToken,
            mode,
        };
    }
    let token = run.outside("LOCAL_AUTH_TOKEN");
    if token.is_present() && named != Some(Some(Named::Clerk)) {
        let what = format!("{} has no effect without `AUTH_MODE=local`", token.name);
        run.push(
            Fault::warning(Code::Contradiction, what).fix("export AUTH_MODE=local, or unset it"),
        );
    }
    Choice {
        auth_mode: AuthMode::Issuers,
        mode: (good && off.is_some()).then_some(None),
    }
}

fn named(mode: Field<'_>) -> Option<Named> {
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
fn local<'a>(section: Field<'a>, run: Run<'a>) -> Option<StaticAuth> {
    let (of, mut fields) = match section.is_present() {
        true => (section, section.fields("the local mode")?),
        false => run.nothing("the local mode")?,
    };
    let tokens = tokens(
        of,
        fields.opt("token"),
        fields.opt("sha256"),
        run.outside("LOCAL_AUTH_TOKEN"),
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

/// Where one shared token counts, nobody else's does: a user who has left would come back with the shared one.
pub(super) fn no_issuers<'a>(root: &mut Fields<'a>, run: Run<'a>) -> bool {
    let mut good = true;
    for field in [root.opt("clerk"), root.opt("issuers")]
        .into_iter()
        .filter(|field| field.is_present())
    {
        let what = format!(
            "{} beside local mode: a shared token would stand beside personal ones",
            field.name
        );
        let fix = "set AUTH_MODE=clerk and remove `local`, or remove this";
        field.reject(Fault::error(Code::Contradiction, what).fix(fix));
        good = false;
    }
    for name in ["CLERK_PUBLISHABLE_KEY", "CLERK_JWT_KEY"] {
        if run.outside(name).is_present() {
            let what = format!("`{name}` has no effect in local mode");
            run.push(
                Fault::warning(Code::Contradiction, what)
                    .fix("set AUTH_MODE=clerk if Clerk's tokens shall count"),
            );
        }
    }
    good
}

/// Whether no service has the shared token: it would be a person on one route and a service on another.
pub(super) fn is_of_no_service(
    choice: &Choice,
    services: &[(Field<'_>, ServiceToken)],
    at: Field<'_>,
) -> bool {
    let Some(Some(StaticAuth::Local { tokens, .. })) = &choice.mode else {
        return true;
    };
    let services = services
        .iter()
        .map(|(_, service)| service.clone())
        .collect::<Vec<_>>();
    let found = tokens
        .iter()
        .find_map(|hash| service_token::find_hash(&services, hash));
    if let Some(service) = found {
        let what = format!(
            "the service `{}` has the shared token of local mode",
            service.name()
        );
        at.reject(Fault::error(Code::Contradiction, what).fix("give each its own token"));
    }
    found.is_none()
}
