//! Whether the secret key is valid, and of the same instance as the publishable key.
//!
//! With keys of two instances, the gate lets users in but asks for their names in vain, and `bailiff clerk delete-user` would
//! delete another user.

use crate::clerk_api::{Backend, BackendError};
use crate::cli::exit::{CommandError, talk};
use crate::cli::offline_gate::KeyFetch;
use crate::config::faults::{Code, Fault, Faults, Severity};
use crate::config::settings::BackendSettings;
use crate::domain::keys::KeySet;
use crate::fetch::Fetcher;

/// The issuer to whose instance the secret key belongs.
const CLERK: &str = "clerk";

/// Whether one of `faults` is a secret key that cannot be right.
pub(super) fn is_wrong(faults: &Faults) -> bool {
    let wrong = |code| matches!(code, Code::OtherInstance | Code::SecretKey);
    faults
        .sorted()
        .into_iter()
        .any(|fault| fault.severity == Severity::Error && wrong(fault.code))
}

/// Asks the Backend API for the keys of its instance, which are those of the issuer if both are one.
pub(super) async fn try_out(
    settings: &BackendSettings,
    looks: &[KeyFetch],
    faults: &mut Faults,
) -> Result<(), CommandError> {
    let base = &settings.api_url;
    talk(&format!(
        "asking {base} for the keys of the secret key's instance ...\n"
    ));
    let fetcher = Fetcher::new()
        .map_err(|why| CommandError::failed("no HTTP client could be made").saw(why))?;
    match Backend::new(settings.clone(), fetcher).keys().await {
        Ok(keys) => compare(base, &keys, looks, faults),
        Err(
            why @ (BackendError::Key { .. }
            | BackendError::Refused {
                status: 401 | 403, ..
            }),
        ) => {
            let what = format!("the secret key is not accepted by {base}");
            faults.push(told(Fault::error(Code::SecretKey, what), &why));
        }
        // Tokens are verified without it, so this alone does not prevent a start.
        Err(why) => {
            let what = format!("{base} could not be asked whether the secret key is good");
            faults.push(told(Fault::warning(Code::SecretKey, what), &why));
        }
    }
    Ok(())
}

fn told(fault: Fault, why: &BackendError) -> Fault {
    fault.saw(why.cause()).fix(why.cure())
}

fn compare(base: &str, keys: &KeySet, looks: &[KeyFetch], faults: &mut Faults) {
    let look = looks.iter().find(|look| *look.issuer == *CLERK);
    let Some(theirs) = look.and_then(|look| look.keys.as_ref().ok()) else {
        return;
    };
    if keys.shares_a_key_with(theirs) {
        return;
    }
    let names = |keys: &KeySet| match keys.kids().join(", ") {
        kids if kids.is_empty() => "a key without a name".to_owned(),
        kids => kids,
    };
    let what =
        "the secret key is of another instance than the publishable key: not one key is in both";
    let saw = format!(
        "{} at {base}, {} of the issuer `{CLERK}`",
        names(keys),
        names(theirs)
    );
    let fix = "take CLERK_PUBLISHABLE_KEY and CLERK_SECRET_KEY from the same page of the Clerk dashboard (API keys), both test or both live; with an instance in the EU, is CLERK_API_URL right?";
    faults.push(Fault::error(Code::OtherInstance, what).saw(saw).fix(fix));
}
