//! stub replaced by merge
use super::faults::Faults;
use super::interpolate::Env;
use super::settings::Settings;
use std::path::{Path, PathBuf};
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    pub upstream: Option<String>,
    pub listen: Option<String>,
    pub admin: Option<String>,
}
pub struct Loaded {
    pub settings: Settings,
    pub warnings: Faults,
    pub files: Vec<PathBuf>,
}
pub fn load(_: Option<&Path>, _: &Overrides, _: &dyn Env) -> Result<Loaded, Faults> {
    todo!()
}
