//! Circles of modules: files that import each other, over any number of steps.

#![allow(
    clippy::indexing_slicing,
    reason = "a test may panic, and paths are cut within their length"
)]

use std::collections::{BTreeMap, BTreeSet};

use super::scan::{imports, module_of};

/// For each module, by its path, the modules that it imports from directly.
pub struct Graph(BTreeMap<String, BTreeSet<String>>);

impl Graph {
    /// Reads the imports of all `files`, each with its path below `src/` and its text.
    pub fn of(files: &[(String, String)], crates: &[String]) -> Self {
        let modules: Vec<String> = files
            .iter()
            .map(|(file, _)| module_of(file).join("::"))
            .collect();
        let targets = |file: &str, text: &str| {
            imports(file, text, crates)
                .iter()
                .filter(|import| import.path.first().is_some_and(|first| first == "crate"))
                .filter_map(|import| module_in(&import.path[1..], &modules))
                .collect::<BTreeSet<_>>()
        };
        let edges = files.iter().zip(&modules).map(|((file, text), module)| {
            let mut targets = targets(file, text);
            targets.remove(module);
            (module.clone(), targets)
        });
        Self(edges.collect())
    }

    /// The modules of which each can be reached from each other one.
    pub fn circles(&self) -> Vec<Vec<String>> {
        let reach: BTreeMap<&String, BTreeSet<&String>> = self
            .0
            .keys()
            .map(|module| (module, self.reach(module)))
            .collect();
        let mut circles: Vec<Vec<String>> = vec![];
        for (module, reached) in &reach {
            let circle: Vec<String> = reached
                .iter()
                .filter(|other| {
                    reach
                        .get(**other)
                        .is_some_and(|back| back.contains(*module))
                })
                .map(|other| (*other).clone())
                .collect();
            if circle.len() > 1 && !circles.contains(&circle) {
                circles.push(circle);
            }
        }
        circles
    }

    /// Every module that `from` imports, directly or not.
    fn reach(&self, from: &str) -> BTreeSet<&String> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&str> = vec![from];
        while let Some(module) = open.pop() {
            for next in self.0.get(module).into_iter().flatten() {
                if reached.insert(next) {
                    open.push(next);
                }
            }
        }
        reached
    }
}

/// The innermost module that the path leads into; what follows is an item of it.
fn module_in(path: &[String], modules: &[String]) -> Option<String> {
    (1..=path.len())
        .rev()
        .map(|length| path[..length].join("::"))
        .find(|prefix| modules.contains(prefix))
}
