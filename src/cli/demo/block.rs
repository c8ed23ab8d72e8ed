//! Four ports in a row, all of them free.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use crate::cli::exit::{CommandError, talk};

/// The usual first port.
const FIRST: u16 = 8484;
/// The step from a block that is taken to the next one, and the number of steps.
const STEP: u16 = 10;
const MOVES: u16 = 5;
/// The servers on the four ports, in order.
const NAMES: [&str; 4] = ["gate", "admin", "issuer", "app"];

/// The four bound listeners.
pub(super) struct Block {
    own: Option<[(SocketAddr, TcpListener); 2]>,
    pub issuer: TcpListener,
    pub app: TcpListener,
}

/// An address that is not available.
struct Taken {
    name: &'static str,
    address: SocketAddr,
    error: io::Error,
}

/// Binds the block at `port`, or without a port the first free block.
pub(super) fn take(ip: IpAddr, port: Option<u16>) -> Result<Block, CommandError> {
    match port {
        Some(port) => bind(ip, port).map_err(|taken| refused(&taken, port)),
        None => search(ip, FIRST),
    }
}

/// Moves on as long as a block is taken.
fn search(ip: IpAddr, from: u16) -> Result<Block, CommandError> {
    for moves in 0..=MOVES {
        let first = from.saturating_add(moves * STEP);
        match bind(ip, first) {
            Ok(block) => return Ok(block),
            Err(taken) if taken.error.kind() == io::ErrorKind::AddrInUse && moves < MOVES => {
                let next = first + STEP;
                talk(&format!(
                    "port {} is taken: trying {next} to {}\n",
                    taken.address.port(),
                    next + 3
                ));
            }
            Err(taken) => return Err(refused(&taken, first)),
        }
    }
    // The last turn of the loop has returned.
    Err(CommandError::failed("no free block of ports"))
}

fn bind(ip: IpAddr, first: u16) -> Result<Block, Taken> {
    let one = |offset: u16| {
        let port = if first == 0 {
            0
        } else {
            first.saturating_add(offset)
        };
        let address = SocketAddr::new(ip, port);
        let name = NAMES.get(usize::from(offset)).copied().unwrap_or_default();
        TcpListener::bind(address)
            .map(|l| (address, l))
            .map_err(|error| Taken {
                name,
                address,
                error,
            })
    };
    let (gate, admin, (_, issuer), (_, app)) = (one(0)?, one(1)?, one(2)?, one(3)?);
    Ok(Block {
        own: Some([gate, admin]),
        issuer,
        app,
    })
}

fn refused(taken: &Taken, first: u16) -> CommandError {
    let Taken {
        name,
        address,
        error,
    } = taken;
    let port = address.port();
    let stop = match error.kind() {
        io::ErrorKind::AddrInUse => CommandError::failed(format!(
            "{address} is taken, and the demo needs it for its {name}"
        )),
        _ => CommandError::failed(format!(
            "{address} cannot be listened on, and the demo needs it for its {name}"
        )),
    };
    let stop = stop.saw(error.to_string());
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let next = first
                .checked_add(STEP)
                .filter(|next| *next <= 65532)
                .unwrap_or(FIRST);
            stop.fix(format!(
                "bailiff demo --port {next}      or stop what listens there: `ss -ltnp 'sport = :{port}'` names it"
            ))
        }
        io::ErrorKind::PermissionDenied => {
            stop.fix("bailiff demo --port 8484: ports below 1024 are for root")
        }
        _ => stop.fix("give an address of this machine to --bind"),
    }
}

impl Block {
    /// Releases the gate's and the admin's address, which the server binds itself right after.
    pub(super) fn release(&mut self) -> (SocketAddr, SocketAddr) {
        let unset = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        self.own
            .take()
            .map_or((unset, unset), |[(gate, _), (admin, _)]| (gate, admin))
    }

    /// The URL of `listener` for clients on this machine.
    pub(super) fn url(&self, listener: &TcpListener) -> Result<String, CommandError> {
        let address = listener.local_addr();
        address
            .map(|a| self.url_of(&a.to_string()))
            .map_err(|e| CommandError::failed("a socket has no address").saw(e.to_string()))
    }

    /// As [`Block::url`], for an address as text. "All addresses" are reached over loopback.
    pub(super) fn url_of(&self, address: &str) -> String {
        let Ok(mut address) = address.parse::<SocketAddr>() else {
            return format!("http://{address}");
        };
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        format!("http://{address}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_with_one_port_taken_is_passed_over_whole() {
        let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
        // Two free blocks below the range of ephemeral ports. The third port of the first block is then taken.
        let free =
            |first: &u16| bind(localhost, *first).is_ok() && bind(localhost, first + STEP).is_ok();
        let first = (20_000..30_000).step_by(40).find(free).unwrap();
        let _taken = TcpListener::bind((localhost, first + 2)).unwrap();
        let mut block = search(localhost, first).map_err(|stop| stop.text).unwrap();
        let (gate, admin) = block.release();
        let (issuer, app) = (
            block.issuer.local_addr().unwrap(),
            block.app.local_addr().unwrap(),
        );
        assert_eq!(gate.port(), first + STEP);
        assert_eq!(
            [admin, issuer, app].map(|a| a.port() - gate.port()),
            [1, 2, 3]
        );
    }

    #[test]
    fn all_addresses_are_reached_over_loopback() {
        let block = bind(IpAddr::V4(Ipv4Addr::LOCALHOST), 0).ok().unwrap();
        assert_eq!(block.url_of("0.0.0.0:8484"), "http://127.0.0.1:8484");
        assert_eq!(block.url_of("[::]:8484"), "http://[::1]:8484");
        assert_eq!(block.url_of("10.0.0.7:1"), "http://10.0.0.7:1");
    }
}
