//! The inventory: which elements there are, how they are onboarded, what is known of them.

use super::Controller;
use super::desk::not_found;
use super::failure::Failure;
use super::model::Model;
use super::request::{Absent, Probe};
use crate::adagio::ssh::probe_host_key;
use crate::domain::{Element, ElementState, Fault, FaultTag, Principal, SyncState, Verb, authorize, chain};
use crate::store::{Batch, Table};
use std::collections::BTreeSet;

impl Controller {
    /// All elements with what is known of them, by name.
    pub async fn elements(&self, principal: &Principal) -> Result<Vec<(Element, ElementState)>, Failure> {
        authorize(principal, Verb::Read, "elements")?;
        let model = self.model();
        let state = |element: &Element| self.state_of(&model, &element.name);
        Ok(model.inventory.iter().map(|element| (Element::clone(element), state(element))).collect())
    }

    /// What the last look found, unless a transaction is unresolved there: that is known at once, and no look outranks it.
    pub(super) fn state_of(&self, model: &Model, element: &str) -> ElementState {
        let mut state = model.states.get(element).cloned().unwrap_or_default();
        if self.runner.queues().is_held(element) {
            state.sync = SyncState::Unresolved;
        }
        state
    }

    /// The names of the managed elements, and a count that grows when the inventory changes. `None` while it is still the
    /// given one: asking often costs nothing.
    pub fn managed(&self, known: Option<u64>) -> Option<(u64, BTreeSet<String>)> {
        let model = self.model();
        if known == Some(model.inventory_generation) {
            return None;
        }
        let managed = model.inventory.iter().filter(|element| element.managed);
        Some((model.inventory_generation, managed.map(|element| element.name.clone()).collect()))
    }

    /// Takes an inventory: new and changed entries. Answers the names that changed.
    pub async fn apply_elements(
        &self,
        principal: &Principal,
        elements: Vec<Element>,
        absent: Absent,
    ) -> Result<Vec<String>, Failure> {
        authorize(principal, Verb::Onboard, "elements")?;
        self.checked(&elements)?;
        let _pass = self.gate.enter(inventory()).await;
        let model = self.model();
        let mut batch = Batch::default();
        let mut changed = Vec::new();
        let named: BTreeSet<&str> = elements.iter().map(|element| element.name.as_str()).collect();
        let leaving = model.inventory.iter().filter(|old| old.managed && !named.contains(old.name.as_str()));
        let leaving =
            leaving.filter(|_| absent == Absent::Unmanage).map(|old| Element { managed: false, ..Element::clone(old) });
        for mut element in elements.iter().cloned().chain(leaving) {
            let old = model.inventory.get(&element.name).map(|old| &**old);
            // Their order says nothing, and it does not survive every way here.
            element.ports.sort_by(|a, b| a.name.cmp(&b.name));
            // A key that was pinned by probing stays pinned when the file does not speak of it.
            if element.host_key.is_none() {
                element.host_key = old.and_then(|old| old.host_key.clone());
            }
            if old == Some(&element) {
                continue;
            }
            if old.is_some_and(|old| old.address != element.address || old.host_key != element.host_key) {
                // Another device, perhaps: what was known of the old one says nothing of it.
                batch.delete(Table::ElementStates, &element.name);
            }
            if old.is_some_and(|old| old.host_key.is_some() && old.host_key != element.host_key) {
                for key in model.rewrites.get(&element.name).into_iter().flat_map(|facts| facts.keys()) {
                    batch.delete(Table::Rewrites, key);
                }
            }
            batch.put(Table::Elements, &element.name, &element)?;
            changed.push(element.name.clone());
        }
        if !changed.is_empty() {
            self.audited(&mut batch, principal, "apply-elements", &changed.join(", "), "done");
            self.commit_batch(batch).await?;
        }
        Ok(changed)
    }

    /// Looks at an element's host key; with `trust` it is pinned, and the element is logged in to.
    pub async fn probe(&self, principal: &Principal, element: &str, trust: bool) -> Result<Probe, Failure> {
        authorize(principal, if trust { Verb::Onboard } else { Verb::Read }, element)?;
        let model = self.model();
        let known = model.inventory.get(element).ok_or_else(|| not_found(element))?;
        let key = probe_host_key(&known.address, &self.parts.connector.ssh).await;
        let key = key.map_err(|error| Failure::Unreachable { element: element.into(), message: chain(&error) })?;
        let mut probe = Probe {
            host_key: key.openssh.clone(),
            fingerprint: key.fingerprint.clone(),
            pinned: known.host_key.as_ref().is_some_and(|pin| *pin == key.openssh || *pin == key.fingerprint),
            class: None,
            detail: String::new(),
        };
        if !probe.pinned && !trust {
            probe.detail = match &known.host_key {
                None => {
                    "not pinned: no traffic; compare the key with what the element says, then probe with --trust".into()
                }
                Some(pin) => {
                    format!("another key is pinned ({pin}): no traffic; find out why before you trust this one")
                }
            };
            return Ok(probe);
        }
        if !probe.pinned {
            // Its entry may have changed while it was asked: the key goes to the entry as it is now.
            let _pass = self.gate.enter(inventory()).await;
            let model = self.model();
            let known = model.inventory.get(element).ok_or_else(|| not_found(element))?;
            let mut batch = Batch::default();
            let pinned = Element { host_key: Some(key.openssh.clone()), ..Element::clone(known) };
            batch.put(Table::Elements, element, &pinned)?;
            self.audited(&mut batch, principal, "trust-host-key", element, &key.fingerprint);
            self.commit_batch(batch).await?;
            probe.pinned = true;
        }
        let report = self.check(principal, element).await?;
        probe.class = report.state.class;
        probe.detail = report.state.detail.unwrap_or_else(|| "reached and read".into());
        Ok(probe)
    }

    fn checked(&self, elements: &[Element]) -> Result<(), Failure> {
        let mut faults = Vec::new();
        let mut names = BTreeSet::new();
        for element in elements {
            let mut wrong = |message: String| {
                faults.push(Fault {
                    path: format!("element {}", element.name),
                    tag: FaultTag::InvalidValue,
                    app_tag: None,
                    message,
                });
            };
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if element.name.is_empty() || !element.name.chars().all(plain) {
                wrong("name: letters, digits, '-', '_' and '.' are allowed".into());
            }
            if !names.insert(element.name.as_str()) {
                wrong("the name is there twice".into());
            }
            if self.adapter(&element.adapter).is_none() {
                let known: Vec<String> = self.adapters().into_iter().map(|adapter| adapter.name).collect();
                wrong(format!("adapter: no adapter '{}'; there are {}", element.adapter, known.join(", ")));
            }
            let port = element.address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            if port.is_none() {
                wrong(format!("address: '{}' is not host:port", element.address));
            }
            if element.private_key.is_none() && element.password_file.is_none() {
                wrong("neither private_key nor password_file is given".into());
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(Failure::Document(faults)) }
    }
}

/// What a change of the inventory holds at the gate.
fn inventory() -> BTreeSet<String> {
    BTreeSet::from(["inventory".to_string()])
}
