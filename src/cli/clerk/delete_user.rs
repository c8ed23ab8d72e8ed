//! `bailiff clerk delete-user`: shows the user, asks for confirmation, deletes the user at Clerk, and drops the user here.

use std::io::{BufRead, IsTerminal as _, stdin};
use std::path::PathBuf;

use http::HeaderValue;
use percent_encoding::percent_decode;
use serde_json::json;

use super::drop_local_user::Here;
use crate::clerk_api::{Backend, BackendError, Deletion};
use crate::cli::ConfigArgs;
use crate::cli::exit::{CommandError, Exit, block_on, print, print_json, talk};
use crate::config::interpolate::ProcessEnv;
use crate::config::load::{Overrides, load};
use crate::config::settings::{BackendSettings, Settings};
use crate::domain::event::{Change, UserChange};
use crate::domain::ids::{ClerkUserId, MAX_ID};
use crate::fetch::{FetchError, Fetcher};

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Exit status: 0 deleted, or gone already; 1 not deleted, or the running gate could not be told; 2 wrong use; 78 wrong config."
)]
pub(crate) struct DeleteUserArgs {
    /// The user's id at Clerk
    #[arg(value_name = "USER_ID")]
    user: String,
    /// The config with the secret key; without one, bailiff.yaml if it is there, else the environment alone
    #[arg(long, value_name = "FILE", env = "BAILIFF_CONFIG")]
    config: Option<PathBuf>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &DeleteUserArgs) -> Exit {
    let user = ClerkUserId::parse(&args.user).map_err(|why| {
        CommandError::usage(format!("the id of the user {why}"))
            .fix("user_… as the Clerk dashboard shows it")
    })?;
    if !args.yes && !stdin().is_terminal() {
        return Err(
            CommandError::usage("nobody can be asked: stdin is no terminal")
                .fix("add --yes if this is meant to happen"),
        );
    }
    let settings = settings(args)?;
    let api = api(&settings)?;
    talk(&format!("asking {} for {user} ...\n", api.api_url));
    let backend = backend(api)?;
    talk(&match block_on(backend.user(&user))? {
        Ok(found) => described(&user, &found.change),
        Err(why @ BackendError::NotFound { .. }) => format!("{}\n{}\n", why.cause(), why.cure()),
        Err(why) => return Err(failed(&format!("{user} is not deleted"), &why)),
    });
    if !args.yes {
        talk(&format!(
            "Delete {user} at Clerk? This cannot be undone. Type the user id to confirm: "
        ));
        confirm(&user, stdin().lock())?;
    }
    // The confirmation may have taken minutes, and the first connection may be gone, so this opens a new one.
    let backend = self::backend(api)?;
    let deletion =
        block_on(backend.delete_user(&user))?.map_err(|why| failed(&doubt(&user, &why), &why))?;
    let (word, text) = match deletion {
        Deletion::Deleted => ("deleted", "is deleted at Clerk"),
        Deletion::AlreadyGone => ("already_gone", "was gone already"),
    };
    let here = Here::told(&user, &settings);
    talk(&here.text(&user));
    if args.json {
        print_json(&json!({"user": user.as_str(), "result": word, "gate": here.word()}))?;
    } else {
        print(&format!("{user} {text}\n"))?;
    }
    Ok(here.status())
}

fn settings(args: &DeleteUserArgs) -> Result<Settings, CommandError> {
    let config = ConfigArgs {
        config: args.config.clone(),
        ..ConfigArgs::default()
    };
    let path = config.path();
    // The upstream does not matter here. Without a config there is none, so a placeholder is set.
    let upstream = path.is_none().then(|| "http://127.0.0.1:1".to_owned());
    let loaded = load(
        path.as_deref(),
        &Overrides {
            upstream,
            ..Overrides::default()
        },
        &ProcessEnv,
    )?;
    Ok(loaded.settings)
}

/// The Backend API in the config.
fn api(settings: &Settings) -> Result<&BackendSettings, CommandError> {
    settings.reloadable.backend.as_ref().ok_or_else(|| {
        CommandError::config("the config has no secret key, without which nothing can be deleted at Clerk")
            .fix("`secret_key: ${CLERK_SECRET_KEY}` under `clerk`; without a file, export CLERK_SECRET_KEY=sk_…")
    })
}

fn backend(settings: &BackendSettings) -> Result<Backend, CommandError> {
    let fetcher = Fetcher::new()
        .map_err(|why| CommandError::failed("no HTTP client could be made").saw(why))?;
    Ok(Backend::new(settings.clone(), fetcher))
}

fn failed(what: &str, why: &BackendError) -> CommandError {
    CommandError::failed(what).saw(why.cause()).fix(why.cure())
}

/// Describes the state after a failed deletion: perhaps only the answer was lost.
fn doubt(user: &ClerkUserId, why: &BackendError) -> String {
    match why {
        BackendError::Key { .. }
        | BackendError::NotFound { .. }
        | BackendError::Limited { .. }
        | BackendError::TooMany { .. }
        | BackendError::Refused { .. }
        | BackendError::Fetch(FetchError::Connect { .. }) => format!("{user} is not deleted"),
        BackendError::Down { .. }
        | BackendError::Fetch(_)
        | BackendError::NotClerk { .. }
        | BackendError::OtherUser { .. }
        | BackendError::Unreadable { .. } => {
            format!(
                "{user} may be deleted or not; the same command once more does no harm and tells"
            )
        }
    }
}

/// Describes the user, for the confirmation.
fn described(user: &ClerkUserId, change: &Change) -> String {
    let (email, name) = match change {
        Change::User(_, UserChange::Described { email, name, .. }) => {
            (email.as_ref(), name.as_ref())
        }
        _ => (None, None),
    };
    let shown = |text: Option<&HeaderValue>| text.map_or_else(|| "-".to_owned(), readable);
    format!(
        "  user    {user}\n  e-mail  {}\n  name    {}\n",
        shown(email),
        shown(name)
    )
}

/// Users choose their names themselves. A name with anything but letters, digits and usual signs is shown escaped, as in a header,
/// so that it cannot move the cursor or turn the direction of a line.
fn readable(text: &HeaderValue) -> String {
    let encoded = String::from_utf8_lossy(text.as_bytes()).into_owned();
    let usual = |c: char| c.is_alphanumeric() || c == ' ' || c.is_ascii_punctuation();
    match percent_decode(text.as_bytes()).decode_utf8() {
        Ok(decoded) if decoded.chars().all(usual) => decoded.into_owned(),
        _ => encoded,
    }
}

/// Reads one line, which must be exactly the id.
fn confirm(user: &ClerkUserId, input: impl BufRead) -> Result<(), CommandError> {
    let mut line = String::new();
    // Bound: an id with its line end.
    let limit = u64::try_from(MAX_ID + 2).unwrap_or(u64::MAX);
    let read = input.take(limit).read_line(&mut line);
    match read {
        Ok(_) if line.trim() == user.as_str() => Ok(()),
        _ => Err(CommandError::failed(format!(
            "{user} is not deleted, as another text than the id was typed"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::text_header;

    #[test]
    fn only_the_id_to_the_letter_confirms() {
        let user = ClerkUserId::parse("user_2abc").unwrap();
        for good in ["user_2abc\n", "user_2abc", " user_2abc \r\n"] {
            assert!(confirm(&user, good.as_bytes()).is_ok(), "given: {good:?}");
        }
        for bad in [
            "",
            "\n",
            "y\n",
            "yes\n",
            "user_2ab\n",
            "user_2abcd\n",
            "USER_2ABC\n",
            "user_2abc user_2abc\n",
        ] {
            let stop = confirm(&user, bad.as_bytes()).expect_err(bad);
            assert_eq!(stop.status, 1, "given: {bad:?}");
        }
        assert!(
            confirm(&user, std::io::BufReader::new(std::io::repeat(b'u'))).is_err(),
            "an endless line ends"
        );
    }

    #[test]
    fn a_deletion_whose_answer_was_lost_is_not_called_undone() {
        let (user, base, url) = (
            ClerkUserId::parse("user_2abc").unwrap(),
            || "https://api.test".to_owned(),
            String::new,
        );
        let connect = FetchError::Connect {
            url: url(),
            why: String::new(),
        };
        for why in [
            BackendError::Key { base: base() },
            BackendError::Fetch(connect),
        ] {
            assert_eq!(doubt(&user, &why), "user_2abc is not deleted");
        }
        let timeout = BackendError::Fetch(FetchError::Timeout { url: url() });
        for why in [
            timeout,
            BackendError::Down {
                base: base(),
                status: 502,
            },
        ] {
            assert!(
                doubt(&user, &why).contains("may be deleted or not"),
                "{why}"
            );
        }
    }

    #[test]
    fn a_name_cannot_write_on_the_terminal_what_it_likes() {
        for (given, shown) in [
            ("Zoë Müller-O'Hara (QA)", "Zoë Müller-O'Hara (QA)"),
            ("a\u{1b}[2Juser_other", "a%1B[2Juser_other"),
            ("a\u{202e}b", "a%E2%80%AEb"),
            ("100%", "100%"),
        ] {
            assert_eq!(
                readable(&text_header(given).unwrap()),
                shown,
                "given: {given:?}"
            );
        }
    }
}
