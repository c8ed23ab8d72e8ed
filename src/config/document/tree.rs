//! Builds the tree of a YAML text from the events of its parser, within bounds.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span as ParserSpan, Tag, options};

use super::fault::{Code, Fault, quoted};
use super::faults::Faults;
use super::node::{Entry, Kind, Node, Style};
use super::source::{Source, Span, small};
use super::syntax;

/// How much YAML we are willing to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Size of the text in bytes; also how many bytes of text aliases may repeat. At most 4 GiB count.
    pub bytes: usize,
    /// Mappings and lists within each other.
    pub depth: usize,
    /// Values and keys, those repeated by aliases included.
    pub nodes: usize,
}

impl Default for Bounds {
    /// 8 MiB, 64 levels, 2 million nodes.
    fn default() -> Self {
        Self {
            bytes: 8 << 20,
            depth: 64,
            nodes: 2_000_000,
        }
    }
}

/// How much a node is, its content included: what an alias adds when it repeats the node.
#[derive(Clone, Copy, Default)]
struct Weight {
    nodes: usize,
    bytes: usize,
    /// Levels of lists and mappings; 0 for a scalar.
    height: usize,
}

impl Weight {
    const CONTAINER: Self = Self {
        nodes: 1,
        bytes: 0,
        height: 1,
    };

    fn add(&mut self, child: Self) {
        self.nodes = self.nodes.saturating_add(child.nodes);
        self.bytes = self.bytes.saturating_add(child.bytes);
        self.height = self.height.max(child.height + 1);
    }
}

/// The text could not be read to its end, and the reason is among the faults.
pub(super) struct Stopped;

/// A list or mapping that is not closed yet.
struct Open {
    anchor: usize,
    span: Span,
    weight: Weight,
    inside: Inside,
}

enum Inside {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Slot },
}

/// What comes next in a mapping.
enum Slot {
    Key,
    Value(Arc<str>, Span),
    /// The value of a key that was refused.
    Skip,
}

/// Builds the tree of one text.
pub(super) struct Builder<'s, 'f> {
    source: &'s Source,
    bounds: Bounds,
    faults: &'f mut Faults,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    anchors: HashMap<usize, (Node, Weight)>,
    nodes: usize,
    repeated_bytes: usize,
}

impl<'s, 'f> Builder<'s, 'f> {
    pub(super) fn new(source: &'s Source, bounds: Bounds, faults: &'f mut Faults) -> Self {
        let (open, anchors) = (Vec::new(), HashMap::new());
        Self {
            source,
            bounds,
            faults,
            open,
            root: None,
            documents: 0,
            anchors,
            nodes: 0,
            repeated_bytes: 0,
        }
    }

    /// The root, if there is one.
    pub(super) fn build(mut self) -> Result<Option<Node>, Stopped> {
        self.run().ok_or(Stopped)?;
        Ok(self.root)
    }

    fn run(&mut self) -> Option<()> {
        let options = options! {
            emit_comments: false,
            emit_unresolved_aliases: true,
            flow_nesting_limit: self.bounds.depth,
            block_nesting_limit: self.bounds.depth,
        };
        let source = self.source;
        for event in Parser::new_from_str_with_options(source.text(), options) {
            let (event, span) = match event {
                Ok(event) => event,
                Err(error) => {
                    self.faults
                        .push(syntax::fault(source, &error, self.bounds.depth));
                    return None;
                }
            };
            let span = convert(&span);
            if matches!(event, Event::DocumentStart(..)) {
                self.documents += 1;
                if self.documents > 1 {
                    self.fault(span, "a second document begins here", |f| {
                        f.fix("keep one document per file")
                    });
                    return Some(());
                }
            }
            self.take(event, span)?;
        }
        Some(())
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Option<()> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1, 0, span)?;
                let style = self.style(style, tag.as_deref(), span);
                let weight = Weight {
                    nodes: 1,
                    bytes: text.len(),
                    height: 0,
                };
                self.put(
                    span,
                    Kind::Scalar {
                        text: Arc::from(&*text),
                        style,
                    },
                    anchor,
                    weight,
                );
                Some(())
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.start(Inside::List(Vec::new()), anchor, tag.as_deref(), span)
            }
            Event::MappingStart(_, anchor, tag) => {
                let inside = Inside::Map {
                    entries: Vec::new(),
                    key: Slot::Key,
                };
                self.start(inside, anchor, tag.as_deref(), span)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.end();
                Some(())
            }
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::UnresolvedAlias(name) => {
                let what = format!("no anchor {} above", quoted(&format!("&{name}")));
                self.fault(span, &what, |f| f.fix("quote a text that begins with `*`"));
                self.put(span, Kind::Broken, 0, Weight::default());
                Some(())
            }
            _ => Some(()),
        }
    }

    fn start(
        &mut self,
        inside: Inside,
        anchor: usize,
        tag: Option<&Tag>,
        span: Span,
    ) -> Option<()> {
        self.refuse_tag(tag, span);
        self.count(1, 1, span)?;
        self.open.push(Open {
            anchor,
            span,
            weight: Weight::CONTAINER,
            inside,
        });
        Some(())
    }

    fn end(&mut self) {
        if let Some(Open {
            anchor,
            span,
            weight,
            inside,
        }) = self.open.pop()
        {
            let kind = match inside {
                Inside::List(items) => Kind::List(items.into()),
                Inside::Map { entries, .. } => Kind::Map(self.without_duplicates(entries).into()),
            };
            self.put(span, kind, anchor, weight);
        }
    }

    /// A repeated node counts as often as it is repeated: this stops alias bombs.
    fn alias(&mut self, anchor: usize, span: Span) -> Option<()> {
        let Some((node, weight)) = self.anchors.get(&anchor).cloned() else {
            self.fault(span, "an alias inside its own anchor", |f| f);
            self.put(span, Kind::Broken, 0, Weight::default());
            return Some(());
        };
        self.repeated_bytes = self.repeated_bytes.saturating_add(weight.bytes);
        self.count(weight.nodes, weight.height, span)?;
        self.put_node(node, weight);
        Some(())
    }

    /// Bound: `None` when these further nodes, so many levels high, are too many.
    fn count(&mut self, nodes: usize, height: usize, span: Span) -> Option<()> {
        let Bounds {
            bytes,
            depth,
            nodes: most,
        } = self.bounds;
        let place = || self.source.place(span);
        if self.open.len() + height > depth {
            self.faults.push(syntax::too_deep(place(), depth));
            return None;
        }
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > most || self.repeated_bytes > bytes {
            let what = format!("more than {most} values, or {bytes} bytes repeated by aliases");
            self.faults
                .push(Fault::error(Code::Bound, what).at(place()));
            return None;
        }
        Some(())
    }

    fn put(&mut self, span: Span, kind: Kind, anchor: usize, weight: Weight) {
        let node = Node {
            source: self.source.clone(),
            span,
            kind,
        };
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), weight));
        }
        self.put_node(node, weight);
    }

    /// Gives a finished node to the list or mapping around it.
    fn put_node(&mut self, node: Node, weight: Weight) {
        let wants_key = matches!(
            self.open.last(),
            Some(Open {
                inside: Inside::Map { key: Slot::Key, .. },
                ..
            })
        );
        let slot = wants_key.then(|| self.key(&node));
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        parent.weight.add(weight);
        match (&mut parent.inside, slot) {
            (Inside::List(items), _) => items.push(node),
            (Inside::Map { key, .. }, Some(slot)) => *key = slot,
            (Inside::Map { entries, key }, None) => {
                if let Slot::Value(key, key_span) = std::mem::replace(key, Slot::Key) {
                    entries.push(Entry {
                        key,
                        key_span,
                        value: node,
                    });
                }
            }
        }
    }

    fn key(&mut self, node: &Node) -> Slot {
        let what = match &node.kind {
            Kind::Scalar {
                text,
                style: Style::Plain,
            } if &**text == "<<" => "merge keys (`<<`) are not supported",
            Kind::Scalar { .. } if node.is_null() => "a value without a key",
            Kind::Scalar { text, .. } => return Slot::Value(Arc::clone(text), node.span),
            Kind::List(_) | Kind::Map(_) => "a list or mapping as a key",
            Kind::Broken => return Slot::Skip,
        };
        self.fault(node.span, what, |f| f.expected("a plain key"));
        Slot::Skip
    }

    /// Keeps the first of each key. Sorting finds them: a mapping may have 100,000 keys.
    fn without_duplicates(&mut self, entries: Vec<Entry>) -> Vec<Entry> {
        let mut sorted: Vec<&Entry> = entries.iter().collect();
        sorted.sort_by(|a, b| a.key.cmp(&b.key)); // stable: equal keys stay in the order of the text
        let mut again = HashSet::new();
        for same in sorted.chunk_by(|a, b| a.key == b.key) {
            let Some((first, rest)) = same.split_first() else {
                continue;
            };
            for second in rest {
                let what = format!("key {} stands twice", quoted(&second.key));
                let fault =
                    Fault::error(Code::DuplicateKey, what).at(self.source.place(second.key_span));
                self.faults
                    .push(fault.saw(format!("the first one in line {}", first.key_span.line)));
                again.insert(second.key_span.start);
            }
        }
        entries
            .into_iter()
            .filter(|entry| !again.contains(&entry.key_span.start))
            .collect()
    }

    fn fault(&mut self, span: Span, what: &str, more: impl FnOnce(Fault) -> Fault) {
        let place = self.source.place(span);
        self.faults
            .push(more(Fault::error(Code::Syntax, what).at(place)));
    }

    fn style(&mut self, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Style {
        let is_text = tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
        if !is_text {
            self.refuse_tag(tag, span);
        }
        match style {
            ScalarStyle::Plain if is_text => Style::Quoted,
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
            ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
        }
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, span: Span) {
        if let Some(tag) = tag {
            let what = format!("the tag {} means nothing here", quoted(&tag.original()));
            self.fault(span, &what, |f| {
                f.fix("remove it, or quote a text that begins with `!`")
            });
        }
    }
}

fn convert(span: &ParserSpan) -> Span {
    let start = small(span.start.byte_offset().unwrap_or_default());
    let end = small(span.end.byte_offset().unwrap_or_default()).max(start);
    Span {
        start,
        end,
        line: small(span.start.line()).max(1),
        column: small(span.start.col()).saturating_add(1),
    }
}
