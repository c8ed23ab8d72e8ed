//! `bailiff webhook send`: one signed event, one attempt.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::SecretArgs;
use super::event::About;
use crate::cli::exit::{CommandError, Exit, FAILED, block_on, print, print_json, talk};
use crate::cli::input::{self, MAX_BODY};
use crate::clock;
use crate::dev::issuer::INSTANCE_ID;
use crate::dev::webhook::{deliver, event};
use crate::dev::{random_id, with_causes};

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Exit status: 0 the receiver took it (2xx), 1 it did not, or nobody answered."
)]
pub(crate) struct SendArgs {
    /// The kind of event, for example user.created
    #[arg(value_name = "EVENT")]
    kind: String,
    /// Where to send it
    #[arg(long, value_name = "URL")]
    to: String,
    #[command(flatten)]
    secret: SecretArgs,
    #[command(flatten)]
    about: About,
    /// The event's `data` as JSON, in the place of what would be made up: a file, or `-` for stdin
    #[arg(long, value_name = "FILE|-")]
    data: Option<PathBuf>,
    /// The Clerk instance that the event names
    #[arg(long, value_name = "ins_…", default_value = INSTANCE_ID)]
    instance: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &SendArgs) -> Exit {
    let signer = args.secret.signer()?;
    let now = clock::now_ms();
    let data = match &args.data {
        Some(path) => read_data(&path.to_string_lossy())?,
        None => args.about.data(&args.kind, now)?,
    };
    let body = event(&args.kind, data, now, &args.instance).to_string();
    let id = random_id("msg_");
    talk(&format!(
        "sending {} as {id} to {} ...\n",
        args.kind, args.to
    ));
    let delivery = block_on(deliver(
        &args.to,
        &signer,
        &id,
        now / 1000,
        body.into_bytes(),
    ))?;
    let delivery = delivery.map_err(|error| {
        CommandError::failed("the event was not delivered")
            .saw(with_causes(&error))
            .fix("does the gate run, and is this the address of its webhook route?")
    })?;
    let (status, body) = (delivery.status, String::from_utf8_lossy(&delivery.body));
    if args.json {
        print_json(&json!({"id": id, "status": status, "body": body}))?;
    } else {
        print(&format!("{status}\n{}\n", body.trim_end()))?;
    }
    Ok(if (200..300).contains(&status) {
        0
    } else {
        FAILED
    })
}

fn read_data(source: &str) -> Result<Value, CommandError> {
    let bytes = input::bytes(source, "data", MAX_BODY)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| CommandError::failed("the data is no JSON").saw(error.to_string()))
}
