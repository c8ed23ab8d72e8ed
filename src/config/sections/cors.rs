//! `cors:`: the origins whose pages may read our refusals.

use std::time::Duration;

use crate::domain::cors::Cors;

use crate::config::reader::{Code, Field, Fields, ReadContext, Reading, Shape};
use crate::config::values::url::{ORIGIN, origin};

/// Reads the origins whose pages may read our refusals.
pub(crate) fn cors<'a>(root: &mut Fields<'a>, cx: ReadContext<'a>) -> Reading<Cors> {
    let (section, outer) = (root.opt("cors"), cx.variable("CORS_ORIGINS"));
    if !section.is_present() {
        let Some(origins) = outer.maybe(comma_list)? else {
            return Ok(Cors::default());
        };
        return Ok(Cors {
            origins,
            credentials: true,
            max_age: 600,
        });
    }
    let mut fields = section.fields("the CORS settings")?;
    let written = fields.opt("origins");
    let origins = match (written.shape(), outer.is_present()) {
        // `origins: ${CORS_ORIGINS}`
        (Some(Shape::Scalar), _) => {
            cx.overruled(written, outer);
            comma_list(written)
        }
        (None, true) if !written.is_present() => comma_list(outer),
        (None, false) if !written.is_present() => {
            let expected = "`origins: [https://app.example.com]`";
            Err(section.wrongly(Code::MissingKey, "has no `origins`", expected))
        }
        _ => {
            let items = written.nonempty_list();
            let origins = Field::each(items, |field| field.parse(Code::WrongValue, ORIGIN, origin));
            origins.inspect(|origins| unlisted(written, origins, outer))
        }
    };
    let credentials = fields.bool_or("credentials", true);
    let max_age = fields.duration_or(
        "max_age",
        Duration::from_secs(600),
        Duration::ZERO..=Duration::from_secs(86_400),
    );
    fields.finish();
    Ok(Cors {
        origins: origins?,
        credentials: credentials?,
        max_age: max_age?.as_secs(),
    })
}

/// Warns about origins that only the variable names.
fn unlisted(written: Field<'_>, origins: &[Box<str>], outer: Field<'_>) {
    let Ok(text) = outer.str() else { return };
    if text
        .split(',')
        .map(str::trim)
        .any(|item| !item.is_empty() && !origins.iter().any(|origin| **origin == *item))
    {
        let what = format!(
            "{} names an origin that the config does not, and the config counts",
            outer.name
        );
        written.warn(
            Code::Contradiction,
            what,
            format!(
                "unset {}, or write `origins: ${{CORS_ORIGINS}}`",
                outer.name
            ),
        );
    }
}

fn comma_list(field: Field<'_>) -> Reading<Vec<Box<str>>> {
    let expected = format!("a comma list of origins, each {ORIGIN}");
    field.parse(Code::WrongValue, &expected, |text| {
        text.split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(origin)
            .collect::<Result<Vec<_>, _>>()
    })
}
