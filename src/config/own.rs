//! What the gate answers itself: `answer:` of a route, and `profile:`.

use http::Method;

use crate::domain::profile::{MAX_KEY, MAX_KEYS, Profile, Word};
use crate::domain::routes::{Access, Methods, Mode, Own, Route};

use super::faults::{Code, Fault, quoted};
use super::near::nearest;
use super::reader::{Field, Fields};
use super::routes::Line;

/// Reads `answer:` of a route.
pub(super) fn answer(field: Field<'_>) -> Option<Option<Own>> {
    field.maybe(|field| {
        field.choice(&[
            (Own::Profile.name(), Own::Profile),
            (Own::Verify.name(), Own::Verify),
        ])
    })
}

/// The methods of a route that names none: there is one answer, and it is read.
pub(super) const METHODS: [Method; 1] = [Method::GET];

/// Keys of a route with `answer:` that speak of the way to the app.
pub(super) struct Onward<'a> {
    pub(super) timeout: Field<'a>,
    pub(super) forward_token: Field<'a>,
    pub(super) mode: Field<'a>,
    pub(super) allow_suspended: Field<'a>,
}

/// Checks that the gate can answer what the route asks it to.
pub(super) fn fits(
    own: Own,
    route: &Route,
    field: Field<'_>,
    methods: Field<'_>,
    onward: &Onward<'_>,
) -> bool {
    let mut good = true;
    let mut refuse = |field: Field<'_>, what: String, fix: &str| {
        field.reject(Fault::error(Code::Route, what).fix(fix));
        good = false;
    };
    let word = own.name();
    match (own, route.access) {
        (Own::Profile, Access::User | Access::Active | Access::Role(_))
        | (Own::Verify, Access::User) => {}
        (Own::Profile, _) => refuse(
            field,
            "`answer: profile` on a route that lets in others than users: they have no profile"
                .to_owned(),
            "`access: user`, `active` or a role",
        ),
        (Own::Verify, _) => refuse(
            field,
            "`answer: verify` says whether a token is good, and the route asks for something else"
                .to_owned(),
            "`access: user`",
        ),
    }
    if own == Own::Verify && !(route.require.is_empty() && route.workspace.is_empty()) {
        let what =
            "`answer: verify` says whether a token is good, and the route asks for more than that"
                .to_owned();
        refuse(
            field,
            what,
            "remove `require` and `workspace`, and call no segment `{workspace}`",
        );
    }
    if own == Own::Verify && route.allow_suspended {
        let what = "`allow_suspended` would call the token of a suspended user good".to_owned();
        refuse(onward.allow_suspended, what, "remove it");
    }
    if !matches!(&route.methods, Methods::These(list) if list.iter().all(is_read)) {
        let what = format!(
            "{} on a route with `answer: {word}` are more than reading",
            methods.name
        );
        refuse(methods, what, "`methods: [GET]`, or leave it out");
    }
    if route.mode == Mode::Report {
        let what = format!(
            "{} cannot be `report` on a route with `answer: {word}`",
            onward.mode.name
        );
        refuse(
            onward.mode,
            what,
            "remove it: such a route never leads to the app",
        );
    }
    for unused in [onward.timeout, onward.forward_token]
        .into_iter()
        .filter(|field| field.is_present())
    {
        let what = format!(
            "{} has no effect on a route with `answer: {word}`",
            unused.name
        );
        refuse(
            unused,
            what,
            "remove it: such a route never leads to the app",
        );
    }
    good
}

fn is_read(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD
}

/// Reads the shape of profiles.
pub(super) fn profile(root: &mut Fields<'_>) -> Option<Profile> {
    let field = root.opt("profile");
    let Some(members) = field.maybe(Field::members)? else {
        return Some(Profile::default());
    };
    if !(1..=MAX_KEYS).contains(&members.len()) {
        field.wrongly(
            Code::Bound,
            format_args!("has {} keys", members.len()),
            &format!("1 to {MAX_KEYS} keys"),
        );
        return None;
    }
    let read = members.iter().map(|member| {
        if member.key.len() > MAX_KEY {
            let fault = Fault::error(Code::Bound, "a key of the profile is too long");
            member.reject(fault.expected(format!("at most {MAX_KEY} bytes")));
            return None;
        }
        Some((Box::from(member.key), word(member.value)?))
    });
    let keys: Vec<Option<(Box<str>, Word)>> = read.collect();
    Profile::new(keys.into_iter().collect::<Option<_>>()?)
}

fn word(field: Field<'_>) -> Option<Word> {
    let text = field.str()?;
    let word = Word::parse(&text);
    if word.is_none() {
        let fault = Fault::error(
            Code::WrongValue,
            format!("{} has an unknown word for its value", field.name),
        );
        field.reject(match nearest(&text, Word::names()) {
            Some(near) => fault.near(near),
            None => {
                let words: Vec<_> = Word::names().map(quoted).collect();
                fault.expected(format!(
                    "one of {}, `attributes.NAME` or `claims.NAME`",
                    words.join(", ")
                ))
            }
        });
    }
    word
}

/// Warns about a shape that no route gives.
pub(super) fn unused(lines: &[Line<'_>], profile: Field<'_>) {
    if profile.is_present()
        && !lines
            .iter()
            .any(|line| line.route.answer == Some(Own::Profile))
    {
        let what = format!(
            "{} has no effect, because no route has `answer: profile`",
            profile.name
        );
        let fix = "add `- {path: /api/auth/me, access: user, answer: profile}`, or remove it";
        profile.reject(Fault::warning(Code::Route, what).fix(fix));
    }
}
