//! `bailiff token inspect`: shows the content of a token, and all its faults.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::checks::{self, Finding};
use super::missing;
use super::parts::TokenParts;
use crate::cli::ConfigArgs;
use crate::cli::exit::{CommandError, Exit, FAILED, block_on, print, print_json, talk};
use crate::cli::input;
use crate::cli::offline_gate::{self, OfflineGate};
use crate::clock;
use crate::config::load::Overrides;
use crate::domain::issuer::{Issuer, IssuerKind};
use crate::domain::token::{UnverifiedToken, VerifiedClaims, person};
use crate::domain::{Rejection, Snapshot, UnixTime};

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Exit status: 0 nothing is wrong with the token, 1 something is, 78 wrong config."
)]
pub(crate) struct InspectArgs {
    /// The token: `-` for stdin, `@FILE` for a file. Never the token itself
    #[arg(value_name = "-|@FILE", default_value = "-")]
    token: String,
    /// Check also against this config; without one, bailiff.yaml or CLERK_PUBLISHABLE_KEY if they are there
    #[arg(long, value_name = "FILE", env = "BAILIFF_CONFIG")]
    config: Option<std::path::PathBuf>,
    /// Fetch no keys
    #[arg(long)]
    offline: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What is known about the signature.
enum Signature {
    /// Made by a key of this issuer.
    Good(Arc<str>),
    Bad,
    /// It could not be verified, and why.
    Unknown(String),
}

pub(crate) fn run(args: &InspectArgs) -> Exit {
    let token = input::token(&args.token)?;
    let parts = match TokenParts::read(&token) {
        Ok(parts) => parts,
        Err(why) => {
            if args.json {
                print_json(
                    &json!({"faults": [{"reason": Rejection::MalformedToken.label(), "what": why}]}),
                )?;
            } else {
                print(&format!(
                    "this is no session token\n  malformed_token  {why}\n"
                ))?;
            }
            return Ok(FAILED);
        }
    };
    let snapshot = match known(args)? {
        Some(offline_gate) => {
            let looks = block_on(offline_gate::look_for_keys(
                &offline_gate.settings.reloadable,
                args.offline,
            ))??;
            Some(offline_gate.snapshot(&looks))
        }
        None => None,
    };
    let now = clock::now();
    let (signature, findings) = judge(&token, &parts, snapshot.as_ref(), now);
    let issuer = snapshot
        .as_ref()
        .and_then(|snapshot| snapshot.rules.issuer(parts.text("iss")?));
    let note = no_email(&parts.claims, issuer);
    if args.json {
        print_json(&as_json(
            &parts,
            &signature,
            &findings,
            note.as_deref(),
            now,
        ))?;
    } else {
        print(&text(&parts, &signature, &findings, now))?;
        print(&note.map(|note| format!("\n{note}\n")).unwrap_or_default())?;
    }
    Ok(if findings.is_empty() { 0 } else { FAILED })
}

/// The config, if there is one to check against.
fn known(args: &InspectArgs) -> Result<Option<OfflineGate>, CommandError> {
    let config = ConfigArgs {
        config: args.config.clone(),
        ..ConfigArgs::default()
    };
    let from_environment = ["CLERK_PUBLISHABLE_KEY", "CLERK_JWT_KEY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    if config.path().is_none() && !from_environment {
        talk(
            "no config and no CLERK_PUBLISHABLE_KEY: the signature and the issuer are not checked\n",
        );
        return Ok(None);
    }
    // The upstream does not matter here. Without a config there is none, so a placeholder is set.
    let upstream = config
        .path()
        .is_none()
        .then(|| "http://127.0.0.1:1".to_owned());
    let offline_gate = offline_gate::read_with(
        &config,
        &Overrides {
            upstream,
            ..Overrides::default()
        },
    )?;
    Ok(Some(offline_gate))
}

/// The cure for a provider's token without an e-mail address. That is no fault, since no decision depends on it, but many apps
/// expect an address.
pub(crate) fn no_email(claims: &Map<String, Value>, issuer: Option<&Issuer>) -> Option<String> {
    // For Clerk's tokens there is a longer message: see `missing`.
    let issuer = issuer.filter(|issuer| issuer.kind == IssuerKind::Oidc)?;
    if person::email(claims, issuer).is_some() {
        return None;
    }
    let looked = issuer.claim_names.email.join(", ");
    let cure = "ask for the scope `email`, or name another claim under `claims: {email: …}`";
    let unverified = if claims.get("email_verified") == Some(&Value::Bool(false)) {
        ", and email_verified is false"
    } else {
        ""
    };
    Some(format!(
        "the token has no e-mail address (looked in {looked}{unverified}): {cure}"
    ))
}

fn judge(
    token: &str,
    parts: &TokenParts,
    snapshot: Option<&Snapshot>,
    now: UnixTime,
) -> (Signature, Vec<Finding>) {
    let issuer = snapshot.and_then(|snapshot| snapshot.rules.issuer(parts.text("iss")?));
    let mut findings = checks::check(parts, issuer, now);
    let Some(snapshot) = snapshot else {
        return (
            Signature::Unknown("no config, so no keys".to_owned()),
            findings,
        );
    };
    let Some(issuer) = issuer else {
        let known: Vec<_> = snapshot
            .rules
            .issuers
            .iter()
            .map(|issuer| &*issuer.iss)
            .collect();
        let text = format!(
            "iss is {}, configured: {}",
            parts.shown_claim("iss"),
            known.join(", ")
        );
        findings.insert(
            0,
            Finding {
                reason: Rejection::WrongIssuer,
                text,
            },
        );
        return (
            Signature::Unknown("the issuer is not configured".to_owned()),
            findings,
        );
    };
    let Some(keys) = snapshot.keys.get(&issuer.name) else {
        return (
            Signature::Unknown(format!("no keys of the issuer `{}`", issuer.name)),
            findings,
        );
    };
    let Some(key) = keys.find(parts.header.get("kid").and_then(Value::as_str)) else {
        let text = format!(
            "kid is {}, the issuer has {}",
            parts.shown_header("kid"),
            keys.kids().join(", ")
        );
        findings.insert(
            0,
            Finding {
                reason: Rejection::UnknownKey,
                text,
            },
        );
        return (
            Signature::Unknown("the issuer does not have the key".to_owned()),
            findings,
        );
    };
    // The gate's own code decides.
    let signed = UnverifiedToken::parse(token).and_then(|token| token.verify(issuer, key));
    let (signature, verdict) = match signed {
        Ok(signed) => {
            let verdict = VerifiedClaims::verify(Arc::new(signed), issuer, now).err();
            (Signature::Good(issuer.name.clone()), verdict)
        }
        Err(Rejection::BadSignature) => (Signature::Bad, Some(Rejection::BadSignature)),
        Err(reason) => (
            Signature::Unknown("the token is not well-formed".to_owned()),
            Some(reason),
        ),
    };
    if let Some(reason) =
        verdict.filter(|reason| !findings.iter().any(|finding| finding.reason == *reason))
    {
        findings.insert(
            0,
            Finding {
                reason,
                text: reason.meaning().to_owned(),
            },
        );
    }
    (signature, findings)
}

fn text(parts: &TokenParts, signature: &Signature, findings: &[Finding], now: UnixTime) -> String {
    let mut text = format!("{}\n\n", parts.kind());
    for (name, part) in [("header", &parts.header), ("claims", &parts.claims)] {
        let _ = writeln!(text, "{name} {:#}", Value::Object(part.clone()));
    }
    text.push('\n');
    for name in ["iat", "nbf", "exp"] {
        if let Some(at) = parts.seconds(name) {
            let _ = writeln!(text, "{name}        {at}, {}", relative(at, now));
        }
    }
    let said = match signature {
        Signature::Good(issuer) => format!("good, by a key of the issuer `{issuer}`"),
        Signature::Bad => "does not match".to_owned(),
        Signature::Unknown(why) => format!("not checked: {why}"),
    };
    let _ = writeln!(text, "signature  {said}\n");
    if let Some(hint) = missing::in_claims(&parts.claims) {
        let _ = writeln!(text, "hint       {hint}\n");
    }
    match findings.len() {
        0 => text += "nothing is wrong with it\n",
        1 => text += "1 fault:\n",
        some => text += &format!("{some} faults:\n"),
    }
    for Finding { reason, text: what } in findings {
        let _ = writeln!(text, "  {:<18} {what}", reason.label());
    }
    text
}

fn relative(at: u64, UnixTime(now): UnixTime) -> String {
    if at > now {
        format!("in {} s", at - now)
    } else {
        format!("{} s ago", now - at)
    }
}

fn as_json(
    parts: &TokenParts,
    signature: &Signature,
    findings: &[Finding],
    note: Option<&str>,
    UnixTime(now): UnixTime,
) -> Value {
    let signature = match signature {
        Signature::Good(_) => "good",
        Signature::Bad => "bad",
        Signature::Unknown(_) => "not checked",
    };
    let faults = findings
        .iter()
        .map(|finding| json!({"reason": finding.reason.label(), "what": finding.text}));
    json!({
        "kind": parts.kind(),
        "header": parts.header,
        "claims": parts.claims,
        "now": now,
        "signature": signature,
        "faults": faults.collect::<Vec<_>>(),
        "hints": missing::in_claims(&parts.claims).iter().map(String::as_str).chain(note).collect::<Vec<_>>(),
    })
}
