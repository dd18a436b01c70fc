//! The elements of the domain, found by name and by the other name by which documents may call them.

use super::element::Element;
use super::map::{Map, Visits};
use std::sync::Arc;

/// The inventory. Finding an element costs the same in a large domain; a clone costs one reference.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    elements: Map<String, Arc<Element>>,
    /// `ne_id` and name.
    others: Map<(String, String), ()>,
}

impl Inventory {
    /// An empty inventory that counts its visits with others.
    pub fn new(visits: &Visits) -> Self {
        Self { elements: Map::new(visits), others: Map::new(visits) }
    }

    /// The element of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Element>> {
        self.elements.get(name)
    }

    /// The elements that documents may call so: the one of this name first, then those with this `ne_id`.
    pub fn answering<'a, 'c>(&'a self, called: &'c str) -> impl Iterator<Item = &'a Arc<Element>> + use<'a, 'c> {
        let from = (called.to_string(), String::new());
        let others = self.others.range(from..).map(|(key, ())| key);
        let others = others.take_while(move |(ne_id, _)| ne_id == called).filter(|(ne_id, name)| ne_id != name);
        self.get(called).into_iter().chain(others.filter_map(|(_, name)| self.elements.get(name)))
    }

    /// All elements, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Element>> {
        self.elements.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// Puts an element in, over the one of the same name.
    pub fn insert(&mut self, element: Element) {
        self.remove(&element.name);
        if let Some(ne_id) = &element.ne_id {
            self.others.insert((ne_id.clone(), element.name.clone()), ());
        }
        self.elements.insert(element.name.clone(), Arc::new(element));
    }

    /// Takes an element out; the one that was there.
    pub fn remove(&mut self, name: &str) -> Option<Arc<Element>> {
        let old = self.elements.get(name)?.clone();
        self.elements.remove(name);
        if let Some(ne_id) = &old.ne_id {
            self.others.remove(&(ne_id.clone(), name.to_string()));
        }
        Some(old)
    }
}

impl FromIterator<Element> for Inventory {
    fn from_iter<T: IntoIterator<Item = Element>>(elements: T) -> Self {
        let mut inventory = Self::default();
        elements.into_iter().for_each(|element| inventory.insert(element));
        inventory
    }
}

impl From<&[Element]> for Inventory {
    fn from(elements: &[Element]) -> Self {
        elements.iter().cloned().collect()
    }
}
