//! How a platform spells a value: the forms of [`canon`] and the platform's own tables of names, chosen by
//! `text = "<name>"` of a path rule.

use super::manifest::NameTable;
use crate::tree::canon::{self, Form, Prefixes, Words};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One way to read a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Spelling {
    /// A form that every platform has.
    Form(&'static Form),
    /// Names with a place: interfaces.
    Names(Arc<Prefixes>),
    /// Words.
    Words(Arc<Words>),
}

/// The spellings that an adapter can choose from.
#[derive(Clone, Debug, Default)]
pub(super) struct Spellings {
    tables: BTreeMap<String, Spelling>,
}

impl Spellings {
    /// Compiles the `[names]` of an adapter; the error names the table.
    pub(super) fn compile(names: &BTreeMap<String, NameTable>) -> Result<Self, String> {
        let table = |(name, table): (&String, &NameTable)| {
            let wrong = |what: String| format!("[names.{name}]: {what}");
            let spelling = match (table.place, table.abbreviate) {
                (true, abbreviate) => {
                    Spelling::Names(Arc::new(Prefixes::new(&table.words, abbreviate).map_err(wrong)?))
                }
                (false, true) => return Err(wrong("`abbreviate` belongs to names with a place".into())),
                (false, false) => Spelling::Words(Arc::new(Words::new(&table.words).map_err(wrong)?)),
            };
            Ok((format!("names.{name}"), spelling))
        };
        Ok(Self { tables: names.iter().map(table).collect::<Result<_, String>>()? })
    }

    /// The spelling of this name: a form, or `names.<table>`.
    pub(super) fn find(&self, name: &str) -> Result<Spelling, String> {
        if let Some(table) = self.tables.get(name) {
            return Ok(table.clone());
        }
        canon::form(name).map(Spelling::Form).ok_or_else(|| {
            let forms: Vec<&str> = canon::FORMS.iter().map(|form| form.name).collect();
            format!("text = \"{name}\" is neither a table `names.<name>` nor one of {}", forms.join(", "))
        })
    }
}

impl Spelling {
    /// The text in the form in which it is compared. What is not of this type stays as it is: then it is compared as it is.
    pub(super) fn of<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self {
            Spelling::Form(form) => form.of(text).unwrap_or(Cow::Borrowed(text)),
            Spelling::Names(names) => names.of(text),
            Spelling::Words(words) => words.of(text),
        }
    }
}
