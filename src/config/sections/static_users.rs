//! Who comes in without an issuer: `local:` with `AUTH_MODE`, and `AUTH_DISABLED`.

use std::sync::Arc;

use crate::domain::static_user::{StaticAuth, StaticUser};

use crate::config::document::faults::{Code, Fault};
use crate::config::document::yaml::Node;
use crate::config::reader::Fields;
use crate::config::reader::environment::ReadContext;
use crate::config::settings::Address;

use super::auth_disabled;
use super::local_mode::{Named, local, named};

/// Who vouches for users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthMode {
    Issuers,
    /// The holder of the shared token is the local user.
    SharedToken,
    /// Nobody: authentication is switched off.
    Nobody,
}

/// What was chosen, and what takes the place of issuers, as far as it could be read.
pub(crate) struct Choice {
    pub(crate) auth_mode: AuthMode,
    pub(crate) mode: Option<Option<StaticAuth>>,
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
        named == Some(Some(Named::Local)) || (section.is_present() && named == Some(None));
    let local = (wants_local || section.is_present()).then(|| local(section, cx));
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
            cx.push(Fault::error(Code::Contradiction, what).fix("unset AUTH_DISABLED"));
            good = false;
        }
        good &= auth_disabled::allowed(root, file, listen, cx);
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
    let token = cx.variable("LOCAL_AUTH_TOKEN");
    if token.is_present() && named != Some(Some(Named::Clerk)) {
        let what = format!("{} has no effect without `AUTH_MODE=local`", token.name);
        cx.push(
            Fault::warning(Code::Contradiction, what).fix("export AUTH_MODE=local, or unset it"),
        );
    }
    Choice {
        auth_mode: AuthMode::Issuers,
        mode: (good && off.is_some()).then_some(None),
    }
}

/// Where one shared token counts, nobody else's does: a user who has left would come back with the shared one.
pub(crate) fn no_issuers<'a>(root: &mut Fields<'a>, cx: ReadContext<'a>) -> bool {
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
        if cx.variable(name).is_present() {
            let what = format!("`{name}` has no effect in local mode");
            cx.push(
                Fault::warning(Code::Contradiction, what)
                    .fix("set AUTH_MODE=clerk if Clerk's tokens shall count"),
            );
        }
    }
    good
}
