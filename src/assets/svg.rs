//! SVG as far as art needs it: paths, shapes, gradients, masks. What refers to files or the network, runs, or could be drawn without end is refused by
//! name, before it is drawn: elements are taken from a list, and what refers to others is counted as often as it is drawn.

use std::collections::HashMap;

use resvg::usvg::{self, roxmltree};
use roxmltree::{Document, Node, NodeId, ParsingOptions};

use super::AssetError;

const SVG: &str = "http://www.w3.org/2000/svg";

/// Elements that are drawn, or hold what is. Text is left out: no fonts are the same everywhere.
const ELEMENTS: [&str; 24] = [
    "a",
    "circle",
    "clipPath",
    "defs",
    "desc",
    "ellipse",
    "g",
    "line",
    "linearGradient",
    "mask",
    "metadata",
    "path",
    "polygon",
    "polyline",
    "radialGradient",
    "rect",
    "stop",
    "style",
    "svg",
    "switch",
    "symbol",
    "title",
    "use",
    "view",
];

/// Nodes of a document, elements as often as they are drawn, and how deep they lie in each other.
const MOST_NODES: u32 = 40_000;
const MOST_DRAWN: u64 = 8_000;
const MOST_DEPTH: usize = 32;

/// Bytes of a document, and of attributes as often as they are drawn.
const MOST_BYTES: usize = 2_000_000;

/// Reads a drawing that [`check`] finds nothing wrong with.
pub(super) fn read(bytes: &[u8]) -> Result<usvg::Tree, AssetError> {
    let wrong = |why: String| AssetError::Svg(why);
    if bytes.len() > MOST_BYTES {
        return Err(wrong(format!("has {} bytes; {MOST_BYTES} are allowed", bytes.len())));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| wrong("is no UTF-8".to_owned()))?;
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| {
        let why: String = error.to_string().chars().take(200).collect();
        wrong(format!("cannot be read: {why}"))
    })?;
    check(&document).map_err(wrong)?;
    usvg::Tree::from_xmltree(&document, &usvg::Options::default()).map_err(|error| {
        let why: String = error.to_string().chars().take(200).collect();
        wrong(format!("cannot be read: {why}"))
    })
}

/// What is wrong with a document, to be read after "the SVG".
fn check(document: &Document<'_>) -> Result<(), String> {
    if !document.root_element().has_tag_name((SVG, "svg")) {
        return Err(format!("begins with <{}>; <svg> of {SVG} is allowed", document.root_element().tag_name().name()));
    }
    let mut by_id: HashMap<&str, Node<'_, '_>> = HashMap::new();
    for node in document.descendants().filter(Node::is_element) {
        check_element(&node)?;
        if let Some(id) = node.attribute("id") {
            by_id.entry(id).or_insert(node);
        }
    }
    let mut count = Count { by_id, known: HashMap::new(), open: Vec::new() };
    let Drawn { elements, bytes } = count.drawn(document.root_element(), 0)?;
    if elements > MOST_DRAWN {
        return Err(format!("draws {elements} elements, counted as often as they are drawn; {MOST_DRAWN} are allowed"));
    }
    if bytes > MOST_BYTES as u64 {
        return Err(format!("draws {bytes} bytes of attributes, counted likewise; {MOST_BYTES} are allowed"));
    }
    Ok(())
}

/// Elements of other namespaces are editors' notes, and nobody draws them.
fn check_element(node: &Node<'_, '_>) -> Result<(), String> {
    let name = node.tag_name();
    if name.namespace().is_some_and(|namespace| namespace != SVG) {
        return Ok(());
    }
    if !ELEMENTS.contains(&name.name()) {
        let shown: String = name.name().chars().take(40).collect();
        let hint = if shown == "text" { " (make paths of its text)" } else { "" };
        return Err(format!("has <{shown}>{hint}; allowed are {}", ELEMENTS.join(", ")));
    }
    for attribute in node.attributes() {
        let is_link = attribute.name() == "href" && name.name() != "a";
        if is_link && !attribute.value().trim_start().starts_with('#') {
            return Err(format!("refers to something outside itself in <{}>; #id is allowed", name.name()));
        }
        check_text(attribute.value())?;
    }
    if name.name() == "style" {
        node.children().filter_map(|child| child.text()).try_for_each(check_text)?;
    }
    Ok(())
}

/// What CSS refers to.
fn check_text(text: &str) -> Result<(), String> {
    if text.contains("@import") {
        return Err("has @import; it must hold all of itself".to_owned());
    }
    if references(text).all(|reference| reference.starts_with('#')) {
        return Ok(());
    }
    Err("refers to something outside itself with url(…); url(#id) is allowed".to_owned())
}

/// What stands in `url(…)`, without quotes.
fn references(text: &str) -> impl Iterator<Item = &str> {
    let quotes = |c: char| c.is_whitespace() || c == '"' || c == '\'';
    text.split("url(").skip(1).map(move |rest| rest.split(')').next().unwrap_or("").trim_matches(quotes))
}

/// What is drawn of an element, with all that lies in it and all that it refers to.
#[derive(Clone, Copy)]
struct Drawn {
    elements: u64,
    /// Of attributes: a path is drawn point by point.
    bytes: u64,
}

impl Drawn {
    fn and(self, other: Self) -> Self {
        let (elements, bytes) = (self.elements.saturating_add(other.elements), self.bytes.saturating_add(other.bytes));
        Self { elements, bytes }
    }
}

/// Counts what is drawn as often as it is, looking at each element once.
struct Count<'a, 'd> {
    by_id: HashMap<&'a str, Node<'a, 'd>>,
    known: HashMap<NodeId, Drawn>,
    /// Those that are being counted: one that refers to itself would never end.
    open: Vec<NodeId>,
}

impl<'a, 'd> Count<'a, 'd> {
    fn drawn(&mut self, node: Node<'a, 'd>, depth: usize) -> Result<Drawn, String> {
        if depth > MOST_DEPTH {
            return Err(format!("has elements that lie or refer deeper than {MOST_DEPTH} into each other"));
        }
        if let Some(known) = self.known.get(&node.id()) {
            return Ok(*known);
        }
        if self.open.contains(&node.id()) {
            return Err("refers to itself in a circle".to_owned());
        }
        self.open.push(node.id());
        let bytes = node.attributes().map(|attribute| attribute.value().len() as u64).sum();
        let mut drawn = Drawn { elements: 1, bytes };
        for child in node.children().filter(Node::is_element) {
            drawn = drawn.and(self.drawn(child, depth + 1)?);
        }
        for attribute in node.attributes() {
            let link = (attribute.name() == "href").then(|| attribute.value().trim_start()).into_iter();
            for id in link.chain(references(attribute.value())).filter_map(|reference| reference.strip_prefix('#')) {
                if let Some(target) = self.by_id.get(id.trim_end()).copied() {
                    drawn = drawn.and(self.drawn(target, depth + 1)?);
                }
            }
        }
        self.open.pop();
        self.known.insert(node.id(), drawn);
        Ok(drawn)
    }
}
