//! What comes from flags and environment variables, in the same form as what comes from the file.
//!
//! Who wins: a flag, then `BAILIFF_*`, then the file, then the default. Variables that other programs read as well
//! (`CLERK_*`, `CORS_ORIGINS`, `SERVICE_AUTH_TOKEN`, `LOCAL_AUTH_TOKEN`, `PORT`) only fill what the file leaves out: a reviewed file must not be
//! changed by what happens to be set for the app beside it.

use crate::config::document::faults::{Code, Fault};
use crate::config::document::interpolate::Env;
use crate::config::document::source::{Source, Span, small};
use crate::config::document::yaml::{Node, Style};

use super::context::{Faulty, Name, ReaderContext, Reading};
use super::field::Field;
use super::fields::Fields;

/// The variables that are read; each also as `NAME_FILE`, which names a file with the value.
pub(crate) const VARIABLES: &[&str] = &[
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

/// The flags of the command line. They count more than the environment and the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--upstream`
    pub upstream: Option<String>,
    /// `--listen`
    pub listen: Option<String>,
    /// `--admin`
    pub admin: Option<String>,
}

/// All values from outside the file.
pub(crate) struct Environment {
    variables: Vec<Variable>,
    nothing: Node,
}

/// A variable, or a flag, that is set.
struct Variable {
    key: &'static str,
    /// How messages call it: the key, `KEY_FILE`, or the flag.
    shown: String,
    node: Node,
}

impl Environment {
    /// Reads every flag and variable. One that is set to nothing counts as not set, as with `${NAME:-default}`.
    pub(crate) fn read(overrides: &Overrides, env: &dyn Env, ctx: &ReaderContext<'_>) -> Self {
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
            variables: flags.chain(variables).collect(),
            nothing: Node::nothing(),
        }
    }

    /// No flags and no variables.
    pub(crate) fn nothing() -> Self {
        Self {
            variables: vec![],
            nothing: Node::nothing(),
        }
    }
}

fn flag(key: &'static str, value: &str) -> Variable {
    let start = small(key.len() + 1);
    let span = Span {
        start,
        end: start.saturating_add(small(value.len())),
        line: 1,
        column: start.saturating_add(1),
    };
    let source = Source::new("command line", &format!("{key} {value}"));
    Variable {
        key,
        shown: key.to_owned(),
        node: Node::scalar(source, span, value, Style::Quoted),
    }
}

fn variable(key: &'static str, env: &dyn Env, ctx: &ReaderContext<'_>) -> Option<Variable> {
    let file_key = format!("{key}_FILE");
    let set = |name: &str| env.var(name).filter(|value| !value.is_empty());
    let (value, file) = (set(key), set(&file_key));
    if value.is_some() && file.is_some() {
        let what = format!("`{key}` and `{file_key}` are both set");
        ctx.push(Fault::error(Code::Contradiction, what).fix("unset one of them"));
    }
    let (shown, reference) = match value {
        Some(_) => (key.to_owned(), format!("${{{key}}}")),
        None => (file_key, format!("${{file:{}}}", file?)),
    };
    Some(Variable {
        key,
        shown,
        node: Node::scalar(Source::nowhere(), Span::default(), &reference, Style::Plain),
    })
}

/// What every part of the config is read with.
#[derive(Clone, Copy)]
pub(crate) struct ReadContext<'a> {
    pub(crate) ctx: &'a ReaderContext<'a>,
    environment: &'a Environment,
}

impl<'a> ReadContext<'a> {
    pub(crate) fn new(ctx: &'a ReaderContext<'a>, environment: &'a Environment) -> Self {
        Self { ctx, environment }
    }

    /// The value of a variable (or flag), absent if it is not set.
    pub(crate) fn variable(self, key: &'static str) -> Field<'a> {
        let variables = &self.environment.variables;
        let found = variables.iter().find(|variable| variable.key == key);
        Field {
            ctx: self.ctx,
            name: Name::Key(found.map_or(key, |variable| &variable.shown)),
            key: None,
            node: found.map(|variable| &variable.node),
            secret: false,
        }
    }

    /// The key of the file if it is there, else the variable.
    pub(crate) fn file_or(self, file: Field<'a>, variable: &'static str) -> Field<'a> {
        if file.is_present() {
            file
        } else {
            self.variable(variable)
        }
    }

    /// Where a value that may be overridden comes from, what counts first: the flag, the variable, the file.
    pub(crate) fn places(self, key: &str, file: Field<'a>) -> [Field<'a>; 3] {
        let (flag, variable) = match key {
            "listen" => ("--listen", "BAILIFF_LISTEN"),
            "admin" => ("--admin", "BAILIFF_ADMIN"),
            _ => ("--upstream", "BAILIFF_UPSTREAM"),
        };
        [self.variable(flag), self.variable(variable), file]
    }

    /// Reports a fault of such a value where it comes from.
    pub(crate) fn reject(self, key: &str, file: Field<'a>, fault: Fault) -> Faulty {
        let places = self.places(key, file);
        match places.into_iter().find(|field| field.is_present()) {
            Some(field) => field.reject(fault),
            None => self.push(fault),
        }
    }

    /// A mapping that is not written in the file, so that variables alone can fill it.
    pub(crate) fn nothing(self, what: &'a str) -> Reading<(Field<'a>, Fields<'a>)> {
        let field = Field::root(&self.environment.nothing, what, self.ctx);
        Ok((field, field.fields(what)?))
    }

    /// The key of the file if it is there, else the variable, which then has its say nowhere else.
    pub(crate) fn fill(
        self,
        fields: &mut Fields<'a>,
        key: &'static str,
        variable: &'static str,
    ) -> Field<'a> {
        let (file, outer) = (fields.opt(key), self.variable(variable));
        if !file.is_present() {
            return outer;
        }
        self.overruled(file, outer);
        file
    }

    /// Warns if `outer` is set to something else than the `file`, which counts.
    pub(crate) fn overruled(self, file: Field<'a>, outer: Field<'a>) {
        if let Ok(outer_text) = outer.text()
            && file.text().is_ok_and(|text| text.text != outer_text.text)
        {
            file.overrules(outer);
        }
    }

    /// Of several places for one value: all are checked, the first that is there counts.
    pub(crate) fn first<T>(
        fields: &[Field<'a>],
        read: impl Fn(Field<'a>) -> Reading<T>,
    ) -> Reading<T> {
        let mut present = fields.iter().filter(|field| field.is_present());
        let first = present.next().map_or(Err(Faulty), |field| read(*field));
        present.for_each(|field| _ = read(*field));
        first
    }

    /// The environment variable, if it is set to something.
    pub(crate) fn env(self, name: &str) -> Option<String> {
        self.ctx.env?.var(name).filter(|value| !value.is_empty())
    }

    /// Reports an error without a place, and what to do about it.
    pub(crate) fn refuse(self, code: Code, what: impl Into<String>, fix: &str) -> Faulty {
        self.push(Fault::error(code, what).fix(fix))
    }

    /// Reports something to look at that has no place, and what to do about it.
    pub(crate) fn warn(self, code: Code, what: impl Into<String>, fix: &str) {
        self.push(Fault::warning(code, what).fix(fix));
    }

    /// Reports a fault.
    pub(crate) fn push(self, fault: Fault) -> Faulty {
        self.ctx.push(fault)
    }
}
