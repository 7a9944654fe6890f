//! The mapped column paths as one tree, walked along with the record.

use std::collections::BTreeSet;

use crate::{ColumnPath, Step};

/// Column paths, each with the number that its values are reported under.
#[derive(Clone, Debug)]
pub struct Paths {
    nodes: Vec<Node>,
    /// What is added to a path's number where a value is astray; `None` where such values are passed over.
    astray: Option<usize>,
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
        Self::build(paths, None)
    }

    /// The same; also reports values that lie where a path leads to or through, in a form that no path takes there: in an array or
    /// object in place of a value, or as a value in place of those. They come under the numbers of all paths that lead there or on from there,
    /// each with `astray` added, which is more than any number is.
    pub fn with_astray<'a>(paths: impl IntoIterator<Item = (usize, &'a ColumnPath)>, astray: usize) -> Self {
        Self::build(paths, Some(astray))
    }

    fn build<'a>(paths: impl IntoIterator<Item = (usize, &'a ColumnPath)>, astray: Option<usize>) -> Self {
        let mut this = Self { nodes: Vec::new(), astray };
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
        let mut targets: Vec<usize> =
            paths.iter().filter(|(_, steps)| steps.is_empty()).map(|&(target, _)| target).collect();
        let names: BTreeSet<&str> = paths.iter().filter_map(|(_, steps)| name(steps)).collect();
        let fields: Vec<_> = names
            .into_iter()
            .map(|wanted| {
                let child =
                    self.child(paths, |step| matches!(step, Step::Values) || *step == Step::Field(wanted.into()));
                (wanted.as_bytes().into(), child.unwrap_or(id))
            })
            .collect();
        let mut others = self.child(paths, |step| matches!(step, Step::Values));
        let mut elements = self.child(paths, |step| matches!(step, Step::Elements));
        if let Some(astray) = self.astray.filter(|_| !paths.is_empty()) {
            let within: Vec<usize> = paths.iter().map(|(target, _)| target + astray).collect();
            if targets.is_empty() {
                targets.clone_from(&within);
            }
            // All that lies within is astray, however deep.
            let stray = self.nodes.len();
            self.nodes.push(Node { targets: within, fields: Vec::new(), others: Some(stray), elements: Some(stray) });
            if fields.is_empty() {
                others.get_or_insert(stray);
            }
            elements.get_or_insert(stray);
        }
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
