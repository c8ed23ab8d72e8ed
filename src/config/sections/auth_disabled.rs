//! `AUTH_DISABLED`: a gate without authentication, for development on one machine and nowhere else.
//!
//! Fail closed: a gate whose authentication is switched off by accident does not start.

use crate::domain::static_user::DEV_USER;

use crate::config::document::interpolate::resolve;
use crate::config::document::yaml::{Kind, Node};
use crate::config::reader::environment::VARIABLES;
use crate::config::reader::{Code, Fault, Field, Fields, Name, ReadContext, Reading};
use crate::config::settings::Address;

/// Variables that other programs read a key of Clerk's from.
const KEYS_OF_OTHERS: &[&str] = &[
    "CLERK_API_KEY",
    "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY",
    "VITE_CLERK_PUBLISHABLE_KEY",
    "PUBLIC_CLERK_PUBLISHABLE_KEY",
    "EXPO_PUBLIC_CLERK_PUBLISHABLE_KEY",
    "NUXT_PUBLIC_CLERK_PUBLISHABLE_KEY",
    "REACT_APP_CLERK_PUBLISHABLE_KEY",
];

/// Whether the environment asks for it. A file cannot: the gate reloads its files, so a write to one would open it.
pub(crate) fn asked(cx: ReadContext<'_>) -> Reading<bool> {
    let field = cx.variable("AUTH_DISABLED");
    let Some(text) = field.maybe(Field::str)? else {
        return Ok(false);
    };
    match text.to_ascii_lowercase().as_str() {
        "false" | "0" => Ok(false),
        "true" | "1" if matches!(field.name, Name::Key("AUTH_DISABLED")) => Ok(true),
        "true" | "1" => {
            let what = format!("{} switches authentication off by a file", field.name);
            Err(cx.refuse(
                Code::AuthDisabled,
                what,
                "unset it; AUTH_DISABLED itself says so, or nobody",
            ))
        }
        _ => Err(field.wrongly(
            Code::WrongValue,
            "is neither on nor off",
            "`true`, `false`, or not set",
        )),
    }
}

/// Whether authentication may be off here: only this machine reaches the gate, and no key of a production instance is near.
/// Every reason against it is reported. Where it may be, that is a warning.
pub(crate) fn allowed<'a>(
    root: &mut Fields<'a>,
    file: &Node,
    listen: Option<&[Address]>,
    cx: ReadContext<'a>,
) -> bool {
    let listen = listens_here(root.opt("listen"), listen, cx);
    let keys = has_no_live_key(file, cx);
    let good = listen && keys;
    if good {
        let what = format!(
            "`AUTH_DISABLED`: authentication is switched off, and whoever reaches this gate is the user `{DEV_USER}` with \
             every role and every flag"
        );
        let fix = "unset AUTH_DISABLED; until then let no reverse proxy, tunnel or port forward lead here: whoever comes \
                   through it counts as being on this machine";
        cx.warn(Code::AuthDisabled, what, fix);
    }
    good
}

fn listens_here<'a>(field: Field<'a>, listen: Option<&[Address]>, cx: ReadContext<'a>) -> bool {
    let far: Vec<_> = listen
        .unwrap_or_default()
        .iter()
        .filter(|address| !is_here(address))
        .collect();
    for address in &far {
        let what = format!(
            "`AUTH_DISABLED` would let in whoever reaches {address}, which is not this machine alone"
        );
        let fault = Fault::error(Code::AuthDisabled, what);
        let fault = fault.fix(
            "unset AUTH_DISABLED, or `listen: 127.0.0.1:8484`; `bailiff demo` needs no account",
        );
        cx.reject("listen", field, fault);
    }
    // Fail closed: an address that could not be read has its own fault, and may be any.
    listen.is_some() && far.is_empty()
}

/// Whether only this machine can connect. `0.0.0.0` and `[::]` are all of its addresses, the outer ones too.
fn is_here(address: &Address) -> bool {
    match address {
        Address::Tcp(address) => address.ip().to_canonical().is_loopback(),
        Address::Unix(_) => true,
    }
}

/// Looks for keys of production instances wherever one could stand, also where it has no effect.
fn has_no_live_key(file: &Node, cx: ReadContext<'_>) -> bool {
    let mut live = vec![];
    find_live(file, cx, &mut live);
    for node in &live {
        cx.push(fault("a live key in the config").at(node.place()));
    }
    let read = VARIABLES
        .iter()
        .map(|name| cx.variable(name))
        .filter(|field| {
            let mut live = vec![];
            field.node.is_some_and(|node| {
                find_live(node, cx, &mut live);
                !live.is_empty()
            })
        });
    let others = KEYS_OF_OTHERS
        .iter()
        .filter(|name| cx.env(name).is_some_and(|value| is_live(&value)));
    let named: Vec<String> = read
        .map(|field| field.name.to_string())
        .chain(others.map(|name| format!("`{name}`")))
        .collect();
    for name in &named {
        cx.push(fault(&format!("{name}, which is a live key")));
    }
    live.is_empty() && named.is_empty()
}

fn fault(beside: &str) -> Fault {
    let what = format!(
        "`AUTH_DISABLED` beside {beside}: where real users sign in, nobody comes in without signing in"
    );
    Fault::error(Code::AuthDisabled, what)
        .fix("unset AUTH_DISABLED, or use the keys of a development instance (pk_test_…)")
}

/// Every text from here down that is a live key once it is replaced. What cannot be replaced has its own fault.
fn find_live<'n>(node: &'n Node, cx: ReadContext<'_>, found: &mut Vec<&'n Node>) {
    match node.kind() {
        Kind::Scalar { text, .. } => {
            let resolved = cx.ctx.env.and_then(|env| resolve(text, env).ok());
            if is_live(text) || resolved.is_some_and(|resolved| is_live(&resolved.text)) {
                found.push(node);
            }
        }
        Kind::List(items) => items.iter().for_each(|item| find_live(item, cx, found)),
        Kind::Map(entries) => entries
            .iter()
            .for_each(|entry| find_live(&entry.value, cx, found)),
        Kind::Broken => {}
    }
}

/// Whether there is a key of a production instance in the text, be it in quotes or behind a word.
fn is_live(text: &str) -> bool {
    text.contains("pk_live_") || text.contains("sk_live_")
}
