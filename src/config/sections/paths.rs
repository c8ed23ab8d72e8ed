//! `paths:`: how the app behind the gate reads paths, where apps differ.

use crate::domain::routes::{LetterCase, PathRules, Suffix};

use crate::config::reader::Fields;

/// The section; `None` where a key is not given.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Paths {
    pub(crate) case: Option<LetterCase>,
    pub(crate) suffix: Option<Suffix>,
}

/// Reads the section.
pub(crate) fn paths(root: &mut Fields<'_>) -> Option<Paths> {
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
    let case = case.maybe(|field| field.choice(&cases));
    let suffix = suffix.maybe(|field| field.choice(&suffixes));
    Some(Paths {
        case: case?,
        suffix: suffix?,
    })
}

impl Paths {
    pub(crate) fn rules(self) -> PathRules {
        PathRules {
            case: self.case.unwrap_or_default(),
            suffix: self.suffix.unwrap_or_default(),
        }
    }
}
