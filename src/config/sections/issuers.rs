//! Who may sign tokens: `clerk:`, `issuers:` and the variables of Clerk's own libraries.

mod backend;
mod claim_names;
mod claims;
mod clerk;
mod key_source;
mod oidc;

use std::sync::Arc;

use crate::domain::ids::{CLERK, is_issuer_name};
use crate::domain::issuer::{Issuer, IssuerKind};
use crate::domain::static_user::RESERVED;

use crate::config::reader::{Code, Fault, Faulty, Field, Fields, ReadContext, Reading, quoted};
use crate::config::settings::{BackendSettings, IssuerKeys};

use self::backend::BackendKeys;

/// Everybody who may sign tokens.
#[derive(Default)]
pub(crate) struct Issuers {
    pub(crate) list: Vec<(Issuer, IssuerKeys)>,
    /// The Backend API of the instance under `clerk:`, where its secret key is given.
    pub(crate) backend: Option<BackendSettings>,
}

/// One of them.
struct One {
    issuer: Issuer,
    keys: IssuerKeys,
    backend: Option<BackendSettings>,
}

/// Reads all issuers; there may be none.
pub(crate) fn issuers<'a>(root: &mut Fields<'a>, cx: ReadContext<'a>) -> Reading<Issuers> {
    let (clerk, others) = (root.opt(CLERK), root.opt("issuers"));
    let clerks =
        |(field, fields)| one(fields, Some(CLERK.into()), cx).map(|issuer| (field, issuer));
    let mut found = vec![];
    if clerk.is_present() {
        found.push(
            clerk
                .fields("an issuer")
                .map(|fields| (clerk, fields))
                .and_then(clerks),
        );
    } else if others.is_present() {
        unused(cx);
    } else if ["CLERK_PUBLISHABLE_KEY", "CLERK_JWT_KEY"]
        .iter()
        .any(|name| cx.variable(name).is_present())
    {
        found.push(cx.nothing("an issuer").and_then(clerks));
    }
    // The variables are checked even where they have no effect.
    let alone = if found.is_empty() {
        BackendKeys::from_environment(cx).read()
    } else {
        Ok(None)
    };
    let listed = |item: Field<'a>| Ok((item, one(item.fields("an issuer")?, None, cx)?));
    match others.read_or(vec![], Field::nonempty_list) {
        Ok(items) => found.extend(items.into_iter().map(listed)),
        Err(faulty) => found.push(Err(faulty)),
    }
    let distinct = distinct(&found.iter().flatten().collect::<Vec<_>>());
    let mut backend = alone?.filter(|_| !others.is_present());
    let mut list = Vec::new();
    for found in found {
        let (_, one) = found?;
        list.push((one.issuer, one.keys));
        backend = backend.or(one.backend);
    }
    distinct.map(|()| Issuers { list, backend })
}

/// Variables speak for `clerk:` only: which of several issuers could they mean?
fn unused(cx: ReadContext<'_>) {
    for name in [
        "CLERK_PUBLISHABLE_KEY",
        "CLERK_JWT_KEY",
        "CLERK_LEEWAY",
        "CLERK_VERIFY_IAT",
        "CLERK_SECRET_KEY",
        "CLERK_API_URL",
    ] {
        if cx.variable(name).is_present() {
            let what =
                format!("`{name}` has no effect, because the config has `issuers` and no `clerk`");
            let fault = Fault::warning(Code::Contradiction, what);
            cx.push(fault.fix(
                "add `clerk: {publishable_key: \"${CLERK_PUBLISHABLE_KEY}\"}` if that instance may sign tokens too",
            ));
        }
    }
}

fn distinct(found: &[&(Field<'_>, One)]) -> Reading<()> {
    let mut distinct = Ok(());
    for (index, (field, One { issuer, .. })) in found.iter().enumerate() {
        let before = || found.iter().take(index).map(|(_, one)| &one.issuer);
        if before().any(|other| other.name == issuer.name) {
            let what = format!("two issuers have the name {}", quoted(&issuer.name));
            let fault = Fault::error(Code::Contradiction, what).fix("give each its own name");
            distinct = Err(field.reject(fault));
        }
        if let Some(other) = before().find(|other| other.iss == issuer.iss) {
            let names = format!("{} and {}", quoted(&other.name), quoted(&issuer.name));
            let what = format!("the issuers {names} are both {}", quoted(&issuer.iss));
            let fault = Fault::error(Code::Contradiction, what).fix("remove one of them");
            distinct = Err(field.reject(fault));
        }
    }
    distinct
}

/// Reads an issuer that is no part of a config.
pub(crate) fn added(fields: Fields<'_>, cx: ReadContext<'_>) -> Reading<(Issuer, IssuerKeys)> {
    let One { issuer, keys, .. } = one(fields, None, cx)?;
    Ok((
        Issuer {
            added: true,
            ..issuer
        },
        keys,
    ))
}

/// Reads one issuer. The variables fill only the one whose name is `given`, as the others have names of their own.
fn one<'a>(mut fields: Fields<'a>, given: Option<Arc<str>>, cx: ReadContext<'a>) -> Reading<One> {
    let outer = given.is_some().then_some(cx);
    let (name, kind) = match given {
        Some(name) => (Ok(name), IssuerKind::Clerk),
        None => {
            let field = fields.req("name");
            let kind = fields.opt("kind");
            let known = [("clerk", IssuerKind::Clerk), ("oidc", IssuerKind::Oidc)];
            let Ok(kind) = kind.read_or(IssuerKind::Clerk, |kind| kind.choice(&known)) else {
                // By whose rules should the rest be read? One fault is enough.
                oidc::EVERY_KEY
                    .iter()
                    .for_each(|key| _ = fields.opt(key).is_present());
                fields.finish();
                return Err(Faulty);
            };
            let name = field.parse(Code::WrongValue, "letters, digits, `-` and `_`", name);
            (name.and_then(|name| not_clerks(field, name, kind)), kind)
        }
    };
    let keys = match kind {
        IssuerKind::Clerk => clerk::keys(&mut fields, outer),
        IssuerKind::Oidc => oidc::keys(&mut fields).map(|(iss, source)| (iss, source, None)),
    };
    let policy = match kind {
        IssuerKind::Clerk => claims::policy(&mut fields, outer),
        IssuerKind::Oidc => oidc::policy(&mut fields),
    };
    let claim_names = claim_names::claim_names(&mut fields, kind);
    let instance_id = match kind {
        IssuerKind::Clerk => fields.maybe("instance_id", |f| {
            f.parse(Code::WrongValue, INSTANCE, instance)
        }),
        IssuerKind::Oidc => Ok(None),
    };
    fields.finish();
    let (iss, source, backend) = keys?;
    let (name, claim_names) = (name?, Arc::new(claim_names?));
    let issuer = Issuer {
        name: name.clone(),
        iss: iss.into(),
        kind,
        claim_names,
        claims: policy?,
        instance_id: instance_id?,
        added: false,
    };
    Ok(One {
        issuer,
        keys: IssuerKeys { name, source },
        backend,
    })
}

fn name(text: &str) -> Result<Arc<str>, &'static str> {
    match text {
        text if RESERVED.contains(&text) => Err("is a name that bailiff gives out itself"),
        text if is_issuer_name(text) => Ok(text.into()),
        _ => Err("is not a name"),
    }
}

/// Users of `clerk` go by their bare Clerk id: under that name another provider could call its users what Clerk calls its own.
fn not_clerks(field: Field<'_>, name: Arc<str>, kind: IssuerKind) -> Reading<Arc<str>> {
    if kind == IssuerKind::Clerk || *name != *CLERK {
        return Ok(name);
    }
    let what =
        "the name `clerk` is for an issuer of `kind: clerk`, whose users go by their bare id";
    Err(field.refuse(
        Code::Contradiction,
        what,
        "give it another name; its users are then `name:id`",
    ))
}

const INSTANCE: &str = "ins_… as the Clerk dashboard shows it";

fn instance(text: &str) -> Result<Box<str>, &'static str> {
    match text.strip_prefix("ins_") {
        Some(rest)
            if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') =>
        {
            Ok(text.into())
        }
        _ => Err("is not the id of a Clerk instance"),
    }
}
