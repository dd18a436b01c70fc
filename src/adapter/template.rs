//! The template engine: minijinja, tightened.
//!
//! Guarantees: an undefined name, a null, a list or a control character is an error and never text; a printed value cannot
//! leave its place (XML is escaped, CLI refuses line ends); templates see only each other; work and output are bounded.
//! Every error names the template and its line.

use super::error::AdapterError;
use super::filters::{self, Said};
use super::grammar::{Grammar, GrammarError};
use super::refusal::{Note, Refusal};
use crate::service::{ElementService, attributes};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, context};
use std::collections::BTreeMap;
use std::error::Error as _;
use std::io;

/// All templates of an adapter, compiled.
#[derive(Debug)]
pub(crate) struct Templates {
    adapter: String,
    env: Environment<'static>,
}

/// What a rendering gave.
pub(crate) struct Printed {
    /// The text.
    pub text: String,
    /// What people should know of it.
    pub notes: Vec<Note>,
}

/// What a printed value must not do.
#[derive(Clone, Debug)]
pub(crate) enum Escaping {
    /// The output is XML: values are escaped.
    Xml,
    /// The output is lines: values that the element's shell would not take as they are, are refused.
    Lines(Grammar),
}

/// Instructions of one rendering. The largest golden case takes some 20,000.
const FUEL: u64 = 5_000_000;
/// Bytes of one rendering.
const MAX_OUTPUT: usize = 4 << 20;
/// Nested includes and macro calls.
const MAX_DEPTH: usize = 64;

impl Templates {
    /// Compiles every `services/*.j2` of `files`.
    pub(crate) fn compile(
        adapter: &str,
        escaping: Escaping,
        files: &BTreeMap<String, String>,
    ) -> Result<Self, AdapterError> {
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_trim_blocks(true);
        env.set_lstrip_blocks(true);
        env.set_fuel(Some(FUEL));
        env.set_recursion_limit(MAX_DEPTH);
        env.set_debug(false);
        // Not `None`, so that what a macro has printed, and only that, is marked as printed already.
        env.set_auto_escape_callback(|_| AutoEscape::Custom("printed"));
        env.set_formatter(move |out, _, value| {
            if value.is_safe() {
                return out.write_str(value.as_str().unwrap_or_default()).map_err(Error::from);
            }
            let text = filters::printed(value)?;
            match &escaping {
                Escaping::Xml => out.write_str(&quick_xml::escape::escape(text.as_str())),
                Escaping::Lines(grammar) => {
                    let refused = |error: GrammarError| Error::new(ErrorKind::InvalidOperation, error.to_string());
                    grammar.check_argument(&text).map_err(refused)?;
                    out.write_str(&text)
                }
            }
            .map_err(Error::from)
        });
        filters::install(&mut env);
        let mut templates = Self { adapter: adapter.to_owned(), env };
        for (name, text) in files.iter().filter(|(name, _)| name.starts_with("services/")) {
            let added = templates.env.add_template_owned(name.clone(), text.clone());
            added.map_err(|error| templates.wrong(name, &error))?;
        }
        Ok(templates)
    }

    /// What the template `name` prints for `wanted`, and what it has to say about that.
    pub(crate) fn render(&self, name: &str, wanted: &ElementService) -> Result<Printed, AdapterError> {
        let template = self.env.get_template(name).map_err(|error| self.wrong(name, &error))?;
        // `attributes` are the adapter's business, not the template's.
        let context = context! {
            element => wanted.element,
            service => wanted.service,
            function => wanted.function,
            instance => wanted.instance,
            accesses => wanted.accesses,
            peers => wanted.peers,
            numbers => wanted.numbers,
        };
        let mut out = Bounded(Vec::new());
        let rendered = template.render_captured_to(context, &mut out);
        let rendered = rendered.map_err(|error| self.failed(name, &error, wanted))?;
        let note = |said: Said| Note { path: said.path(&wanted.attributes), text: said.text };
        let notes = filters::noted(rendered.state()).into_iter().map(note).collect();
        let text = String::from_utf8(out.0);
        let text = text.map_err(|_| self.file(name, None, "prints something that is not UTF-8".into()))?;
        Ok(Printed { text, notes })
    }

    fn failed(&self, name: &str, error: &Error, wanted: &ElementService) -> AdapterError {
        let mut cause = error.source();
        while let Some(inner) = cause {
            if let Some(said @ Said { attribute, text, .. }) = inner.downcast_ref() {
                return AdapterError::Refused(vec![Refusal {
                    path: said.path(&wanted.attributes),
                    attribute: attribute.clone(),
                    message: format!("platform {} cannot express {attribute}: {text}", self.adapter),
                }]);
            }
            cause = inner.source();
        }
        self.wrong(name, error)
    }

    /// The innermost error that knows its place: with includes and macros the outer ones only say "in here".
    fn wrong(&self, name: &str, error: &Error) -> AdapterError {
        let mut innermost = error;
        let mut cause = error.source();
        while let Some(inner) = cause {
            if let Some(inner) = inner.downcast_ref::<Error>().filter(|inner| inner.line().is_some()) {
                innermost = inner;
            }
            cause = inner.source();
        }
        let what = match innermost.detail() {
            Some(detail) => format!("{}: {detail}", innermost.kind()),
            None => innermost.kind().to_string(),
        };
        self.file(innermost.name().unwrap_or(name), innermost.line(), what)
    }

    fn file(&self, file: &str, line: Option<usize>, what: String) -> AdapterError {
        AdapterError::File { adapter: self.adapter.clone(), file: file.to_owned(), line, what }
    }
}

/// The refusal of an attribute that is not on the list of a function.
pub(crate) fn refusal(adapter: &str, attribute: &str, path: &str) -> Refusal {
    let meaning = attributes::meaning(attribute).map(|words| format!(" ({words})")).unwrap_or_default();
    Refusal {
        path: path.to_owned(),
        attribute: attribute.to_owned(),
        message: format!("platform {adapter} cannot express {attribute}{meaning}"),
    }
}

struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT {
            return Err(io::Error::other(format!("prints more than {MAX_OUTPUT} bytes")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
