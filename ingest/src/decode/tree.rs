//! JSON pointers, compiled to a tree that an event is read by.

/// Where pointers lead, from the root down. Nodes are numbered; the root is 0.
#[derive(Debug)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    slots: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Node {
    pub name: Box<str>,
    /// Where this node's value goes: one slot for each pointer that ends here.
    pub slots: Vec<usize>,
    /// Sorted by name.
    pub children: Vec<(Box<str>, usize)>,
}

/// The slot of the event itself.
pub(crate) const ROOT_SLOT: usize = 0;

impl Tree {
    /// Of no pointer but the event itself.
    pub fn new() -> Self {
        Self { nodes: vec![Node { slots: vec![ROOT_SLOT], ..Node::default() }], slots: ROOT_SLOT + 1 }
    }

    /// Adds an RFC 6901 pointer; its value will be in the slot that is returned.
    pub fn add(&mut self, pointer: &str) -> usize {
        let names = pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~"));
        let mut at = 0;
        for name in names {
            at = self.child_or_new(at, &name);
        }
        self.add_slot(at)
    }

    /// Adds a member of the object at a pointer; the name is not escaped.
    pub fn add_member(&mut self, pointer: &str, name: &str) -> usize {
        self.add(&format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")))
    }

    fn add_slot(&mut self, at: usize) -> usize {
        let slot = self.slots;
        self.slots += 1;
        if let Some(node) = self.nodes.get_mut(at) {
            node.slots.push(slot);
        }
        slot
    }

    fn child_or_new(&mut self, at: usize, name: &str) -> usize {
        if let Some(child) = self.child(at, name) {
            return child;
        }
        let child = self.nodes.len();
        self.nodes.push(Node { name: name.into(), ..Node::default() });
        if let Some(node) = self.nodes.get_mut(at) {
            let place = node.children.partition_point(|(other, _)| **other < *name);
            node.children.insert(place, (name.into(), child));
        }
        child
    }

    pub fn node(&self, number: usize) -> Option<&Node> {
        self.nodes.get(number)
    }

    pub fn child(&self, at: usize, name: &str) -> Option<usize> {
        let children = &self.nodes.get(at)?.children;
        let place = children.binary_search_by(|(other, _)| (**other).cmp(name)).ok()?;
        children.get(place).map(|(_, child)| *child)
    }

    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    pub fn slots(&self) -> usize {
        self.slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_share_their_paths_and_are_unescaped() {
        let mut tree = Tree::new();
        let slots =
            [tree.add("/a/b"), tree.add("/a/c~1d"), tree.add("/a/b"), tree.add(""), tree.add_member("/a", "c/d")];
        assert_eq!(slots, [1, 2, 3, 4, 5]);
        assert_eq!(tree.nodes(), 4);
        let a = tree.child(0, "a").unwrap();
        assert_eq!(tree.node(tree.child(a, "b").unwrap()).unwrap().slots, [1, 3]);
        assert_eq!(tree.node(tree.child(a, "c/d").unwrap()).unwrap().slots, [2, 5]);
        assert_eq!(tree.node(0).unwrap().slots, [ROOT_SLOT, 4]);
    }
}
