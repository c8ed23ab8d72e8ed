//! The private key of development tokens: a PEM file that only its owner can read.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::cli::exit::{CommandError, talk};
use crate::dev::key::SigningKey;

/// The name of the key in tokens. A gate with `CLERK_JWT_KEY` does not compare it.
pub(super) const KID: &str = "ins_bailiff_dev_key";

/// Reads the key in `path`, or creates it. Prints what was created and how to use it.
pub(super) fn open(path: &Path) -> Result<SigningKey, CommandError> {
    match fs::read_to_string(path) {
        Ok(pem) => {
            let key = SigningKey::from_pem(KID, &pem);
            key.map_err(|why| {
                CommandError::failed(format!("{} cannot sign: {why}", path.display()))
                    .fix("give another file to --key; a new one is made")
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path),
        Err(error) => Err(CommandError::failed(format!(
            "cannot read the key in {}",
            path.display()
        ))
        .saw(error.to_string())),
    }
}

fn make(path: &Path) -> Result<SigningKey, CommandError> {
    let key = SigningKey::generate(KID).map_err(|why| CommandError::failed(why.to_string()))?;
    let public = public_of(path);
    write(path, &key.private_pem(), 0o600)?;
    write(&public, &key.public_pem(), 0o644)?;
    let (private, public) = (path.display(), public.display());
    talk(&format!(
        "made a new private key: {private}\n  its public half: {public}\n  for a gate that believes it, write \
         `clerk: {{issuer: URL}}` with the URL of --issuer into its config, and\n    \
         CLERK_JWT_KEY=\"$(cat {public})\" bailiff serve\n"
    ));
    Ok(key)
}

/// `dev.pem` has its public half in `dev.pem.pub`.
fn public_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
}

/// Writes a new file, with its mode from the first byte on. An existing file is never overwritten.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), CommandError> {
    let open = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path);
    open.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| {
            CommandError::failed(format!("cannot write {}", path.display()))
                .saw(error.to_string())
                .fix("give the path of a new file to --key")
        })
}
