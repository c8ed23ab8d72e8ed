//! `bailiff token mint`: makes a token like Clerk's, signed with the operator's own key.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::key_file;
use crate::cli::exit::{CommandError, Exit, print};
use crate::clock;
use crate::dev::mint::Mint;
use crate::domain::UnixTime;
use crate::domain::ids::ClerkUserId;

#[derive(clap::Args, Debug)]
#[command(after_help = "The token goes to stdout, everything else to stderr:
  bailiff token mint --issuer https://clerk.test --user user_1 | bailiff explain --method GET --path /me --token -")]
pub(crate) struct MintArgs {
    /// What the token says in `iss`
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// What the token says in `sub`
    #[arg(long, value_name = "user_…")]
    user: String,
    /// The private key, RSA in PEM; made if it is not there
    #[arg(long, value_name = "FILE", default_value = "bailiff-dev-key.pem")]
    key: PathBuf,
    /// The active organization, `id:slug:role`
    #[arg(long, value_name = "ID:SLUG:ROLE")]
    org: Option<String>,
    /// A permission in that organization, `org:feature:name`. May be given several times
    #[arg(long = "permission", value_name = "PERMISSION", requires = "org")]
    permissions: Vec<String>,
    /// The origin that asked for the token
    #[arg(long, value_name = "ORIGIN")]
    azp: Option<String>,
    /// How long the token lives
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = humantime::parse_duration)]
    lifetime: Duration,
    /// A further claim, or one of the above made wrong: `name=json`. May be given several times
    #[arg(long = "claim", value_name = "NAME=JSON")]
    claims: Vec<String>,
}

pub(crate) fn run(args: &MintArgs) -> Exit {
    if ClerkUserId::parse(&args.user).is_err() {
        return Err(CommandError::usage("--user is no Clerk user id").fix("--user user_1"));
    }
    let UnixTime(now) = clock::now();
    let mut mint = Mint::new(&args.issuer, &args.user, now).lifetime(args.lifetime.as_secs());
    if let Some(org) = &args.org {
        let parts: Vec<_> = org.splitn(3, ':').collect();
        let [id, slug, role] = parts.as_slice() else {
            return Err(
                CommandError::usage("--org is id, slug and role").fix("--org org_1:acme:admin")
            );
        };
        let permissions: Vec<_> = args.permissions.iter().map(String::as_str).collect();
        mint = mint.org(
            id,
            slug,
            role.strip_prefix("org:").unwrap_or(role),
            &permissions,
        );
    }
    if let Some(azp) = &args.azp {
        mint = mint.azp(azp);
    }
    for claim in &args.claims {
        let (name, value) = read_claim(claim)?;
        mint = mint.claim(name, value);
    }
    // The key comes last, so that a wrong command creates no file.
    let key = key_file::open(&args.key)?;
    print(&format!("{}\n", mint.sign(&key)))?;
    Ok(0)
}

fn read_claim(claim: &str) -> Result<(&str, Value), CommandError> {
    let wrong = || {
        CommandError::usage("--claim is a name and a JSON value")
            .fix("--claim 'plan=\"pro\"', --claim exp=0, --claim 'aud=[\"api\"]'")
    };
    let (name, json) = claim.split_once('=').ok_or_else(wrong)?;
    let value =
        serde_json::from_str(json).map_err(|error| wrong().saw(format!("in `{name}`: {error}")))?;
    Ok((name, value))
}
