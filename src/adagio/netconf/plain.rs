//! Passes over the content of an element without events, where it is as plain as nearly everything that elements send.
//!
//! Flow: [`super::xml::Walk`] asks here first when the content of an element is to be cut out as it is (the data of a
//! reply may be megabytes), and walks by events when the answer is no.
//!
//! Guarantee: what is passed over is well-formed, has neither references nor anything but elements and text, is not nested
//! deeper than allowed, and the walk by events would have come to the same place. `None` says nothing at all.

/// How many bytes of `text` stand before the end tag of the element in whose content it begins. `depth`: how many levels
/// more may be nested.
pub(super) fn content(text: &str, depth: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut declared = 0;
    let mut at = 0;
    loop {
        // Text: no reference in it.
        at += bytes.get(at..)?.iter().position(|byte| matches!(byte, b'<' | b'&'))?;
        let tag = bytes.get(at..)?.strip_prefix(b"<")?;
        if let Some(end) = tag.strip_prefix(b"/") {
            let Some(last) = open.pop() else { return Some(at) };
            end.strip_prefix(last.name)?.strip_prefix(b">")?;
            declared -= last.declared;
            at += last.name.len() + 3;
            continue;
        }
        let name = word(tag)?;
        let mut rest = tag.get(name.len()..)?;
        let mut here = 0;
        while let Some(attribute) = rest.strip_prefix(b" ").filter(|rest| !rest.starts_with(b"/")) {
            let key = word(attribute)?;
            let value = attribute.get(key.len()..)?.strip_prefix(b"=\"")?;
            let length = value.iter().position(|byte| matches!(byte, b'"' | b'<' | b'&'))?;
            rest = value.get(length..)?.strip_prefix(b"\"")?;
            let value = value.get(..length)?;
            if key.starts_with(b"xmlns") {
                here += 1;
                // Declarations that Namespaces in XML §3 and §6 forbid, or may.
                let reserved = value.starts_with(b"http://www.w3.org/") || key.starts_with(b"xmlns:xml");
                if reserved || value.is_empty() {
                    return None;
                }
            }
        }
        if open.len() >= depth || declared + here > DECLARATIONS {
            return None;
        }
        let rest = match (rest.strip_prefix(b">"), rest.strip_prefix(b" ").unwrap_or(rest).strip_prefix(b"/>")) {
            (Some(rest), _) => {
                declared += here;
                open.push(Open { name, declared: here });
                rest
            }
            (None, Some(rest)) => rest,
            (None, None) => return None,
        };
        at = bytes.len() - rest.len();
    }
}

/// An element that waits for its end tag.
struct Open<'a> {
    name: &'a [u8],
    declared: usize,
}

/// A name of the usual letters, not empty.
fn word(bytes: &[u8]) -> Option<&[u8]> {
    let length = bytes.iter().position(|byte| !USUAL[usize::from(*byte)])?;
    bytes.get(..length).filter(|name| !name.is_empty())
}

/// The letters of names, by byte.
const USUAL: [bool; 256] = {
    let mut usual = [false; 256];
    let mut byte = 0_u8;
    loop {
        usual[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
        if byte == u8::MAX {
            break usual;
        }
        byte += 1;
    }
};

/// Namespace declarations in scope at once. More is walked by events, which knows its own bound.
const DECLARATIONS: usize = 32;

#[cfg(test)]
mod tests {
    use super::super::xml::{Fragment, Walk, XmlError};
    use super::content;
    use proptest::prelude::*;

    #[test]
    fn what_is_plain_is_passed_over_to_the_right_end_tag() {
        let passed = |text: &str| content(text, 10);
        for inner in
            ["", " \n", "text > text", "<a/>", "<a />", "<a></a>", "<a x=\"1\" y:z=\"&\"/>".replace('&', "").as_str()]
        {
            assert_eq!(passed(&format!("{inner}</data></x>")), Some(inner.len()), "{inner}");
        }
        let same = "<data xmlns=\"urn:a\"><data><p:b xmlns:p=\"urn:b\">é</p:b></data>]]></data>";
        assert_eq!(passed(&format!("{same}</data>")), Some(same.len()));
        for odd in [
            "<a>",
            "<a></b>",
            "<a></a >",
            "<a x='1'/>",
            "<a x=1/>",
            "<a  x=\"1\"/>",
            "<a x=\"1\"y=\"1\"/>",
            "<a x=\"<\"/>",
            "<a x=\"&lt;\"/>",
            "&lt;",
            "<!-- -->",
            "<![CDATA[]]>",
            "<?x?>",
            "<é/>",
            "< a/>",
            "<a/ >",
            "<>",
            "<a xmlns:xml=\"urn:a\"/>",
            "<a xmlns:p=\"\"/>",
            "<a xmlns:p=\"http://www.w3.org/2000/xmlns/\"/>",
        ] {
            assert_eq!(passed(&format!("{odd}</data>")), None, "{odd}");
        }
        assert_eq!(passed("no end"), None);
        let deep = |levels: usize| format!("{}{}</data>", "<a>".repeat(levels), "</a>".repeat(levels));
        assert!(passed(&deep(10)).is_some() && passed(&deep(11)).is_none());
        let wide = |levels: usize| format!("{}{}</data>", "<a xmlns=\"u\">".repeat(levels), "</a>".repeat(levels));
        assert!(content(&wide(32), 99).is_some() && content(&wide(33), 99).is_none());
    }

    /// The walk by events alone.
    fn by_events(document: &str) -> Result<Fragment, XmlError> {
        let mut walk = Walk::new(document);
        let root = walk.child()?.ok_or(XmlError::Cut)?;
        let child = walk.child()?.ok_or(XmlError::Cut)?;
        let (namespaces, from) = (walk.namespaces(), walk.position());
        walk.skip(&child)?;
        let to = if child.empty { from } else { walk.last_began() };
        walk.skip(&root)?;
        Ok(Fragment { inner: document[from..to].to_owned(), namespaces })
    }

    fn by_both(document: &str) -> Result<Fragment, XmlError> {
        let mut walk = Walk::new(document);
        let root = walk.child()?.ok_or(XmlError::Cut)?;
        let child = walk.child()?.ok_or(XmlError::Cut)?;
        let fragment = walk.content(&child)?;
        walk.skip(&root)?;
        Ok(fragment)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(
            512 * std::env::var("ANDANTE_CASES").map_or(1, |cases| cases.parse().unwrap())))]
        #[test]
        fn both_ways_come_to_the_same_place(
            parts in prop::collection::vec(prop::sample::select(vec![
                "<a>", "</a>", "<a>", "</a>", "<b>", "</b>", "<a/>", "<d>", "</d>", "<p:b xmlns:p=\"urn:p\">", "</p:b>", "text", " ",
                "<c x=\"1\">", "</c>", "<c x=\"1\" />", "&lt;", "&no;", "<!-- </a> -->", "<![CDATA[<a>]]>", "<?p <a> ?>", "]]>", ">",
                "<", "&", "\"", "é", "</d></r>", "<e x='>'/>", "<e x=\">\"/>", "xmlns=\"urn:x\"", "<f", "/>",
            ]), 0..24),
        ) {
            let document = format!("<r xmlns=\"urn:r\"><d>{}</d><z/></r>", parts.concat());
            prop_assert_eq!(by_both(&document), by_events(&document), "{}", document);
        }
    }
}
