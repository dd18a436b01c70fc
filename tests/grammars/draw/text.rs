//! How a drawn configuration is printed and typed. Written apart from the code that it tests.

use super::{Drawn, Kind, Statement};
use std::fmt::Write;

/// The text as the element prints it.
pub fn printed(drawn: &Drawn, all: &[Statement]) -> String {
    let mut out = String::new();
    match drawn.kind {
        Kind::Words | Kind::Indent => {
            indented(drawn, all, 0, drawn.kind == Kind::Words, &mut out);
            out.push_str("end\n");
        }
        Kind::Brace => curly(drawn, all, 0, ";", &mut out),
        _ => flat(drawn, all, "", &mut out),
    }
    out
}

/// The lines as they are typed.
pub fn typed(drawn: &Drawn, all: &[Statement]) -> String {
    let mut out = String::new();
    match drawn.kind.is_absolute() {
        false => indented(drawn, all, 0, true, &mut out),
        true => flat(drawn, all, "", &mut out),
    }
    out
}

/// The same in curly text.
pub fn curled(drawn: &Drawn, all: &[Statement]) -> String {
    let mut out = String::new();
    curly(drawn, all, 0, if drawn.kind == Kind::Brace { ";" } else { "" }, &mut out);
    out
}

fn enters(drawn: &Drawn, context: usize, key: &str) -> String {
    let word = &drawn.contexts[context].word;
    if key.is_empty() { word.clone() } else { format!("{word} {key}") }
}

fn indented(drawn: &Drawn, all: &[Statement], depth: usize, leave: bool, out: &mut String) {
    let indent = " ".repeat(depth);
    for statement in all {
        match statement {
            Statement::Line { text, .. } => writeln!(out, "{indent}{text}").unwrap(),
            Statement::Context { context, key, inside } => {
                writeln!(out, "{indent}{}", enters(drawn, *context, key)).unwrap();
                indented(drawn, inside, depth + 1, leave, out);
                if leave {
                    let exit = drawn.contexts[*context].exit.as_deref().unwrap_or("exit");
                    writeln!(out, "{indent}{exit}").unwrap();
                }
                writeln!(out, "{indent}!").unwrap();
            }
        }
    }
}

fn flat(drawn: &Drawn, all: &[Statement], prefix: &str, out: &mut String) {
    let put = drawn.kind.put();
    for statement in all {
        match statement {
            Statement::Line { text, .. } => writeln!(out, "{put} {prefix}{text}").unwrap(),
            Statement::Context { context, key, inside } => {
                let prefix = format!("{prefix}{}", enters(drawn, *context, key));
                if inside.is_empty() {
                    writeln!(out, "{put} {prefix}").unwrap();
                }
                flat(drawn, inside, &format!("{prefix} "), out);
            }
        }
    }
}

fn curly(drawn: &Drawn, all: &[Statement], depth: usize, end: &str, out: &mut String) {
    let indent = "  ".repeat(depth);
    for statement in all {
        match statement {
            Statement::Line { text, .. } => writeln!(out, "{indent}{text}{end}").unwrap(),
            Statement::Context { context, key, inside } => {
                writeln!(out, "{indent}{} {{", enters(drawn, *context, key)).unwrap();
                curly(drawn, inside, depth + 1, end, out);
                writeln!(out, "{indent}}}").unwrap();
            }
        }
    }
}
