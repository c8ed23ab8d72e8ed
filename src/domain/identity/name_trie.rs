//! A tree that finds folded names and beginnings of names in one pass over the bytes of a header's name.

/// The letters of a folded name: `a` to `z`, `0` to `9`, and `_` for every other byte.
const LETTERS: usize = 37;

/// A tree of letters with a rule at the end of each name.
#[derive(Clone, Debug)]
pub(super) struct NameTrie<R> {
    nodes: Vec<Node<R>>,
}

#[derive(Clone, Debug)]
struct Node<R> {
    /// The indices of the next nodes. No node leads to the root, so 0 means that there is no next node.
    next: [u16; LETTERS],
    /// The rule for the name that ends here.
    exact: Option<R>,
    /// The rule for names that go on.
    beginning: Option<R>,
}

impl<R> Node<R> {
    fn new() -> Self {
        Self {
            next: [0; LETTERS],
            exact: None,
            beginning: None,
        }
    }
}

impl<R: Copy> NameTrie<R> {
    pub(super) fn new() -> Self {
        Self {
            nodes: vec![Node::new()],
        }
    }

    /// Adds a rule for a name, or with a `*` at its end for all names that begin so. The last rule of a name counts.
    ///
    /// All names together have at most 65,535 letters. A name beyond this limit gets its rule at its longest beginning that fits.
    /// So it matches too many names, and never too few.
    pub(super) fn insert(&mut self, name: &str, rule: R) {
        let (name, beginning) = match name.strip_suffix('*') {
            Some(beginning) => (beginning, true),
            None => (name, false),
        };
        let mut at = 0;
        for byte in name.bytes() {
            match self.child(at, byte) {
                Some(child) => at = child,
                None => match self.grow(at, byte) {
                    Some(child) => at = child,
                    None => return self.set(at, true, rule),
                },
            }
        }
        self.set(at, beginning, rule);
    }

    fn set(&mut self, at: usize, beginning: bool, rule: R) {
        if let Some(node) = self.nodes.get_mut(at) {
            *(if beginning {
                &mut node.beginning
            } else {
                &mut node.exact
            }) = Some(rule);
        }
    }

    fn grow(&mut self, at: usize, byte: u8) -> Option<usize> {
        let child = self.nodes.len();
        *self.nodes.get_mut(at)?.next.get_mut(letter(byte))? = u16::try_from(child).ok()?;
        self.nodes.push(Node::new());
        Some(child)
    }

    fn child(&self, at: usize, byte: u8) -> Option<usize> {
        let child = *self.nodes.get(at)?.next.get(letter(byte))?;
        (child != 0).then_some(usize::from(child))
    }

    /// The rule of this name in any spelling, otherwise the rule of its longest beginning.
    pub(super) fn find(&self, name: &str) -> Option<R> {
        let (mut at, mut found) = (0, None);
        for byte in name.bytes() {
            let Some(child) = self.child(at, byte) else {
                return found;
            };
            at = child;
            found = self.nodes.get(at).and_then(|node| node.beginning).or(found);
        }
        self.nodes.get(at).and_then(|node| node.exact).or(found)
    }
}

/// The folded letter of a byte. WSGI, CGI, PHP and Rack give `X-User-Id`, `x_user_id` and `x.user.id` to the app as one variable
/// (CVE-2025-64484, CVE-2026-54763).
fn letter(byte: u8) -> usize {
    match byte {
        b'a'..=b'z' => usize::from(byte - b'a'),
        b'A'..=b'Z' => usize::from(byte - b'A'),
        b'0'..=b'9' => usize::from(byte - b'0') + 26,
        _ => LETTERS - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_its_own_rule_and_else_that_of_its_longest_beginning() {
        let mut tree = NameTrie::new();
        for (name, rule) in [
            ("x_user", 1),
            ("x_*", 2),
            ("x_forwarded_*", 3),
            ("x_forwarded_for", 4),
            ("host", 5),
        ] {
            tree.insert(name, rule);
        }
        for (name, rule) in [
            ("X-User", Some(1)),
            ("x.user", Some(1)),
            ("x-users", Some(2)),
            ("x", None),
            ("x-", Some(2)),
            ("x-forwarded", Some(2)),
            ("x-forwarded-", Some(3)),
            ("X_Forwarded_For", Some(4)),
            ("x-forwarded-fort", Some(3)),
            ("host", Some(5)),
            ("hosts", None),
            ("hos", None),
            ("", None),
        ] {
            assert_eq!(tree.find(name), rule, "{name}");
        }
        tree.insert("x-user", 6);
        assert_eq!(tree.find("x_user"), Some(6), "the last rule counts");
    }

    #[test]
    fn a_tree_that_is_full_finds_too_much_and_never_too_little() {
        let mut tree = NameTrie::new();
        let long = |start: u8| format!("{}{}", char::from(start), "a".repeat(40_000));
        tree.insert(&long(b'b'), 1);
        tree.insert(&long(b'c'), 2);
        assert_eq!(tree.find(&long(b'b')), Some(1));
        assert_eq!(tree.find(&long(b'c')), Some(2));
        assert_eq!(tree.find("ca"), None);
    }
}
