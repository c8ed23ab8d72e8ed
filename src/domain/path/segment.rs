//! One segment of a path, in the ways that app servers may read it.

/// A segment in raw and decoded form. Neither contains a slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathSegment<'p> {
    raw: &'p str,
    text: &'p str,
}

impl<'p> PathSegment<'p> {
    pub(super) fn new(raw: &'p str, text: &'p str) -> Self {
        Self { raw, text }
    }

    /// The percent-decoded segment.
    #[must_use]
    pub fn text(self) -> &'p str {
        self.text
    }

    /// Whether every app server reads the same text in it, whether it decodes the segment (uvicorn, gunicorn, nginx) or not
    /// (Express, Rails). Nothing is encoded that could stand unencoded (RFC 3986, 6.2.2.2), and hex digits are in upper case
    /// (6.2.2.1).
    #[must_use]
    pub fn is_canonically_encoded(self) -> bool {
        // An escape is three bytes long, and the byte that it encodes is one.
        self.raw.len() == self.text.len() || self.raw.split('%').skip(1).all(is_canonical_escape)
    }

    /// The segment as the client sent it.
    #[must_use]
    pub fn raw(self) -> &'p str {
        self.raw
    }

    /// The segment without spaces around it and dots at its end, as Windows and other trimming app servers read it.
    #[must_use]
    pub fn trimmed(self) -> &'p str {
        self.text
            .trim_start_matches(' ')
            .trim_end_matches([' ', '.'])
    }

    /// The segment without its last `.suffix`. Rails and older versions of Spring read that as the format of the answer.
    #[must_use]
    pub fn without_suffix(self) -> &'p str {
        self.text
            .rsplit_once('.')
            .map_or(self.text, |(stem, _)| stem)
    }
}

/// Whether `rest`, which follows a `%`, begins with the canonical escape of a byte that must be encoded. The path was decoded
/// before, so the two digits are there.
fn is_canonical_escape(rest: &str) -> bool {
    let digits = rest.get(..2).unwrap_or_default();
    let byte = u8::from_str_radix(digits, 16);
    let upper = !digits.bytes().any(|digit| digit.is_ascii_lowercase());
    upper && byte.is_ok_and(|byte| !super::is_pchar(byte))
}

/// Equality for apps that ignore letter case beyond ASCII: `ſ` equals `s`, the Kelvin sign equals `k`, `É` equals `é`.
#[must_use]
pub fn eq_ignore_case(a: &str, b: &str) -> bool {
    // Both are folded during the comparison: the attacker chooses the length, and most comparisons end at the first letter.
    a.eq_ignore_ascii_case(b) || folded(a).eq(folded(b))
}

fn folded(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::super::Target;
    use super::*;

    fn only<T>(target: &str, ask: impl Fn(PathSegment<'_>) -> T) -> T {
        let target = Target::parse(target.as_bytes()).expect("a clean target");
        ask(target.path.segments().next().expect("a segment"))
    }

    #[test]
    fn what_could_stand_as_it_is_has_two_spellings_when_it_is_encoded() {
        for byte in (0x21..0x7f_u8).filter(|byte| super::super::is_pchar(*byte)) {
            let upper = format!("/x%{byte:02X}y");
            assert!(!only(&upper, |s| s.is_canonically_encoded()), "{upper}");
            assert!(
                !only(&upper.to_lowercase(), |s| s.is_canonically_encoded()),
                "{upper} in lower case"
            );
        }
        for one in ["/a-b.c_d~e", "/caf%C3%A9", "/a%20b", "/%5Bx%5D"] {
            assert!(only(one, |s| s.is_canonically_encoded()), "{one}");
        }
        for two in ["/caf%c3%a9", "/caf%C3%a9", "/a%20%62", "/%5bx%5D"] {
            assert!(!only(two, |s| s.is_canonically_encoded()), "{two}");
        }
    }

    #[test]
    fn looser_readers_have_a_reading_of_their_own() {
        let trimmed = |target| only(target, |segment| segment.trimmed().to_owned());
        assert_eq!(trimmed("/admin."), "admin");
        assert_eq!(trimmed("/%20admin%20.%20"), "admin");
        assert_eq!(trimmed("/.hidden"), ".hidden");
        let bare = |target| only(target, |segment| segment.without_suffix().to_owned());
        assert_eq!(bare("/admin.json"), "admin");
        assert_eq!(bare("/a.b.json"), "a.b");
    }

    #[test]
    fn letters_of_two_cases_are_the_same_in_every_alphabet() {
        for (a, b) in [
            ("admin", "ADMIN"),
            ("ſecret", "SECRET"),
            ("\u{212a}ey", "key"),
            ("ÄRGER", "ärger"),
        ] {
            assert!(eq_ignore_case(a, b), "{a} {b}");
        }
        assert!(!eq_ignore_case("admin", "admins"));
        assert!(!eq_ignore_case("a", "ä"));
    }
}
