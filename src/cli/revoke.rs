//! `bailiff revoke`: ends the access of a session or a user at once.

use std::path::PathBuf;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::exit::{CommandError, Exit, print, print_json};
use super::{ConfigArgs, gate};
use crate::config::interpolate::ProcessEnv;
use crate::config::load::{Overrides, load};
use crate::domain::ids::{SessionId, UserId};

#[derive(clap::Args, Debug)]
#[command(after_help = "Exit status: 0 revoked, 1 not revoked, 2 wrong use, 78 wrong config.")]
pub(crate) struct RevokeArgs {
    /// Refuse every token of this session, `sess_…`
    #[arg(
        long,
        value_name = "SESSION_ID",
        required_unless_present = "user",
        conflicts_with = "user"
    )]
    session: Option<String>,
    /// Refuse every token that this user has by now; one that is issued later counts again
    #[arg(long, value_name = "USER_ID")]
    user: Option<String>,
    /// The config of the running gate: its `admin` and `admin.token` count
    #[arg(long, value_name = "FILE", env = "BAILIFF_CONFIG")]
    config: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &RevokeArgs) -> Exit {
    let segment = |id: &str| utf8_percent_encode(id, NON_ALPHANUMERIC).to_string();
    let (what, path) = match (&args.session, &args.user) {
        (Some(id), _) => {
            let id = SessionId::parse(id)
                .map_err(|why| CommandError::usage(format!("the id of the session {why}")))?;
            (
                format!("session {id}"),
                format!("/sessions/{}", segment(id.as_str())),
            )
        }
        (None, Some(id)) => {
            let id = UserId::parse(id)
                .map_err(|why| CommandError::usage(format!("the id of the user {why}")))?;
            (
                format!("user {id}"),
                format!("/users/{}/tokens", segment(id.as_str())),
            )
        }
        (None, None) => {
            return Err(CommandError::usage("nobody is named")
                .fix("--session SESSION_ID, or --user USER_ID"));
        }
    };
    let config = ConfigArgs {
        config: args.config.clone(),
        ..ConfigArgs::default()
    };
    let path_of_config = config.path();
    // The upstream does not matter here. The gate may get it from a flag, so a placeholder is set.
    let overrides = Overrides {
        upstream: Some("http://127.0.0.1:1".to_owned()),
        ..Overrides::default()
    };
    let fixed = load(path_of_config.as_deref(), &overrides, &ProcessEnv)?
        .settings
        .fixed;
    let Some(token) = fixed.admin_tokens.first() else {
        let stop = CommandError::config(
            "the config has no `admin.token`, without which no gate takes orders",
        );
        return Err(
            stop.fix("`admin: {token: \"${BAILIFF_ADMIN_TOKEN}\"}`, and restart the gate with it")
        );
    };
    let admin = fixed.admin.to_string();
    match gate::ask(&admin, "DELETE", &path, Some(&token.shown)) {
        Ok((200, _)) => {}
        Ok((status, text)) => {
            let stop = CommandError::failed(format!("{what} is not revoked"))
                .saw(format!("{status} {text} from {admin}"));
            return Err(stop.fix(
                "401: the gate runs with another `admin.token`; 503: what it is told is in force, but may not be kept",
            ));
        }
        Err(why) => {
            let stop = CommandError::failed(format!("{what} is not revoked"))
                .saw(format!("no answer from {admin}: {why}"));
            return Err(stop.fix("is the gate running, and is this its `admin`?"));
        }
    }
    if args.json {
        print_json(&json!({"revoked": what, "admin": admin}))?;
    } else {
        print(&format!("{what} is revoked at {admin}\n"))?;
    }
    Ok(0)
}
