//! Typed reading: ask a mapping for its keys, get values, and leave a fault for each that is wrong.
//!
//! Rules that hold for every method:
//! - [`Faulty`] means: there is no value, and a fault says why. So read everything first, and use `?` only when
//!   the value is put together. What may be absent is read by [`Field::maybe`] and [`Field::read_or`].
//! - A key with nothing behind it (`key:`, `~`, `null`) is a fault, also for an optional key: it is
//!   what remains when the lines below are commented out, and "as if absent" could switch a
//!   check off. The default is had by removing the key.
//! - Numbers and booleans must not be quoted, except in `"${NAME}"`. Text, words, durations and
//!   sizes may be.
//! - What came from a variable or a file is never printed.
//!
//! ```
//! use std::time::Duration;
//! use bailiff::config::faults::Faults;
//! use bailiff::config::interpolate::FakeEnv;
//! use bailiff::config::reader::{ReaderContext, Field, Fields, Reading};
//! use bailiff::config::source::Source;
//! use bailiff::config::yaml::{Bounds, Node};
//!
//! struct Config { upstream: String, leeway: Duration, routes: Vec<Route> }
//! struct Route { path: String, access: &'static str }
//!
//! fn config(root: &Node, ctx: &ReaderContext<'_>) -> Reading<Config> {
//!     let mut fields = Fields::of(root, "the config", ctx)?;
//!     let upstream = fields.req("upstream").str();
//!     let leeway = fields.opt("leeway").duration_or(Duration::from_secs(10), Duration::ZERO..=Duration::from_secs(60));
//!     let routes = fields.req("routes").nonempty_list();
//!     fields.finish();
//!     // Read all routes, then ask whether all were right: every fault is found.
//!     let routes: Vec<_> = routes?.into_iter().map(route).collect();
//!     let routes = routes.into_iter().collect::<Reading<_>>();
//!     Ok(Config { upstream: upstream?, leeway: leeway?, routes: routes? })
//! }
//!
//! fn route(field: Field<'_>) -> Reading<Route> {
//!     let mut fields = field.fields("a route")?;
//!     let path = fields.req("path").str();
//!     let access = fields.req("access").one_of(&["public", "user", "deny"]);
//!     fields.finish();
//!     Ok(Route { path: path?, access: access? })
//! }
//!
//! fn load(text: &str) -> Result<(Config, Faults), Faults> {
//!     let env = FakeEnv::new().with_var("APP", "http://127.0.0.1:3000");
//!     let ctx = ReaderContext::new(&env);
//!     let root = ctx.parse(&Source::new("bailiff.yaml", text), Bounds::default());
//!     let config = root.and_then(|root| config(&root, &ctx));
//!     ctx.into_faults().judge(config.ok())
//! }
//!
//! let (config, warnings) = load("upstream: ${APP}\nroutes: [{path: /**, access: user}]\n").unwrap();
//! assert_eq!(config.routes[0].path, "/**");
//! assert!(warnings.is_empty());
//! let faults = load("upstream: ${NO}\nroutes: [{path: /**, access: usr}]\n").err().unwrap();
//! assert_eq!(faults.to_string().matches("error[").count(), 2);
//! ```

mod context;
pub(crate) mod environment;
mod field;
mod fields;
mod optional;
mod scalars;
pub(crate) mod secrets;

pub(crate) use crate::config::document::faults::{Code, Fault, quoted};
pub(crate) use context::Name;
pub use context::{Faulty, Keys, ReaderContext, Reading};
pub(crate) use environment::ReadContext;
pub use field::{Field, Shape};
pub use fields::{Fields, Member};
pub(crate) use optional::{all, first_repeated};
