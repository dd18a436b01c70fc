//! The YANG modules that an element says it has, and their texts (RFC 6022 `get-schema`).
//!
//! Flow: a session of its own, what the element announces (hello, YANG library of RFC 8525 or RFC 7895, and
//! `/netconf-state/schemas`, laid over one another), then texts one by one.
//!
//! Guarantees: it only reads; every text is the element's own words, unchecked and hostile; lists and texts are bounded.
//! It does not: decide what is needed, keep anything, compile.

use super::capabilities::Capabilities;
use super::error::NetconfError;
use super::operation::Filter;
use super::session::{NetconfLimits, NetconfSession};
use super::xml::{Open, Walk, XmlError};
use crate::adagio::driver::DriverError;
use crate::adagio::ssh::{SshLimits, SshTarget};
use crate::adagio::tap::Tap;
use crate::domain::{ErrorClass, chain};
use std::collections::BTreeMap;

/// A module as an element announces it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// Revision date; `None` when it says none.
    pub revision: Option<String>,
    /// Features that are on; `None` when the element does not say which.
    pub features: Option<Vec<String>>,
    /// Modules with deviations of this one.
    pub deviations: Vec<String>,
}

/// A session that reads modules.
pub struct SchemaSession {
    element: String,
    netconf: NetconfSession,
}

impl SchemaSession {
    /// Opens a session.
    pub async fn open(
        element: &str,
        target: &SshTarget,
        ssh: &SshLimits,
        limits: NetconfLimits,
        tap: Tap,
    ) -> Result<Self, DriverError> {
        let opened = NetconfSession::connect(target, ssh, limits, tap).await;
        let netconf = opened.map_err(|error| failed(element, "connect", &error))?;
        Ok(Self { element: element.into(), netconf })
    }

    /// Which modules it has now, as one word; see [`module_set`].
    pub fn module_set(&self) -> String {
        module_set(self.netconf.capabilities())
    }

    /// All modules that it announces, by name.
    pub async fn announced(&self) -> Result<BTreeMap<String, Announced>, DriverError> {
        let capabilities = self.netconf.capabilities();
        let mut known: BTreeMap<String, Announced> = BTreeMap::new();
        for module in &capabilities.modules {
            let entry = known.entry(module.name.clone()).or_default();
            entry.revision = module.revision.clone();
            entry.features = Some(module.features.clone());
            entry.deviations = module.deviations.clone();
        }
        let library = capabilities.uris.iter().any(|uri| uri.starts_with(YANG_LIBRARY_CAPABILITY));
        let asked = [
            (library, "read the YANG library", LIBRARY_FILTER),
            (library, "read the YANG library", MODULES_STATE_FILTER),
            (capabilities.monitoring, "read the list of schemas", SCHEMAS_FILTER),
        ];
        for (worth, doing, filter) in asked {
            if !worth {
                continue;
            }
            match self.netconf.get(Some(Filter::Subtree(filter))).await {
                Ok(data) => {
                    let listed = listed(&data.to_document("data"));
                    for (name, module) in listed.map_err(|error| failed(&self.element, doing, &error))? {
                        lay_over(known.entry(name).or_default(), module);
                    }
                }
                // It need not have both forms of the library.
                Err(error @ NetconfError::Rejected { .. }) => {
                    tracing::debug!(element = self.element, %error, "it does not tell its modules this way");
                }
                Err(error) => return Err(failed(&self.element, doing, &error)),
            }
        }
        Ok(known)
    }

    /// The text of a module or submodule; `None` when the element refuses to give it.
    pub async fn text(&self, name: &str, revision: Option<&str>) -> Result<Option<String>, DriverError> {
        match self.netconf.get_schema(name, revision).await {
            Ok(text) => Ok(Some(text)),
            Err(NetconfError::Rejected { errors, .. }) => {
                let why = errors.first().map(ToString::to_string).unwrap_or_default();
                tracing::debug!(element = self.element, name, revision, why, "it does not give this schema");
                Ok(None)
            }
            Err(error) => Err(failed(&self.element, "get-schema", &error)),
        }
    }

    /// Ends the session in good order.
    pub async fn close(self) {
        if let Err(error) = self.netconf.close().await {
            tracing::debug!(element = self.element, %error, "session did not close in good order");
        }
    }
}

/// A word that changes when the modules of an element change: the digest of all that its hello says of them, the id of its
/// YANG library included (RFC 7895 §2.1, RFC 8525 §2).
pub fn module_set(capabilities: &Capabilities) -> String {
    let of_modules = |uri: &&String| uri.contains("module=") || uri.starts_with(YANG_LIBRARY_CAPABILITY);
    let mut uris: Vec<&String> = capabilities.uris.iter().filter(of_modules).collect();
    uris.sort();
    uris.dedup();
    let mut hasher = blake3::Hasher::new();
    for uri in uris {
        hasher.update(uri.as_bytes()).update(b"\n");
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

/// What a later list says of a module counts where it says something.
fn lay_over(known: &mut Announced, said: Announced) {
    known.revision = said.revision.or(known.revision.take());
    known.features = said.features.or(known.features.take());
    for deviation in said.deviations {
        if !known.deviations.contains(&deviation) {
            known.deviations.push(deviation);
        }
    }
}

/// The modules of a list: `module` entries of a YANG library, `schema` entries of the monitoring module.
fn listed(document: &str) -> Result<BTreeMap<String, Announced>, XmlError> {
    let mut walk = Walk::new(document);
    let mut modules = BTreeMap::new();
    if let Some(root) = walk.child()? {
        descend(&mut walk, &root, 0, &mut modules)?;
    }
    Ok(modules)
}

fn descend(
    walk: &mut Walk<'_>,
    open: &Open<'_>,
    depth: usize,
    modules: &mut BTreeMap<String, Announced>,
) -> Result<(), XmlError> {
    if open.empty {
        return Ok(());
    }
    while let Some(child) = walk.child()? {
        match child.name.local.as_str() {
            "module" | "import-only-module" if child.name.namespace == LIBRARY => {
                entry(walk, &child, "name", "revision", true, modules)?;
            }
            "schema" if child.name.namespace == super::message::MONITORING => {
                entry(walk, &child, "identifier", "version", false, modules)?;
            }
            _ if depth < MAX_DEPTH => descend(walk, &child, depth + 1, modules)?,
            _ => walk.skip(&child)?,
        }
    }
    Ok(())
}

/// One entry of a list.
fn entry(
    walk: &mut Walk<'_>,
    open: &Open<'_>,
    name: &str,
    revision: &str,
    features: bool,
    modules: &mut BTreeMap<String, Announced>,
) -> Result<(), XmlError> {
    let (mut found, mut module) = (String::new(), Announced::default());
    module.features = features.then(Vec::new);
    while !open.empty
        && let Some(child) = walk.child()?
    {
        let content = walk.content(&child)?;
        let text = || content.text().map(|text| text.trim().to_owned());
        match child.name.local.as_str() {
            leaf if leaf == name => found = text()?,
            leaf if leaf == revision => module.revision = Some(text()?).filter(|text| !text.is_empty()),
            "feature" => module.features.get_or_insert_default().push(text()?),
            // RFC 8525: a leaf; RFC 7895: a list with name and revision.
            "deviation" => module.deviations.push(deviation(&content.to_document("d"))?.map_or_else(text, Ok)?),
            _ => {}
        }
    }
    // An import-only entry of another revision says nothing of the one that is implemented.
    let first = !modules.contains_key(&found) || open.name.local == "module";
    if !found.is_empty() && first && modules.len() < MAX_MODULES {
        modules.insert(found, module);
    }
    Ok(())
}

fn deviation(document: &str) -> Result<Option<String>, XmlError> {
    let mut walk = Walk::new(document);
    if walk.child()?.is_some_and(|root| root.empty) {
        return Ok(None);
    }
    while let Some(child) = walk.child()? {
        let content = walk.content(&child)?;
        if child.name.local == "name" {
            return content.text().map(|text| Some(text.trim().to_owned()));
        }
    }
    Ok(None)
}

fn failed(element: &str, doing: &str, error: &(dyn std::error::Error + 'static)) -> DriverError {
    let class = error.downcast_ref::<NetconfError>().map_or(ErrorClass::Rejected, NetconfError::class);
    DriverError::unsent(element, doing, class, chain(error))
}

const LIBRARY: &str = "urn:ietf:params:xml:ns:yang:ietf-yang-library";
const YANG_LIBRARY_CAPABILITY: &str = "urn:ietf:params:netconf:capability:yang-library:";
const LIBRARY_FILTER: &str = "<yang-library xmlns=\"urn:ietf:params:xml:ns:yang:ietf-yang-library\"/>";
const MODULES_STATE_FILTER: &str = "<modules-state xmlns=\"urn:ietf:params:xml:ns:yang:ietf-yang-library\"/>";
const SCHEMAS_FILTER: &str =
    "<netconf-state xmlns=\"urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring\"><schemas/></netconf-state>";
/// Containers around the entries of a list.
const MAX_DEPTH: usize = 4;
/// Entries that are looked at.
const MAX_MODULES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_library_and_the_list_of_schemas_are_read() {
        let features = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        let new = listed(
            "<data><yang-library xmlns='urn:ietf:params:xml:ns:yang:ietf-yang-library'><module-set><name>all</name>\
             <module><name>a</name><revision>2024-01-01</revision><feature>x</feature><feature>y</feature>\
             <deviation>a-dev</deviation><submodule><name>no</name></submodule></module>\
             <import-only-module><name>a</name><revision>2020-01-01</revision></import-only-module>\
             <import-only-module><name>t</name><revision/></import-only-module></module-set></yang-library></data>",
        )
        .unwrap();
        assert_eq!(new.keys().collect::<Vec<_>>(), ["a", "t"]);
        assert_eq!(new["a"].revision.as_deref(), Some("2024-01-01"));
        assert_eq!((&new["a"].features, &new["a"].deviations[..]), (&features(&["x", "y"]), &["a-dev".to_owned()][..]));
        assert_eq!((&new["t"].revision, &new["t"].features), (&None, &features(&[])));

        let old = listed(
            "<data><modules-state xmlns='urn:ietf:params:xml:ns:yang:ietf-yang-library'><module-set-id>7</module-set-id>\
             <module><name> a </name><revision>2024-01-01</revision><deviation><name>a-dev</name><revision/></deviation>\
             <conformance-type>implement</conformance-type></module></modules-state></data>",
        )
        .unwrap();
        assert_eq!(old["a"].deviations, ["a-dev"]);

        let schemas = listed(
            "<data><netconf-state xmlns='urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring'><schemas><schema>\
             <identifier>a</identifier><version>2024-01-01</version><format>yang</format></schema></schemas>\
             </netconf-state></data>",
        )
        .unwrap();
        assert_eq!((schemas["a"].revision.as_deref(), &schemas["a"].features), (Some("2024-01-01"), &None));
        for broken in ["", "<data/>", "<data><x/></data>"] {
            assert!(listed(broken).unwrap().is_empty());
        }
        assert!(listed("<data><modules-state>").is_err());
    }

    #[test]
    fn a_list_without_features_leaves_what_the_hello_said() {
        let mut known = Announced { features: Some(vec!["x".into()]), ..Announced::default() };
        lay_over(&mut known, Announced { revision: Some("2024-01-01".into()), ..Announced::default() });
        assert_eq!((known.revision.as_deref(), known.features), (Some("2024-01-01"), Some(vec!["x".to_owned()])));
    }

    #[test]
    fn the_module_set_changes_with_what_the_hello_says_of_modules_only() {
        let set = |uris: &[&str]| {
            module_set(&Capabilities::parse(&uris.iter().map(|uri| (*uri).to_owned()).collect::<Vec<_>>()))
        };
        let (a, b) = ("urn:a?module=a&revision=2024-01-01", "urn:b?module=b");
        assert_eq!(set(&[a, b]), set(&[b, "urn:ietf:params:netconf:base:1.1", a]));
        assert_ne!(set(&[a, b]), set(&[a]));
        let library = |id: &str| format!("{YANG_LIBRARY_CAPABILITY}1.0?revision=2016-06-21&module-set-id={id}");
        assert_ne!(set(&[a, &library("1")]), set(&[a, &library("2")]));
    }
}
