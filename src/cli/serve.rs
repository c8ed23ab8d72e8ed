//! `bailiff serve`: the gate.

use super::{ConfigArgs, FAILED, logging, wrong_config};
use crate::config::interpolate::ProcessEnv;
use crate::config::load::load;
use crate::server::Server;

pub fn run(args: &ConfigArgs) -> u8 {
    let (path, overrides) = (args.path(), args.overrides());
    let loaded = match load(path.as_deref(), &overrides, &ProcessEnv) {
        Ok(loaded) => loaded,
        Err(faults) => return wrong_config(&faults),
    };
    let server = match Server::prepare(loaded, path, overrides) {
        Ok(server) => server,
        Err(faults) => return wrong_config(&faults),
    };
    let log = logging::json();
    server.metrics().watch_log(log.lost_lines());
    match server.run() {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the gate could not run"
            );
            FAILED
        }
    }
}
