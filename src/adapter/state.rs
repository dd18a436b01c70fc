//! State readers: what an adapter can tell of an element's state (sessions, interfaces, tables), and what must not get
//! worse by a change.
//!
//! One file per reader, `state/NAME.toml`: a command whose output is JSON, or a NETCONF filter; where the rows stand in
//! it; which value counts; what is asked of it. Before a change and after it the rows are read, and
//! [`Demand`] says whether a value is no worse. PURE: text in, rows out. Element output is hostile: depth and number of
//! rows are bounded.

use quick_xml::escape::unescape;
use quick_xml::events::Event;
use serde::Deserialize;
use serde_json::{Map, Value};

/// One state reader.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateReader {
    /// For people.
    pub summary: String,
    /// A command that prints JSON (CLI).
    pub command: Option<String>,
    /// The content of a subtree filter for `get` (NETCONF).
    pub filter: Option<String>,
    /// Where the rows stand: names from the top, `/` between them, `*` for any name. Lists are walked through.
    pub rows: String,
    /// The value of a row: names from the row, `/` between them.
    pub value: String,
    /// A value inside a row that names it, beside the names that `*` stood for.
    #[serde(default)]
    pub subject: Option<String>,
    /// The good values. What was good before has to be good afterwards.
    #[serde(default)]
    pub good: Vec<String>,
    /// Values that only configuration makes (`Idle (Admin)`): whoever planned the change asked for them.
    #[serde(default)]
    pub by_config: Vec<String>,
    /// For numbers: not below this share of the value before, in per cent.
    #[serde(default)]
    pub keep_percent: Option<u8>,
    /// Made on every plan of this platform; otherwise only when the caller asks for it.
    #[serde(default)]
    pub default: bool,
}

/// What a check asks of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// If the value was one of `good` before, it has to be one of them, or of `by_config`, afterwards.
    Good {
        /// The good ones.
        good: Vec<String>,
        /// Those that are only there because somebody configured them.
        by_config: Vec<String>,
    },
    /// A number that must not fall below this share of what it was, in per cent.
    Keep(u8),
}

impl Demand {
    /// Whether `after` is no worse than `before`. A row that was not there, or not good, before, asks for nothing.
    pub fn holds(&self, before: &str, after: &str) -> bool {
        match self {
            Demand::Good { good, by_config } => {
                let is = |words: &[String], value: &str| words.iter().any(|word| word == value);
                !is(good, before) || is(good, after) || is(by_config, after)
            }
            Demand::Keep(percent) => match (before.parse::<f64>(), after.parse::<f64>()) {
                (Ok(before), Ok(after)) => after * 100.0 >= before * f64::from(*percent),
                // What is no number has nothing to keep.
                (Err(_), _) => true,
                (Ok(_), Err(_)) => false,
            },
        }
    }
}

impl StateReader {
    /// Reads and checks the text of a file.
    pub(crate) fn parse(text: &str, netconf: bool) -> Result<Self, String> {
        let reader: Self = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        match (&reader.command, &reader.filter, netconf) {
            (Some(_), None, false) | (None, Some(_), true) => {}
            (_, _, false) => return Err("a CLI adapter's reader has a command, and no filter".into()),
            (_, _, true) => return Err("a NETCONF adapter's reader has a filter, and no command".into()),
        }
        match (reader.good.is_empty(), reader.keep_percent) {
            (false, None) | (true, Some(1..=100)) => Ok(reader),
            (true, Some(_)) => Err("keep_percent is a number from 1 to 100".into()),
            _ => Err("either good or keep_percent is needed".into()),
        }
    }

    /// What is asked of its values.
    pub fn demand(&self) -> Demand {
        let good = || Demand::Good { good: self.good.clone(), by_config: self.by_config.clone() };
        self.keep_percent.map_or_else(good, Demand::Keep)
    }

    /// The rows in what a command printed, as (subject, value).
    ///
    /// # Errors
    /// In words: what was printed is not JSON, or its rows cannot be told apart or are too many.
    pub fn rows_of_json(&self, text: &str) -> Result<Vec<(String, String)>, String> {
        let from = text.find(['{', '[']).ok_or_else(|| format!("no JSON: {}", clipped(text)))?;
        let text = text.get(from..).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) => self.rows(&value),
            Some(Err(error)) => Err(format!("no JSON ({error}): {}", clipped(text))),
            None => Err(format!("no JSON: {}", clipped(text))),
        }
    }

    /// The rows in a document of XML, as (subject, value). Names count without their namespaces.
    ///
    /// # Errors
    /// In words: it is not well-formed, or too deep, or its rows cannot be told apart or are too many.
    pub fn rows_of_xml(&self, document: &str) -> Result<Vec<(String, String)>, String> {
        self.rows(&content_of_xml(document)?)
    }

    /// A row that is not seen would count as gone, not as worse: so all of them, or an error.
    fn rows(&self, top: &Value) -> Result<Vec<(String, String)>, String> {
        let mut rows = Vec::new();
        let steps: Vec<&str> = self.rows.split('/').filter(|step| !step.is_empty()).collect();
        self.walk(top, &steps, &mut Vec::new(), &mut rows);
        if rows.len() > MAX_ROWS {
            return Err(format!("more than {MAX_ROWS} rows"));
        }
        rows.sort();
        rows.dedup();
        match rows.windows(2).find(|two| two[0].0 == two[1].0) {
            Some(two) => {
                Err(format!("two rows are named '{}', and only a `subject` can tell them apart", clipped(&two[0].0)))
            }
            None => Ok(rows),
        }
    }

    fn walk(&self, at: &Value, steps: &[&str], names: &mut Vec<String>, rows: &mut Vec<(String, String)>) {
        if rows.len() > MAX_ROWS {
            return;
        }
        if let Value::Array(list) = at {
            list.iter().for_each(|item| self.walk(item, steps, names, rows));
            return;
        }
        let Some((step, rest)) = steps.split_first() else {
            let subject = self.subject.as_ref().and_then(|name| word_at(at, name));
            let all = ["all".to_owned()];
            let names = if names.is_empty() && subject.is_none() { &all[..] } else { &names[..] };
            let subject: Vec<&str> = names.iter().map(String::as_str).chain(subject.as_deref()).collect();
            if let Some(value) = word_at(at, &self.value) {
                rows.push((subject.join("/"), value));
            }
            return;
        };
        let Value::Object(map) = at else { return };
        for (name, below) in map {
            if *step == "*" {
                names.push(name.clone());
                self.walk(below, rest, names, rows);
                names.pop();
            } else if name == step {
                self.walk(below, rest, names, rows);
            }
        }
    }
}

fn word_at(at: &Value, path: &str) -> Option<String> {
    let found = path.split('/').filter(|step| !step.is_empty()).try_fold(at, |at, step| match at {
        Value::Array(list) => list.first()?.get(step),
        other => other.get(step),
    })?;
    match found {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The content of the root of an XML document as JSON: elements are members, repeated ones arrays, text a string with its
/// references resolved. Names count without their namespaces.
///
/// # Errors
/// In words: it is not well-formed, or too deep, or refers to an entity that XML does not define.
pub fn content_of_xml(document: &str) -> Result<Value, String> {
    let mut reader = quick_xml::Reader::from_str(document);
    let mut open: Vec<(String, Map<String, Value>, String)> = vec![(String::new(), Map::new(), String::new())];
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        match event {
            Event::Start(tag) => {
                if open.len() > MAX_DEPTH {
                    return Err("nested too deep".into());
                }
                open.push((String::from(tag.local_name().into_inner()), Map::new(), String::new()));
            }
            Event::Empty(tag) => {
                let name = String::from(tag.local_name().into_inner());
                if let Some((_, map, _)) = open.last_mut() {
                    put(map, name, Value::String(String::new()));
                }
            }
            Event::End(_) => {
                let Some((name, map, text)) = open.pop().filter(|_| !open.is_empty()) else {
                    return Err("an end without a beginning".into());
                };
                let value = if map.is_empty() { Value::String(text) } else { Value::Object(map) };
                if let Some((_, map, _)) = open.last_mut() {
                    put(map, name, value);
                }
            }
            Event::Text(piece) => append(&mut open, &piece.xml10_content()),
            Event::CData(piece) => append(&mut open, &piece.xml10_content()),
            Event::GeneralRef(reference) => {
                let text = format!("&{};", &*reference);
                append(&mut open, &unescape(&text).map_err(|_| format!("the entity {} is not known", clipped(&text)))?);
            }
            Event::DocType(_) => return Err("a document type declaration".into()),
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    // The root is what the content stands in.
    let (_, map, _) = open.swap_remove(0);
    if !open.is_empty() {
        return Err("it ends inside an element".into());
    }
    Ok(map.into_iter().next().map_or(Value::Null, |(_, root)| root))
}

fn append(open: &mut [(String, Map<String, Value>, String)], piece: &str) {
    if let Some((_, _, text)) = open.last_mut() {
        text.push_str(piece);
    }
}

fn put(map: &mut Map<String, Value>, name: String, value: Value) {
    match map.get_mut(&name) {
        None => {
            map.insert(name, value);
        }
        Some(Value::Array(list)) => list.push(value),
        Some(one) => {
            let first = one.take();
            *one = Value::Array(vec![first, value]);
        }
    }
}

fn clipped(text: &str) -> String {
    text.trim().chars().take(120).collect()
}

const MAX_ROWS: usize = 10_000;
const MAX_DEPTH: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(more: &str, netconf: bool) -> StateReader {
        StateReader::parse(&format!("summary = 's'\n{more}"), netconf).unwrap()
    }

    #[test]
    fn rows_come_out_of_json_by_names_and_by_any_name() {
        let bgp = reader("command='x'\nrows='*/*/peers/*'\nvalue='state'\ngood=['Established']", false);
        let text = "noise\n{\"default\":{\"ipv4Unicast\":{\"routerId\":\"1.1.1.1\",\"peers\":{\"10.0.0.1\":\
                    {\"state\":\"Established\",\"pfxRcd\":3},\"10.0.0.2\":{\"state\":\"Active\"}}}}}\nhost# ";
        let rows = bgp.rows_of_json(text).unwrap();
        let row = |subject: &str, value: &str| (subject.to_owned(), value.to_owned());
        assert_eq!(
            rows,
            [row("default/ipv4Unicast/10.0.0.1", "Established"), row("default/ipv4Unicast/10.0.0.2", "Active")]
        );
        assert!(bgp.rows_of_json("bgpd is not running").is_err());
        let count = reader("command='x'\nrows='*'\nvalue='routesTotal'\nkeep_percent=90", false);
        assert_eq!(count.rows_of_json("{\"default\":{\"routesTotal\":100}}").unwrap(), [row("default", "100")]);
    }

    #[test]
    fn rows_come_out_of_xml_with_lists_walked_through() {
        let up = reader(
            "filter='<interfaces-state/>'\nrows='interfaces-state/interface'\nsubject='name'\nvalue='oper-status'\n\
             good=['up']",
            true,
        );
        let one = "<if:interface xmlns:if='u'><if:name>ge1</if:name><if:oper-status>up</if:oper-status></if:interface>";
        let two = "<interface><name>ge2</name><oper-status>down</oper-status><more/></interface>";
        let all = format!("<data><interfaces-state>{one}{two}</interfaces-state></data>");
        let rows = up.rows_of_xml(&all).unwrap();
        assert_eq!(rows, [("ge1".to_owned(), "up".to_owned()), ("ge2".to_owned(), "down".to_owned())]);
        let odd = one.replace("ge1", "a&amp;b&#x2F;<![CDATA[<1>]]><!-- c -->").replace(">up<", "> &#117;p\n<");
        let rows = up.rows_of_xml(&format!("<data><interfaces-state>{odd}</interfaces-state></data>")).unwrap();
        assert_eq!(rows, [("a&b/<1>".to_owned(), "up".to_owned())]);
        assert!(up.rows_of_xml("<data><x>&no;</x></data>").unwrap_err().contains("&no;"));
        let twice = all.replace("ge2", "ge1");
        assert!(up.rows_of_xml(&twice).unwrap_err().contains("'ge1'"), "of two rows none is left out in silence");
        assert_eq!(up.rows_of_xml(&twice.replace("down", "up")).unwrap().len(), 1);
        let many: String = (0..=MAX_ROWS).map(|n| one.replace("ge1", &n.to_string())).collect();
        let many = up.rows_of_xml(&format!("<data><interfaces-state>{many}</interfaces-state></data>"));
        assert!(many.unwrap_err().contains("more than"));
        assert!(up.rows_of_xml("<data><interfaces-state>").is_err());
        assert!(up.rows_of_xml("<!DOCTYPE x><data/>").is_err());
    }

    #[test]
    fn what_was_good_has_to_stay_good_and_nothing_else_is_asked() {
        let up = Demand::Good { good: vec!["up".into()], by_config: vec!["admin-down".into()] };
        assert!(up.holds("up", "admin-down"));
        assert!(up.holds("up", "up") && up.holds("down", "down") && up.holds("down", "up") && !up.holds("up", "down"));
        let keep = Demand::Keep(90);
        assert!(keep.holds("100", "90") && !keep.holds("100", "89") && keep.holds("0", "0") && !keep.holds("5", "n/a"));
    }

    #[test]
    fn a_reader_that_says_too_little_is_refused() {
        for (text, netconf) in [
            ("command='x'\nrows='*'\nvalue='v'", false),
            ("command='x'\nrows='*'\nvalue='v'\nkeep_percent=0", false),
            ("command='x'\nrows='*'\nvalue='v'\ngood=['a']", true),
            ("rows='*'\nvalue='v'\ngood=['a']", false),
            ("command='x'\nrows='*'\nvalue='v'\ngood=['a']\nunknown=1", false),
        ] {
            assert!(StateReader::parse(&format!("summary='s'\n{text}"), netconf).is_err(), "{text}");
        }
    }
}
