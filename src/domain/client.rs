//! Whether a request came through a proxy.

use http::{HeaderMap, HeaderName};

use super::identity;

/// Folded names by which proxies, load balancers and CDNs tell that they forwarded a request, beside those that
/// [`identity::forwards`] knows.
const PROXIES: &[&str] = &[
    "via",
    "x_forwarded",
    "forwarded_for",
    "x_original_forwarded_for",
    "x_originating_ip",
    "x_remote_ip",
    "x_remote_addr",
    "x_envoy_external_address",
    "proxy_client_ip",
    "wl_proxy_client_ip",
    "cdn_loop",
    "cf_connecting_ip",
    "cf_connecting_ipv6",
    "cf_pseudo_ipv4",
    "cloudfront_viewer_address",
    "x_amz_cf_id",
    "fastly_client_ip",
    "fly_client_ip",
    "do_connecting_ip",
    "incap_client_ip",
    "x_sucuri_clientip",
    "x_azure_clientip",
    "x_azure_socketip",
    "x_appengine_user_ip",
    "x_nf_client_connection_ip",
    "x_vercel_forwarded_for",
];

/// A field by which a proxy tells that it forwarded the request, in any spelling that an app server reads alike.
#[must_use]
pub fn forwarding_header(headers: &HeaderMap) -> Option<&HeaderName> {
    headers.keys().find(|name| {
        let name = name.as_str();
        identity::forwards(name) || PROXIES.iter().any(|proxy| identity::folds_to(name, proxy))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_seen_in_every_spelling_of_its_headers() {
        let seen = |name: &str| {
            let name = HeaderName::try_from(name).expect("a name");
            forwarding_header(&HeaderMap::from_iter([(name, http::HeaderValue::from_static(""))])).is_some()
        };
        for name in ["X-Forwarded-For", "x_forwarded_proto", "Forwarded", "x-real-ip", "Via", "CF-Connecting-IP"] {
            assert!(seen(name), "{name}");
        }
        for name in ["host", "accept", "x-request-id", "forwarder", "viaduct", "x-workspace-id"] {
            assert!(!seen(name), "{name}");
        }
    }
}
