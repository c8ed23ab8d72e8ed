//! One segment of a path, as the readers of a request may understand it.

use std::borrow::Cow;

/// Endings of the names of scripts that take the rest of the path for the app's own: PHP front controllers, CGI, WSGI by Apache.
const SCRIPTS: &[&str] = &[".php", ".cgi", ".fcgi", ".pl", ".wsgi"];

/// A segment in both forms. Neither contains a slash.
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

    /// Whether every reader sees the same text in it, be it decoded (uvicorn, gunicorn, nginx) or not (Express, Rails): nothing is
    /// encoded that could stand as it is (RFC 3986, 6.2.2.2), and hex digits are in upper case (6.2.2.1).
    #[must_use]
    pub fn has_one_spelling(self) -> bool {
        // An escape is three bytes long, and what it stands for is one.
        self.raw.len() == self.text.len() || self.raw.split('%').skip(1).all(is_canonical_escape)
    }

    /// The segment as a reader has it who cuts spaces and dots at its end, as Windows does with names of files, or who takes `+` for
    /// a space, as PHP's `urldecode` does.
    #[must_use]
    pub fn loose(self) -> Cow<'p, str> {
        let text = loose(self.text);
        if text.contains('+') {
            Cow::Owned(loose(&text.replace('+', " ")).to_owned())
        } else {
            Cow::Borrowed(text)
        }
    }

    /// The segment without its last `.suffix`, which Rails and older versions of Spring take for the format of the answer.
    #[must_use]
    pub fn without_suffix(self) -> &'p str {
        self.text
            .rsplit_once('.')
            .map_or(self.text, |(stem, _)| stem)
    }

    /// The page whose data a reader takes it for, as the last segment: `/admin.data` runs the loaders of `/admin` in React Router and
    /// Remix, `/admin.html__data.json` those of SvelteKit.
    #[must_use]
    pub fn page(self) -> &'p str {
        let endings = [".data", ".html__data.json"];
        endings
            .iter()
            .find_map(|end| self.text.strip_suffix(end))
            .unwrap_or(self.text)
    }

    /// Whether it may name a script to which the rest of the path is handed: `/index.php/admin` is `/admin` to Symfony and Laravel.
    #[must_use]
    pub fn may_name_a_script(self) -> bool {
        let ends = |end: &&str| {
            let at = self.text.len().checked_sub(end.len());
            at.and_then(|at| self.text.get(at..))
                .is_some_and(|tail| tail.eq_ignore_ascii_case(end))
        };
        SCRIPTS.iter().any(ends)
    }
}

fn loose(text: &str) -> &str {
    text.trim_start_matches(' ').trim_end_matches([' ', '.'])
}

/// Whether this, which follows a `%`, begins with the one spelling of a byte that has to be encoded. The path was decoded before,
/// so the digits are there.
fn is_canonical_escape(rest: &str) -> bool {
    let digits = rest.get(..2).unwrap_or_default();
    let byte = u8::from_str_radix(digits, 16);
    let upper = !digits.bytes().any(|digit| digit.is_ascii_lowercase());
    upper && byte.is_ok_and(|byte| !super::stands_as_it_is(byte))
}

/// Whether two texts are the same to a reader who does not tell letter cases apart and has a large table of letters: to such a one
/// `ſ` is an `S`, the Kelvin sign a `K`, and `É` an `é`. Others know the letters of ASCII alone.
#[must_use]
pub fn same_letters(a: &str, b: &str) -> bool {
    let fold = |text: &str| {
        text.chars()
            .flat_map(char::to_uppercase)
            .flat_map(char::to_lowercase)
            .collect::<String>()
    };
    a.eq_ignore_ascii_case(b) || (!(a.is_ascii() && b.is_ascii()) && fold(a) == fold(b))
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
        for byte in (0x21..0x7f_u8).filter(|byte| super::super::stands_as_it_is(*byte)) {
            let upper = format!("/x%{byte:02X}y");
            assert!(!only(&upper, |s| s.has_one_spelling()), "{upper}");
            assert!(
                !only(&upper.to_lowercase(), |s| s.has_one_spelling()),
                "{upper} in lower case"
            );
        }
        for one in ["/a-b.c_d~e", "/caf%C3%A9", "/a%20b", "/%5Bx%5D"] {
            assert!(only(one, |s| s.has_one_spelling()), "{one}");
        }
        for two in ["/caf%c3%a9", "/caf%C3%a9", "/a%20%62", "/%5bx%5D"] {
            assert!(!only(two, |s| s.has_one_spelling()), "{two}");
        }
    }

    #[test]
    fn looser_readers_have_a_reading_of_their_own() {
        let loose = |target| only(target, |segment| segment.loose().into_owned());
        assert_eq!(loose("/admin."), "admin");
        assert_eq!(loose("/%20admin%20.%20"), "admin");
        assert_eq!(loose("/a+b"), "a b");
        assert_eq!(loose("/.hidden"), ".hidden");
        let page = |target| only(target, |segment| segment.page().to_owned());
        assert_eq!(
            [
                page("/admin.data"),
                page("/admin.html__data.json"),
                page("/a.json")
            ],
            ["admin", "admin", "a.json"]
        );
        let bare = |target| only(target, |segment| segment.without_suffix().to_owned());
        assert_eq!(bare("/admin.json"), "admin");
        assert_eq!(bare("/a.b.json"), "a.b");
        for script in ["/index.php", "/INDEX.PHP", "/i%6Edex.ph%70", "/app.fcgi"] {
            assert!(only(script, |s| s.may_name_a_script()), "{script}");
        }
        for other in ["/php", "/index.phpx", "/%C3%A9php", "/x.json"] {
            assert!(!only(other, |s| s.may_name_a_script()), "{other}");
        }
    }

    #[test]
    fn letters_of_two_cases_are_the_same_in_every_alphabet() {
        for (a, b) in [
            ("admin", "ADMIN"),
            ("ſecret", "SECRET"),
            ("\u{212a}ey", "key"),
            ("ÄRGER", "ärger"),
        ] {
            assert!(same_letters(a, b), "{a} {b}");
        }
        assert!(!same_letters("admin", "admins"));
        assert!(!same_letters("a", "ä"));
    }
}
