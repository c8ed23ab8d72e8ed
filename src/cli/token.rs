//! `bailiff token`: make development tokens, and read any token.

mod checks;
pub(crate) mod inspect;
mod key_file;
mod mint;
pub(crate) mod missing;
pub(crate) mod parts;

use super::exit::Exit;

#[derive(clap::Subcommand, Debug)]
pub(crate) enum TokenCommand {
    /// Sign a development token with a key of your own
    Mint(mint::MintArgs),
    /// Show what a token says, and everything that is wrong with it
    Inspect(inspect::InspectArgs),
}

pub(crate) fn run(command: &TokenCommand) -> Exit {
    match command {
        TokenCommand::Mint(args) => mint::run(args),
        TokenCommand::Inspect(args) => inspect::run(args),
    }
}
