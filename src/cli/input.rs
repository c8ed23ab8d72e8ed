//! Reads tokens, bodies and secrets. They must not be on a command line, which every user of the machine can see.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::exit::CommandError;
use crate::domain::token::bearer::MAX_TOKEN;

/// Bound on a body.
pub(crate) const MAX_BODY: usize = 8 << 20;

/// Reads `-` (stdin) or a file, whole and within `max` bytes. `what` completes "the … cannot be read".
pub(crate) fn bytes(source: &str, what: &str, max: usize) -> Result<Vec<u8>, CommandError> {
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let read = match source {
        "-" => io::stdin().lock().take(limit).read_to_end(&mut bytes),
        path => {
            File::open(Path::new(path)).and_then(|file| file.take(limit).read_to_end(&mut bytes))
        }
    };
    let name = if source == "-" { "stdin" } else { source };
    match read {
        Err(error) => Err(
            CommandError::failed(format!("the {what} cannot be read from {name}"))
                .saw(error.to_string()),
        ),
        Ok(_) if bytes.len() > max => Err(CommandError::failed(format!(
            "the {what} in {name} is larger than {max} bytes"
        ))),
        Ok(_) => Ok(bytes),
    }
}

/// Reads a token from `-` (stdin) or `@FILE`. Anything else is refused, and the message does not repeat it: it may be a token.
pub(crate) fn token(source: &str) -> Result<String, CommandError> {
    let source = match (source, source.strip_prefix('@')) {
        ("-", _) => "-",
        (_, Some(path)) if !path.is_empty() => path,
        _ => {
            return Err(CommandError::usage(
                "a token is read from stdin (`-`) or from a file (`@FILE`)",
            )
            .saw("something else; on a command line every user of this machine could read it")
            .fix("some-command | bailiff … -      or  bailiff … @token.txt"));
        }
    };
    let text = String::from_utf8(bytes(source, "token", 4 * MAX_TOKEN)?);
    let text = text.map_err(|_| CommandError::failed("the token is not text"))?;
    let token = text.trim();
    // People copy the whole header field from their browser.
    let token = token
        .strip_prefix("Authorization:")
        .unwrap_or(token)
        .trim_start();
    let token = token.strip_prefix("Bearer ").unwrap_or(token).trim();
    if token.is_empty() {
        return Err(CommandError::failed(
            "there is no token: what was read is empty",
        ));
    }
    Ok(token.to_owned())
}
