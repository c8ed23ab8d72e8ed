//! Listeners. They are bound before anything runs, so that an unavailable address is a fault of the start.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::PathBuf;

use pingora::apps::ServerApp;
use tokio::sync::watch;

use crate::config::faults::{Code, Fault, Faults};
use crate::config::settings::Address;
use crate::listen::{self, ListenError};

/// A bound listener, or the path of a Unix socket, which is bound when it is served.
pub(super) enum Bound {
    Tcp(TcpListener),
    Unix(PathBuf),
}

impl Bound {
    pub(super) fn at(address: &Address) -> Result<Self, Faults> {
        match address {
            Address::Unix(path) => Ok(Self::Unix(path.clone())),
            Address::Tcp(socket) => TcpListener::bind(socket)
                .map(Self::Tcp)
                .map_err(|error| cannot_listen(address, &error).into()),
        }
    }

    pub(super) fn address(&self) -> String {
        match self {
            Self::Tcp(listener) => listener
                .local_addr()
                .map(|a| a.to_string())
                .unwrap_or_default(),
            Self::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    /// Serves `app` here until `shutdown`. Needs a runtime.
    pub(super) fn serve<A>(
        self,
        name: &str,
        app: A,
        shutdown: watch::Receiver<bool>,
    ) -> Result<(), ListenError>
    where
        A: ServerApp + Send + Sync + 'static,
    {
        let address = self.address();
        match self {
            Self::Tcp(listener) => {
                listen::spawn(name, app, listener, shutdown);
            }
            Self::Unix(path) => {
                listen::spawn_unix(name, app, &path, shutdown)?;
            }
        }
        tracing::info!(listener = name, address, "listening");
        Ok(())
    }
}

/// The fault of an unavailable address, and its cure.
fn cannot_listen(address: &Address, error: &std::io::Error) -> Fault {
    let fault = match error.kind() {
        ErrorKind::AddrInUse => Fault::error(
            Code::AddressTaken,
            format!("the address {address} is taken"),
        )
        .fix(format!(
            "stop what listens on {address} (`ss -ltnp` names it), or choose another address"
        )),
        ErrorKind::PermissionDenied => Fault::error(
            Code::AddressTaken,
            format!("listening on {address} is not permitted"),
        )
        .fix("choose a port from 1024 on, or grant CAP_NET_BIND_SERVICE"),
        _ => Fault::error(
            Code::AddressTaken,
            format!("the address {address} cannot be listened on"),
        )
        .fix("choose an address of this machine"),
    };
    fault.saw(error.to_string())
}
