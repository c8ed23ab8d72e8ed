use super::faults::Faults;
use super::source::Source;
use crate::domain::membership::{Roles, Table};
pub const MAX_FILE: usize = 64 * 1024 * 1024;
pub fn parse_membership(_: &Source, _: &Roles) -> Result<(Table, Faults), Faults> {
    todo!()
}
