//! What comes from flags and environment variables, in the same form as what comes from the file.
//!
//! Who wins: a flag, then `BAILIFF_*`, then the file, then the default. Variables that other programs read as well
//! (`CLERK_*`, `CORS_ORIGINS`, `SERVICE_AUTH_TOKEN`, `LOCAL_AUTH_TOKEN`, `PORT`) only fill what the file leaves out: a reviewed file must not be
//! changed by what happens to be set for the app beside it.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::faults::{Code, Fault};
use super::interpolate::Env;
use super::load::Overrides;
use super::reader::{Ctx, Field, Fields, Name};
use super::source::{Source, Span};
use super::yaml::{Node, Style};

/// The variables that are read; each also as `NAME_FILE`, which names a file with the value.
pub(super) const VARIABLES: &[&str] = &[
    "AUTH_DISABLED",
    "AUTH_MODE",
    "BAILIFF_ADMIN",
    "BAILIFF_ADMIN_TOKEN",
    "BAILIFF_LISTEN",
    "BAILIFF_STORE",
    "BAILIFF_UPSTREAM",
    "CLERK_API_URL",
    "CLERK_JWT_KEY",
    "CLERK_LEEWAY",
    "CLERK_PUBLISHABLE_KEY",
    "CLERK_SECRET_KEY",
    "CLERK_VERIFY_IAT",
    "CLERK_WEBHOOK_SECRET",
    "CLERK_WEBHOOK_SIGNING_SECRET",
    "CORS_ORIGINS",
    "LOCAL_AUTH_TOKEN",
    "PORT",
    "SERVICE_AUTH_TOKEN",
];

/// All values from outside the file.
pub(super) struct Outside {
    values: Vec<Outer>,
    nothing: Node,
}

struct Outer {
    key: &'static str,
    /// How messages call it: the key, `KEY_FILE`, or the flag.
    shown: String,
    node: Node,
}

impl Outside {
    /// Looks at every flag and variable. One that is set to nothing counts as not set, as with `${NAME:-default}`.
    pub(super) fn look(overrides: &Overrides, env: &dyn Env, ctx: &Ctx<'_>) -> Self {
        let flags = [
            ("--upstream", &overrides.upstream),
            ("--listen", &overrides.listen),
            ("--admin", &overrides.admin),
        ];
        let flags = flags
            .into_iter()
            .filter_map(|(key, value)| Some(flag(key, value.as_deref()?)));
        let variables = VARIABLES.iter().filter_map(|key| variable(key, env, ctx));
        Self {
            values: flags.chain(variables).collect(),
            nothing: Node::nothing(),
        }
    }

    /// No flags and no variables.
    pub(super) fn nothing() -> Self {
        Self {
            values: vec![],
            nothing: Node::nothing(),
        }
    }

    /// The value of a variable (or flag), absent if it is not set.
    fn field<'a>(&'a self, key: &'static str, ctx: &'a Ctx<'a>) -> Field<'a> {
        let found = self.values.iter().find(|value| value.key == key);
        let name = Name::Key(found.map_or(key, |value| &value.shown));
        Field {
            ctx,
            name,
            key: None,
            node: found.map(|value| &value.node),
            secret: false,
        }
    }
}

fn flag(key: &'static str, value: &str) -> Outer {
    let text = format!("{key} {value}");
    let (start, end) = (key.len() + 1, text.len());
    let [start, end] = [start, end].map(|offset| u32::try_from(offset).unwrap_or(u32::MAX));
    let span = Span {
        start,
        end,
        line: 1,
        column: start.saturating_add(1),
    };
    let node = Node::scalar(
        Source::new("command line", &text),
        span,
        value,
        Style::Quoted,
    );
    Outer {
        key,
        shown: key.to_owned(),
        node,
    }
}

fn variable(key: &'static str, env: &dyn Env, ctx: &Ctx<'_>) -> Option<Outer> {
    let shown = format!("{key}_FILE");
    let set = |name: &str| env.var(name).filter(|value| !value.is_empty());
    let from_file = set(&shown);
    if set(key).is_some() {
        if from_file.is_some() {
            let what = format!("`{key}` and `{shown}` are both set");
            ctx.push(Fault::error(Code::Contradiction, what).fix("unset one of them"));
        }
        let node = Node::scalar(
            Source::nowhere(),
            Span::default(),
            &format!("${{{key}}}"),
            Style::Plain,
        );
        return Some(Outer {
            key,
            shown: key.to_owned(),
            node,
        });
    }
    let reference = format!("${{file:{}}}", from_file?);
    Some(Outer {
        key,
        shown,
        node: Node::scalar(Source::nowhere(), Span::default(), &reference, Style::Plain),
    })
}

/// What every part of the config is read with.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) ctx: &'a Ctx<'a>,
    pub(super) outside: &'a Outside,
}

impl<'a> Run<'a> {
    /// The value of a variable (or flag), absent if it is not set.
    pub(super) fn outside(self, key: &'static str) -> Field<'a> {
        self.outside.field(key, self.ctx)
    }

    /// Where a value that may be overridden comes from, what counts first: the flag, the variable, the file.
    pub(super) fn places(self, key: &str, file: Field<'a>) -> [Field<'a>; 3] {
        let (flag, variable) = match key {
            "listen" => ("--listen", "BAILIFF_LISTEN"),
            "admin" => ("--admin", "BAILIFF_ADMIN"),
            _ => ("--upstream", "BAILIFF_UPSTREAM"),
        };
        [self.outside(flag), self.outside(variable), file]
    }

    /// A mapping that is not written in the file, so that variables alone can fill it.
    pub(super) fn nothing(self, what: &'a str) -> Option<(Field<'a>, Fields<'a>)> {
        let field = Field::root(&self.outside.nothing, what, self.ctx);
        Some((field, field.fields(what)?))
    }

    /// The key of the file if it is there, else the variable, which then has its say nowhere else.
    pub(super) fn fill(
        self,
        fields: &mut Fields<'a>,
        key: &'static str,
        variable: &'static str,
    ) -> Field<'a> {
        let (file, outer) = (fields.opt(key), self.outside(variable));
        if !file.is_present() {
            return outer;
        }
        self.overruled(file, outer);
        file
    }

    /// Warns if `outer` is set to something else than the `file`, which counts.
    pub(super) fn overruled(self, file: Field<'a>, outer: Field<'a>) {
        if let Some(outer_text) = outer.text()
            && file.text().is_some_and(|text| text.text != outer_text.text)
        {
            let what = format!(
                "{} has no effect, because the config sets {}",
                outer.name, file.name
            );
            let fault = Fault::warning(Code::Contradiction, what);
            file.reject(fault.fix(format!(
                "unset {}, or remove {} from the config",
                outer.name, file.name
            )));
        }
    }

    /// Of several places for one value: all are checked, the first that is there counts.
    pub(super) fn first<T>(
        fields: &[Field<'a>],
        read: impl Fn(Field<'a>) -> Option<T>,
    ) -> Option<T> {
        let mut first = None;
        for field in fields.iter().filter(|field| field.is_present()) {
            let value = read(*field);
            first = first.or(Some(value));
        }
        first?
    }

    /// The environment variable, if it is set to something.
    pub(super) fn env(self, name: &str) -> Option<String> {
        self.ctx.env?.var(name).filter(|value| !value.is_empty())
    }

    pub(super) fn push(self, fault: Fault) {
        self.ctx.push(fault);
    }
}

impl<'a> Field<'a> {
    /// Reads a text with a parser whose errors complete "`key` …" and never repeat the value, so that they can be told
    /// wherever the value came from.
    pub(super) fn told<T, E: std::fmt::Display>(
        self,
        code: Code,
        expected: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.str()?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrongly(code, &error, expected);
                None
            }
        }
    }

    /// Reports that "`key` …".
    pub(super) fn wrongly(self, code: Code, what: impl std::fmt::Display, expected: &str) {
        self.reject(Fault::error(code, format!("{} {what}", self.name)).expected(expected));
    }

    /// Reads every item, then asks whether all were right: every fault is found.
    pub(super) fn each<T>(
        items: Option<Vec<Self>>,
        read: impl FnMut(Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let read: Vec<Option<T>> = items?.into_iter().map(read).collect();
        read.into_iter().collect()
    }

    /// A duration, `default` if it is absent.
    pub(super) fn duration_or(
        self,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        if self.is_present() {
            self.duration(range)
        } else {
            Some(default)
        }
    }

    /// A truth value, `default` if it is absent.
    pub(super) fn bool_or(self, default: bool) -> Option<bool> {
        if self.is_present() {
            self.bool()
        } else {
            Some(default)
        }
    }

    /// What `read` gives, or `Some(None)` if the key is absent: a fault and an absence are two things.
    pub(super) fn maybe<T>(self, read: impl FnOnce(Self) -> Option<T>) -> Option<Option<T>> {
        if self.is_present() {
            read(self).map(Some)
        } else {
            Some(None)
        }
    }
}
