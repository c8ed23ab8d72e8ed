//! Who comes in without an issuer: `local:` with `AUTH_MODE`, and `AUTH_DISABLED`.

use std::sync::Arc;

use crate::domain::static_user::{StaticAuth, StaticUser};

use crate::config::document::yaml::Node;
use crate::config::reader::{Code, Faulty, Fields, ReadContext, Reading};
use crate::config::settings::Address;

use super::auth_disabled;
use super::local_mode::{Named, local, named};

/// Who vouches for users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthMode {
    Issuers,
    /// The holder of the shared token is the local user.
    SharedToken,
    /// None: authentication is switched off.
    Nobody,
}

/// What was chosen, and what takes the place of issuers, as far as it could be read.
pub(crate) struct Choice {
    pub(crate) auth_mode: AuthMode,
    pub(crate) mode: Reading<Option<StaticAuth>>,
}

/// Reads who vouches for users. `file` is the whole config, and `listen` where requests come in.
pub(crate) fn choice<'a>(
    root: &mut Fields<'a>,
    file: &Node,
    listen: Option<&[Address]>,
    cx: ReadContext<'a>,
) -> Choice {
    let section = root.opt("local");
    let mode = cx.variable("AUTH_MODE");
    let named = mode.maybe(named);
    let off = auth_disabled::asked(cx);
    let wants_local =
        named == Ok(Some(Named::Local)) || (section.is_present() && named == Ok(None));
    let local = if wants_local || section.is_present() {
        local(section, cx).map(Some)
    } else {
        Ok(None)
    };
    let mut good = named.and(off).map(|_| ());
    if section.is_present() && named == Ok(Some(Named::Clerk)) {
        let what = format!(
            "`local` beside {} `clerk`: either one shared token counts, or Clerk's tokens do",
            mode.name
        );
        let fix = "remove `local`, or set AUTH_MODE=local";
        good = Err(section.refuse(Code::Contradiction, what, fix));
    }
    if off == Ok(true) {
        if wants_local {
            let what = "`AUTH_DISABLED` beside local mode: either a token is asked for, or none is";
            good = Err(cx.refuse(Code::Contradiction, what, "unset AUTH_DISABLED"));
        }
        if !auth_disabled::allowed(root, file, listen, cx) {
            good = Err(Faulty);
        }
        return Choice {
            auth_mode: AuthMode::Nobody,
            mode: good.map(|()| Some(StaticAuth::Disabled(Arc::new(StaticUser::disabled())))),
        };
    }
    if wants_local {
        return Choice {
            auth_mode: AuthMode::SharedToken,
            mode: good.and(local),
        };
    }
    let token = cx.variable("LOCAL_AUTH_TOKEN");
    if token.is_present() && named != Ok(Some(Named::Clerk)) {
        let what = format!("{} has no effect without `AUTH_MODE=local`", token.name);
        cx.warn(
            Code::Contradiction,
            what,
            "export AUTH_MODE=local, or unset it",
        );
    }
    Choice {
        auth_mode: AuthMode::Issuers,
        mode: good.map(|()| None),
    }
}

/// Where one shared token counts, no personal one does: a user who has left could come back with the shared one.
pub(crate) fn no_issuers<'a>(root: &mut Fields<'a>, cx: ReadContext<'a>) -> Reading<()> {
    let mut good = Ok(());
    for field in [root.opt("clerk"), root.opt("issuers")]
        .into_iter()
        .filter(|field| field.is_present())
    {
        let what = format!(
            "{} beside local mode: a shared token would stand beside personal ones",
            field.name
        );
        let fix = "set AUTH_MODE=clerk and remove `local`, or remove this";
        good = Err(field.refuse(Code::Contradiction, what, fix));
    }
    for name in ["CLERK_PUBLISHABLE_KEY", "CLERK_JWT_KEY"] {
        if cx.variable(name).is_present() {
            let what = format!("`{name}` has no effect in local mode");
            cx.warn(
                Code::Contradiction,
                what,
                "set AUTH_MODE=clerk if Clerk's tokens shall count",
            );
        }
    }
    good
}
