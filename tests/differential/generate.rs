//! The generator: one case after the other, each from its own dice.

use std::fmt;

use crate::dice::Dice;
use crate::fields;
use crate::scene::{Sender, Tokens, Variant};
use crate::targets;

const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// No words of any route.
const ODD_METHODS: &[&str] = &["TRACE", "PROPFIND", "FOO", "get", "QUERY"];
const HOSTS: &[&str] = &[
    "app.test",
    "app.test",
    "app.test",
    "app.test:8443",
    "127.0.0.1",
    "APP.test",
];

/// A request head without a body, and who sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    pub variant: Variant,
    pub sender: Sender,
    pub method: String,
    pub target: String,
    pub host: String,
    pub fields: Vec<(String, String)>,
}

impl Case {
    /// The case with this number of a seed.
    pub fn numbered(seed: u64, number: u64) -> Self {
        let dice = &mut Dice::of(seed, number);
        let host = *dice.one_of(HOSTS);
        // A third bends the path alone, a third forges fields alone, a third does both.
        let part = dice.below(3);
        let path = if part == 1 {
            targets::plain(dice)
        } else {
            targets::bent(dice)
        };
        let mut fields = Vec::new();
        if part > 0 {
            (0..*dice.one_of(&[1, 1, 2, 4])).for_each(|_| fields::forge(dice, &path, &mut fields));
        }
        // The only length that no reader waits for.
        if dice.once_in(10) {
            fields.push(("Content-Length".to_owned(), "0".to_owned()));
        }
        let methods = if dice.once_in(16) {
            ODD_METHODS
        } else {
            METHODS
        };
        Self {
            variant: *dice.one_of(&Variant::ALL),
            sender: *dice.one_of(&Sender::ALL),
            method: (*dice.one_of(methods)).to_owned(),
            target: targets::target(dice, &path, host),
            host: host.to_owned(),
            fields,
        }
    }

    /// The head as it goes over the wire, with this token.
    pub fn bytes(&self, tokens: &Tokens) -> Vec<u8> {
        self.head(tokens.of_sender(self.sender)).into_bytes()
    }

    fn head(&self, token: Option<&str>) -> String {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: {}\r\n",
            self.method, self.target, self.host
        );
        let token = token.map(|token| ("Authorization".to_owned(), format!("Bearer {token}")));
        for (name, value) in token.iter().chain(&self.fields) {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head + "\r\n"
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.sender.name().map(|name| format!("<token of {name}>"));
        let head = self.head(token.as_deref());
        let lines = head
            .trim_end()
            .lines()
            .map(|line| format!("    {}", line.escape_debug()));
        f.write_str(&lines.collect::<Vec<_>>().join("\n"))
    }
}
