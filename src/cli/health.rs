//! `bailiff health`: asks a running gate whether it is ready, for containers without a shell.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::exit::{CommandError, Exit, FAILED, print, print_json, talk};
use super::{ConfigArgs, gate};
use crate::config::interpolate::ProcessEnv;
use crate::config::load::load;
use crate::config::settings::Address;

/// The default address of the admin listener.
const USUAL: &str = "127.0.0.1:8485";

#[derive(clap::Args, Debug)]
#[command(after_help = "Exit status: 0 ready, 1 not ready or no answer.")]
pub(crate) struct HealthArgs {
    /// The config file that the gate was started with; only its `admin` matters
    #[arg(long, value_name = "FILE", env = "BAILIFF_CONFIG")]
    config: Option<PathBuf>,
    /// The gate's admin address, for example 127.0.0.1:8485 or unix:/run/bailiff-admin.sock
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &HealthArgs) -> Exit {
    let admin = match &args.admin {
        Some(text) => text.clone(),
        None => configured(args).map_or_else(|| USUAL.to_owned(), |address| address.to_string()),
    };
    let (ready, text) = match ask(&admin)? {
        Ok((status, text)) => (status == 200, text),
        Err(error) => {
            let fix = "is the gate running, and is this its `admin` address? (--admin ADDRESS)";
            talk(
                &CommandError::failed(format!("no answer from {admin}"))
                    .saw(error.to_string())
                    .fix(fix)
                    .text,
            );
            (false, "no answer".to_owned())
        }
    };
    if args.json {
        print_json(&serde_json::json!({"ready": ready, "status": text, "admin": admin}))?;
    } else {
        print(&format!("{text}\n"))?;
    }
    Ok(if ready { 0 } else { FAILED })
}

/// The admin address of the config. A wrong config does not mean that the gate is not ready: the gate may run with an earlier
/// version, or get its upstream from a flag.
fn configured(args: &HealthArgs) -> Option<Address> {
    let config = ConfigArgs {
        config: args.config.clone(),
        ..ConfigArgs::default()
    };
    // The upstream does not matter here. The gate may get it from a flag, so a placeholder is set.
    let overrides = crate::config::load::Overrides {
        upstream: Some("http://127.0.0.1:1".to_owned()),
        ..config.overrides()
    };
    load(config.path().as_deref(), &overrides, &ProcessEnv)
        .ok()
        .map(|loaded| loaded.settings.fixed.admin)
}

fn ask(admin: &str) -> Result<io::Result<(u16, String)>, CommandError> {
    match admin.strip_prefix("unix:").is_some() || admin.parse::<SocketAddr>().is_ok() {
        true => Ok(ready(admin)),
        false => Err(
            CommandError::usage("--admin takes an IP address with a port, or unix:/path")
                .fix(format!("--admin {USUAL}")),
        ),
    }
}

/// Asks the admin listener at `address` whether the gate is ready: status and text.
pub(crate) fn ready(address: &str) -> io::Result<(u16, String)> {
    gate::ask(address, "GET", "/readyz", None)
}
