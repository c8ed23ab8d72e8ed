//! Maps Pingora's errors to the gate's reasons.

use pingora::{Error, ErrorSource, ErrorType};

use crate::domain::Rejection;

/// The reason for an error after the decision. Pingora's error has the side that caused it.
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
