//! Cross-origin requests: which browsers' pages may read our refusals, and the answer to their preflights.
//!
//! What the upstream answers is the upstream's business; we add nothing to it.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::head::RequestHead;

/// The origins of `cors.origins`. Without any, preflights are requests like all others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    pub origins: Vec<Box<str>>,
    /// Whether the browser may send cookies. Never together with `*`, which is no origin here.
    pub credentials: bool,
    /// How long a browser may keep the answer to a preflight, in seconds.
    pub max_age: u64,
}

/// Header fields to write.
pub type Fields = Vec<(HeaderName, HeaderValue)>;

impl Cors {
    /// The answer to a preflight (Fetch standard, 4.8) of a listed origin: status 204 and these fields. Anything that is
    /// less than a whole preflight goes the way of every request, so OPTIONS opens no door (attack A-120).
    #[must_use]
    pub fn preflight(&self, head: &RequestHead) -> Option<Fields> {
        if *head.method != Method::OPTIONS || self.origins.is_empty() || has_body(head.headers) {
            return None;
        }
        let one = |name: HeaderName| head.single(&name).ok().flatten();
        let origin = self.listed(head.headers)?;
        let method = one(header::ACCESS_CONTROL_REQUEST_METHOD).filter(|m| Method::from_bytes(m.as_bytes()).is_ok())?;
        let asked = one(header::ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_, ".contains(&b);
        if asked.len() > 1024 || !asked.bytes().all(plain) {
            return None;
        }
        let mut fields = self.allow(origin);
        fields.push((header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_str(method).ok()?));
        if !asked.is_empty() {
            fields.push((header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_str(asked).ok()?));
        }
        fields.push((header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(self.max_age)));
        Some(fields)
    }

    /// The fields that let a listed origin read a refusal; a browser hides the 401 from the page otherwise.
    #[must_use]
    pub fn on_refusal(&self, headers: &HeaderMap) -> Fields {
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

    /// The Origin field when it is there once and listed to the letter: no pattern, no `null`, no suffix (attack A-121).
    fn listed<'r>(&self, headers: &'r HeaderMap) -> Option<&'r HeaderValue> {
        let mut values = headers.get_all(header::ORIGIN).iter();
        let (origin, more) = (values.next()?, values.next());
        let known = self.origins.iter().any(|o| o.as_bytes() == origin.as_bytes());
        (known && more.is_none()).then_some(origin)
    }

    fn allow(&self, origin: &HeaderValue) -> Fields {
        let mut fields = vec![
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()),
            (header::VARY, HeaderValue::from_static("Origin")),
        ];
        if self.credentials {
            fields.push((header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")));
        }
        fields
    }
}

fn has_body(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH).is_some_and(|l| l.as_bytes() != b"0");
    length || headers.contains_key(header::TRANSFER_ENCODING)
}
