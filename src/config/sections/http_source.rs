//! `membership.http`: an endpoint of the app that lists the members.

use std::sync::Arc;
use std::time::Duration;

use crate::config::reader::{Code, Fault, Field, Reading};
use crate::config::settings::{HttpMode, HttpSource};
use crate::config::values::endpoint_url::{self, EndpointError};

use super::postgres::lookup_times;

/// What stands in the address where the user's id comes.
const USER: &str = "{user}";
const ENDPOINT: &str = "https://host/path; plain http for loopback and private addresses only";
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Reads the section.
pub(crate) fn http_source(field: Field<'_>) -> Reading<HttpSource> {
    let mut fields = field.fields("the HTTP source")?;
    let modes = [("snapshot", false), ("lookup", true)];
    let lookup = fields.read_or("mode", false, |field| field.choice(&modes));
    let is_lookup = lookup == Ok(true);
    let url = fields
        .req("url")
        .parse(Code::WrongValue, ENDPOINT, |text| address(text, is_lookup));
    let token = fields.maybe("token", |field| field.secret().map(Arc::new));
    let max_bytes = fields.maybe("max_bytes", |field| field.bytes(1024..=1 << 30));
    let [interval, allow_empty, ttl, negative_ttl] =
        ["interval", "allow_empty", "ttl", "negative_ttl"].map(|key| fields.opt(key));
    for (other, mode) in [
        (interval, "snapshot"),
        (allow_empty, "snapshot"),
        (ttl, "lookup"),
        (negative_ttl, "lookup"),
    ] {
        if other.is_present() && is_lookup != (mode == "lookup") {
            let fault = Fault::warning(
                Code::Contradiction,
                format!("{} has no effect without `mode: {mode}`", other.name),
            );
            other.reject(fault.fix("remove it"));
        }
    }
    let interval = interval.duration_or(30 * SECOND, SECOND..=24 * HOUR);
    let allow_empty = allow_empty.bool_or(false);
    let times = lookup_times(ttl, negative_ttl);
    fields.finish();
    let (interval, allow_empty, (ttl, negative_ttl)) = (interval?, allow_empty?, times?);
    let (mode, most) = match lookup? {
        true => (
            HttpMode::Lookup { ttl, negative_ttl },
            HttpSource::MAX_BYTES_OF_ONE,
        ),
        false => (
            HttpMode::Snapshot {
                interval,
                allow_empty,
            },
            HttpSource::MAX_BYTES,
        ),
    };
    Ok(HttpSource {
        url: url?,
        token: token?,
        max_bytes: max_bytes?.unwrap_or(most),
        mode,
    })
}

/// Why a text is no address of an endpoint. Completes "`url` …".
#[derive(Debug, thiserror::Error)]
enum AddressError {
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error("has no `{USER}`, which `mode: lookup` puts the user's id at")]
    NoUser,
    #[error("has `{USER}` in its path or query more than once, or in its host")]
    UserElsewhere,
    #[error("has `{USER}`, which is for `mode: lookup`")]
    UserInSnapshot,
}

fn address(text: &str, lookup: bool) -> Result<String, AddressError> {
    match (text.matches(USER).count(), lookup) {
        (0, true) => return Err(AddressError::NoUser),
        (1.., false) => return Err(AddressError::UserInSnapshot),
        (2.., true) => return Err(AddressError::UserElsewhere),
        _ => {}
    }
    endpoint_url::endpoint(&text.replace(USER, "user"))?;
    // The secret goes to the host of the address: an id must never be a part of that.
    if lookup
        && text
            .split(USER)
            .next()
            .is_none_or(|before| endpoint_url::endpoint(before).is_err())
    {
        return Err(AddressError::UserElsewhere);
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_can_only_stand_behind_the_host() {
        for (given, lookup, good) in [
            ("https://app.test/membership", false, true),
            ("http://127.0.0.1:1/membership?all=1", false, true),
            ("http://10.0.0.7/membership", false, true),
            ("https://app.test/u/{user}", true, true),
            ("https://app.test/u?id={user}&x=1", true, true),
            ("http://app.test/membership", false, false),
            ("https://app.test", false, false),
            ("https://u:p@app.test/m", false, false),
            ("https://169.254.169.254/m", false, false),
            ("https://app.test/u/{user}", false, false),
            ("https://app.test/u", true, false),
            ("https://{user}/u", true, false),
            ("https://app.test{user}/u", true, false),
            ("https://app.test/{user}/{user}", true, false),
            ("{user}://app.test/u", true, false),
        ] {
            assert_eq!(
                address(given, lookup).is_ok(),
                good,
                "given: {given} {lookup}"
            );
        }
    }
}
