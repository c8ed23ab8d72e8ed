//! `webhooks:`: whose signatures are believed.

use std::time::Duration;

use crate::domain::snapshot::WebhookPolicy;
use crate::domain::webhook::WebhookSecret;

use crate::config::document::faults::{Code, Fault};
use crate::config::reader::environment::ReadContext;
use crate::config::reader::{Field, Fields};
use crate::config::values::secret::Secret;

const SECRET: &str = "whsec_… as the Clerk dashboard shows it under Webhooks, signing secret";
const ENV_SECRETS: [&str; 2] = ["CLERK_WEBHOOK_SIGNING_SECRET", "CLERK_WEBHOOK_SECRET"];

/// Reads which webhooks are believed; `Some(None)` if none are.
pub(crate) fn webhooks<'a>(
    root: &mut Fields<'a>,
    cx: ReadContext<'a>,
) -> Option<Option<WebhookPolicy>> {
    let section = root.opt("webhooks");
    let outer: Vec<_> = ENV_SECRETS
        .into_iter()
        .map(|name| cx.variable(name))
        .filter(|f| f.is_present())
        .collect();
    let (of, mut fields) = match section.is_present() {
        true => (section, section.fields("the webhooks")?),
        false => cx.nothing("the webhooks")?,
    };
    let written = fields.opt("secrets");
    let secrets = match written.is_present() {
        true => written_secrets(written, &outer),
        false => outer_secrets(&outer),
    };
    let minute = Duration::from_secs(60);
    let tolerance = fields
        .opt("tolerance")
        .duration_or(5 * minute, Duration::from_secs(1)..=60 * minute);
    let max_body = fields
        .opt("max_body")
        .maybe(|field| usize::try_from(field.bytes(1 << 10..=16 << 20)?).ok());
    fields.finish();
    if section.is_present() && !written.is_present() && outer.is_empty() {
        let fault = Fault::error(
            Code::MissingKey,
            "`webhooks` without `secrets`: nobody could sign one",
        );
        of.reject(fault.fix("`secrets: [\"${CLERK_WEBHOOK_SIGNING_SECRET}\"]`"));
        return None;
    }
    let (secrets, tolerance, max_body) = (secrets?, tolerance?, max_body?.unwrap_or(1 << 20));
    Some((!secrets.is_empty()).then_some(WebhookPolicy {
        secrets,
        tolerance,
        max_body,
    }))
}

fn written_secrets(field: Field<'_>, outer: &[Field<'_>]) -> Option<Vec<WebhookSecret>> {
    let items = field.hidden().one_or_more()?;
    let good = items.len() <= 2;
    if !good {
        field.wrongly(
            Code::WrongValue,
            "has more than two secrets",
            "one, or two while rotating: the new and the old one",
        );
    }
    let secrets = distinct(Field::each(Some(items), webhook_secret)?, field);
    for outer in outer {
        let unknown = |secret: &Secret| {
            secrets
                .iter()
                .flatten()
                .all(|(known, _)| known.expose() != secret.expose())
        };
        if outer.secret().is_some_and(|secret| unknown(&secret)) {
            let what = format!(
                "{} has no effect, because the config sets {}",
                outer.name, field.name
            );
            let fault = Fault::warning(Code::Contradiction, what);
            field.reject(fault.fix(format!(
                "unset {}, or remove {} from the config",
                outer.name, field.name
            )));
        }
    }
    let secrets = secrets?.into_iter().map(|(_, secret)| secret).collect();
    good.then_some(secrets)
}

/// Both variables count, so that a rotation needs no file.
fn outer_secrets(outer: &[Field<'_>]) -> Option<Vec<WebhookSecret>> {
    let secrets = Field::each(Some(outer.to_vec()), webhook_secret)?;
    let mut different = secrets;
    different.dedup_by(|(a, _), (b, _)| a.expose() == b.expose());
    if let ([_, _], Some(first)) = (different.as_slice(), outer.first()) {
        let what = format!(
            "`{}` and `{}` are two different secrets: both count",
            ENV_SECRETS[0], ENV_SECRETS[1]
        );
        first.reject(
            Fault::warning(Code::Contradiction, what)
                .fix("unset the old one when the rotation is over"),
        );
    }
    Some(different.into_iter().map(|(_, secret)| secret).collect())
}

fn webhook_secret(field: Field<'_>) -> Option<(Secret, WebhookSecret)> {
    field.hidden().told(Code::Secret, SECRET, |text| {
        WebhookSecret::parse(text).map(|secret| (Secret::from(text.to_owned()), secret))
    })
}

fn distinct(
    secrets: Vec<(Secret, WebhookSecret)>,
    field: Field<'_>,
) -> Option<Vec<(Secret, WebhookSecret)>> {
    if let [(a, _), (b, _)] = secrets.as_slice()
        && a.expose() == b.expose()
    {
        field.wrongly(
            Code::Contradiction,
            "names the same secret twice",
            "the new one and the old one",
        );
        return None;
    }
    Some(secrets)
}
