//! Reports when files may have changed.
//!
//! Events of the operating system make it quick, and a check every few seconds makes it certain. The folders are watched and not
//! the files: a watch on a file ends when a mounted ConfigMap is swapped, or when an editor renames.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// Between two checks, for file systems that send no events.
const POLL: Duration = Duration::from_secs(2);
/// Events come in groups. After the first one, this is the wait for the others.
const SETTLE: Duration = Duration::from_millis(50);

/// Wakes its holder when a followed file may have changed. Spurious wake-ups are normal: compare contents.
pub struct Watch {
    events: mpsc::Receiver<()>,
    watcher: Option<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
}

impl Watch {
    /// A watch that follows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        let (sender, events) = mpsc::channel(1);
        let told = move |event: notify::Result<notify::Event>| {
            // The gate's own reads are events too, and change nothing.
            if event.is_ok_and(|e| !e.kind.is_access()) {
                let _ = sender.try_send(());
            }
        };
        let watcher = notify::recommended_watcher(told);
        let watcher = watcher
            .map_err(|error| tracing::warn!(%error, "no file events; files are read every 2 s"))
            .ok();
        Self {
            events,
            watcher,
            folders: BTreeSet::new(),
        }
    }

    /// Follows exactly these files from now on.
    pub fn follow<'p>(&mut self, files: impl IntoIterator<Item = &'p Path>) {
        let folder = |file: &Path| match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let wanted: BTreeSet<_> = files.into_iter().map(folder).collect();
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        for gone in self.folders.difference(&wanted) {
            let _ = watcher.unwatch(gone);
        }
        // A missing folder is only checked by the clock, and watched once it exists.
        self.folders = wanted
            .into_iter()
            .filter(|f| watcher.watch(f, RecursiveMode::NonRecursive).is_ok())
            .collect();
    }

    /// Returns when something may have changed, at the latest after two seconds.
    pub async fn changed(&mut self) {
        if let Ok(Some(())) = tokio::time::timeout(POLL, self.events.recv()).await {
            tokio::time::sleep(SETTLE).await;
            let _ = self.events.try_recv();
        }
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}
