//! The command line: one file per command. Results go to stdout, talk goes to stderr.

mod logging;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::faults::Faults;
use crate::config::load::Overrides;

/// Exit status: the answer is no, or it failed.
const FAILED: u8 = 1;
/// Exit status of a wrong config (`EX_CONFIG` of sysexits.h).
const CONFIG: u8 = 78;

#[derive(Parser)]
#[command(
    name = "bailiff",
    version,
    about = "An authentication gate for HTTP apps whose users sign in with Clerk",
    after_help = "Exit status: 0 fine, 1 the answer is no or it failed, 2 wrong use, 78 wrong config.",
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gate
    Serve(ConfigArgs),
}

/// Where the config is, and what overrides it.
#[derive(Args, Clone, Debug)]
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
        Overrides { upstream: self.upstream.clone(), listen: self.listen.clone(), admin: self.admin.clone() }
    }
}

/// Runs the command that the process was started with.
#[must_use]
pub fn run() -> ExitCode {
    let status = match Cli::parse().command {
        Command::Serve(args) => serve::run(&args),
    };
    ExitCode::from(status)
}

/// Says what is wrong with the config.
fn wrong_config(faults: &Faults) -> u8 {
    eprint!("{faults}");
    CONFIG
}
