//! Guarded paths of which another spelling is open to everybody.

use std::sync::Arc;

use crate::domain::path::CleanPath;
use crate::domain::routes::{Methods, Route, RouteTable};

use crate::config::reader::{Code, Fault, quoted};
use crate::config::sections::paths::Paths;
use crate::config::sections::routes::RouteLine;

/// Warns where a variant of a guarded path is covered by open routes alone, and the config does not state whether the app tells the
/// two apart: to Express `/ADMIN` is `/admin`, to Rails `/admin.json` is.
pub(super) fn warn_of_open_variants(paths: Paths, table: &RouteTable, lines: &[RouteLine<'_>]) {
    if paths.case.is_none() {
        let fix = "`paths: {case: insensitive}` for Express, NestJS, Koa, React Router and ASP.NET; `paths: {case: sensitive}` for Flask, FastAPI, \
                   Django and Rails";
        warn(
            table,
            lines,
            other_cases,
            "how the app reads letter case",
            fix,
        );
    }
    if paths.suffix.is_none() {
        let fix = "`paths: {suffix: ignored}` for Rails and old versions of Spring; else `paths: {suffix: significant}`";
        warn(
            table,
            lines,
            |path| vec![format!("{path}.json")],
            "whether `.json` at the end makes another path for the app",
            fix,
        );
    }
}

/// This path with one segment in another letter case.
fn other_cases(path: &str) -> Vec<String> {
    let segments: Vec<&str> = path.split('/').collect();
    let with = |at: usize, new: String| {
        let one = |(i, old): (usize, &&str)| {
            if i == at {
                new.clone()
            } else {
                (*old).to_owned()
            }
        };
        segments
            .iter()
            .enumerate()
            .map(one)
            .collect::<Vec<_>>()
            .join("/")
    };
    let both = |(at, text): (usize, &&str)| {
        [
            with(at, text.to_ascii_uppercase()),
            with(at, text.to_ascii_lowercase()),
        ]
    };
    segments.iter().enumerate().flat_map(both).collect()
}

fn warn(
    table: &RouteTable,
    lines: &[RouteLine<'_>],
    variants: fn(&str) -> Vec<String>,
    expected: &str,
    fix: &str,
) {
    let found = lines
        .iter()
        .find_map(|line| Some((line.access, open_variant(table, &line.route, variants)?)));
    if let Some((at, (path, open))) = found {
        let (path, open) = (quoted(&path), quoted(open.pattern.text()));
        let fault = Fault::warning(
            Code::Route,
            format!("{path} is covered only by {open}, which is open to everybody"),
        );
        at.reject(fault.expected(expected).fix(fix));
    }
}

/// A variant of this guarded route's path that everybody may send, and the open route that covers it.
fn open_variant(
    table: &RouteTable,
    route: &Route,
    variants: fn(&str) -> Vec<String>,
) -> Option<(String, Arc<Route>)> {
    let example = route.pattern.example();
    if route.access.is_open() || example == "/" {
        return None;
    }
    let variants = variants(&example).into_iter();
    variants
        .filter(|variant| *variant != example)
        .find_map(|variant| {
            let path = CleanPath::parse(variant.clone()).ok()?;
            let mut methods = Methods::USUAL
                .iter()
                .filter(|method| route.methods.cover(method));
            let open = methods.find_map(|method| {
                let readings = table.readings(method, &path, &[])?;
                let all_open = readings
                    .iter()
                    .all(|reading| reading.route.access.is_open());
                all_open.then(|| readings.first().route.clone())
            })?;
            Some((variant, open))
        })
}
