//! YAML as a tree in which every key and value knows its place.
//!
//! Why the events of `granit_parser` (which serde-saphyr is built on and re-exports for such uses)
//! and not `serde_saphyr::Spanned`: serde gives one error and stops, so a second key that stands
//! twice, or a wrong alias, would hide all faults behind it; and it types scalars before we can see
//! whether they were quoted. The events keep both and cost the same parser.
//!
//! Left out on purpose, each with a fault: merge keys (`<<`), tags other than `!!str`,
//! keys that are not text, several documents.

pub use super::node::{Entry, Kind, Node, Style};
pub use super::tree::Bounds;

use super::fault::{Code, Fault};
use super::faults::Faults;
use super::source::Source;
use super::tree::Builder;

/// Reads one YAML document.
///
/// `None` if there is no tree to go on with. A tree may come together with errors (a key that
/// stands twice, say; the first one counts), so that its other faults are found in the same run:
/// ask [`Faults::has_errors`] before using anything.
#[must_use]
pub fn parse(source: &Source, bounds: Bounds, faults: &mut Faults) -> Option<Node> {
    let size = source.text().len();
    if size > bounds.bytes.min(u32::MAX as usize) {
        let what = format!("{} is larger than {} bytes", source.name(), bounds.bytes);
        faults.push(Fault::error(Code::Bound, what).saw(format!("{size} bytes")));
        return None;
    }
    match Builder::new(source, bounds, faults).build().ok()? {
        Some(root) if !root.is_null() => Some(root),
        _ => {
            let what = format!("{} is empty", source.name());
            faults.push(
                Fault::error(Code::Unreadable, what).expected("a mapping with at least one key"),
            );
            None
        }
    }
}
