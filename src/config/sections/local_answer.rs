//! What the gate answers itself: `answer:` of a route, and `profile:`.

use http::Method;

use crate::domain::routes::{Access, Methods, Mode, Own, Route};

use crate::config::reader::{Code, Field, Reading};

/// Reads `answer:` of a route.
pub(crate) fn answer(field: Field<'_>) -> Reading<Option<Own>> {
    field.maybe(|field| {
        field.choice(&[
            (Own::Profile.name(), Own::Profile),
            (Own::Verify.name(), Own::Verify),
        ])
    })
}

/// The methods of a route that names none: there is one answer, and it is read.
pub(crate) const METHODS: [Method; 1] = [Method::GET];

/// Keys of a route with `answer:` that speak of the way to the app.
pub(crate) struct Onward<'a> {
    pub(crate) timeout: Field<'a>,
    pub(crate) forward_token: Field<'a>,
    pub(crate) mode: Field<'a>,
    pub(crate) allow_suspended: Field<'a>,
}

/// Checks that the gate can answer what the route asks it to.
pub(crate) fn fits(
    own: Own,
    route: &Route,
    field: Field<'_>,
    methods: Field<'_>,
    onward: &Onward<'_>,
) -> bool {
    let mut good = true;
    let mut refuse = |field: Field<'_>, what: String, fix: &str| {
        field.refuse(Code::Route, what, fix);
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
