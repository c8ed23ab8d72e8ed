//! `routes:`: each line by itself. What they must have in common with the rest of the config is checked in
//! `checks`.

use std::time::Duration;

use http::{HeaderName, Method};

use crate::domain::identity::TrustedNames;
use crate::domain::routes::{
    Access, MAX_GRACE, Methods, Mode, Pattern, Route, Streams, WorkspaceSource,
};

use crate::config::document::source::Place;
use crate::config::reader::{Code, Faulty, Field, Fields, Reading, Shape, first_repeated, quoted};

use super::membership::{ACCESS_WORDS, Membership, known_role};
use super::{conditions, headers, local_answer};

/// A route and the fields that later checks point at.
pub(crate) struct RouteLine<'a> {
    pub(crate) route: Route,
    pub(crate) item: Field<'a>,
    pub(crate) access: Field<'a>,
    pub(crate) require: Field<'a>,
    pub(crate) issuers: Vec<Field<'a>>,
}

impl RouteLine<'_> {
    /// Where the route stands.
    pub(crate) fn place(&self) -> Option<Place> {
        self.item.place()
    }
}

/// All routes that could be read, and whether that is all that there are.
pub(crate) struct RouteLines<'a> {
    pub(crate) lines: Vec<RouteLine<'a>>,
    pub(crate) all: bool,
}

/// Reads all routes. Without the key there is one, which lets in users only.
pub(crate) fn routes<'a>(
    root: &mut Fields<'a>,
    membership: &Membership,
) -> Reading<RouteLines<'a>> {
    let field = root.opt("routes");
    if !field.is_present() {
        let route = Route {
            pattern: "/**".parse().map_err(|_| Faulty)?,
            methods: Methods::Usual,
            access: Access::User,
            require: vec![],
            workspace: vec![],
            mode: Mode::Enforce,
            timeout: None,
            max_body: None,
            forward_token: None,
            streams: Streams::default(),
            allow_suspended: false,
            answer: None,
        };
        let line = RouteLine {
            route,
            item: field,
            access: field,
            require: field,
            issuers: vec![],
        };
        return Ok(RouteLines {
            lines: vec![line],
            all: true,
        });
    }
    let read: Vec<_> = field
        .nonempty_list()?
        .into_iter()
        .map(|item| line(item, membership))
        .collect();
    let all = read.iter().all(Result::is_ok);
    Ok(RouteLines {
        lines: read.into_iter().flatten().collect(),
        all,
    })
}

fn line<'a>(item: Field<'a>, membership: &Membership) -> Reading<RouteLine<'a>> {
    let mut fields = item.fields("a route")?;
    let path = fields.req("path").parse(
        Code::Route,
        "a pattern such as /api/things/{thing} or /api/**",
        pattern,
    );
    let methods = fields.opt("methods");
    let access = fields.req("access");
    let require = fields.opt("require");
    let workspace = fields.opt("workspace");
    let mode = fields.opt("mode");
    let allow_suspended = fields.opt("allow_suspended");
    let streams = streams(fields.opt("streams"), fields.opt("streams_grace"));
    let timeout = fields.opt("timeout");
    let max_body = fields.opt("max_body");
    let forward_token = fields.opt("forward_token");
    let answer = fields.opt("answer");
    fields.finish();

    let word = access_word(access, membership);
    let named = methods.maybe(|field| self::methods(field, word.ok()));
    let conditions = require.read_or(Default::default(), |field| {
        conditions::require(field, membership)
    });
    let named_workspace = workspace.read_or(vec![], sources);
    let modes = [("enforce", Mode::Enforce), ("report", Mode::Report)];
    let mode_value = mode.read_or(Mode::Enforce, |field| field.choice(&modes));
    let suspended = allow_suspended.bool_or(false);
    let longest = Duration::from_secs(24 * 3600);
    let wait = timeout.maybe(|field| field.duration(Duration::from_millis(100)..=longest));
    let token = forward_token.maybe(Field::bool);
    let own = local_answer::answer(answer);
    let size = max_body.maybe(|field| field.bytes(0..=1 << 40));
    let (path, access_value) = (path?, word?);
    let good = fits(
        access_value,
        access,
        &[require, workspace, mode, allow_suspended, max_body],
        mode_value?,
        suspended?,
    );

    let (conditions, issuers) = conditions?;
    let route = Route {
        workspace: all_sources(&path, access_value, named_workspace?),
        methods: match named? {
            Some(methods) => Methods::These(methods),
            None if access_value == Access::Webhook => Methods::These(vec![Method::POST]),
            None if own?.is_some() => Methods::These(local_answer::METHODS.to_vec()),
            None => Methods::Usual,
        },
        pattern: path,
        access: access_value,
        require: conditions,
        mode: mode_value?,
        timeout: wait?,
        max_body: size?,
        forward_token: token?,
        streams: streams?,
        allow_suspended: suspended?,
        answer: own?,
    };
    let onward = local_answer::Onward {
        timeout,
        forward_token,
        mode,
        allow_suspended,
    };
    let good =
        good & own?.is_none_or(|own| local_answer::fits(own, &route, answer, methods, &onward));
    let line = RouteLine {
        route,
        item,
        access,
        require,
        issuers,
    };
    good.then_some(line).ok_or(Faulty)
}

/// `streams:` and `streams_grace:`.
fn streams(word: Field<'_>, grace: Field<'_>) -> Reading<Streams> {
    let given = grace.duration_or(Duration::ZERO, Duration::ZERO..=MAX_GRACE);
    let at_expiry = Streams::AtExpiry {
        grace: given.unwrap_or_default(),
    };
    let words = [
        ("at_revocation", Streams::AtRevocation),
        ("at_expiry", at_expiry),
        ("never", Streams::Never),
    ];
    let chosen = word.read_or(Streams::default(), |field| field.choice(&words))?;
    given?;
    if grace.is_present() && chosen != at_expiry {
        let what = format!("{} has no effect without `streams: at_expiry`", grace.name);
        return Err(grace.refuse(Code::Route, what, "add `streams: at_expiry`, or remove it"));
    }
    Ok(chosen)
}

fn pattern(text: &str) -> Result<Pattern, String> {
    text.parse::<Pattern>()
        .map_err(|error| format!("is not a pattern: {error}"))
}

fn access_word(field: Field<'_>, membership: &Membership) -> Reading<Access> {
    let text = field.str()?;
    let word = match text.as_str() {
        "public" => Access::Public,
        "optional" => Access::Optional,
        "user" => Access::User,
        "active" => Access::Active,
        "service" => Access::Service,
        "webhook" => Access::Webhook,
        "deny" => Access::Deny,
        name => {
            return known_role(field, name, ACCESS_WORDS, membership).map(Access::Role);
        }
    };
    Ok(word)
}

/// Methods that a route may name: those of HTTP, WebDAV and CalDAV.
pub(crate) const KNOWN_METHODS: &[&str] = &[
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "QUERY",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "REPORT",
    "SEARCH",
    "ACL",
    "MKCALENDAR",
    "BIND",
    "UNBIND",
    "REBIND",
    "LINK",
    "UNLINK",
];

fn methods(field: Field<'_>, access: Option<Access>) -> Reading<Vec<Method>> {
    let methods: Vec<Method> = Field::each(field.one_or_more(), method)?;
    if let Some(twice) = first_repeated(&methods) {
        let what = format_args!("names {twice} twice");
        return Err(field.wrongly(Code::Route, what, "each method once"));
    }
    if access == Some(Access::Webhook) && methods != [Method::POST] {
        let expected = "[POST], or leave it out: webhooks are nothing else";
        return Err(field.wrongly(Code::Route, "of a webhook are wrong", expected));
    }
    Ok(methods)
}

fn method(field: Field<'_>) -> Reading<Method> {
    let name = field.one_of(KNOWN_METHODS)?;
    Method::from_bytes(name.as_bytes()).map_err(|_| Faulty)
}

/// `workspace:`: one source or a list of them.
fn sources(field: Field<'_>) -> Reading<Vec<WorkspaceSource>> {
    let items = match field.shape() {
        Some(Shape::List) => field.nonempty_list(),
        _ => Ok(vec![field]),
    };
    Ok(Field::each(items, source)?.into_iter().flatten().collect())
}

fn source(field: Field<'_>) -> Reading<Vec<WorkspaceSource>> {
    let mut fields = field.fields("the source of the workspace")?;
    let header = fields.maybe("header", |field| {
        field.parse(
            Code::Route,
            "a header such as x-workspace-id",
            workspace_header,
        )
    });
    let claim = fields.maybe("claim", |field| field.one_of(&["org"]));
    fields.finish();
    let sources: Vec<_> = header?
        .map(WorkspaceSource::Header)
        .into_iter()
        .chain(claim?.map(|_| WorkspaceSource::TokenOrg))
        .collect();
    if sources.is_empty() {
        let expected = "{header: x-workspace-id} or {claim: org}";
        return Err(field.wrongly(Code::Route, "names no source", expected));
    }
    Ok(sources)
}

fn workspace_header(text: &str) -> Result<HeaderName, &'static str> {
    let name = HeaderName::try_from(text).map_err(|_| "is not the name of a header")?;
    match name.as_str() {
        // The only names of ours that may come in: they are read, stripped, and written anew.
        "x-workspace-id" | "x-org-id" => Ok(name),
        other if TrustedNames::reserves(other) => Err("is a header that never comes from outside"),
        other if headers::has_meaning(other) => Err("is a header with a meaning of its own"),
        _ => Ok(name),
    }
}

/// `{workspace}` in the pattern names the workspace on every route that looks at the membership.
fn all_sources(
    path: &Pattern,
    access: Access,
    further: Vec<WorkspaceSource>,
) -> Vec<WorkspaceSource> {
    let looks = matches!(access, Access::User | Access::Active | Access::Role(_));
    let segment = path
        .position("workspace")
        .filter(|_| looks)
        .map(WorkspaceSource::Segment);
    segment.into_iter().chain(further).collect()
}

/// Refuses keys that have no effect on a route of this kind: their author believes that they guard it.
fn fits(
    access: Access,
    word: Field<'_>,
    keys: &[Field<'_>; 5],
    mode: Mode,
    suspended: bool,
) -> bool {
    let [require, workspace, mode_field, suspended_field, max_body] = *keys;
    let mut good = true;
    let mut refuse = |field: Field<'_>, what: &str, fix: &str| {
        let (name, word) = (field.name, word.str().unwrap_or_default());
        let what = format!("{name} {what} on a route with access {}", quoted(&word));
        field.refuse(Code::Route, what, fix);
        good = false;
    };
    let judged = matches!(access, Access::User | Access::Active | Access::Role(_));
    for field in [require, workspace]
        .into_iter()
        .filter(|field| field.is_present() && !judged)
    {
        refuse(
            field,
            "is never looked at",
            "remove it, or use `access: user`, `active` or a role",
        );
    }
    if suspended && !matches!(access, Access::User | Access::Optional) {
        refuse(
            suspended_field,
            "has no effect",
            "remove it, or use `access: user`",
        );
    }
    if mode == Mode::Report && matches!(access, Access::Webhook | Access::Public | Access::Deny) {
        refuse(mode_field, "cannot be `report`", "remove it");
    }
    if access == Access::Webhook && max_body.is_present() {
        refuse(max_body, "has no effect", "set `webhooks.max_body`");
    }
    good
}
