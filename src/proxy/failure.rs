//! From Pingora's errors to our reasons.

use pingora::{Error, ErrorSource, ErrorType};

use crate::domain::Rejection;

/// What an error after the verdict means. Pingora says whose fault it was.
pub(super) fn failure(error: &Error) -> Rejection {
    use ErrorType::{ConnectTimedout, ReadTimedout, WriteTimedout};
    match (error.esource(), error.etype()) {
        (ErrorSource::Upstream, ConnectTimedout | ReadTimedout | WriteTimedout) => {
            Rejection::UpstreamTimeout
        }
        (ErrorSource::Upstream, kind) if connecting(kind) => Rejection::UpstreamConnect,
        (ErrorSource::Upstream, _) => Rejection::UpstreamProtocol,
        (ErrorSource::Downstream, ReadTimedout) => Rejection::BodyTimeout,
        (
            ErrorSource::Downstream,
            ErrorType::ReadError
            | ErrorType::WriteError
            | ErrorType::ConnectionClosed
            | WriteTimedout,
        ) => Rejection::ClientGone,
        (ErrorSource::Downstream, _) => Rejection::BadRequest,
        (ErrorSource::Internal | ErrorSource::Unset, kind) if connecting(kind) => {
            Rejection::UpstreamConnect
        }
        (ErrorSource::Internal | ErrorSource::Unset, _) => Rejection::Internal,
    }
}

fn connecting(kind: &ErrorType) -> bool {
    use ErrorType::{
        BindError, ConnectError, ConnectNoRoute, ConnectRefused, ConnectTimedout, SocketError,
    };
    matches!(
        kind,
        ConnectRefused | ConnectNoRoute | ConnectError | ConnectTimedout | BindError | SocketError
    )
}
