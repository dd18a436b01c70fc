//! One compiled module set: a libyang context and the texts it came from.
#![allow(unsafe_code)]

use super::super::protocol::{DocumentKind, Encoding, Fault, LeftOut, MAX_FAULTS, MAX_TEXT, Named, TextOf};
use super::{export, modules};
use crate::tree::schema::Tables;
use std::collections::{BTreeMap, HashMap};
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;
use yang5::context::{Context, ContextFlags};
use yang5::ffi;

/// A compiled module set.
pub(super) struct Set {
    // Declared before the texts: the context is dropped first and may still look at them.
    context: Context,
    _texts: Box<Texts>,
    id: String,
    good: Vec<String>,
    left_out: Vec<LeftOut>,
}

/// Why something could not be done; never the fault of a document.
pub(super) enum Failed {
    /// Memory ran out; the process must not go on.
    Memory,
    /// Anything else.
    Because(String),
}

impl Failed {
    pub(super) fn because(what: impl Into<String>) -> Self {
        Self::Because(what.into())
    }
}

/// Module texts by name, then revision (empty: unknown).
#[derive(Default)]
pub(super) struct Texts(HashMap<String, BTreeMap<String, CString>>);

impl Texts {
    /// The text of a module or submodule; the newest when no revision is asked for.
    pub(super) fn find(&self, name: &str, revision: Option<&str>) -> Option<&CStr> {
        let revisions = self.0.get(name)?;
        let found = match revision {
            Some(revision) => revisions.get(revision),
            None => revisions.values().next_back(),
        };
        found.map(CString::as_c_str)
    }
}

impl Set {
    /// Compiles a set. Modules that cannot be compiled are left out.
    pub(super) fn compile(id: &str, modules: &[Named], heads: &[TextOf], body: &[u8]) -> Result<Self, Failed> {
        let mut texts: Box<Texts> = Box::default();
        let mut left = body;
        for head in heads {
            let Some((text, rest)) = left.split_at_checked(head.bytes) else {
                return Err(Failed::because(format!("the text of module {} is cut short", head.name)));
            };
            left = rest;
            // A text with a NUL byte is no text: libyang does not find the module then, and it is left out by name.
            if let Ok(text) = CString::new(text) {
                let revision = head.revision.clone().unwrap_or_default();
                texts.0.entry(head.name.clone()).or_default().insert(revision, text);
            }
        }
        let flags =
            ContextFlags::NO_YANGLIBRARY | ContextFlags::DISABLE_SEARCHDIRS | ContextFlags::DISABLE_SEARCHDIR_CWD;
        let context = Context::new(flags);
        let mut context = context.map_err(|error| Failed::because(format!("libyang makes no context: {error}")))?;
        context.set_log_level_error();
        // SAFETY: the callback gets `texts`, which lives in a box as long as the context (field order of `Set`) and is never
        // changed again. The log options are plain flags: keep all errors, print none.
        unsafe {
            context.set_module_import_callback(import, (&raw const *texts).cast_mut().cast());
            ffi::ly_log_options(ffi::LY_LOSTORE);
        }
        let left_out = modules::load(&mut context, modules, &texts)?;
        let good = modules.iter().map(|module| module.name.clone());
        let good = good.filter(|name| !left_out.iter().any(|out| out.module == *name)).collect();
        Ok(Self { context, _texts: texts, id: id.into(), good, left_out })
    }

    /// Modules that could not be compiled.
    pub(super) fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// The tables of its schema index.
    pub(super) fn tables(&self) -> Result<Tables, Failed> {
        let good: Vec<&str> = self.good.iter().map(String::as_str).collect();
        let tables = export::tables(&self.context, &self.id, &good).map_err(Failed::Because)?;
        take_errors(self.raw())?;
        Ok(tables)
    }

    /// Parses and validates a document.
    pub(super) fn validate(
        &self,
        kind: DocumentKind,
        encoding: Encoding,
        document: Vec<u8>,
    ) -> Result<Vec<Fault>, Failed> {
        let document = without_nul(document)?;
        take_errors(self.raw())?;
        let result = match kind {
            DocumentKind::Input => self.parse_input(&document, format(encoding)),
            DocumentKind::Config | DocumentKind::Data => {
                let (mut parse, mut check) =
                    (ffi::LYD_PARSE_STRICT, ffi::LYD_VALIDATE_PRESENT | ffi::LYD_VALIDATE_MULTI_ERROR);
                if kind == DocumentKind::Config {
                    parse |= ffi::LYD_PARSE_NO_STATE;
                    check |= ffi::LYD_VALIDATE_NO_STATE;
                }
                let (result, tree) = self.parse(&document, encoding, parse, check);
                // SAFETY: the tree is ours, may be null, and is freed once.
                unsafe { ffi::lyd_free_all(tree) };
                result
            }
        };
        self.faults(result)
    }

    /// The document with all its defaults, or why it cannot be read.
    pub(super) fn fill(&self, encoding: Encoding, document: Vec<u8>) -> Result<Result<Vec<u8>, Vec<Fault>>, Failed> {
        let document = without_nul(document)?;
        let raw = self.raw();
        take_errors(raw)?;
        let parse = ffi::LYD_PARSE_STRICT | ffi::LYD_PARSE_NO_STATE | ffi::LYD_PARSE_ONLY;
        let (mut result, mut tree) = self.parse(&document, encoding, parse, 0);
        let mut printed = ptr::null_mut();
        // SAFETY: context and tree live during the calls; libyang may set the tree to another one of its nodes; the printed text
        // is NUL-terminated, ours, and freed once, as is the tree.
        let text = unsafe {
            if result == ffi::LY_ERR::LY_SUCCESS {
                result = ffi::lyd_new_implicit_all(&mut tree, raw, ffi::LYD_IMPLICIT_NO_STATE, ptr::null_mut());
            }
            if result == ffi::LY_ERR::LY_SUCCESS {
                let how = ffi::LYD_PRINT_SIBLINGS | ffi::LYD_PRINT_WD_ALL | ffi::LYD_PRINT_SHRINK;
                result = ffi::lyd_print_mem(&mut printed, tree, format(encoding), how);
            }
            let text = if printed.is_null() { Vec::new() } else { CStr::from_ptr(printed).to_bytes().to_vec() };
            libc::free(printed.cast());
            ffi::lyd_free_all(tree);
            text
        };
        let faults = self.faults(result)?;
        Ok(if faults.is_empty() { Ok(text) } else { Err(faults) })
    }

    fn parse(
        &self,
        document: &CStr,
        encoding: Encoding,
        parse: u32,
        check: u32,
    ) -> (ffi::LY_ERR::Type, *mut ffi::lyd_node) {
        let mut tree = ptr::null_mut();
        // SAFETY: the context outlives the call and the document is NUL-terminated; the tree that comes back belongs to the
        // caller.
        let result = unsafe {
            ffi::lyd_parse_data_mem(self.raw(), document.as_ptr(), format(encoding), parse, check, &mut tree)
        };
        (result, tree)
    }

    fn parse_input(&self, document: &CStr, format: ffi::LYD_FORMAT::Type) -> ffi::LY_ERR::Type {
        let context = self.raw();
        let (mut input, mut tree, mut operation) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: all pointers come from libyang and are used while they live: the input until `ly_in_free`, the tree (owner of
        // the operation) until `lyd_free_all`. The document outlives the input.
        unsafe {
            let made = ffi::ly_in_new_memory(document.as_ptr(), &mut input);
            if made != ffi::LY_ERR::LY_SUCCESS {
                return made;
            }
            let mut result = ffi::lyd_parse_op(
                context,
                ptr::null_mut(),
                input,
                format,
                ffi::lyd_type::LYD_TYPE_RPC_YANG,
                ffi::LYD_PARSE_STRICT,
                &mut tree,
                &mut operation,
            );
            if result == ffi::LY_ERR::LY_SUCCESS {
                result = ffi::lyd_validate_op(tree, ptr::null(), ffi::lyd_type::LYD_TYPE_RPC_YANG, ptr::null_mut());
            }
            ffi::lyd_free_all(tree);
            ffi::ly_in_free(input, 0);
            result
        }
    }

    /// What libyang said, as faults; a refusal without a word is one, too.
    fn faults(&self, result: ffi::LY_ERR::Type) -> Result<Vec<Fault>, Failed> {
        let mut faults = take_errors(self.raw())?;
        if result == ffi::LY_ERR::LY_EMEM {
            return Err(Failed::Memory);
        }
        if result != ffi::LY_ERR::LY_SUCCESS && faults.is_empty() {
            faults.push(Fault {
                path: String::new(),
                message: format!("libyang refuses the document with code {result} and says nothing else"),
                app_tag: None,
                tag: "operation-failed".into(),
            });
        }
        Ok(told_once(faults))
    }

    fn raw(&self) -> *const ffi::ly_ctx {
        raw(&self.context)
    }
}

/// The context's own pointer. The binding gives it away only by value, but every schema node knows it.
pub(super) fn raw(context: &Context) -> *const ffi::ly_ctx {
    // Every context has libyang's own modules.
    match context.modules(false).next() {
        // SAFETY: a module that the context hands out is valid as long as the context is.
        Some(module) => unsafe { (*module.as_raw()).ctx },
        None => ptr::null(),
    }
}

fn format(encoding: Encoding) -> ffi::LYD_FORMAT::Type {
    match encoding {
        Encoding::Json => ffi::LYD_FORMAT::LYD_JSON,
        Encoding::Xml => ffi::LYD_FORMAT::LYD_XML,
    }
}

fn without_nul(document: Vec<u8>) -> Result<CString, Failed> {
    CString::new(document).map_err(|_| Failed::because("the document contains a NUL byte"))
}

/// A leaf with a bad value is not in libyang's tree, so libyang misses it a second time where it is mandatory or a key of
/// `unique`. One fault is told once, and the number of faults is bounded.
fn told_once(faults: Vec<Fault>) -> Vec<Fault> {
    let mut kept: Vec<Fault> = Vec::new();
    let mut more = 0;
    for fault in faults {
        let missed = fault.message.split('"').nth(1).filter(|_| fault.message.starts_with("Mandatory "));
        let echo = missed.is_some_and(|name| {
            kept.iter().any(|told| {
                told.tag == "invalid-value"
                    && told.path.strip_prefix(fault.path.as_str()).is_some_and(|rest| ends_at(rest, name))
            })
        });
        if echo || kept.contains(&fault) {
            continue;
        }
        if kept.len() < MAX_FAULTS { kept.push(fault) } else { more += 1 }
    }
    if more > 0 {
        kept.push(Fault {
            path: String::new(),
            message: format!("{more} more faults are not told"),
            app_tag: None,
            tag: "operation-failed".into(),
        });
    }
    kept
}

/// Whether a path below a node is that of its child `name`.
fn ends_at(rest: &str, name: &str) -> bool {
    let step = rest.strip_prefix('/').unwrap_or(rest);
    step.rsplit_once(':').map_or(step, |(_, step)| step) == name
}

/// All errors that libyang has stored, oldest first; it forgets them.
pub(super) fn take_errors(context: *const ffi::ly_ctx) -> Result<Vec<Fault>, Failed> {
    let (mut faults, mut memory) = (Vec::new(), false);
    // SAFETY: the list belongs to the context and is not changed while we walk it; all texts are NUL-terminated or null.
    unsafe {
        let mut item = ffi::ly_err_first(context);
        while !item.is_null() {
            memory |= (*item).err == ffi::LY_ERR::LY_EMEM;
            if (*item).level == ffi::LY_LOG_LEVEL::LY_LLERR {
                let path = text((*item).data_path).or_else(|| text((*item).schema_path)).unwrap_or_default();
                let message = cut(text((*item).msg).unwrap_or_default());
                let app_tag = text((*item).apptag).map(cut);
                let tag = tag(&message, app_tag.as_deref()).to_owned();
                faults.push(Fault { path: cut(path), message, app_tag, tag });
            }
            item = (*item).next;
        }
        ffi::ly_err_clean(context, ptr::null_mut());
    }
    if memory { Err(Failed::Memory) } else { Ok(faults) }
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The error-tag that RFC 7950 §15 pairs with an app-tag; a value that does not fit its type is the rest.
fn tag(message: &str, app_tag: Option<&str>) -> &'static str {
    match app_tag {
        Some("data-not-unique" | "too-many-elements" | "too-few-elements" | "must-violation") => "operation-failed",
        Some("instance-required" | "missing-choice") => "data-missing",
        _ if message.starts_with("Mandatory ") => "data-missing",
        _ => "invalid-value",
    }
}

/// # Safety
/// `pointer` is null or NUL-terminated.
pub(super) unsafe fn text(pointer: *const c_char) -> Option<String> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: by the contract of this function.
    Some(unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned())
}

/// Gives libyang the text of a module or submodule. It must not unwind.
unsafe extern "C" fn import(
    module: *const c_char,
    module_revision: *const c_char,
    submodule: *const c_char,
    submodule_revision: *const c_char,
    texts: *mut c_void,
    format: *mut ffi::LYS_INFORMAT::Type,
    data: *mut *const c_char,
    free: *mut ffi::ly_module_imp_data_free_clb,
) -> ffi::LY_ERR::Type {
    // SAFETY: libyang calls this with NUL-terminated or null texts, valid places for its results, and the pointer that
    // `Set::compile` gave it.
    unsafe {
        let texts = &*texts.cast_const().cast::<Texts>();
        let (name, revision) =
            if submodule.is_null() { (module, module_revision) } else { (submodule, submodule_revision) };
        let found = text(name).and_then(|name| texts.find(&name, text(revision).as_deref()));
        let Some(found) = found else { return ffi::LY_ERR::LY_ENOTFOUND };
        *format = ffi::LYS_INFORMAT::LYS_IN_YANG;
        *data = found.as_ptr();
        *free = None;
    }
    ffi::LY_ERR::LY_SUCCESS
}
