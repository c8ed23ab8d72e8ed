//! Header fields by which app servers, frameworks and common middlewares override what the gate judged or set.
//!
//! gunicorn cuts the `SCRIPT_NAME` of a client on loopback off the path. With `/public`, the gate judges `GET /public/admin/x` by
//! `/public/**`, and the app runs `/admin/x`. There are many such fields, and the gate strips all of them on every route.
//! `docs/known-attacks.md` has a row for each: which software reads it, since when, and what a client loses.

use std::fmt;

/// What an app takes from such a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Override {
    Path,
    Root,
    Method,
    Scheme,
    Host,
    User,
    File,
}

impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Path => "the path",
            Self::Root => "the root of the path",
            Self::Method => "the method",
            Self::Scheme => "the scheme",
            Self::Host => "the host",
            Self::User => "the user",
            Self::File => "the place of a file",
        })
    }
}

/// Folded names, and folded beginnings of names that end in `*`, grouped by what an app takes from them.
pub(super) const OVERRIDES: &[(Override, &[&str])] = &[
    (
        Override::Path,
        &[
            "script_name",
            "path_info",
            "daphne_root_path",
            "x_script_name",
            "x_original_url",
            "x_original_uri",
            "x_rewrite_url",
            "x_ms_original_url",
            "x_forwarded_uri",
            "x_forwarded_path",
            "x_original_path",
            "x_replaced_path",
            "x_matched_path",
            "x_now_route_matches",
            "x_invoke_*",
            "x_middleware_subrequest",
            "x_middleware_invoke",
            "x_middleware_rewrite",
            "x_middleware_redirect",
            "x_middleware_next",
            "x_middleware_skip",
            "x_middleware_set_cookie",
            "x_middleware_override_headers",
            "x_middleware_request_*",
            "x_action_forwarded",
            // Next.js rewrites the request by this field to an intercepting route, whose layouts are those of another path.
            "next_url",
            "next_resume",
            "x_next_resume_state_length",
            "x_astro_*",
            "x_envoy_original_path",
            "x_envoy_original_url",
            "spring_cloud_function_*",
            "lambda_runtime_*",
            "request_uri",
            "raw_uri",
            "query_string",
            "path_translated",
            "script_url",
            "script_uri",
            "redirect_*",
            "orig_path_info",
            "orig_script_name",
            "unencoded_url",
            "iis_wasurlrewritten",
        ],
    ),
    (
        Override::Root,
        &[
            "x_forwarded_prefix",
            "x_forwarded_script_name",
            "x_original_prefix",
            "x_ingress_path",
        ],
    ),
    (
        Override::Method,
        &[
            "x_http_method_override",
            "x_http_method",
            "x_method_override",
            "x_original_method",
            "x_forwarded_method",
            "request_method",
        ],
    ),
    (
        Override::Scheme,
        &[
            "x_scheme",
            "x_https",
            "x_url_scheme",
            "x_original_proto",
            "x_proxied_https",
            "front_end_https",
            "scheme",
            "https",
            "from_https",
            "request_scheme",
            "wsgi_url_scheme",
            "rack_url_scheme",
            "cloudfront_forwarded_proto",
            "cf_visitor",
            "proxy_auth_cert",
            "proxy_ssl_id",
            "wl_proxy_ssl",
            "x_arr_ssl",
        ],
    ),
    (
        Override::Host,
        &[
            "forwarded",
            "x_host",
            "x_host_override",
            "x_http_host_override",
            "x_original_host",
            "x_envoy_original_dst_host",
            "server_name",
            "server_port",
            "l5d_*",
            "knative_serving_*",
            "dapr_app_id",
            // Of these, only the ones in `PROXIED` pass, and only from trusted proxies.
            "x_forwarded_*",
        ],
    ),
    (
        Override::User,
        &[
            "remote_*",
            "x_remote_*",
            "x_forwarded_user",
            "x_forwarded_email",
            "x_forwarded_groups",
            "x_forwarded_preferred_username",
            "x_forwarded_access_token",
            "x_forwarded_client_cert",
            "x_forwarded_tls_client_cert*",
            "x_auth_request_*",
            "x_authenticated_*",
            "x_webauth_*",
            "x_authentik_*",
            "x_vouch_*",
            "x_pomerium_*",
            "x_proxy_user",
            "x_proxy_roles",
            "x_consumer_*",
            "x_credential_*",
            "x_anonymous_consumer",
            "x_goog_authenticated_*",
            "x_goog_iap_*",
            "x_appengine_*",
            "x_amzn_oidc_*",
            "x_amzn_mtls_*",
            "x_ms_client_principal*",
            "x_ms_token_*",
            "ms_aspnetcore_*",
            "cf_access_*",
            "tailscale_*",
            "gap_auth",
            "gap_signature",
            "sm_*",
            "iv_user",
            "iv_groups",
            "iv_creds",
            "iv_remote_address",
            "ct_remote_user",
            "oam_remote_user",
            "osso_*",
            "oidc_*",
            "mellon_*",
            "shib_*",
            "proxy_user",
            "proxy_remote_user",
            "proxy_user_dn",
            "proxy_issuer_dn",
            "x_userinfo",
            "x_id_token",
            "x_endpoint_api_userinfo",
            "x_apigateway_api_userinfo",
            "x_rstudio_username",
            "php_auth_*",
            // A second spelling of Authorization. A route may withhold Authorization from the app.
            "cgi_authorization",
            "x_serverless_authorization",
            "auth_type",
            "auth_user",
            "logon_user",
            "client_cert",
            "client_cert_chain",
            "x_client_cert",
            "x_client_dn",
            "x_client_verify",
            "ssl_*",
            "x_ssl_*",
            "x_arr_clientcert",
            "wl_proxy_client_*",
            // WebSphere's private headers: `$WSRU` is the user, `$WSSN` the host, `$WSSC` the scheme.
            "_ws*",
        ],
    ),
    (
        Override::File,
        &[
            "x_sendfile_type",
            "x_accel_*",
            "document_root",
            "document_uri",
            "script_filename",
            // CGI passes it to the app as HTTP_PROXY, and the app then sends its own requests through that proxy (CVE-2016-5385).
            "proxy",
        ],
    ),
];

/// All names of [`OVERRIDES`], one by one.
pub(super) fn all() -> impl Iterator<Item = (&'static str, Override)> {
    OVERRIDES
        .iter()
        .flat_map(|(what, names)| names.iter().map(move |name| (*name, *what)))
}
