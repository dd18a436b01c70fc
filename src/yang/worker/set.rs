//! One compiled module set: a libyang context and the texts it came from.
//!
//! Loading is one batch with explicit compile (large vendor sets: far faster than one by one). A batch is all or nothing and
//! its error does not name the module, so a failing batch is split until the bad modules stand alone; they are left out
//! with libyang's reason.
#![allow(unsafe_code)]

use super::super::protocol::{DocumentKind, Encoding, Fault, LeftOut, Named, Response, Source};
use super::export;
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
    tables: Tables,
    left_out: Vec<LeftOut>,
}

/// Module texts by name, then revision (empty: unknown).
type Texts = HashMap<String, BTreeMap<String, CString>>;

impl Set {
    /// Compiles a set. Modules that cannot be compiled are left out.
    pub(super) fn compile(id: &str, modules: &[Named], sources: Vec<Source>) -> Result<Self, String> {
        let mut texts: Box<Texts> = Box::default();
        for source in sources {
            let text = CString::new(source.text).map_err(|_| format!("module {} contains a NUL byte", source.name))?;
            texts.entry(source.name).or_default().insert(source.revision.unwrap_or_default(), text);
        }
        let flags =
            ContextFlags::NO_YANGLIBRARY | ContextFlags::DISABLE_SEARCHDIRS | ContextFlags::DISABLE_SEARCHDIR_CWD;
        let mut context = Context::new(flags).map_err(|error| format!("libyang makes no context: {error}"))?;
        context.set_log_level_error();
        // SAFETY: the callback gets `texts`, which lives in a box as long as the context (field order of `Set`) and is never
        // changed again. The log options are plain flags: keep all errors, print none.
        unsafe {
            context.set_module_import_callback(import, (&raw const *texts).cast_mut().cast());
            ffi::ly_log_options(ffi::LY_LOSTORE);
        }
        let mut left_out = Vec::new();
        load(&mut context, modules, &mut left_out);
        let good: Vec<&str> = modules
            .iter()
            .map(|module| module.name.as_str())
            .filter(|name| !left_out.iter().any(|out| out.module == *name))
            .collect();
        let tables = export::tables(&context, id, &good)?;
        Ok(Self { context, _texts: texts, tables, left_out })
    }

    /// The answer to a load request.
    pub(super) fn answer(&self) -> Response {
        Response::Loaded { tables: self.tables.clone(), left_out: self.left_out.clone() }
    }

    /// Parses and validates a document. `Err` is a failure of ours, not of the document.
    pub(super) fn validate(
        &self,
        kind: DocumentKind,
        encoding: Encoding,
        document: String,
    ) -> Result<Vec<Fault>, String> {
        let document = CString::new(document).map_err(|_| "the document contains a NUL byte".to_owned())?;
        let format = match encoding {
            Encoding::Json => ffi::LYD_FORMAT::LYD_JSON,
            Encoding::Xml => ffi::LYD_FORMAT::LYD_XML,
        };
        let context = self.context_raw();
        errors(context, true);
        let result = match kind {
            DocumentKind::Input => self.parse_input(&document, format),
            DocumentKind::Config | DocumentKind::Data => {
                let (mut parse, mut check) =
                    (ffi::LYD_PARSE_STRICT, ffi::LYD_VALIDATE_PRESENT | ffi::LYD_VALIDATE_MULTI_ERROR);
                if kind == DocumentKind::Config {
                    parse |= ffi::LYD_PARSE_NO_STATE;
                    check |= ffi::LYD_VALIDATE_NO_STATE;
                }
                let mut tree = ptr::null_mut();
                // SAFETY: the context outlives the call, the document is NUL-terminated, and the tree that comes back (it
                // may be null) is freed once, here.
                unsafe {
                    let result = ffi::lyd_parse_data_mem(context, document.as_ptr(), format, parse, check, &mut tree);
                    ffi::lyd_free_all(tree);
                    result
                }
            }
        };
        let mut faults = errors(context, true);
        if result != ffi::LY_ERR::LY_SUCCESS && faults.is_empty() {
            faults.push(Fault {
                path: String::new(),
                message: format!("libyang refuses the document with code {result} and says nothing else"),
                app_tag: None,
                tag: "operation-failed".into(),
            });
        }
        Ok(faults)
    }

    fn parse_input(&self, document: &CStr, format: ffi::LYD_FORMAT::Type) -> ffi::LY_ERR::Type {
        let context = self.context_raw();
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

    fn context_raw(&self) -> *const ffi::ly_ctx {
        raw(&self.context)
    }
}

/// The context's own pointer. The binding gives it away only by value, but every schema node knows it.
fn raw(context: &Context) -> *const ffi::ly_ctx {
    // Every context has libyang's own modules.
    match context.modules(false).next() {
        // SAFETY: a module that the context hands out is valid as long as the context is.
        Some(module) => unsafe { (*module.as_raw()).ctx },
        None => ptr::null(),
    }
}

fn load(context: &mut Context, modules: &[Named], left_out: &mut Vec<LeftOut>) {
    if modules.is_empty() {
        return;
    }
    let features: Vec<Vec<&str>> =
        modules.iter().map(|module| module.features.iter().map(String::as_str).collect()).collect();
    let batch: Vec<(&str, Option<&str>, &[&str])> = modules
        .iter()
        .zip(&features)
        .map(|(module, features)| (module.name.as_str(), module.revision.as_deref(), features.as_slice()))
        .collect();
    errors(raw(context), true);
    let Err(error) = context.load_modules(&batch) else { return };
    if let [module] = modules {
        let mut reasons: Vec<String> = errors(raw(context), true).into_iter().map(|fault| fault.message).collect();
        reasons.dedup();
        if reasons.is_empty() {
            reasons.push(error.to_string());
        }
        left_out.push(LeftOut { module: module.name.clone(), reason: reasons.join("; ") });
        return;
    }
    let (first, second) = modules.split_at(modules.len() / 2);
    load(context, first, left_out);
    load(context, second, left_out);
}

/// All errors that libyang has stored, oldest first.
fn errors(context: *const ffi::ly_ctx, clean: bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    // SAFETY: the list belongs to the context and is not changed while we walk it; all texts are NUL-terminated or null.
    unsafe {
        let mut item = ffi::ly_err_first(context);
        while !item.is_null() {
            if (*item).level == ffi::LY_LOG_LEVEL::LY_LLERR {
                let path = text((*item).data_path).or_else(|| text((*item).schema_path)).unwrap_or_default();
                let message = text((*item).msg).unwrap_or_default();
                let app_tag = text((*item).apptag);
                let tag = tag(&message, app_tag.as_deref()).to_owned();
                faults.push(Fault { path, message, app_tag, tag });
            }
            item = (*item).next;
        }
        if clean {
            ffi::ly_err_clean(context, ptr::null_mut());
        }
    }
    faults
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
        let found = text(name).and_then(|name| texts.get(&name)).and_then(|revisions| match text(revision) {
            Some(revision) => revisions.get(&revision),
            None => revisions.values().next_back(),
        });
        let Some(found) = found else { return ffi::LY_ERR::LY_ENOTFOUND };
        *format = ffi::LYS_INFORMAT::LYS_IN_YANG;
        *data = found.as_ptr();
        *free = None;
    }
    ffi::LY_ERR::LY_SUCCESS
}
