//! Clerk's Backend API: where it is, and the secret key that opens it.

use std::sync::Arc;

use crate::config::reader::{Code, Field, Fields, ReadContext, Reading};
use crate::config::settings::BackendSettings;
use crate::config::values::clerk_keys::{SECRET, secret_key};
use crate::config::values::endpoint_url;
use crate::config::values::secret::Secret;

const API: &str = "https://api.clerk.com, or another https URL without a path";

/// The two keys of an issuer that lead to the Backend API.
#[derive(Clone, Copy)]
pub(crate) struct BackendKeys<'a> {
    pub(crate) secret: Field<'a>,
    api_url: Field<'a>,
}

impl<'a> BackendKeys<'a> {
    /// Of an issuer. With `outer`, variables fill what the file leaves out.
    pub(crate) fn of(fields: &mut Fields<'a>, outer: Option<ReadContext<'a>>) -> Self {
        let mut filled = |key, variable| match outer {
            Some(cx) => cx.fill(fields, key, variable),
            None => fields.opt(key),
        };
        Self {
            secret: filled("secret_key", "CLERK_SECRET_KEY"),
            api_url: filled("api_url", "CLERK_API_URL"),
        }
    }

    /// Of the variables alone.
    pub(crate) fn from_environment(cx: ReadContext<'a>) -> Self {
        Self {
            secret: cx.variable("CLERK_SECRET_KEY"),
            api_url: cx.variable("CLERK_API_URL"),
        }
    }

    /// Reads both; `None` without a secret key. The address is checked all the same: a wrong one would be found out late.
    pub(crate) fn read(self) -> Reading<Option<BackendSettings>> {
        let secret = self.secret.hidden().maybe(|field| {
            field.parse(Code::Secret, SECRET, |text| {
                secret_key(text).map(|live| (Arc::new(Secret::from(text.to_owned())), live))
            })
        });
        let api_url = self
            .api_url
            .maybe(|field| field.parse(Code::WrongValue, API, endpoint_url::api));
        // A variable that is set for the app beside the gate may have no effect here; a line of the config may not.
        if self.api_url.place().is_some() && !self.secret.is_present() {
            self.api_url.warn(
                Code::Contradiction,
                "`api_url` has no effect without `secret_key`",
                "`secret_key: ${CLERK_SECRET_KEY}`, or remove `api_url`",
            );
        }
        let (secret, api_url) = (secret?, api_url?);
        Ok(secret.map(|(secret, live)| BackendSettings {
            api_url: api_url.unwrap_or_else(|| BackendSettings::API_URL.to_owned()),
            secret,
            live,
        }))
    }

    /// Says that they do nothing for one of `issuers`: users are looked up at the instance of `clerk`.
    pub(crate) fn unused(self) {
        for field in [self.secret, self.api_url]
            .into_iter()
            .filter(|field| field.is_present())
        {
            let what = format!(
                "{} of a further issuer has no effect: users are looked up for `clerk` only",
                field.name
            );
            field.warn(Code::Contradiction, what, format!("remove {}", field.name));
        }
    }
}
