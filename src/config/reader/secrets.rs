//! What is secret by its key alone, whether or not a section reads it.

use crate::config::document::yaml::{Kind, Node};
use crate::config::values::suggest::nearest;

use super::context::ReaderContext;

/// Keys whose values are secret.
const SECRETS: &[&str] = &[
    "jwt_key",
    "password",
    "redis",
    "secret_key",
    "secrets",
    "sha256",
    "token",
];

/// Keys of mappings with little else than secrets. Who leaves the mapping out has written the secret itself.
const HOLDERS: &[&str] = &["webhooks", "service_tokens", "local", "shared"];

/// Hides a value, or the values of a list, that stand where a mapping belongs.
fn hide_bare(node: &Node, ctx: &ReaderContext<'_>) {
    match node.kind() {
        Kind::List(items) => items.iter().for_each(|item| hide_bare(item, ctx)),
        Kind::Scalar { .. } => ctx.hide(node),
        Kind::Map(_) | Kind::Broken => {}
    }
}

/// Hides the address in such a mapping, or what stands in its place.
fn hide_address(node: &Node, ctx: &ReaderContext<'_>) {
    hide_bare(node, ctx);
    if let Kind::Map(entries) = node.kind() {
        entries
            .iter()
            .filter(|entry| nearest(&entry.key, ["url"]).is_some())
            .for_each(|entry| ctx.hide(&entry.value));
    }
}

/// Hides what stands under such a key, or under a misspelling of one, wherever that is: a fault can keep a part of the config
/// from being read, and its line is printed all the same.
pub(crate) fn hide(node: &Node, ctx: &ReaderContext<'_>) {
    match node.kind() {
        Kind::List(items) => items.iter().for_each(|item| hide(item, ctx)),
        Kind::Map(entries) => {
            for entry in entries.iter() {
                match nearest(&entry.key, SECRETS.iter().copied()) {
                    Some(_) => ctx.hide(&entry.value),
                    None => hide(&entry.value, ctx),
                }
                if nearest(&entry.key, ["postgres"]).is_some() {
                    hide_address(&entry.value, ctx);
                }
                if nearest(&entry.key, HOLDERS.iter().copied()).is_some() {
                    hide_bare(&entry.value, ctx);
                }
            }
        }
        Kind::Scalar { .. } | Kind::Broken => {}
    }
}
