//! The canonical text of an element that the schema does not know.
//!
//! Prefixes become default namespaces, declared where the namespace changes; attributes are sorted; white space between
//! elements, comments and the attributes of NETCONF and of XML itself (`xml:lang`) are dropped. A value that looks like `prefix:name` keeps the
//! declaration of its prefix, for it may be an identity.

use super::read::Reader;
use super::source::Item;
use super::{NETCONF, escape};
use crate::tree::codec::{CodecError, CodecErrorKind};
use crate::tree::lexical::{is_name, is_space, shown};
use quick_xml::events::BytesStart;

impl<'a> Reader<'a> {
    /// Reads the element that was just opened, up to its end, and appends its canonical text.
    pub(super) fn opaque_text(
        &mut self,
        start: &BytesStart<'a>,
        outer: &str,
        depth: usize,
        out: &mut String,
    ) -> Result<(), CodecError> {
        if depth > self.limits.depth {
            return Err(self.error(CodecErrorKind::TooDeep, format!("nested deeper than {}", self.limits.depth)));
        }
        self.count()?;
        let (mark, mut attributes) = self.source.enter(start, self.index).map_err(|fault| self.malformed(fault))?;
        let name = start.name();
        let (prefix, local) = name.0.split_once(':').unwrap_or(("", name.0));
        if !is_name(local) || !(prefix.is_empty() || is_name(prefix)) {
            return Err(self.malformed(format!("{} is not a name", shown(name.0))));
        }
        let namespace = match self.source.binding(prefix) {
            Some(binding) => binding.namespace.clone(),
            None if prefix.is_empty() => String::new(),
            None => return Err(self.malformed(format!("the prefix '{prefix}' is not declared"))),
        };
        let mut inner = String::new();
        let mut text = String::new();
        let mut elements = false;
        loop {
            match self.item()? {
                Item::Close => break,
                Item::Open { start, .. } => {
                    if !text.trim_matches(is_space).is_empty() {
                        escape(&text, false, &mut inner);
                    }
                    text.clear();
                    elements = true;
                    self.opaque_text(&start, &namespace, depth + 1, &mut inner)?;
                }
                Item::Text(piece) => self.append(&mut text, &piece)?,
                Item::End => return Err(self.malformed("the document ends inside an element".into())),
            }
        }
        out.push('<');
        out.push_str(local);
        if namespace != outer {
            declare("", &namespace, out);
        }
        let qualified = text.trim_matches(is_space).split_once(':').map(|(prefix, _)| prefix.to_owned());
        let qualified = qualified.filter(|prefix| !elements && !prefix.is_empty());
        let mut declared = Vec::new();
        if let Some((prefix, binding)) =
            qualified.and_then(|prefix| Some((prefix.clone(), self.source.binding(&prefix)?)))
        {
            declare(&prefix, &binding.namespace, out);
            declared.push(prefix);
        }
        attributes.others.retain(|(namespace, ..)| namespace != NETCONF);
        attributes.others.sort();
        for (namespace, prefix, local, value) in &attributes.others {
            if !prefix.is_empty() && !declared.contains(prefix) {
                declare(prefix, namespace, out);
                declared.push(prefix.clone());
            }
            out.push(' ');
            if !prefix.is_empty() {
                out.push_str(prefix);
                out.push(':');
            }
            out.push_str(local);
            out.push_str("=\"");
            escape(value, true, out);
            out.push('"');
        }
        if !elements || !text.trim_matches(is_space).is_empty() {
            escape(&text, false, &mut inner);
        }
        if inner.is_empty() {
            out.push_str("/>");
        } else {
            out.push('>');
            out.push_str(&inner);
            out.push_str("</");
            out.push_str(local);
            out.push('>');
        }
        self.source.leave(mark);
        Ok(())
    }
}

/// Appends a namespace declaration.
pub(super) fn declare(prefix: &str, namespace: &str, out: &mut String) {
    out.push_str(if prefix.is_empty() { " xmlns" } else { " xmlns:" });
    out.push_str(prefix);
    out.push_str("=\"");
    escape(namespace, true, out);
    out.push('"');
}
