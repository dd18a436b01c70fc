//! Schemas of elements that bring their own: fetched by `get-schema` at the first contact, kept, fetched again when the
//! element's modules change.
//!
//! ```text
//!  adapter: schema = "from-element"
//!     │  first plan or look          ┌───────────────────── <state>/schemas/elements/NAME.json   what was fetched
//!     ▼                              ▼                      <state>/schemas/texts/DIGEST.yang    the texts, shared
//!  get-schema: the adapter's modules, their imports,  ──▶ yang worker ──▶ index, shared by all elements with the set
//!  the deviations of them; bounded in number, bytes, time
//! ```
//!
//! Guarantees: an element has no schema until its own modules were compiled: nothing is planned for it before. For a module
//! that does not compile the adapter's profile of it stands in; where there is none it is left out. Either is named in the
//! log, and the element works with the rest. What was fetched is used
//! after a restart without asking the element, until its hello tells that its modules changed, or its entry in the inventory
//! or its adapter changed. A set that failed is not fetched again for a while.
//!
//! Element YANG is hostile: names are not paths (texts are kept by digest), a text must call itself what was asked for, and
//! only the worker looks into it.

use super::Controller;
use super::failure::Failure;
use super::model::Model;
use crate::adagio::connect::Connector;
use crate::adagio::netconf::schemas::{Announced, SchemaSession};
use crate::adapter::Adapter;
use crate::domain::{Element, chain};
use crate::yang::sources::Head;
use crate::yang::{LeftOut, ModuleSet, Wanted, YangWorker};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// How schemas of elements are got.
#[derive(Clone)]
pub struct SchemaSettings {
    /// Compiles them. Not the worker of the north: what an element sends must not hold up documents.
    pub yang: Arc<YangWorker>,
    /// Where they are kept.
    pub folder: PathBuf,
    /// Where modules are looked for that an element does not give.
    pub dirs: Vec<PathBuf>,
    /// Time for all modules of one element.
    pub timeout: Duration,
    /// Most bytes of the modules of one element.
    pub bytes: usize,
}

/// The adapters, and what is known of the schemas of single elements.
pub(super) struct Schemas {
    adapters: BTreeMap<String, Arc<Adapter>>,
    settings: SchemaSettings,
    known: RwLock<BTreeMap<String, Known>>,
    /// The adapters of `known`, by element, for whoever plans on the knowledge of one moment.
    own: RwLock<Arc<BTreeMap<String, Arc<Adapter>>>>,
    failed: Mutex<BTreeMap<String, Lost>>,
    /// One fetch of an element at a time.
    learning: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// An element's schema.
#[derive(Clone)]
struct Known {
    identity: String,
    module_set: String,
    adapter: Arc<Adapter>,
    /// What did not compile, with the reason.
    left_out: Vec<String>,
}

/// A schema that could not be had.
struct Lost {
    module_set: String,
    why: String,
    at: Instant,
}

/// What was fetched of an element, as it is kept.
#[derive(Serialize, Deserialize)]
struct Fetched {
    form: u32,
    identity: String,
    module_set: String,
    modules: Vec<Module>,
    /// Digests of the texts.
    texts: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Module {
    name: String,
    revision: Option<String>,
    features: Vec<String>,
}

impl Schemas {
    pub(super) fn new(adapters: BTreeMap<String, Arc<Adapter>>, settings: SchemaSettings) -> Self {
        let (known, own, failed, learning) = Default::default();
        Self { adapters, settings, known, own, failed, learning }
    }

    /// The adapters by name, without any element's schema.
    pub(super) fn adapters(&self) -> &BTreeMap<String, Arc<Adapter>> {
        &self.adapters
    }

    /// The adapter of an element, with the element's own schema where it has brought one.
    pub(super) fn adapter_of(&self, element: &Element) -> Option<Arc<Adapter>> {
        let adapter = self.adapters.get(&element.adapter)?;
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let own = known.get(&element.name).filter(|known| known.identity == identity(element, adapter));
        Some(own.map_or_else(|| adapter.clone(), |known| known.adapter.clone()))
    }

    /// The adapters of elements that brought their own schema, by element.
    pub(super) fn own(&self) -> Arc<BTreeMap<String, Arc<Adapter>>> {
        self.own.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a schema has to be fetched before anything can be done with the element.
    fn lacks(&self, element: &Element) -> bool {
        self.adapter_of(element).is_some_and(|adapter| adapter.from_element() && adapter.schema().is_none())
    }

    /// Whether the element's modules are others than those that are known.
    fn is_stale(&self, element: &Element, module_set: &str) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&element.name).is_some_and(|known| known.module_set != module_set)
    }

    /// What was fetched before this daemon started. What cannot be used is fetched again when it is needed.
    pub(super) async fn restore<'m>(&self, elements: impl Iterator<Item = &'m Arc<Element>>) {
        for element in elements {
            let Some(adapter) = self.adapters.get(&element.adapter).filter(|adapter| adapter.from_element()) else {
                continue;
            };
            let (kept, name) = (Kept(self.settings.folder.clone()), element.name.clone());
            let read = tokio::task::spawn_blocking(move || kept.read(&name)).await;
            let (fetched, texts) = match read {
                Ok(Ok(Some(found))) => found,
                Ok(Ok(None)) => continue,
                Ok(Err(error)) => {
                    tracing::warn!(element = element.name, error, "its schema is not used; it is fetched again");
                    continue;
                }
                Err(_) => continue,
            };
            if fetched.identity != identity(element, adapter) {
                continue;
            }
            if let Err(error) = self.compiled(element, adapter, &fetched.module_set, &fetched.modules, texts).await {
                tracing::warn!(element = element.name, error, "its schema is not used; it is fetched again");
            }
        }
    }

    /// Fetches and compiles the modules of an element.
    async fn learn(&self, element: &Element, connector: &Connector) -> Result<(), String> {
        let turn = self
            .learning
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(element.name.clone())
            .or_default()
            .clone();
        let _turn = turn.lock().await;
        let adapter = self.adapters.get(&element.adapter).ok_or("its adapter is not installed")?;
        let session = connector.schemas(element).await.map_err(|error| error.message)?;
        let module_set = session.module_set();
        // Somebody else may have done it while we waited.
        if !self.lacks(element) && !self.is_stale(element, &module_set) {
            session.close().await;
            return Ok(());
        }
        if let Some(why) = self.failed_lately(&element.name, &module_set) {
            session.close().await;
            return Err(why);
        }
        let started = Instant::now();
        let fetching = fetched(&session, adapter, self.settings.bytes);
        let fetched = tokio::time::timeout(self.settings.timeout, fetching).await;
        session.close().await;
        let fetched = fetched
            .unwrap_or_else(|_| Err(format!("its modules did not come within {} s", self.settings.timeout.as_secs())));
        let done = match fetched {
            Ok((modules, texts)) => {
                let (count, bytes) = (texts.len(), texts.iter().map(String::len).sum::<usize>());
                let done = self.compiled(element, adapter, &module_set, &modules, texts.clone()).await;
                if done.is_ok() {
                    let took = started.elapsed();
                    tracing::info!(
                        element = element.name,
                        count,
                        bytes,
                        ?took,
                        "its modules were fetched and compiled"
                    );
                    self.keep(element, adapter, &module_set, modules, texts).await;
                }
                done
            }
            Err(why) => Err(why),
        };
        if let Err(why) = &done {
            let lost = Lost { module_set, why: why.clone(), at: Instant::now() };
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).insert(element.name.clone(), lost);
        }
        done
    }

    /// What of the element's own modules did not compile, with the reason.
    pub(super) fn left_out(&self, element: &str) -> Vec<String> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(element).map(|known| known.left_out.clone()).unwrap_or_default()
    }

    fn failed_lately(&self, element: &str, module_set: &str) -> Option<String> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = failed.get(element)?;
        let lately = lost.module_set == module_set && lost.at.elapsed() < PAUSE;
        lately.then(|| format!("{} (it is tried again in a while)", lost.why))
    }

    async fn compiled(
        &self,
        element: &Element,
        adapter: &Arc<Adapter>,
        module_set: &str,
        modules: &[Module],
        texts: Vec<String>,
    ) -> Result<(), String> {
        let wanted = |module: &Module| Wanted {
            name: module.name.clone(),
            revision: module.revision.clone(),
            features: module.features.clone(),
        };
        let set = ModuleSet { modules: modules.iter().map(wanted).collect(), dirs: self.settings.dirs.clone(), texts };
        let profiles = adapter.profiles().map(|(folder, _)| folder);
        let loaded = self.settings.yang.load_or_profiles(&set, profiles).await;
        let (loaded, stood_in) = loaded.map_err(|error| chain(&error))?;
        let mut left_out = Vec::new();
        for LeftOut { module, reason } in &stood_in {
            let element = &element.name;
            tracing::warn!(element, module, reason, "it does not compile; the adapter's profile stands in");
            left_out.push(format!("{module}, for which the adapter's profile stands in: {reason}"));
        }
        for out in &loaded.left_out {
            left_out.push(format!("{}: {}", out.module, out.reason));
            tracing::warn!(element = element.name, module = out.module, reason = out.reason, "a module is left out");
        }
        if loaded.left_out.len() >= modules.len() {
            let first = loaded.left_out.first().map(|out| format!("{}: {}", out.module, out.reason));
            return Err(format!("none of its modules compiles: {}", first.unwrap_or_default()));
        }
        let known = Known {
            identity: identity(element, adapter),
            module_set: module_set.into(),
            adapter: Arc::new(adapter.with_schema(loaded.index.clone())),
            left_out,
        };
        let mut all = self.known.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(element.name.clone(), known);
        let own = all.iter().map(|(element, known)| (element.clone(), known.adapter.clone())).collect();
        *self.own.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(own);
        Ok(())
    }

    async fn keep(
        &self,
        element: &Element,
        adapter: &Adapter,
        module_set: &str,
        modules: Vec<Module>,
        texts: Vec<String>,
    ) {
        let identity = identity(element, adapter);
        let (kept, name, module_set) =
            (Kept(self.settings.folder.clone()), element.name.clone(), module_set.to_owned());
        let written =
            tokio::task::spawn_blocking(move || kept.write(&name, identity, module_set, modules, &texts)).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(element = element.name, %error, "its schema cannot be kept; it is fetched again next time");
        }
    }
}

impl Controller {
    /// Whether the element is to bring its own schema and has not yet.
    pub(super) fn lacks_schema(&self, model: &Model, element: &str) -> bool {
        model.inventory.get(element).is_some_and(|known| known.managed && self.schemas.lacks(known))
    }

    /// Gets the element's own schema if it is to bring one and has not yet.
    pub(super) async fn with_schema(&self, model: &Model, element: &str) -> Result<(), Failure> {
        match model.inventory.get(element) {
            Some(known) if known.managed && self.schemas.lacks(known) => self.learned(known).await,
            _ => Ok(()),
        }
    }

    /// Fetches the schema anew when the element says that its modules are others now; whether it did.
    pub(super) async fn renewed(
        &self,
        model: &Model,
        element: &str,
        module_set: Option<String>,
    ) -> Result<bool, Failure> {
        match (model.inventory.get(element), module_set) {
            (Some(known), Some(now)) if self.schemas.is_stale(known, &now) => {
                tracing::info!(element, "its modules have changed");
                self.learned(known).await.map(|()| true)
            }
            _ => Ok(false),
        }
    }

    async fn learned(&self, element: &Element) -> Result<(), Failure> {
        let learned = self.schemas.learn(element, &self.parts.connector).await;
        learned.map_err(|why| {
            let message = format!("its schema cannot be had: {why}");
            Failure::Unreachable { element: element.name.clone(), message }
        })
    }
}

/// What the schema of an element belongs to: the same adapter at the same place.
fn identity(element: &Element, adapter: &Adapter) -> String {
    let key = element.host_key.as_deref().unwrap_or_default();
    format!("{} {} {} {key}", adapter.name(), adapter.digest(), element.address)
}

/// The modules that the adapter speaks of, with their deviations, and all texts that these need.
async fn fetched(
    session: &SchemaSession,
    adapter: &Adapter,
    most: usize,
) -> Result<(Vec<Module>, Vec<String>), String> {
    let announced = session.announced().await.map_err(|error| error.message)?;
    let names = adapter.manifest().netconf.iter().flat_map(|options| &options.modules);
    let mut modules: Vec<Module> = names.map(|name| module(name, announced.get(name))).collect();
    let deviations: BTreeSet<&String> =
        modules.iter().filter_map(|module| announced.get(&module.name)).flat_map(|module| &module.deviations).collect();
    for name in deviations {
        if !modules.iter().any(|module| module.name == *name) {
            modules.push(module(name, announced.get(name)));
        }
    }
    let mut waiting: Vec<(String, Option<String>)> =
        modules.iter().map(|module| (module.name.clone(), module.revision.clone())).collect();
    let mut seen: BTreeSet<(String, Option<String>)> = waiting.iter().cloned().collect();
    let (mut texts, mut bytes) = (Vec::new(), 0);
    while let Some((name, revision)) = waiting.pop() {
        if seen.len() > MAX_MODULES {
            return Err(format!("its modules need more than {MAX_MODULES} others"));
        }
        let text = session.text(&name, revision.as_deref()).await.map_err(|error| error.message)?;
        // What the element does not give may be in a directory, or be one that libyang brings along.
        let Some(text) = text else { continue };
        bytes += text.len();
        if bytes > most {
            return Err(format!("its modules are more than {most} bytes (yang.fetch_bytes)"));
        }
        let Some(head) = Head::of(&text).filter(|head| head.name == name) else {
            tracing::warn!(module = name, "what the element gave for it is another text; it is not used");
            continue;
        };
        for (need, of) in head.needs {
            let of = of.or_else(|| announced.get(&need).and_then(|module| module.revision.clone()));
            if seen.insert((need.clone(), of.clone())) {
                waiting.push((need, of));
            }
        }
        texts.push(text);
    }
    texts.sort();
    Ok((modules, texts))
}

fn module(name: &str, announced: Option<&Announced>) -> Module {
    let said = announced.and_then(|module| module.features.clone());
    Module {
        name: name.to_owned(),
        revision: announced.and_then(|module| module.revision.clone()),
        // An element that does not say which features are on may have any of them on.
        features: said.unwrap_or_else(|| vec!["*".into()]),
    }
}

/// The folder of what was fetched.
struct Kept(PathBuf);

impl Kept {
    fn read(&self, element: &str) -> Result<Option<(Fetched, Vec<String>)>, String> {
        let text = match std::fs::read_to_string(self.element(element)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let fetched: Fetched = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        if fetched.form != FORM {
            return Err(format!("it is kept in form {}, not {FORM}", fetched.form));
        }
        let text = |digest: &String| {
            let text = std::fs::read_to_string(self.text(digest)).map_err(|error| format!("{digest}: {error}"))?;
            match digest_of(&text) == *digest {
                true => Ok(text),
                false => Err(format!("the text {digest} was changed")),
            }
        };
        let texts = fetched.texts.iter().map(text).collect::<Result<_, String>>()?;
        Ok(Some((fetched, texts)))
    }

    fn write(
        &self,
        element: &str,
        identity: String,
        module_set: String,
        modules: Vec<Module>,
        texts: &[String],
    ) -> io::Result<()> {
        let digests: Vec<String> = texts.iter().map(|text| digest_of(text)).collect();
        for (digest, text) in digests.iter().zip(texts) {
            let file = self.text(digest);
            if !file.exists() {
                replace(&file, text.as_bytes())?;
            }
        }
        let fetched = Fetched { form: FORM, identity, module_set, modules, texts: digests };
        replace(&self.element(element), &serde_json::to_vec_pretty(&fetched)?)?;
        self.prune()
    }

    /// Removes texts that no element has any more.
    fn prune(&self) -> io::Result<()> {
        let mut used = BTreeSet::new();
        for entry in std::fs::read_dir(self.0.join("elements"))?.flatten() {
            let text = std::fs::read_to_string(entry.path())?;
            // A file of an older daemon may name texts that are still used; it is written anew sooner or later.
            let Ok(fetched) = serde_json::from_str::<Fetched>(&text) else { continue };
            used.extend(fetched.texts);
        }
        for entry in std::fs::read_dir(self.0.join("texts"))?.flatten() {
            let file = entry.path();
            let digest = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if !used.contains(digest) {
                std::fs::remove_file(file)?;
            }
        }
        Ok(())
    }

    fn element(&self, name: &str) -> PathBuf {
        self.0.join("elements").join(format!("{name}.json"))
    }

    fn text(&self, digest: &str) -> PathBuf {
        self.0.join("texts").join(format!("{digest}.yang"))
    }
}

fn digest_of(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let beside = file.with_extension("new");
    std::fs::File::create(&beside).and_then(|mut new| new.write_all(bytes))?;
    std::fs::rename(&beside, file)
}

/// Form of what is kept.
const FORM: u32 = 1;
/// Modules of one element, those included that others need.
const MAX_MODULES: usize = 2000;
/// How long a set that failed is left alone.
const PAUSE: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_fetched_is_kept_and_what_was_changed_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept(folder.path().to_owned());
        assert!(kept.read("pe1").unwrap().is_none());
        let texts = vec!["module a {}".to_owned(), "module b {}".to_owned()];
        let module = || vec![Module { name: "a".into(), revision: None, features: vec![] }];
        let write = |element: &str, texts: &[String]| {
            kept.write(element, "identity".into(), "set".into(), module(), texts).unwrap();
        };
        write("pe1", &texts);
        write("pe2", &texts[..1]);
        let (fetched, read) = kept.read("pe1").unwrap().unwrap();
        assert_eq!((read, fetched.module_set.as_str()), (texts.clone(), "set"));
        let files = || std::fs::read_dir(folder.path().join("texts")).unwrap().count();
        assert_eq!(files(), 2, "shared");
        write("pe1", &texts[1..]);
        write("pe2", &texts[1..]);
        assert_eq!(files(), 1, "what nobody has goes");
        std::fs::write(kept.text(&digest_of(&texts[1])), "module b { }").unwrap();
        assert!(kept.read("pe1").unwrap_err_text().contains("was changed"));
        std::fs::write(kept.element("pe1"), "{").unwrap();
        assert!(kept.read("pe1").is_err());
    }

    trait ErrText {
        fn unwrap_err_text(self) -> String;
    }

    impl<T> ErrText for Result<T, String> {
        fn unwrap_err_text(self) -> String {
            self.err().unwrap()
        }
    }
}
