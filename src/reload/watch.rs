//! Tells when files may have changed.
//!
//! Events of the operating system make it quick; a look every few seconds makes it certain. Watching the file itself would
//! go blind at the first swap of a mounted ConfigMap or the first editor that renames, so the folders are watched.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// Between two looks, for file systems that send no events.
const POLL: Duration = Duration::from_secs(2);
/// Events come in flocks; this is how long one is waited out.
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
            // Our own reads are events too; they change nothing.
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
        // A folder that is not there (yet) is looked at by the clock alone, and watched once it is back.
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
