//! `bailiff webhook`: events as Clerk sends them, for trying out a receiver.

mod event;
mod send;
mod sign;

use std::path::PathBuf;

use super::exit::{CommandError, Exit};
use super::input;
use crate::dev::webhook::WebhookSigner;

/// The variables with the secret, used without --secret-file.
const VARIABLES: [&str; 2] = ["CLERK_WEBHOOK_SIGNING_SECRET", "CLERK_WEBHOOK_SECRET"];
/// Bound on a secret file.
const MAX_SECRET: usize = 4096;

#[derive(clap::Subcommand, Debug)]
pub(crate) enum WebhookCommand {
    /// Sign the body on stdin: prints the three svix headers
    Sign(sign::SignArgs),
    /// Send a signed event and print the answer
    Send(Box<send::SendArgs>),
}

#[derive(clap::Args, Debug)]
struct SecretArgs {
    /// A file with the signing secret; without it, CLERK_WEBHOOK_SIGNING_SECRET or CLERK_WEBHOOK_SECRET
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

impl SecretArgs {
    fn signer(&self) -> Result<WebhookSigner, CommandError> {
        let (name, secret) = match &self.secret_file {
            Some(path) => {
                let name = path.display().to_string();
                let text = String::from_utf8(input::bytes(&name, "signing secret", MAX_SECRET)?);
                let text = text.map_err(|_| {
                    CommandError::failed(format!("the signing secret in {name} is not text"))
                })?;
                (name, text)
            }
            None => {
                let found = VARIABLES
                    .iter()
                    .find_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
                found.ok_or_else(|| {
                    CommandError::usage(
                        "no signing secret: it is neither in the environment nor in a file",
                    )
                    .fix("export CLERK_WEBHOOK_SIGNING_SECRET=whsec_…, or --secret-file FILE")
                })?
            }
        };
        WebhookSigner::new(secret.trim())
            .map_err(|why| CommandError::failed(format!("{name}: {why}")))
    }
}

pub(crate) fn run(command: &WebhookCommand) -> Exit {
    match command {
        WebhookCommand::Sign(args) => sign::run(args),
        WebhookCommand::Send(args) => send::run(args),
    }
}
