//! `trusted_proxies:`: the proxies in front.

use ipnet::IpNet;

use crate::domain::client;

use crate::config::reader::{Code, Field, Fields, Reading};

/// Reads the proxies in front.
pub(crate) fn trusted_proxies(root: &mut Fields<'_>) -> Reading<Vec<IpNet>> {
    let expected = "an address or a network such as 10.0.0.0/8";
    let proxy = |field: Field<'_>| {
        field.parse(Code::WrongValue, expected, |text| match network(text)? {
            net if net.prefix_len() == 0 => {
                Err("is everybody: anybody could say where a request came from")
            }
            net => Ok(net),
        })
    };
    root.read_or("trusted_proxies", vec![], |field| {
        Field::each(field.one_or_more(), proxy)
    })
}

/// An address or a network, as its requests show it.
pub(crate) fn network(text: &str) -> Result<IpNet, &'static str> {
    if let Ok(address) = text.parse::<std::net::IpAddr>() {
        return Ok(IpNet::from(address.to_canonical()));
    }
    let network: IpNet = text.parse().map_err(|_| "is not a network")?;
    match network {
        network if network.trunc() != network => {
            Err("has bits behind its prefix; does it mean one address or its whole network?")
        }
        network => Ok(client::canonical(network)),
    }
}
