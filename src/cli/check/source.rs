//! Whether the source of the membership that a running gate asks gives a usable answer.

use std::time::Duration;

use crate::clerk_api::Backends;
use crate::cli::exit::talk;
use crate::config::faults::{Code, Fault, Faults};
use crate::config::settings::{
    ClerkSource, From, HttpSource, MembershipSource, ReloadableSettings,
};
use crate::domain::membership::{Flags, Roles};
use crate::fetch::Fetcher;
use crate::membership_sources::{clerk, http, postgres};

/// How long Clerk's lists are read here. A running gate has no such limit.
const CLERK_WITHIN: Duration = Duration::from_secs(60);

/// The result of asking a source.
pub(super) struct ProbeResult {
    /// Users, workspaces and memberships. `None` where users are looked up one by one.
    pub size: Option<(usize, usize, usize)>,
}

/// Asks the source once, if there is one, and reports every fault.
pub(super) async fn try_out(live: &ReloadableSettings, faults: &mut Faults) -> Option<ProbeResult> {
    let (source, roles) = (live.membership.as_ref()?, live.rules.roles.as_ref()?);
    if !source.from.is_remote() {
        return None;
    }
    talk(&format!("asking {} for the membership ...\n", source.from));
    let asked = match &source.from {
        From::Http(endpoint) => try_endpoint(endpoint, roles, &live.rules.flags).await,
        From::Clerk(source) => try_clerk(source, roles, faults).await,
        From::Postgres(database) => {
            let looked = postgres::try_out(database, roles, &live.rules.flags).await;
            looked.map(|look| ProbeResult { size: look.size })
        }
        From::Nobody | From::Token | From::File(_) => return None,
    };
    match asked {
        Ok(found) => Some(found),
        Err(lines) => {
            let fix = "correct what it says, or who may read it: until then the gate keeps what it knows, and one that starts lets no user in";
            for line in lines {
                faults.push(
                    Fault::error(
                        Code::Membership,
                        format!("the membership cannot be used: {line}"),
                    )
                    .fix(fix),
                );
            }
            None
        }
    }
}

async fn try_endpoint(
    source: &HttpSource,
    roles: &Roles,
    flags: &Flags,
) -> Result<ProbeResult, Vec<String>> {
    let fetcher = Fetcher::new().map_err(|why| vec![why])?;
    http::try_out(source, &fetcher, roles, flags)
        .await
        .map(|size| ProbeResult { size })
        .map_err(|why| why.lines())
}

async fn try_clerk(
    source: &ClerkSource,
    roles: &Roles,
    faults: &mut Faults,
) -> Result<ProbeResult, Vec<String>> {
    let backend = Backends::new(Fetcher::new().map_err(|why| vec![why])?).of(&source.backend);
    let Ok(loaded) = tokio::time::timeout(CLERK_WITHIN, clerk::load(&backend, roles)).await else {
        let what = format!(
            "Clerk's lists are so long that they were not read within {} s",
            CLERK_WITHIN.as_secs()
        );
        faults.push(
            Fault::warning(Code::Membership, what)
                .fix("nothing: a gate takes longer, and is not ready until then"),
        );
        return Ok(ProbeResult { size: None });
    };
    let loaded = loaded.map_err(|why| vec![why.to_string()])?;
    for line in loaded.roleless.lines() {
        let fault = Fault::warning(
            Code::Membership,
            format!("a member at Clerk is none here: {line}"),
        );
        faults.push(fault.fix("add the role to `membership.roles`"));
    }
    Ok(ProbeResult {
        size: Some(loaded.table.size()),
    })
}

/// Describes such a source in one line.
pub(super) fn told(source: &MembershipSource, found: Option<&ProbeResult>) -> String {
    match found {
        Some(ProbeResult { size: Some(size) }) => super::sizes(*size),
        Some(ProbeResult { size: None }) => "asked, and good as far as that goes".to_owned(),
        None if source.from.is_lookup() => {
            "asked for one user at a time, and not now: --online tries".to_owned()
        }
        None => "not asked: --online does".to_owned(),
    }
}
