//! How a fault looks on a terminal: the line, the caret, and nothing secret.

use std::fmt;
use std::ops::Range;

use super::fault::{Code, Fault, is_unprintable};
use super::source::{Place, Source};

/// Bound: of a longer line only a window around the place is shown, in characters.
const WINDOW: usize = 120;

/// What stands for a secret.
const MASK: &str = "***";

/// A line as it may be shown, with the caret's place in it (characters, from 0).
pub(crate) struct Line {
    pub(crate) text: String,
    caret: usize,
    width: usize,
}

/// Prints one fault:
///
/// ```text
/// error[B001]: unknown key `leway`
///  --> bailiff.yaml:14:3
/// 14 |   leway: 10s
///    |   ^^^^^ did you mean `leeway`?
/// ```
pub(crate) fn fault(
    f: &mut fmt::Formatter<'_>,
    fault: &Fault,
    hidden: &[(Source, Range<usize>)],
) -> fmt::Result {
    writeln!(
        f,
        "{}[{}]: {}",
        fault.severity.name(),
        fault.code.name(),
        fault.what
    )?;
    let near = fault
        .near
        .as_ref()
        .map(|word| format!("did you mean `{word}`?"));
    let expected = fault.expected.as_ref();
    let mut unsaid = expected;
    if let Some(place) = &fault.place {
        let label = near.or_else(|| unsaid.take().map(|expected| format!("expected {expected}")));
        excerpt(f, place, &line(place, fault.code, hidden), label.as_deref())?;
    }
    for (word, text) in [
        ("saw   ", fault.saw.as_ref()),
        ("expect", unsaid),
        ("fix   ", fault.fix.as_ref()),
    ] {
        if let Some(text) = text {
            writeln!(f, "  {word} {text}")?;
        }
    }
    Ok(())
}

fn excerpt(
    f: &mut fmt::Formatter<'_>,
    place: &Place,
    line: &Line,
    label: Option<&str>,
) -> fmt::Result {
    let number = place.line().to_string();
    let gutter = " ".repeat(number.len());
    writeln!(f, " --> {place}")?;
    writeln!(f, "{number} | {}", line.text.trim_end())?;
    // Tabs stay tabs, so that the caret stands right whatever their width is.
    let indent: String = line
        .text
        .chars()
        .take(line.caret)
        .map(|c| if c == '\t' { c } else { ' ' })
        .collect();
    let carets = "^".repeat(line.width);
    match label {
        Some(label) => writeln!(f, "{gutter} | {indent}{carets} {label}"),
        None => writeln!(f, "{gutter} | {indent}{carets}"),
    }
}

/// The line of a place with everything hidden that must be.
pub(crate) fn line(place: &Place, code: Code, hidden: &[(Source, Range<usize>)]) -> Line {
    let bytes = place.line_bytes();
    let text = place.source.text().get(bytes.clone()).unwrap_or_default();
    let mut masks = likely_secrets(text, bytes.start, code);
    let near = |range: &Range<usize>| range.start < bytes.end && bytes.start < range.end;
    masks.extend(
        hidden
            .iter()
            .filter(|(source, range)| near(range) && source.is(&place.source))
            .map(|(_, range)| range.clone()),
    );
    crop(mask(text, bytes.start, &place.span.bytes(), masks))
}

/// Writes the line with `***` for each run of masked characters.
fn mask(text: &str, offset: usize, span: &Range<usize>, mut masks: Vec<Range<usize>>) -> Line {
    masks.sort_by_key(|mask| mask.start);
    let mut masks = masks.into_iter().peekable();
    let mut masked_until = 0; // offset
    let mut masking = None; // column at which the run of masked characters began
    let mut column = 0; // of what is written
    let mut line = Line {
        text: String::with_capacity(text.len()),
        caret: usize::MAX,
        width: 0,
    };
    for (index, c) in text.char_indices() {
        let at = offset + index;
        while let Some(mask) = masks.next_if(|mask| mask.start <= at) {
            masked_until = masked_until.max(mask.end);
        }
        if at >= masked_until {
            masking = None;
            line.text.push(if is_unprintable(c) && c != '\t' {
                '\u{fffd}'
            } else {
                c
            });
            column += 1;
        } else if masking.is_none() {
            masking = Some(column);
            line.text.push_str(MASK);
            column += MASK.len();
        }
        if at == span.start {
            line.caret = masking.unwrap_or(column.saturating_sub(1));
        }
        if span.contains(&at) {
            line.width = column.saturating_sub(line.caret);
        }
    }
    line.caret = line.caret.min(column); // the place may be the end of the line
    line.width = line.width.max(1);
    line
}

/// Cuts a long line down to the surroundings of its caret.
fn crop(line: Line) -> Line {
    let length = line.text.chars().count();
    if length <= WINDOW {
        return line;
    }
    let start = line
        .caret
        .saturating_sub(WINDOW / 2)
        .min(length.saturating_sub(WINDOW));
    let mut text = String::new();
    if start > 0 {
        text.push('…');
    }
    text.extend(line.text.chars().skip(start).take(WINDOW));
    if start + WINDOW < length {
        text.push('…');
    }
    let caret = line.caret - start + usize::from(start > 0);
    let room = text.chars().count().saturating_sub(caret).max(1);
    Line {
        text,
        caret,
        width: line.width.min(room),
    }
}

/// What looks like a secret in a line, whether or not anybody has said so: the second wall behind
/// [`crate::config::document::faults::Faults::hide`]. Lines with a fault of syntax, an unknown or a second key were
/// never read, so no section could mark them; for those the names of keys and long words count too.
fn likely_secrets(text: &str, offset: usize, code: Code) -> Vec<Range<usize>> {
    let unread = matches!(code, Code::Syntax | Code::UnknownKey | Code::DuplicateKey);
    let mut found: Vec<_> = credentials(text)
        .map(|at| offset + at.start..offset + at.end)
        .collect();
    for (start, word) in words(text) {
        let known = ["sk_test_", "sk_live_", "whsec_", "eyJ"]
            .iter()
            .any(|prefix| word.starts_with(prefix));
        if known || (unread && word.len() >= 32) {
            found.push(offset + start..offset + start + word.len());
        }
        let end = start + word.len();
        if unread
            && names_a_secret(word)
            && text
                .get(end..)
                .is_some_and(|rest| rest.trim_start_matches(['"', '\'']).starts_with(':'))
        {
            // From the value to the end of the line: what is broken may not end where it should.
            let rest = text.get(end..).unwrap_or_default();
            let value = rest.trim_start_matches(['"', '\'', ':', ' ', '\t', '[']);
            if !value.starts_with("${") || value.contains(":-") {
                found.push(offset + text.len() - value.len()..offset + text.trim_end().len());
            }
        }
    }
    found
}

/// What stands between `://` and `@`: user name and password of a URL.
fn credentials(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.match_indices("://").filter_map(|(at, scheme)| {
        let start = at + scheme.len();
        let rest = text.get(start..)?;
        let authority = rest.split(['/', ' ', '\t', '"', '\'']).next()?;
        authority.rfind('@').map(|end| start..start + end)
    })
}

fn names_a_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    [
        "secret",
        "token",
        "passw",
        "private",
        "credential",
        "jwt_key",
    ]
    .iter()
    .any(|part| key.contains(part))
}

/// Runs of the characters that keys, tokens and base64 are made of, with their offsets.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_part =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '/' | '=' | '.');
    let mut rest = 0;
    std::iter::from_fn(move || {
        let tail = text.get(rest..)?;
        let start = rest + tail.find(is_part)?;
        let word = text.get(start..)?;
        let length = word.find(|c| !is_part(c)).unwrap_or(word.len());
        rest = start + length;
        text.get(start..rest).map(|word| (start, word))
    })
}

#[cfg(test)]
mod tests {
    use super::{Code, Line, crop, likely_secrets, mask};

    fn shown(line: &Line) -> (String, String) {
        (
            line.text.clone(),
            format!("{}{}", " ".repeat(line.caret), "^".repeat(line.width)),
        )
    }

    #[test]
    fn the_caret_follows_what_is_masked() {
        let text = "{secret: hunter2, leeway: 10q}";
        let line = mask(text, 100, &(126..129), std::iter::once(109..116).collect());
        assert_eq!(
            shown(&line),
            (
                "{secret: ***, leeway: 10q}".into(),
                "                      ^^^".into()
            )
        );
        let line = mask(text, 100, &(109..116), std::iter::once(109..116).collect());
        assert_eq!(
            shown(&line),
            ("{secret: ***, leeway: 10q}".into(), "         ^^^".into())
        );
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let text = format!("{}X{}", "a".repeat(5000), "b".repeat(5000));
        let line = crop(mask(&text, 0, &(5000..5001), Vec::new()));
        assert_eq!(line.text.chars().count(), 122);
        assert_eq!(line.text.chars().nth(line.caret), Some('X'));
        let line = crop(mask(&text, 0, &(0..10_001), Vec::new()));
        assert!(line.width <= 121 && line.caret == 0);
    }

    #[test]
    fn lines_that_nobody_read_hide_what_looks_secret() {
        for (given, code, expected) in [
            ("secret_key: hunter2", Code::Syntax, "secret_key: ***"),
            ("\"secret\": [hunter2, x]", Code::Syntax, "\"secret\": [***"),
            ("secret_key: ${KEY}", Code::UnknownKey, "secret_key: ${KEY}"),
            (
                "secret_key: ${KEY:-hunter2}",
                Code::UnknownKey,
                "secret_key: ***",
            ),
            ("  a: sk_live_abc, b", Code::WrongValue, "  a: ***, b"),
            (
                "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7",
                Code::Syntax,
                "***",
            ),
            (
                "upstream: http://me:hunter2@x:1/p?a@b",
                Code::WrongValue,
                "upstream: http://***@x:1/p?a@b",
            ),
            (
                "  jwks_url: \"https://hunter2@x/y\", a: b@c",
                Code::WrongValue,
                "  jwks_url: \"https://***@x/y\", a: b@c",
            ),
            ("max_token_age: 10q", Code::WrongValue, "max_token_age: 10q"),
            ("leway: 10s", Code::UnknownKey, "leway: 10s"),
        ] {
            let line = mask(given, 0, &(0..1), likely_secrets(given, 0, code));
            assert_eq!(line.text, expected);
        }
    }
}
