//! `paths:`: how the app behind the gate reads paths, where apps differ.

use crate::domain::path::CleanPath;
use crate::domain::routes::{Access, LetterCase, Methods, PathRules, Route, RouteTable, Suffix};

use super::faults::{Code, Fault, quoted};
use super::reader::Fields;
use super::routes::Line;

/// The section, and whether it says something about letter case.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Paths {
    pub(super) rules: PathRules,
    case_given: bool,
}

/// Reads the section.
pub(super) fn paths(root: &mut Fields<'_>) -> Option<Paths> {
    let section = root.opt("paths");
    if !section.is_present() {
        return Some(Paths::default());
    }
    let mut fields = section.fields("the paths")?;
    let (case, suffix) = (fields.opt("case"), fields.opt("suffix"));
    fields.finish();
    let cases = [
        ("sensitive", LetterCase::Sensitive),
        ("insensitive", LetterCase::Insensitive),
    ];
    let suffixes = [
        ("significant", Suffix::Significant),
        ("ignored", Suffix::Ignored),
    ];
    let case_given = case.is_present();
    let case = case.maybe(|field| field.choice(&cases));
    let suffix = suffix.maybe(|field| field.choice(&suffixes));
    let rules = PathRules {
        case: case?.unwrap_or_default(),
        suffix: suffix?.unwrap_or_default(),
    };
    Some(Paths { rules, case_given })
}

/// What to do with a section that could not be read: its faults are said, and nothing more is to be said for want of it.
pub(super) fn or_said(paths: Option<Paths>) -> Paths {
    paths.unwrap_or(Paths {
        rules: PathRules::default(),
        case_given: true,
    })
}

/// Warns where another letter case of a guarded path meets a route that is open to everybody, and nobody has said whether the app
/// tells cases apart: Express, ASP.NET and IIS do not, and there `/ADMIN` is a way into `/admin`.
pub(super) fn open_in_another_case(paths: Paths, table: &RouteTable, lines: &[Line<'_>]) {
    if paths.case_given {
        return;
    }
    let warned = lines
        .iter()
        .find_map(|line| Some((line.access, way_in(table, &line.route)?)));
    if let Some((at, (path, open))) = warned {
        let fault = Fault::warning(
            Code::Route,
            format!(
                "{} goes on to {}, which is open to everybody",
                quoted(&path),
                quoted(open.pattern.text())
            ),
        );
        let fault = fault.expected(
            "to know whether the app tells letter cases apart: Express and ASP.NET do not",
        );
        at.reject(fault.fix(
            "`paths: {case: insensitive}`; or `paths: {case: sensitive}` for an app that does, as Flask and FastAPI",
        ));
    }
}

/// A path that is this guarded route's in another letter case, and the open route that covers it.
fn way_in<'t>(table: &'t RouteTable, route: &Route) -> Option<(String, &'t Route)> {
    let is_open = |route: &Route| matches!(route.access, Access::Public | Access::Optional);
    if is_open(route) {
        return None;
    }
    let example = route.pattern.example();
    let [upper, lower] = [example.to_ascii_uppercase(), example.to_ascii_lowercase()];
    let methods = Methods::USUAL
        .iter()
        .filter(|method| route.methods.cover(method));
    methods
        .flat_map(|method| [(method, &upper), (method, &lower)])
        .find_map(|(method, other)| {
            let path = CleanPath::parse(other).ok().filter(|_| *other != example)?;
            let found = table.readings(method, &path)?.first().route;
            let leaves = is_open(found) && !found.pattern.same_paths(&route.pattern, table.rules());
            leaves.then(|| (other.clone(), &**found))
        })
}
