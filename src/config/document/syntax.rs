//! Faults of YAML itself, in words that help.

use serde_saphyr::granit_parser::{ErrorKind, Marker, ScanError};

use super::fault::{Code, Fault};
use super::source::{Place, Source, Span, small};

const QUOTE_IT: &str = "put the value in quotes";
const INDENT: &str = "give all keys of one mapping, and all items of one list, the same indent";

/// Turns an error of the parser into a fault at its place.
pub(crate) fn fault(source: &Source, error: &ScanError, depth: usize) -> Fault {
    let span = span_at(error.marker());
    let place = source.place(span);
    let line = source
        .text()
        .get(place.line_bytes())
        .unwrap_or_default()
        .to_owned();
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        return too_deep(place, depth);
    }
    if is_tab(error.kind()) {
        return Fault::error(Code::Syntax, "a tab is used for indentation")
            .at(source.place(at_first_tab(span, &place, &line)))
            .expected("spaces");
    }
    let (what, fix) = describe(error.kind(), &place, &line);
    let fault = Fault::error(Code::Syntax, what).at(place);
    match fix {
        Some(fix) => fault.fix(fix),
        None => fault,
    }
}

/// The text is nested deeper than anybody nests a config.
pub(crate) fn too_deep(place: Place, depth: usize) -> Fault {
    Fault::error(Code::Bound, format!("nested deeper than {depth} levels")).at(place)
}

fn is_tab(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::TabInBlockIndentation | ErrorKind::TabNotAllowed | ErrorKind::TabInIndentation
    )
}

/// The parser points behind the tab.
fn at_first_tab(span: Span, place: &Place, line: &str) -> Span {
    let before = line.split('\t').next().unwrap_or_default();
    if before.len() == line.len() {
        return span;
    }
    let offset = u32::try_from(place.line_bytes().start + before.len()).unwrap_or(span.start);
    let column = u32::try_from(before.chars().count())
        .unwrap_or(0)
        .saturating_add(1);
    Span {
        start: offset,
        end: offset.saturating_add(1),
        column,
        ..span
    }
}

fn describe(kind: &ErrorKind, place: &Place, line: &str) -> (String, Option<&'static str>) {
    if is_reference_in_flow(place) {
        let what = "`${...}` inside `[ ]` or `{ }` needs quotes".to_owned();
        return (what, Some("write it as \"${...}\""));
    }
    let (what, fix) = match kind {
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => (
            "a `:` where no key can be",
            "check the indent of this line, and that brackets are closed before it; quote a text that contains `: `",
        ),
        ErrorKind::SimpleKeyExpected => (
            "a line that is not `key: value`",
            "write `key: value`, with a space after the colon",
        ),
        ErrorKind::ExpectedBlockMappingKey if value_begins_with_bracket(line) => (
            "text after a closing bracket",
            "put a value that begins with `{` or `[` in quotes",
        ),
        ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::InvalidIndentation => (
            "this line does not fit the indent of the lines above",
            INDENT,
        ),
        ErrorKind::UnclosedQuotedScalar | ErrorKind::InvalidQuotedScalarIndent => (
            "a quote is not closed",
            "close the quote on the line where it opens",
        ),
        ErrorKind::InvalidTrailingSingleQuotedScalar => (
            "text after a closing quote",
            "write a quote inside single quotes twice: ''",
        ),
        ErrorKind::InvalidTrailingDoubleQuotedScalar => (
            "text after a closing quote",
            "write a quote inside double quotes as \\\"",
        ),
        ErrorKind::UnclosedFlowCollection { .. } => {
            ("a bracket is not closed", "close it with `]` or `}`")
        }
        ErrorKind::ExpectedFlowMappingSeparator | ErrorKind::ExpectedFlowSequenceSeparator => (
            "expected `,` or a closing bracket",
            "close the bracket, or quote a text that contains brackets",
        ),
        ErrorKind::UnexpectedCharacter { character } if character.is_control() => {
            return (
                format!("control character U+{:04X}", u32::from(*character)),
                None,
            );
        }
        ErrorKind::UnexpectedCharacter { character } => {
            return (
                format!("a plain text cannot begin with `{character}`"),
                Some(QUOTE_IT),
            );
        }
        other => return (other.to_string(), None),
    };
    (what.to_owned(), Some(fix))
}

/// `[${NAME}]`: YAML reads the brace as the start of a mapping, right behind the `$`.
fn is_reference_in_flow(place: &Place) -> bool {
    let at = place.span.start as usize;
    let text = place.source.text();
    text.get(at..).is_some_and(|rest| rest.starts_with('{'))
        && text.get(..at).is_some_and(|before| before.ends_with('$'))
}

fn value_begins_with_bracket(line: &str) -> bool {
    line.split_once(": ")
        .is_some_and(|(_, value)| value.trim_start().starts_with(['{', '[']))
}

fn span_at(mark: &Marker) -> Span {
    let start = small(mark.byte_offset().unwrap_or_default());
    Span {
        start,
        end: start,
        line: small(mark.line()).max(1),
        column: small(mark.col()).saturating_add(1),
    }
}
