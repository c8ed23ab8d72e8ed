//! `paths:`: how the app behind the gate reads paths, where apps differ.

use crate::domain::routes::{LetterCase, PathRules, Suffix};

use crate::config::reader::{Fields, Reading};

/// The section; `None` where a key is not given.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Paths {
    pub(crate) case: Option<LetterCase>,
    pub(crate) suffix: Option<Suffix>,
}

/// Reads the section.
pub(crate) fn paths(root: &mut Fields<'_>) -> Reading<Paths> {
    let Some(mut fields) = root.section("paths", "the paths")? else {
        return Ok(Paths::default());
    };
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
    let case = case.maybe(|field| field.choice(&cases));
    let suffix = suffix.maybe(|field| field.choice(&suffixes));
    Ok(Paths {
        case: case?,
        suffix: suffix?,
    })
}

impl Paths {
    /// The rules of the section, with the defaults of keys that are absent.
    pub(crate) fn rules(self) -> PathRules {
        PathRules {
            case: self.case.unwrap_or_default(),
            suffix: self.suffix.unwrap_or_default(),
        }
    }
}
