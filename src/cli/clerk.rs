//! `bailiff clerk`: what is done at Clerk itself, with the secret key of the config.

mod delete_user;
mod drop_here;

use super::ending::Ending;

#[derive(clap::Subcommand, Debug)]
pub(crate) enum ClerkCommand {
    /// Delete a user at Clerk, for good
    DeleteUser(delete_user::DeleteUserArgs),
}

pub(crate) fn run(command: &ClerkCommand) -> Ending {
    match command {
        ClerkCommand::DeleteUser(args) => delete_user::run(args),
    }
}
