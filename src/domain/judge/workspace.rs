//! Which workspace a request names.

use super::Principal;
use crate::domain::Rejection;
use crate::domain::head::RequestHead;
use crate::domain::ids::WorkspaceId;
use crate::domain::membership::Members;
use crate::domain::path::CleanPath;
use crate::domain::routes::{PathRules, Route, Suffix, WorkspaceSource};

/// Where a route looks for the workspace of a request.
pub(super) struct NamedWorkspace<'a> {
    pub head: &'a RequestHead<'a>,
    pub route: &'a Route,
    /// See [`crate::domain::routes::RouteReading::path`].
    pub path: &'a CleanPath<'a>,
    pub principal: &'a Principal,
    /// How the app reads paths.
    pub rules: PathRules,
}

impl NamedWorkspace<'_> {
    /// The workspace of the request, from the configured sources only. Each source must name it, and all must name the same
    /// (attack A-42).
    ///
    /// # Errors
    /// [`Rejection::NoWorkspace`] where a source names none, [`Rejection::BadWorkspace`] where two differ or one is not an id.
    pub(super) fn find(&self, members: Option<&Members>) -> Result<WorkspaceId, Rejection> {
        let mut named: Option<WorkspaceId> = None;
        // Where the gate reads no token, the token can neither name a workspace nor contradict one.
        let asked = |source: &&WorkspaceSource| {
            !self.principal.bypasses_auth() || **source != WorkspaceSource::TokenOrg
        };
        for source in self.route.workspace.iter().filter(asked) {
            let id = self.by(source, members)?.ok_or(Rejection::NoWorkspace)?;
            match &named {
                Some(other) if *other != id => return Err(Rejection::BadWorkspace),
                _ => named = Some(id),
            }
        }
        named.ok_or(Rejection::NoWorkspace)
    }

    fn by(
        &self,
        source: &WorkspaceSource,
        members: Option<&Members>,
    ) -> Result<Option<WorkspaceId>, Rejection> {
        let text = match source {
            WorkspaceSource::TokenOrg => {
                let org = self
                    .principal
                    .claims()
                    .and_then(|claims| claims.claims().org.as_ref());
                return Ok(org
                    .zip(members)
                    .and_then(|(org, members)| members.workspace_of(&org.id)));
            }
            WorkspaceSource::Segment(index) => self.segment(*index),
            WorkspaceSource::Header(name) => self
                .head
                .single(name)
                .map_err(|_| Rejection::BadWorkspace)?,
        };
        text.map(WorkspaceId::parse)
            .transpose()
            .map_err(|_| Rejection::BadWorkspace)
    }

    /// The segment as the app reads it: without its suffix, where the suffix is only the format of the answer.
    fn segment(&self, index: usize) -> Option<&str> {
        let mut segments = self.path.segments().skip(index);
        let segment = segments.next()?;
        let ignored = self.rules.suffix == Suffix::Ignored && segments.next().is_none();
        Some(if ignored {
            segment.without_suffix()
        } else {
            segment.text()
        })
    }
}
