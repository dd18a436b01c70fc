//! Loading modules into a context: one batch with explicit compile (large vendor sets: far faster than one by one).
//!
//! A batch is all or nothing, and the error of its compilation does not name the module. So when it fails
//! 1. modules whose texts need a text that nobody has are left out by name, with what needs what;
//! 2. the module that failed by itself, or that libyang's path names, is put aside and the rest is tried again, a few times;
//! 3. what then still fails is split until the bad modules stand alone.
//!
//! Whoever was put aside is tried alone at the end: suspicion costs no module its place. Each bad module is told with libyang's
//! own reasons. Running out of memory is no module's fault and ends the load.
#![allow(unsafe_code)]

use super::super::protocol::{LeftOut, Named};
use super::super::sources::Head;
use super::set::{Failed, Texts, raw, take_errors};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::ptr;
use yang5::context::Context;
use yang5::ffi;

/// How many modules are put aside one after the other before the rest is split.
const ASIDE: usize = 16;

/// Loads the modules; answers those that could not be, in the order in which they were asked for.
pub(super) fn load(context: &mut Context, modules: &[Named], texts: &Texts) -> Result<Vec<LeftOut>, Failed> {
    let mut left_out = Vec::new();
    let mut wanted: Vec<&Named> = modules.iter().collect();
    let Some(mut failure) = batch(context, &wanted)? else { return Ok(left_out) };
    let orphans = orphans(context, modules, texts);
    if !orphans.is_empty() {
        wanted.retain(|module| !orphans.contains_key(module.name.as_str()));
        left_out.extend(orphans.into_iter().map(|(module, reason)| LeftOut { module: module.into(), reason }));
        match batch(context, &wanted)? {
            Some(next) => failure = next,
            None => wanted.clear(),
        }
    }
    let mut aside = Vec::new();
    while !wanted.is_empty() {
        match failure.culprit.take() {
            Some(at) if aside.len() < ASIDE => aside.push(wanted.remove(at)),
            _ => {
                split(context, &wanted, &mut left_out)?;
                break;
            }
        }
        match batch(context, &wanted)? {
            Some(next) => failure = next,
            None => break,
        }
    }
    for module in aside {
        split(context, &[module], &mut left_out)?;
    }
    let place = |out: &LeftOut| modules.iter().position(|module| module.name == out.module);
    left_out.sort_by_key(place);
    Ok(left_out)
}

/// Loads what can be loaded of a batch by halves.
fn split(context: &mut Context, modules: &[&Named], left_out: &mut Vec<LeftOut>) -> Result<(), Failed> {
    let Some(failure) = batch(context, modules)? else { return Ok(()) };
    if let [module] = modules {
        left_out.push(LeftOut { module: module.name.clone(), reason: failure.reason });
        return Ok(());
    }
    let (first, second) = modules.split_at(modules.len() / 2);
    split(context, first, left_out)?;
    split(context, second, left_out)
}

/// A batch that was not taken; nothing of it is in the context.
struct Failure {
    /// libyang's reasons.
    reason: String,
    /// The place of the module that is surely or probably at fault.
    culprit: Option<usize>,
}

/// Loads all of these modules or none.
fn batch(context: &mut Context, modules: &[&Named]) -> Result<Option<Failure>, Failed> {
    if modules.is_empty() {
        return Ok(None);
    }
    let context: *mut ffi::ly_ctx = raw(context).cast_mut();
    take_errors(context)?;
    let (mut failed, mut memory, mut culprit) = (false, false, None);
    // SAFETY: the context lives and is ours alone; names, revisions and features are NUL-terminated texts that live during
    // each call, the list of features ends with null.
    unsafe {
        ffi::ly_ctx_set_options(context, ffi::LY_CTX_EXPLICIT_COMPILE);
        for (at, module) in modules.iter().enumerate() {
            let text = |text: &str| CString::new(text).map_err(|_| Failed::because("a name contains a NUL byte"));
            let name = text(&module.name)?;
            let revision = module.revision.as_deref().map(text).transpose()?;
            let features: Vec<CString> = module.features.iter().map(|name| text(name)).collect::<Result<_, _>>()?;
            let mut list: Vec<_> = features.iter().map(|name| name.as_ptr()).collect();
            list.push(ptr::null());
            let revision = revision.as_ref().map_or(ptr::null(), |revision| revision.as_ptr());
            if ffi::ly_ctx_load_module(context, name.as_ptr(), revision, list.as_mut_ptr()).is_null() {
                (failed, culprit) = (true, Some(at));
                break;
            }
        }
        if !failed {
            let code = ffi::ly_ctx_compile(context);
            memory = code == ffi::LY_ERR::LY_EMEM;
            failed = code != ffi::LY_ERR::LY_SUCCESS;
        }
        ffi::ly_ctx_unset_options(context, ffi::LY_CTX_EXPLICIT_COMPILE);
    }
    let errors = take_errors(context)?;
    if !failed {
        return Ok(None);
    }
    // libyang gives a reason for all that it refuses, unless there is no memory left to keep the reason in.
    if memory || errors.is_empty() {
        return Err(Failed::Memory);
    }
    // A compilation may say where in the schema it failed: `/module:node/…`.
    let named = || {
        let path = errors.iter().map(|error| error.path.as_str()).find(|path| !path.is_empty())?;
        let inner = path.rsplit('/').find_map(|step| step.split_once(':'))?.0;
        modules.iter().position(|module| module.name == inner)
    };
    let culprit = culprit.or_else(named);
    let mut reasons: Vec<String> = errors.into_iter().map(|error| error.message).collect();
    reasons.dedup();
    Ok(Some(Failure { reason: reasons.join("; "), culprit }))
}

/// Modules that need, by themselves or by what they need, a text that nobody has.
fn orphans<'m>(context: &Context, modules: &'m [Named], texts: &Texts) -> BTreeMap<&'m str, String> {
    let needs = |name: &str, revision: Option<&str>| -> Option<Vec<(String, Option<String>)>> {
        let text = texts.find(name, revision)?;
        Some(Head::of(text.to_str().ok()?)?.needs)
    };
    let mut orphans = BTreeMap::new();
    // What is known to have all that it needs, whoever asks.
    let mut sound: BTreeSet<(String, Option<String>)> = BTreeSet::new();
    for module in modules {
        let first = (module.name.clone(), module.revision.clone());
        let (mut waiting, mut seen) = (vec![(first, None::<String>)], BTreeSet::new());
        let mut lacking = None;
        while let Some((need, by)) = waiting.pop() {
            if sound.contains(&need) || !seen.insert(need.clone()) {
                continue;
            }
            match needs(&need.0, need.1.as_deref()) {
                Some(more) => {
                    let by = need.0.clone();
                    waiting.extend(more.into_iter().map(|next| (next, Some(by.clone()))));
                }
                None if context.get_module_latest(&need.0).is_some() => {}
                None => {
                    let revision = need.1.map(|revision| format!("@{revision}")).unwrap_or_default();
                    lacking = Some(match by {
                        Some(by) if by != module.name => format!("it needs {by}, which needs {}{revision}", need.0),
                        Some(_) => format!("it needs {}{revision}", need.0),
                        None => need.0.clone(),
                    });
                    break;
                }
            }
        }
        match lacking {
            Some(what) => {
                orphans.insert(module.name.as_str(), format!("{what}: module not found"));
            }
            None => sound.append(&mut seen),
        }
    }
    orphans
}
