//! Cross-origin requests: which origins may read the gate's refusals, and the answers to their preflights.
//!
//! The gate adds nothing to the upstream's answers.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::head::RequestHead;

/// The origins of `cors.origins`. If there are none, preflights are handled like other requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    pub origins: Vec<Box<str>>,
    /// Whether the browser may send cookies. It is never combined with `*`, which is not an allowed origin.
    pub credentials: bool,
    /// How long a browser may keep the answer to a preflight, in seconds.
    pub max_age: u64,
}

/// Header fields to write.
pub type ResponseFields = Vec<(HeaderName, HeaderValue)>;

impl Cors {
    /// The answer to a complete preflight (Fetch standard, 4.8) of a listed origin: status 204 and these fields. An incomplete
    /// preflight is judged like every request, so OPTIONS opens no route (attack A-120).
    #[must_use]
    pub fn preflight(&self, head: &RequestHead) -> Option<ResponseFields> {
        if *head.method != Method::OPTIONS || self.origins.is_empty() || has_body(head.headers) {
            return None;
        }
        let one = |name: HeaderName| head.single(&name).ok().flatten();
        let origin = self.listed(head.headers)?;
        let method = one(header::ACCESS_CONTROL_REQUEST_METHOD)
            .filter(|m| Method::from_bytes(m.as_bytes()).is_ok())?;
        let asked = one(header::ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_, ".contains(&b);
        if asked.len() > 1024 || !asked.bytes().all(plain) {
            return None;
        }
        let mut fields = self.allow(origin);
        fields.push((
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_str(method).ok()?,
        ));
        if !asked.is_empty() {
            fields.push((
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                HeaderValue::from_str(asked).ok()?,
            ));
        }
        fields.push((
            header::ACCESS_CONTROL_MAX_AGE,
            HeaderValue::from(self.max_age),
        ));
        Some(fields)
    }

    /// The origin of a complete preflight (Fetch standard, 4.8) that is not listed. A preflight never carries a token. It is
    /// refused like every request without a token, and the origin gives the log the reason.
    #[must_use]
    pub fn unlisted_preflight<'r>(
        &self,
        method: &Method,
        headers: &'r HeaderMap,
    ) -> Option<&'r HeaderValue> {
        let asks = headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if *method != Method::OPTIONS || !asks || headers.contains_key(header::AUTHORIZATION) {
            return None;
        }
        self.unlisted(headers)
    }

    /// The origin of a request, when it is not listed.
    #[must_use]
    pub fn unlisted<'r>(&self, headers: &'r HeaderMap) -> Option<&'r HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        self.listed(headers).is_none().then_some(origin)
    }

    /// The fields that let a listed origin read the gate's own answers, refusals included. Without them a browser hides the 401
    /// from the page (A-122).
    #[must_use]
    pub fn on_refusal(&self, headers: &HeaderMap) -> ResponseFields {
        if self.origins.is_empty() {
            return vec![];
        }
        match self.listed(headers) {
            None => vec![(header::VARY, HeaderValue::from_static("Origin"))],
            Some(origin) => {
                let mut fields = self.allow(origin);
                let seen = HeaderValue::from_static("x-request-id, www-authenticate");
                fields.push((header::ACCESS_CONTROL_EXPOSE_HEADERS, seen));
                fields
            }
        }
    }

    /// The Origin field, when it is there once and equals a listed origin exactly: no pattern, no `null`, no suffix (attack
    /// A-121).
    fn listed<'r>(&self, headers: &'r HeaderMap) -> Option<&'r HeaderValue> {
        let mut values = headers.get_all(header::ORIGIN).iter();
        let (origin, more) = (values.next()?, values.next());
        (self.lists(origin) && more.is_none()).then_some(origin)
    }

    /// Whether the list contains exactly this origin.
    pub(super) fn lists(&self, origin: &HeaderValue) -> bool {
        self.origins
            .iter()
            .any(|o| o.as_bytes() == origin.as_bytes())
    }

    fn allow(&self, origin: &HeaderValue) -> ResponseFields {
        let mut fields = vec![
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()),
            (header::VARY, HeaderValue::from_static("Origin")),
        ];
        if self.credentials {
            fields.push((
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            ));
        }
        fields
    }
}

fn has_body(headers: &HeaderMap) -> bool {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .is_some_and(|l| l.as_bytes() != b"0");
    length || headers.contains_key(header::TRANSFER_ENCODING)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use http::Version;

    use super::*;
    use crate::domain::head::Incoming;
    use crate::domain::ids::RequestId;

    const APP: &str = "https://app.test";

    fn cors(credentials: bool) -> Cors {
        Cors {
            origins: vec![APP.into(), "https://app.test:8443".into()],
            credentials,
            max_age: 600,
        }
    }

    fn header_map(fields: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
            headers.append(HeaderName::try_from(*name).expect("a name"), value);
        }
        headers
    }

    fn told(fields: ResponseFields) -> Vec<String> {
        fields
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().expect("ASCII")))
            .collect()
    }

    fn preflight(cors: &Cors, method: &Method, fields: &[(&str, &str)]) -> Option<Vec<String>> {
        let mut headers = header_map(fields);
        headers.insert("host", HeaderValue::from_static("api.test"));
        let incoming = Incoming {
            method,
            target: b"/admin",
            version: Version::HTTP_11,
            headers: &headers,
            peer: None::<IpAddr>,
            fresh_id: RequestId::parse("r").expect("an id"),
        };
        cors.preflight(&RequestHead::parse(incoming).expect("a good head"))
            .map(told)
    }

    const ORIGIN: (&str, &str) = ("origin", APP);
    const METHOD: (&str, &str) = ("access-control-request-method", "DELETE");

    #[test]
    fn a_preflight_of_a_listed_origin_is_answered_with_exactly_what_it_asked_for() {
        let asked = (
            "access-control-request-headers",
            "authorization, X-Workspace_Id",
        );
        assert_eq!(
            preflight(&cors(true), &Method::OPTIONS, &[ORIGIN, METHOD, asked]).expect("an answer"),
            [
                "access-control-allow-origin: https://app.test",
                "vary: Origin",
                "access-control-allow-credentials: true",
                "access-control-allow-methods: DELETE",
                "access-control-allow-headers: authorization, X-Workspace_Id",
                "access-control-max-age: 600",
            ]
        );
        assert_eq!(
            preflight(
                &cors(false),
                &Method::OPTIONS,
                &[ORIGIN, METHOD, ("content-length", "0")]
            )
            .expect("an answer"),
            [
                "access-control-allow-origin: https://app.test",
                "vary: Origin",
                "access-control-allow-methods: DELETE",
                "access-control-max-age: 600",
            ]
        );
    }

    // Attack A-120.
    #[test]
    fn less_than_a_whole_preflight_goes_the_way_of_every_request() {
        let long = "a".repeat(1025);
        for (given, method, fields) in [
            ("another method", Method::GET, vec![ORIGIN, METHOD]),
            ("no origin", Method::OPTIONS, vec![METHOD]),
            ("no method asked for", Method::OPTIONS, vec![ORIGIN]),
            (
                "an empty method",
                Method::OPTIONS,
                vec![ORIGIN, ("access-control-request-method", "")],
            ),
            (
                "no method at all",
                Method::OPTIONS,
                vec![ORIGIN, ("access-control-request-method", "A B")],
            ),
            ("two methods", Method::OPTIONS, vec![ORIGIN, METHOD, METHOD]),
            ("two origins", Method::OPTIONS, vec![ORIGIN, ORIGIN, METHOD]),
            (
                "a body",
                Method::OPTIONS,
                vec![ORIGIN, METHOD, ("content-length", "5")],
            ),
            (
                "a chunked body",
                Method::OPTIONS,
                vec![ORIGIN, METHOD, ("transfer-encoding", "chunked")],
            ),
            (
                "odd headers",
                Method::OPTIONS,
                vec![ORIGIN, METHOD, ("access-control-request-headers", "a: b")],
            ),
            (
                "endless headers",
                Method::OPTIONS,
                vec![ORIGIN, METHOD, ("access-control-request-headers", &long)],
            ),
        ] {
            assert_eq!(preflight(&cors(true), &method, &fields), None, "{given}");
        }
        let nobody = Cors::default();
        assert_eq!(
            preflight(&nobody, &Method::OPTIONS, &[ORIGIN, METHOD]),
            None,
            "no origin is listed"
        );
    }

    // Attack A-121.
    #[test]
    fn an_origin_is_listed_to_the_letter_or_not_at_all() {
        for origin in [
            "null",
            "*",
            "",
            "https://app.test.evil.com",
            "https://evilapp.test",
            "https://APP.test",
            "HTTPS://app.test",
            "https://app.test/",
            "https://app.test:443",
            "https://app.test:84430",
            "http://app.test",
            "https://app.test https://evil.test",
            "https://user@app.test",
            "https://\u{e4}pp.test",
        ] {
            let fields = [("origin", origin), METHOD];
            assert_eq!(
                preflight(&cors(true), &Method::OPTIONS, &fields),
                None,
                "{origin}"
            );
            let refused = told(cors(true).on_refusal(&header_map(&fields)));
            assert_eq!(
                refused,
                ["vary: Origin"],
                "a cache must not mix them up: {origin}"
            );
        }
        assert!(
            preflight(
                &cors(true),
                &Method::OPTIONS,
                &[("origin", "https://app.test:8443"), METHOD]
            )
            .is_some()
        );
    }

    #[test]
    fn a_whole_preflight_of_a_strange_origin_is_told_from_other_requests_without_a_token() {
        let strange = ("origin", "https://evil.test");
        let token = ("authorization", "Bearer x");
        for (given, method, fields, expected) in [
            (
                "a preflight",
                Method::OPTIONS,
                vec![strange, METHOD],
                Some("https://evil.test"),
            ),
            (
                "a listed origin",
                Method::OPTIONS,
                vec![ORIGIN, METHOD],
                None,
            ),
            (
                "with a token",
                Method::OPTIONS,
                vec![strange, METHOD, token],
                None,
            ),
            ("no method asked for", Method::OPTIONS, vec![strange], None),
            ("no origin", Method::OPTIONS, vec![METHOD], None),
            ("another method", Method::GET, vec![strange, METHOD], None),
        ] {
            let headers = header_map(&fields);
            let origin = cors(true).unlisted_preflight(&method, &headers);
            assert_eq!(
                origin.and_then(|origin| origin.to_str().ok()),
                expected,
                "{given}"
            );
        }
        let headers = header_map(&[ORIGIN, METHOD]);
        assert!(
            Cors::default()
                .unlisted_preflight(&Method::OPTIONS, &headers)
                .is_some(),
            "no origin is listed"
        );
    }

    // Attack A-122.
    #[test]
    fn a_listed_origin_may_read_a_refusal() {
        let fields = |credentials| told(cors(credentials).on_refusal(&header_map(&[ORIGIN])));
        let allowed = "access-control-allow-origin: https://app.test";
        let exposed = "access-control-expose-headers: x-request-id, www-authenticate";
        assert_eq!(fields(false), [allowed, "vary: Origin", exposed]);
        assert_eq!(
            fields(true),
            [
                allowed,
                "vary: Origin",
                "access-control-allow-credentials: true",
                exposed
            ]
        );
        assert_eq!(
            told(cors(true).on_refusal(&header_map(&[ORIGIN, ORIGIN]))),
            ["vary: Origin"]
        );
        assert!(
            Cors::default()
                .on_refusal(&header_map(&[ORIGIN]))
                .is_empty()
        );
    }
}
