//! `upstream:`: where the app is.

use thiserror::Error;

use crate::config::reader::{Code, Fault, Field, ReadContext, Reading};
use crate::config::settings::{Upstream, UpstreamAddress};
use crate::config::values::url::{Url, UrlError};

use super::listeners::{AddressError, socket};

const UPSTREAM: &str = "http://host:port, h2c://host:port or unix:/path/of/socket";

/// Reads where the app is.
pub(crate) fn upstream<'a>(file: Field<'a>, cx: ReadContext<'a>) -> Reading<Upstream> {
    let places = cx.places("upstream", file);
    if !places.iter().any(|field| field.is_present()) {
        let fault = Fault::error(
            Code::MissingKey,
            "no upstream: nobody said where the app is",
        );
        return Err(cx.push(fault.fix(
            "`upstream: http://127.0.0.1:3000` in the config, BAILIFF_UPSTREAM, or --upstream",
        )));
    }
    ReadContext::first(&places, |field| {
        field.parse(Code::WrongValue, UPSTREAM, parse_upstream)
    })
}

/// Why a text is no upstream. Completes "`upstream` …".
#[derive(Debug, Error)]
enum UpstreamError {
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error(transparent)]
    Socket(#[from] AddressError),
    #[error("has the scheme `https`, and TLS to the upstream is not part of this version")]
    Tls,
    #[error("has an unknown scheme")]
    Scheme,
    #[error("has a path or query; the path of each request is passed on as it is")]
    Path,
}

fn parse_upstream(text: &str) -> Result<Upstream, UpstreamError> {
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok(Upstream {
            address: UpstreamAddress::Unix(socket(path)?),
            h2c: false,
        });
    }
    let url = Url::outbound(text)?;
    let h2c = match url.scheme.as_str() {
        "http" => false,
        "h2c" => true,
        "https" => return Err(UpstreamError::Tls),
        _ => return Err(UpstreamError::Scheme),
    };
    // A lone slash at the end has no meaning, and people paste it.
    if !matches!(url.path.as_str(), "" | "/") || !url.query.is_empty() {
        return Err(UpstreamError::Path);
    }
    Ok(Upstream {
        address: UpstreamAddress::Tcp {
            host: url.host.to_string(),
            port: url.port.unwrap_or(80),
        },
        h2c,
    })
}
