//! `webhooks:`: whose signatures are believed.

use std::time::Duration;

use crate::domain::snapshot::WebhookPolicy;
use crate::domain::webhook::WebhookSecret;

use crate::config::reader::{Code, Fault, Faulty, Field, Fields, ReadContext, Reading};
use crate::config::values::secret::Secret;

const SECRET: &str = "whsec_… as the Clerk dashboard shows it under Webhooks, signing secret";
const ENV_SECRETS: [&str; 2] = ["CLERK_WEBHOOK_SIGNING_SECRET", "CLERK_WEBHOOK_SECRET"];

/// Reads which webhooks are believed; `None` if none are.
pub(crate) fn webhooks<'a>(
    root: &mut Fields<'a>,
    cx: ReadContext<'a>,
) -> Reading<Option<WebhookPolicy>> {
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
    let tolerance = fields.duration_or(
        "tolerance",
        5 * minute,
        Duration::from_secs(1)..=60 * minute,
    );
    let max_body = fields.read_or("max_body", 1 << 20, |field| field.bytes(1 << 10..=16 << 20));
    fields.finish();
    if section.is_present() && !written.is_present() && outer.is_empty() {
        let fault = Fault::error(
            Code::MissingKey,
            "`webhooks` without `secrets`: nobody could sign one",
        );
        return Err(of.reject(fault.fix("`secrets: [\"${CLERK_WEBHOOK_SIGNING_SECRET}\"]`")));
    }
    let (secrets, tolerance, max_body) = (secrets?, tolerance?, max_body?);
    let max_body = usize::try_from(max_body).map_err(|_| Faulty)?;
    Ok((!secrets.is_empty()).then_some(WebhookPolicy {
        secrets,
        tolerance,
        max_body,
    }))
}

fn written_secrets(field: Field<'_>, outer: &[Field<'_>]) -> Reading<Vec<WebhookSecret>> {
    let items = field.hidden().one_or_more()?;
    let good = items.len() <= 2;
    if !good {
        field.wrongly(
            Code::WrongValue,
            "has more than two secrets",
            "one, or two while rotating: the new and the old one",
        );
    }
    let secrets = distinct(Field::each(Ok(items), webhook_secret)?, field);
    for outer in outer {
        let unknown = |secret: &Secret| secrets.iter().flatten().all(|(known, _)| known != secret);
        if outer.secret().is_ok_and(|secret| unknown(&secret)) {
            field.overrules(*outer);
        }
    }
    let secrets = secrets?.into_iter().map(|(_, secret)| secret).collect();
    good.then_some(secrets).ok_or(Faulty)
}

/// Both variables count, so that a rotation needs no file.
fn outer_secrets(outer: &[Field<'_>]) -> Reading<Vec<WebhookSecret>> {
    let secrets = Field::each(Ok(outer.to_vec()), webhook_secret)?;
    let mut different = secrets;
    different.dedup_by(|(a, _), (b, _)| a == b);
    if let ([_, _], Some(first)) = (different.as_slice(), outer.first()) {
        let what = format!(
            "`{}` and `{}` are two different secrets: both count",
            ENV_SECRETS[0], ENV_SECRETS[1]
        );
        first.warn(
            Code::Contradiction,
            what,
            "unset the old one when the rotation is over",
        );
    }
    Ok(different.into_iter().map(|(_, secret)| secret).collect())
}

fn webhook_secret(field: Field<'_>) -> Reading<(Secret, WebhookSecret)> {
    field.hidden().parse(Code::Secret, SECRET, |text| {
        WebhookSecret::parse(text).map(|secret| (Secret::from(text.to_owned()), secret))
    })
}

fn distinct(
    secrets: Vec<(Secret, WebhookSecret)>,
    field: Field<'_>,
) -> Reading<Vec<(Secret, WebhookSecret)>> {
    if let [(a, _), (b, _)] = secrets.as_slice()
        && a == b
    {
        let what = "names the same secret twice";
        return Err(field.wrongly(Code::Contradiction, what, "the new one and the old one"));
    }
    Ok(secrets)
}
