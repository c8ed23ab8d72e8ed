//! `bailiff clerk`: actions at Clerk itself, with the secret key of the config.

mod delete_user;
mod drop_local_user;

use super::exit::Exit;

#[derive(clap::Subcommand, Debug)]
pub(crate) enum ClerkCommand {
    /// Delete a user at Clerk, for good
    DeleteUser(delete_user::DeleteUserArgs),
}

pub(crate) fn run(command: &ClerkCommand) -> Exit {
    match command {
        ClerkCommand::DeleteUser(args) => delete_user::run(args),
    }
}
