//! `bailiff health`: asks a running gate whether it is ready, for containers without a shell.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use super::ConfigArgs;
use super::ending::{Ending, FAILED, Stop, print, print_json, talk};
use crate::config::interpolate::ProcessEnv;
use crate::config::load::load;
use crate::config::settings::Address;

/// Bound on each step: a health check that hangs is worse than one that says no.
const WAIT: Duration = Duration::from_secs(3);
/// Bound on the answer.
const MAX_ANSWER: u64 = 64 * 1024;
/// Where a gate serves its admin listener unless told otherwise.
const USUAL: &str = "127.0.0.1:8485";

#[derive(clap::Args, Debug)]
#[command(after_help = "Exit status: 0 ready, 1 not ready or no answer.")]
pub(crate) struct HealthArgs {
    /// The config file that the gate was started with; only its `admin` matters
    #[arg(long, value_name = "FILE", env = "BAILIFF_CONFIG")]
    config: Option<PathBuf>,
    /// The gate's admin address, for example 127.0.0.1:8485 or unix:/run/bailiff-admin.sock
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &HealthArgs) -> Ending {
    let admin = match &args.admin {
        Some(text) => text.clone(),
        None => configured(args).map_or_else(|| USUAL.to_owned(), |address| address.to_string()),
    };
    let (ready, text) = match ask(&admin)? {
        Ok((status, text)) => (status == 200, text),
        Err(error) => {
            let fix = "is the gate running, and is this its `admin` address? (--admin ADDRESS)";
            talk(&Stop::failed(format!("no answer from {admin}")).saw(error.to_string()).fix(fix).text);
            (false, "no answer".to_owned())
        }
    };
    if args.json {
        print_json(&serde_json::json!({"ready": ready, "status": text, "admin": admin}))?;
    } else {
        print(&format!("{text}\n"))?;
    }
    Ok(if ready { 0 } else { FAILED })
}

/// The admin address of the config. A config that is wrong is no reason to say that the gate is not ready: it may run on an
/// earlier version, or have its upstream from a flag.
fn configured(args: &HealthArgs) -> Option<Address> {
    let config = ConfigArgs { config: args.config.clone(), ..ConfigArgs::default() };
    // Any upstream will do: the one of the gate may have come by a flag.
    let overrides =
        crate::config::load::Overrides { upstream: Some("http://127.0.0.1:1".to_owned()), ..config.overrides() };
    load(config.path().as_deref(), &overrides, &ProcessEnv).ok().map(|loaded| loaded.settings.boot.admin)
}

fn ask(admin: &str) -> Result<io::Result<(u16, String)>, Stop> {
    if let Some(path) = admin.strip_prefix("unix:") {
        return Ok(ask_unix(path));
    }
    match admin.parse::<SocketAddr>() {
        Ok(_) => Ok(ask_tcp(admin)),
        Err(_) => {
            Err(Stop::usage("--admin takes an IP address with a port, or unix:/path").fix(format!("--admin {USUAL}")))
        }
    }
}

/// Asks the admin listener at `address` (IP and port) whether the gate is ready: status and text.
pub(crate) fn ask_tcp(address: &str) -> io::Result<(u16, String)> {
    let mut address: SocketAddr = address.parse().map_err(|_| io::ErrorKind::InvalidInput)?;
    // "All addresses" is nothing that one can connect to.
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    let stream = TcpStream::connect_timeout(&address, WAIT)?;
    stream.set_read_timeout(Some(WAIT))?;
    stream.set_write_timeout(Some(WAIT))?;
    exchange(stream)
}

fn ask_unix(path: &str) -> io::Result<(u16, String)> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(WAIT))?;
    stream.set_write_timeout(Some(WAIT))?;
    exchange(stream)
}

fn exchange(mut stream: impl Read + Write) -> io::Result<(u16, String)> {
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    read(&String::from_utf8_lossy(&answer)).ok_or_else(|| io::Error::other("the answer is no HTTP"))
}

/// Status and body of an answer.
fn read(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn status_and_text_are_read_and_nonsense_is_none() {
        assert_eq!(read("HTTP/1.1 503 x\r\nA: b\r\n\r\nnot ready\n"), Some((503, "not ready".to_owned())));
        for bad in ["", "HTTP/1.1 200 OK\r\n", "SSH-2.0\r\n\r\n", "HTTP/1.1 x\r\n\r\n"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
