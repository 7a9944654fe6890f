//! The mapped column paths as one tree, walked along with the record.

use std::collections::BTreeSet;

use crate::{ColumnPath, Step};

/// Column paths, each with the number that its values are reported under.
#[derive(Clone, Debug)]
pub struct Paths {
    nodes: Vec<Node>,
}

/// One place in a record that a path leads to or through. Where paths by name and by `{}` both lead, they are one node already,
/// so a walk is in one node at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// The paths that end here.
    pub(super) targets: Vec<usize>,
    fields: Vec<(Box<[u8]>, usize)>,
    /// Any other key.
    others: Option<usize>,
    pub(super) elements: Option<usize>,
}

impl Paths {
    /// These paths. Values are reported under the number that stands with the path; several paths may share one.
    pub fn new<'a>(paths: impl IntoIterator<Item = (usize, &'a ColumnPath)>) -> Self {
        let mut this = Self { nodes: Vec::new() };
        this.add(&paths.into_iter().map(|(target, path)| (target, path.steps())).collect::<Vec<_>>());
        this
    }

    pub(super) const ROOT: usize = 0;

    #[inline]
    pub(super) fn node(&self, node: usize) -> &Node {
        &self.nodes[node]
    }

    fn add(&mut self, paths: &[(usize, &[Step])]) -> usize {
        let id = self.nodes.len();
        self.nodes.push(Node::default());
        let targets = paths.iter().filter(|(_, steps)| steps.is_empty()).map(|&(target, _)| target).collect();
        let names: BTreeSet<&str> = paths.iter().filter_map(|(_, steps)| name(steps)).collect();
        let fields = names
            .into_iter()
            .map(|wanted| {
                let child =
                    self.child(paths, |step| matches!(step, Step::Values) || *step == Step::Field(wanted.into()));
                (wanted.as_bytes().into(), child.unwrap_or(id))
            })
            .collect();
        let others = self.child(paths, |step| matches!(step, Step::Values));
        let elements = self.child(paths, |step| matches!(step, Step::Elements));
        self.nodes[id] = Node { targets, fields, others, elements };
        id
    }

    /// The node for what follows the first step of those paths that take it.
    fn child(&mut self, paths: &[(usize, &[Step])], takes: impl Fn(&Step) -> bool) -> Option<usize> {
        let tails: Vec<_> = paths
            .iter()
            .filter_map(|&(target, steps)| match steps.split_first() {
                Some((first, tail)) if takes(first) => Some((target, tail)),
                _ => None,
            })
            .collect();
        (!tails.is_empty()).then(|| self.add(&tails))
    }
}

fn name(steps: &[Step]) -> Option<&str> {
    match steps.first() {
        Some(Step::Field(name)) => Some(name),
        _ => None,
    }
}

impl Node {
    /// Where the value of `key` leads.
    #[inline]
    pub(super) fn key(&self, key: &[u8]) -> Option<usize> {
        self.fields.iter().find(|(name, _)| **name == *key).map_or(self.others, |&(_, node)| Some(node))
    }

    /// Whether a path goes on inside of an object here.
    #[inline]
    pub(super) fn enters_objects(&self) -> bool {
        !self.fields.is_empty() || self.others.is_some()
    }
}
