//! What an element can do, out of the capability URIs of its hello (RFC 6241 §8, RFC 6243, RFC 6020 §5.6.4).
//!
//! Only the hello counts: the feature list of `ietf-netconf` in a module URI is known to lie.

use crate::tree::DefaultsMode;
use std::collections::BTreeSet;

/// The parsed capabilities of one element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// `:base:1.0`
    pub base10: bool,
    /// `:base:1.1`: chunked framing
    pub base11: bool,
    /// `:candidate`
    pub candidate: bool,
    /// `:confirmed-commit:1.0`: a confirmed commit without persist
    pub confirmed_commit_10: bool,
    /// `:confirmed-commit:1.1`: persist and cancel-commit
    pub confirmed_commit_11: bool,
    /// `:validate:1.0`: the operation
    pub validate10: bool,
    /// `:validate:1.1`: also `test-only`
    pub validate11: bool,
    /// `:rollback-on-error`
    pub rollback_on_error: bool,
    /// `:writable-running`
    pub writable_running: bool,
    /// `:startup`
    pub startup: bool,
    /// `:xpath`
    pub xpath: bool,
    /// `:notification` (RFC 5277)
    pub notification: bool,
    /// `:interleave`: other operations while subscribed (RFC 5277 §6)
    pub interleave: bool,
    /// RFC 6022, so `get-schema` works
    pub monitoring: bool,
    /// `:with-defaults`
    pub with_defaults: Option<WithDefaultsSupport>,
    /// Modules in the order given.
    pub modules: Vec<Module>,
    /// Every URI as given.
    pub uris: Vec<String>,
}

/// How an element treats defaults (RFC 6243 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithDefaultsSupport {
    /// `basic-mode`
    pub basic: WithDefaults,
    /// Modes that may be asked for, the basic one included.
    pub modes: BTreeSet<WithDefaults>,
}

/// A with-defaults mode (RFC 6243 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WithDefaults {
    /// `report-all`
    ReportAll,
    /// `report-all-tagged`
    ReportAllTagged,
    /// `trim`
    Trim,
    /// `explicit`
    Explicit,
}

impl WithDefaults {
    /// As a basic mode; tags come with everything that is reported.
    pub fn mode(self) -> DefaultsMode {
        match self {
            WithDefaults::ReportAll | WithDefaults::ReportAllTagged => DefaultsMode::ReportAll,
            WithDefaults::Trim => DefaultsMode::Trim,
            WithDefaults::Explicit => DefaultsMode::Explicit,
        }
    }

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            WithDefaults::ReportAll => "report-all",
            WithDefaults::ReportAllTagged => "report-all-tagged",
            WithDefaults::Trim => "trim",
            WithDefaults::Explicit => "explicit",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [WithDefaults::ReportAll, WithDefaults::ReportAllTagged, WithDefaults::Trim, WithDefaults::Explicit]
            .into_iter()
            .find(|m| m.as_str() == word)
    }
}

/// A YANG module that the element announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Module name.
    pub name: String,
    /// Revision date, if given.
    pub revision: Option<String>,
    /// XML namespace.
    pub namespace: String,
    /// Features that are on.
    pub features: Vec<String>,
    /// Modules with deviations of this one.
    pub deviations: Vec<String>,
}

impl Capabilities {
    /// Reads the URIs of a hello. Unknown ones are kept in `uris` and mean nothing.
    pub fn parse(uris: &[String]) -> Self {
        let mut found = Capabilities { uris: uris.to_vec(), ..Capabilities::default() };
        for uri in uris {
            let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
            if let Some(module) = module(path, query) {
                found.monitoring |= path == super::message::MONITORING;
                found.modules.push(module);
                continue;
            }
            match path.strip_prefix("urn:ietf:params:netconf:").unwrap_or(path) {
                "base:1.0" => found.base10 = true,
                "base:1.1" => found.base11 = true,
                "capability:candidate:1.0" => found.candidate = true,
                "capability:confirmed-commit:1.0" => found.confirmed_commit_10 = true,
                "capability:confirmed-commit:1.1" => found.confirmed_commit_11 = true,
                "capability:validate:1.0" => found.validate10 = true,
                "capability:validate:1.1" => found.validate11 = true,
                "capability:rollback-on-error:1.0" => found.rollback_on_error = true,
                "capability:writable-running:1.0" => found.writable_running = true,
                "capability:startup:1.0" => found.startup = true,
                "capability:xpath:1.0" => found.xpath = true,
                "capability:notification:1.0" => found.notification = true,
                "capability:interleave:1.0" => found.interleave = true,
                "capability:with-defaults:1.0" => found.with_defaults = with_defaults(query),
                super::message::MONITORING => found.monitoring = true,
                _ => {}
            }
        }
        found
    }

    /// The announced module of this name.
    pub fn module(&self, name: &str) -> Option<&Module> {
        self.modules.iter().find(|m| m.name == name)
    }

    /// Either version of `:validate`.
    pub fn validate(&self) -> bool {
        self.validate10 || self.validate11
    }

    /// Either version of `:confirmed-commit`.
    pub fn confirmed_commit(&self) -> bool {
        self.confirmed_commit_10 || self.confirmed_commit_11
    }
}

fn parameter(query: &str, name: &str) -> Option<String> {
    let value = query.split('&').filter_map(|p| p.split_once('=')).find(|(n, _)| *n == name)?.1;
    Some(percent_encoding::percent_decode_str(value).decode_utf8_lossy().trim().to_owned())
}

fn words(list: Option<String>) -> Vec<String> {
    let list = list.unwrap_or_default();
    list.split(',').map(str::trim).filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

fn module(namespace: &str, query: &str) -> Option<Module> {
    Some(Module {
        name: parameter(query, "module").filter(|n| !n.is_empty())?,
        revision: parameter(query, "revision").filter(|r| !r.is_empty()),
        namespace: namespace.to_owned(),
        features: words(parameter(query, "features")),
        deviations: words(parameter(query, "deviations")),
    })
}

fn with_defaults(query: &str) -> Option<WithDefaultsSupport> {
    let basic = WithDefaults::parse(&parameter(query, "basic-mode")?)?;
    let also = words(parameter(query, "also-supported"));
    let modes = also.iter().filter_map(|w| WithDefaults::parse(w)).chain([basic]).collect();
    Some(WithDefaultsSupport { basic, modes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(uris: &[&str]) -> Capabilities {
        Capabilities::parse(&uris.iter().map(|u| (*u).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_list_of_a_candidate_server() {
        let c = parse(&[
            "urn:ietf:params:netconf:base:1.0",
            "urn:ietf:params:netconf:base:1.1",
            "urn:ietf:params:netconf:capability:candidate:1.0",
            "urn:ietf:params:netconf:capability:confirmed-commit:1.1",
            "urn:ietf:params:netconf:capability:validate:1.1",
            "urn:ietf:params:netconf:capability:rollback-on-error:1.0",
            "urn:ietf:params:netconf:capability:xpath:1.0",
            "urn:ietf:params:netconf:capability:notification:1.0",
            "urn:ietf:params:netconf:capability:with-defaults:1.0?basic-mode=explicit&also-supported=trim,report-all,bogus",
            "urn:ietf:params:netconf:capability:url:1.0?scheme=file",
            "urn:ietf:params:xml:ns:yang:ietf-interfaces?module=ietf-interfaces&revision=2014-05-08&features=arbitrary-names,if-mib&deviations=acme-dev",
            "urn:ietf:params:xml:ns:netconf:base:1.0?module=ietf-netconf&revision=2011-06-01&features=startup,writable-running",
        ]);
        assert!(c.base10 && c.base11 && c.candidate && c.confirmed_commit_11 && c.validate() && c.xpath);
        assert!(!c.startup && !c.writable_running, "the feature list of ietf-netconf is not believed");
        assert!(!c.confirmed_commit_10 && !c.validate10);
        let defaults = c.with_defaults.clone().unwrap();
        assert_eq!(defaults.basic, WithDefaults::Explicit);
        assert_eq!(defaults.modes.len(), 3);
        let m = c.module("ietf-interfaces").unwrap();
        assert_eq!(m.revision.as_deref(), Some("2014-05-08"));
        assert_eq!(m.namespace, "urn:ietf:params:xml:ns:yang:ietf-interfaces");
        assert_eq!((m.features.len(), m.deviations.as_slice()), (2, ["acme-dev".to_owned()].as_slice()));
        assert_eq!((c.modules.len(), c.uris.len()), (2, 12));
    }

    #[test]
    fn odd_uris_mean_nothing() {
        let c = parse(&["", "?", "?module=", "urn:x?module", "urn:ietf:params:netconf:capability:with-defaults:1.0"]);
        assert!(c.modules.is_empty() && c.with_defaults.is_none() && !c.base10);
    }
}
