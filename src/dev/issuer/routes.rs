//! The paths of the issuer.

use std::sync::atomic::Ordering;
use std::time::Duration;

use http::header::LOCATION;
use http::{HeaderValue, Method, Response, StatusCode};
use pingora::protocols::http::ServerSession;
use serde_json::{Value, json};

use super::{Behaviour, DevUser, Metadata, State, Target, events};
use crate::dev::answer::{QueryParams, answer, bound, json, read_body, text};
use crate::dev::key::SigningKey;
use crate::dev::mint::Mint;
use crate::dev::webhook::deliver;
use crate::dev::{now_ms, random_id, with_causes};

/// How long [`Behaviour::Hang`] holds a request: longer than any reasonable time limit, but not for ever.
pub(super) const HANG_TIME: Duration = Duration::from_secs(35);
/// More than the 1 MiB up to which a careful client reads a key set.
pub(super) const HUGE_BYTES: usize = 1280 * 1024;
/// Bound: the longest answer that a test can make the issuer give.
const RAW_BYTES_MAX: usize = 2 * 1024 * 1024;
/// How long ago an expired token has expired. No leeway is that large.
const EXPIRED_SECS: u64 = 3600;

const HELP: &str = "\
bailiff development issuer: pretends to be Clerk, signs for whoever asks

GET  /.well-known/jwks.json      the public keys
GET  /.well-known/openid-configuration   who the issuer is, and where the keys are
GET  /token/{name}               a session token that lives 60 s
                                 ?org=org_x  with this organization active
                                 ?expired=1  one that ended an hour ago
                                 ?azp=URL    for this origin; ?azp= for none
GET  /v1/users/{id}              the user, as Clerk's Backend API gives one; needs the secret key
GET  /v1/jwks                    the public keys, as Clerk's Backend API gives them; needs the secret key
DELETE /v1/users/{id}            deletes the user
GET  /v1/users  /v1/users/count  /v1/organizations  /v1/organization_memberships
                                 the lists, ?limit= (1 to 500) &offset=
POST /send/{event}/{name}        sends a signed webhook event about somebody to the gate
                                 ?org=org_x ?role=admin ?banned=1 ?locked=1 ?email=x@example.com
POST /sign?id=&timestamp=        the svix headers for the posted body
";

impl State {
    pub(super) async fn answer(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        bound(session);
        let method = session.req_header().method.clone();
        let path = session.req_header().uri.path().to_owned();
        let query = QueryParams::of(session);
        let segments: Vec<&str> = path.trim_start_matches('/').splitn(4, '/').collect();
        match (&method, segments.as_slice()) {
            (&Method::GET, [""]) => text(StatusCode::OK, &self.help()),
            (&Method::GET, [".well-known", "jwks.json"]) => self.jwks().await,
            (&Method::GET, [".well-known", "openid-configuration"]) => self.metadata().await,
            (&Method::GET, ["token", name]) => self.token(name, &query),
            (&Method::GET, ["v1", "jwks"]) => self.backend_keys(session).await,
            (&Method::GET, ["v1", "users", "count"]) => self.user_count(session),
            (
                &Method::GET,
                [
                    "v1",
                    list @ ("users" | "organizations" | "organization_memberships"),
                ],
            ) => self.list(session, list, &query).await,
            (method, ["v1", "users", id]) => self.users(session, method, id).await,
            (&Method::POST, ["send", event, name]) => self.send(event, name, &query).await,
            (&Method::POST, ["sign"]) => self.sign(session, &query).await,
            _ => text(
                StatusCode::NOT_FOUND,
                "nothing here; GET / lists what there is",
            ),
        }
    }

    fn help(&self) -> String {
        format!("{HELP}\n{}", self.who())
    }

    async fn jwks(&self) -> Response<Vec<u8>> {
        self.jwks_hits.fetch_add(1, Ordering::SeqCst);
        let behaviour = self.behaviour.load_full();
        play(
            &behaviour,
            json!({"keys": self.jwks_entries()}),
            &json!({"keys": []}),
        )
        .await
    }

    async fn metadata(&self) -> Response<Vec<u8>> {
        self.metadata_hits.fetch_add(1, Ordering::SeqCst);
        let jwks_uri = format!("{}/.well-known/jwks.json", self.url);
        let of = |issuer: &str, jwks_uri: &str| {
            json!({
                "issuer": issuer,
                "jwks_uri": jwks_uri,
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            })
        };
        match &*self.metadata.load_full() {
            Metadata::Normal => json(StatusCode::OK, &of(&self.url, &jwks_uri)),
            Metadata::Issuer(issuer) => json(StatusCode::OK, &of(issuer, &jwks_uri)),
            Metadata::JwksUri(uri) => json(StatusCode::OK, &of(&self.url, uri)),
            Metadata::Instead(behaviour) => {
                play(
                    behaviour,
                    of(&self.url, &jwks_uri),
                    &json!({"issuer": self.url}),
                )
                .await
            }
        }
    }

    pub(super) fn jwks_entries(&self) -> Vec<Value> {
        self.keys.load().iter().map(SigningKey::jwk).collect()
    }

    fn token(&self, name: &str, query: &QueryParams) -> Response<Vec<u8>> {
        let people = self.people.load();
        let Some(person) = named(&people, name) else {
            return self.unknown_person();
        };
        let keys = self.keys.load();
        let Some(key) = keys.first() else {
            return text(
                StatusCode::SERVICE_UNAVAILABLE,
                "the issuer has no key to sign with",
            );
        };
        let mut mint = Mint::new(&self.url, &person.user_id, now_ms() / 1000);
        if query.is_on("expired") {
            mint = mint.issued_at((now_ms() / 1000).saturating_sub(EXPIRED_SECS));
        }
        let default_azp = self.azp.load_full();
        let azp = query
            .get("azp")
            .or(default_azp.as_deref().map(String::as_str));
        if let Some(azp) = azp.filter(|azp| !azp.is_empty()) {
            mint = mint.azp(azp);
        }
        if let Some(id) = query.get("org") {
            let Some(org) = person.orgs.iter().find(|org| org.id == id) else {
                return text(StatusCode::NOT_FOUND, &not_in_org(person));
            };
            let permissions: Vec<&str> = org.permissions.iter().map(String::as_str).collect();
            mint = mint.org(&org.id, &org.slug, &org.role, &permissions);
        }
        // Without a line end, for `$(curl …)` and for clients that use the body as it is.
        let token = mint.sign(key).into_bytes();
        answer(StatusCode::OK, "text/plain; charset=utf-8", token)
    }

    async fn send(&self, kind: &str, name: &str, query: &QueryParams) -> Response<Vec<u8>> {
        let people = self.people.load_full();
        let Some(person) = named(&people, name) else {
            return self.unknown_person();
        };
        let now = now_ms();
        let event = match events::about(person, &people, kind, query, now) {
            Ok(data) => crate::dev::webhook::event(kind, data, now, &self.instance_id.load()),
            Err(why) => return text(StatusCode::NOT_FOUND, &why.to_string()),
        };
        let Some(target) = self.webhook.load_full() else {
            return no_webhook();
        };
        let Target { url, signer } = &*target;
        let id = random_id("msg_");
        match deliver(url, signer, &id, now / 1000, event.to_string().into_bytes()).await {
            Ok(delivery) => {
                let status =
                    StatusCode::from_u16(delivery.status).unwrap_or(StatusCode::BAD_GATEWAY);
                answer(status, "text/plain; charset=utf-8", delivery.body)
            }
            Err(error) => text(StatusCode::BAD_GATEWAY, &with_causes(&error)),
        }
    }

    async fn sign(&self, session: &mut ServerSession, query: &QueryParams) -> Response<Vec<u8>> {
        let Some(target) = self.webhook.load_full() else {
            return no_webhook();
        };
        let timestamp = match query.get("timestamp").filter(|given| !given.is_empty()) {
            None => now_ms() / 1000,
            Some(given) => match given.parse() {
                Ok(timestamp) => timestamp,
                Err(_) => {
                    return text(StatusCode::BAD_REQUEST, "timestamp must be in unix seconds");
                }
            },
        };
        let id = match query.get("id").filter(|given| !given.is_empty()) {
            None => random_id("msg_"),
            Some(given) => given.to_owned(),
        };
        let body = read_body(session).await;
        if !body.complete {
            return text(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the body is incomplete or above 1 MiB",
            );
        }
        let headers = target.signer.headers(&id, timestamp, &body.bytes);
        let headers = headers.map(|(name, value)| (name.to_owned(), Value::String(value)));
        json(
            StatusCode::OK,
            &Value::Object(headers.into_iter().collect()),
        )
    }

    fn who(&self) -> String {
        let people = self.people.load();
        let names: Vec<&str> = people.iter().map(|person| person.name.as_str()).collect();
        match names.as_slice() {
            [] => "nobody is known here".to_owned(),
            names => format!("known names: {}", names.join(", ")),
        }
    }

    fn unknown_person(&self) -> Response<Vec<u8>> {
        let sentence = format!("there is nobody of this name; {}", self.who());
        text(StatusCode::NOT_FOUND, &sentence)
    }
}

/// Answers according to `behaviour`: with `good`, with `empty`, or with a fault.
pub(super) async fn play(behaviour: &Behaviour, good: Value, empty: &Value) -> Response<Vec<u8>> {
    match behaviour {
        Behaviour::Normal => json(StatusCode::OK, &good),
        Behaviour::Status(code) => {
            // An informational status would leave the client waiting for the real one.
            let status = StatusCode::from_u16(*code)
                .ok()
                .filter(|status| status.as_u16() >= 200);
            let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            text(status, "the issuer was told to answer this")
        }
        Behaviour::Html => {
            let page = b"<!doctype html><title>Sign in to the network</title>\n".to_vec();
            answer(StatusCode::OK, "text/html; charset=utf-8", page)
        }
        Behaviour::EmptyKeys => json(StatusCode::OK, empty),
        Behaviour::Huge => {
            let mut good = good;
            if let Some(members) = good.as_object_mut() {
                members.insert("padding".to_owned(), Value::String("x".repeat(HUGE_BYTES)));
            }
            json(StatusCode::OK, &good)
        }
        Behaviour::Hang => {
            tokio::time::sleep(HANG_TIME).await;
            text(
                StatusCode::SERVICE_UNAVAILABLE,
                "the issuer was told to hang",
            )
        }
        Behaviour::Redirect(to) => redirect(to),
        Behaviour::Raw(bytes) => {
            let bytes = bytes.iter().copied().take(RAW_BYTES_MAX).collect();
            answer(StatusCode::OK, "application/json", bytes)
        }
    }
}

fn named<'a>(people: &'a [DevUser], name: &str) -> Option<&'a DevUser> {
    people.iter().find(|person| person.name == name)
}

fn not_in_org(person: &DevUser) -> String {
    let ids: Vec<&str> = person.orgs.iter().map(|org| org.id.as_str()).collect();
    match ids.as_slice() {
        [] => format!("{} is in no organization", person.name),
        ids => format!("{} is only in {}", person.name, ids.join(", ")),
    }
}

fn no_webhook() -> Response<Vec<u8>> {
    text(
        StatusCode::SERVICE_UNAVAILABLE,
        "the issuer was not told about a webhook address",
    )
}

fn redirect(to: &str) -> Response<Vec<u8>> {
    let mut response = text(StatusCode::FOUND, "the keys are elsewhere");
    match HeaderValue::from_str(to) {
        Ok(location) => {
            response.headers_mut().insert(LOCATION, location);
            response
        }
        Err(_) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the address of the redirect is unusable",
        ),
    }
}
