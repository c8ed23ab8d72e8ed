//! `bailiff webhook sign`: the svix headers over a body.

use serde_json::{Map, Value};

use super::SecretArgs;
use crate::cli::exit::{CommandError, Exit, print, print_json};
use crate::cli::input::{self, MAX_BODY};
use crate::clock;
use crate::dev::random_id;
use crate::domain::UnixTime;
use crate::domain::ids::SvixId;

#[derive(clap::Args, Debug)]
#[command(after_help = "The body comes on stdin, byte for byte as it will be sent.")]
pub(crate) struct SignArgs {
    #[command(flatten)]
    secret: SecretArgs,
    /// The id of the delivery [default: a new one]
    #[arg(long, value_name = "msg_…")]
    id: Option<String>,
    /// Seconds since 1970 [default: now]
    #[arg(long, value_name = "SECONDS")]
    timestamp: Option<u64>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &SignArgs) -> Exit {
    let signer = args.secret.signer()?;
    let id = args.id.clone().unwrap_or_else(|| random_id("msg_"));
    if SvixId::parse(&id).is_err() || id.contains('.') {
        return Err(
            CommandError::usage("--id has characters that no id of a delivery has")
                .fix("--id msg_1"),
        );
    }
    let UnixTime(now) = clock::now();
    let body = input::bytes("-", "body", MAX_BODY)?;
    let headers = signer.headers(&id, args.timestamp.unwrap_or(now), &body);
    if args.json {
        let headers = headers.map(|(name, value)| (name.to_owned(), Value::String(value)));
        print_json(&Value::Object(Map::from_iter(headers)))?;
    } else {
        print(
            &headers
                .map(|(name, value)| format!("{name}: {value}\n"))
                .concat(),
        )?;
    }
    Ok(0)
}
