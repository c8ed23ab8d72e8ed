//! The command line, with one file per command. Results go to stdout, messages for people go to stderr.

mod check;
mod clerk;
mod demo;
mod exit;
mod explain;
mod gate;
mod health;
mod input;
mod logging;
mod offline_gate;
mod revoke;
mod serve;
mod token;
mod webhook;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::faults::Faults;
use crate::config::load::Overrides;
use exit::{Exit, FAILED, talk};

#[derive(Parser)]
#[command(
    name = "bailiff",
    version,
    about = "An authentication gate for HTTP apps whose users sign in with Clerk",
    after_help = AFTER_HELP,
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  bailiff demo                                        see it work: no account, no config
  CLERK_PUBLISHABLE_KEY=pk_… bailiff serve --upstream http://127.0.0.1:3000
  bailiff check --online                              is the config right, do the issuers answer?
  bailiff explain --method GET --path /api/me --token @token.txt

Exit status: 0 fine, 1 the answer is no or it failed, 2 wrong use, 69 somebody else does not answer, 78 wrong config.";

#[derive(Subcommand)]
enum Command {
    /// Run the gate
    Serve(ConfigArgs),
    /// See it work: gate, app and issuer in one process, no account, no config
    Demo(demo::DemoArgs),
    /// Say everything that is wrong with a config, at once
    Check(check::CheckArgs),
    /// Say what the gate would do with one request, step by step
    Explain(explain::ExplainArgs),
    /// Make development tokens, and read any token
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Sign and send events as Clerk does
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    /// Do something at Clerk itself
    #[command(subcommand)]
    Clerk(clerk::ClerkCommand),
    /// End the access of a session or a user at a running gate, now
    Revoke(revoke::RevokeArgs),
    /// Ask a running gate whether it is ready
    Health(health::HealthArgs),
}

/// Where the config is, and what overrides it.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ConfigArgs {
    /// The config file; without one, bailiff.yaml if it is there, else the environment alone
    #[arg(long, value_name = "FILE", env = "BAILIFF_CONFIG")]
    config: Option<PathBuf>,
    /// The app behind the gate, for example http://127.0.0.1:3000
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// Where requests come in, for example 0.0.0.0:8484
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where metrics and health are served, for example 127.0.0.1:8485
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<String>,
}

impl ConfigArgs {
    /// The config file to read, if there is one.
    fn path(&self) -> Option<PathBuf> {
        let usual = || Some(PathBuf::from("bailiff.yaml")).filter(|path| path.exists());
        self.config.clone().or_else(usual)
    }

    fn overrides(&self) -> Overrides {
        Overrides {
            upstream: self.upstream.clone(),
            listen: self.listen.clone(),
            admin: self.admin.clone(),
        }
    }
}

/// Runs the command that the process was started with.
#[must_use]
pub fn run() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) => return wrong_use(&error),
    };
    let exit = match command {
        Command::Serve(args) => Ok(serve::run(&args)),
        Command::Demo(args) => demo::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Token(command) => token::run(&command),
        Command::Webhook(command) => webhook::run(&command),
        Command::Clerk(command) => clerk::run(&command),
        Command::Revoke(args) => revoke::run(&args),
        Command::Health(args) => health::run(&args),
    };
    ExitCode::from(told(exit))
}

/// The exit status. Prints to stderr why there is no result.
fn told(exit: Exit) -> u8 {
    exit.unwrap_or_else(|stop| {
        talk(&stop.text);
        stop.status
    })
}

/// Prints help, version, or clap's error. clap repeats arguments, and people paste tokens (attack A-125), so these are masked.
fn wrong_use(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    let masked = masked(&text);
    if masked == text {
        let _ = error.print();
    } else {
        talk(&masked);
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(exit::USAGE))
}

/// `text` with `***` in place of every word that begins like a token, a key or a secret.
fn masked(text: &str) -> String {
    const MARKS: [&str; 4] = ["eyJ", "whsec_", "sk_test_", "sk_live_"];
    let is_part =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '/' | '=' | '.');
    let (mut rest, mut out) = (text, String::with_capacity(text.len()));
    while let Some(at) = MARKS.iter().filter_map(|mark| rest.find(mark)).min() {
        let (before, word) = rest.split_at(at);
        out.push_str(before);
        out.push_str("***");
        rest = word.trim_start_matches(is_part);
    }
    out + rest
}

/// Prints the faults of the config.
fn wrong_config(faults: &Faults) -> u8 {
    talk(&faults.to_string());
    exit::status(faults)
}

#[cfg(test)]
mod tests {
    use super::{Cli, masked};

    #[test]
    fn the_commands_are_put_together_without_contradiction() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn what_looks_secret_is_not_repeated() {
        for (given, expected) in [
            (
                "unexpected argument 'eyJhbGci.eyJzdWIi.c2ln' found",
                "unexpected argument '***' found",
            ),
            ("a whsec_abc+/= b sk_live_x", "a *** b ***"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(masked(given), expected);
        }
    }
}
