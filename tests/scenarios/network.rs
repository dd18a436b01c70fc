//! Four provider edges on paper and the stations between a document and the bytes, in their order.

use crate::paper::{self, Wish, root};
use andante::adapter::Adapter;
use andante::domain::ServiceKey;
use andante::face;
use andante::plan::{Allowed, ElementPlan, Plan, ServiceChange, ServiceEffect};
use andante::service::admission::{PortUse, admit};
use andante::service::{Draft, Ledger, NumberUse, Service, decompose, explicit_numbers};
use andante::tree::{Claims, ConfigTree, Layer, Limits, Owner, Policy, json};
use andante::yang::{DocumentKind, Encoding, Loaded, ModuleSet, Wanted, YangWorker};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The domain, and what is known of it.
#[derive(Clone)]
pub struct Network {
    worker: Arc<YangWorker>,
    north: Arc<Loaded>,
    inventory: andante::domain::Inventory,
    pub elements: BTreeMap<String, paper::Element>,
    services: BTreeMap<ServiceKey, Service>,
    carried: BTreeMap<ServiceKey, BTreeMap<String, ConfigTree>>,
    ledger: Ledger,
}

/// Documents to put and services to remove.
pub struct Request {
    pub put: Vec<(ServiceKey, ConfigTree)>,
    pub delete: Vec<ServiceKey>,
}

impl Network {
    /// The elements, with what they say in `folder`.
    pub async fn load(folder: &Path) -> Self {
        let program = env!("CARGO_BIN_EXE_andanted").as_ref();
        let worker = YangWorker::spawn(program, &["yang-worker"], Duration::from_secs(60));
        let names = ["ietf-vpn-common", "ietf-l3vpn-ntw", "ietf-l2vpn-ntw"];
        let modules = names.iter().map(|name| Wanted::all_features(name)).collect();
        let north = worker.load(&ModuleSet { modules, dirs: vec![root("yang")], texts: Vec::new() }).await.unwrap();

        let frr = Adapter::load(&root("adapters/frr")).unwrap();
        let iosxr = Adapter::load(&root("adapters/iosxr")).unwrap();
        let (profiles, _) = iosxr.profiles().unwrap();
        let modules = &iosxr.manifest().netconf.as_ref().unwrap().modules;
        let modules: Vec<&str> = modules.iter().map(String::as_str).collect();
        let south = worker.load(&ModuleSet::named(&modules, &[profiles])).await.unwrap();
        let iosxr = iosxr.with_schema(south.index.clone());

        let mut elements = BTreeMap::new();
        let mut inventory = andante::domain::Inventory::default();
        for (number, adapter, ports) in [
            (1, &iosxr, ["GigabitEthernet0/0/0/1", "GigabitEthernet0/0/0/2"]),
            (2, &frr, ["eth1", "eth2"]),
            (3, &iosxr, ["GigabitEthernet0/0/0/1", "GigabitEthernet0/0/0/2"]),
            (4, &frr, ["eth1", "eth2"]),
        ] {
            let name = format!("pe{number}");
            let ports: Vec<_> = ports.iter().map(|port| serde_json::json!({ "name": port })).collect();
            let entry = serde_json::json!({"name": name, "adapter": adapter.name(), "address": "192.0.2.1:22",
                "username": "andante", "router_id": format!("10.0.0.{number}"), "asn": 65000, "ports": ports});
            inventory.insert(serde_json::from_value(entry).unwrap());
            elements.insert(name.clone(), paper::Element::new(&name, adapter, ConfigTree::default()));
        }
        let (services, carried, ledger) = Default::default();
        let worker = Arc::new(worker);
        let mut network = Self { worker, north, inventory, elements, services, carried, ledger };
        network.running(folder);
        network
    }

    /// The worker, and the modules of the north in it.
    #[allow(dead_code, reason = "not every test that plans on this network asks for it")]
    pub fn north(&self) -> (&YangWorker, &Loaded) {
        (&self.worker, &self.north)
    }

    /// What the elements of a case say instead.
    pub fn furnish(&mut self, case: &Path) {
        self.running(&case.join("elements"));
    }

    fn running(&mut self, folder: &Path) {
        for (name, element) in &mut self.elements {
            let file = folder.join(name).join("running").with_extension(ending(element));
            if let Ok(text) = fs::read_to_string(&file) {
                let reading =
                    element.adapter.parse(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
                assert_eq!(reading.opaque, 0, "{}: {:#?}", file.display(), reading.tree);
                element.actual = element.adapter.normalise(&reading.tree);
            }
        }
    }

    /// What somebody sends to the elements by hand.
    pub fn meddle(&mut self, case: &Path) {
        for (name, element) in &mut self.elements {
            let file = case.join("elements").join(name).join("by-hand").with_extension(ending(element));
            let Ok(text) = fs::read_to_string(&file) else { continue };
            let payload = match ending(element) {
                "cli" => {
                    let line = |text: &str| andante::adapter::CliLine::new(text);
                    andante::adapter::Payload::Cli { lines: text.lines().map(line).collect() }
                }
                _ => andante::adapter::Payload::Netconf { config: text },
            };
            element.actual = paper::executed(&element.adapter, &element.actual, &payload);
        }
    }

    /// The services of a document, which must be valid.
    pub async fn read(&self, text: &str) -> Vec<(ServiceKey, ConfigTree)> {
        let tree = json::parse(text.as_bytes(), &self.north.index, None, Policy::STRICT, &Limits::NORTH).unwrap();
        let body = json::print(&tree, &self.north.index, false);
        let faults = self.worker.validate(&self.north.id, DocumentKind::Config, Encoding::Json, &body).await.unwrap();
        assert!(faults.is_empty(), "{faults:#?}");
        face::documents(&tree).unwrap()
    }

    /// The plan, or all reasons against it, in words.
    pub fn plan(&self, request: &Request, allowed: &Allowed) -> Result<Plan, Vec<String>> {
        let mut candidates = self.services.clone();
        let mut wanted = Vec::new();
        for (key, document) in &request.put {
            let service = face::service_of(document, key).map_err(strings)?;
            candidates.insert(key.clone(), service.clone());
            wanted.push((key, document, service));
        }
        for key in &request.delete {
            candidates.remove(key);
        }
        let ports = PortUse::of(candidates.values());
        let numbers = NumberUse::of(candidates.values());
        let mut warnings = Vec::new();
        for (_, _, service) in &wanted {
            admit(service, &ports, &self.inventory).map_err(strings)?;
            warnings.extend(numbers.check(service, &self.inventory).map_err(strings)?);
        }
        let exclusions = explicit_numbers(candidates.values());
        let mut draft = Draft::new(&self.ledger, &exclusions);
        let mut changes = Vec::new();
        for (key, document, service) in &wanted {
            let split = decompose(service, &self.inventory, &mut draft).map_err(strings)?;
            warnings.extend(split.warnings);
            let mut claims: BTreeMap<String, Option<Claims>> = self.left(key);
            for (element, asked) in &split.elements {
                let adapter = &self.elements[element].adapter;
                adapter.check(asked).map_err(|refusals| {
                    refusals.iter().map(|refusal| format!("{refusal}; element {element}")).collect::<Vec<_>>()
                })?;
                let mapped = adapter.mapped(asked).unwrap_or_else(|error| panic!("{element}: {error}"));
                let claimed = Claims::new(Owner(format!("service {key}")), Layer::Service, mapped.tree);
                if self.carried.get(key).and_then(|carried| carried.get(element)) != Some(&claimed.tree) {
                    warnings.extend(mapped.notes.iter().map(|note| format!("{element}: {note}")));
                }
                claims.insert(element.clone(), Some(claimed));
            }
            let known = self.services.contains_key(key);
            changes.push(ServiceChange {
                key: (*key).clone(),
                effect: if known { ServiceEffect::Modify } else { ServiceEffect::Create },
                document: Some(json::print(document, &self.north.index, false)),
                base_revision: u64::from(known),
                claims,
                asked: split.asked,
                wanted: split.elements,
            });
        }
        for key in &request.delete {
            let (effect, document, asked, wanted) = (ServiceEffect::Delete, None, BTreeSet::new(), BTreeMap::new());
            let (key, claims) = (key.clone(), self.left(key));
            changes.push(ServiceChange { key, effect, document, base_revision: 1, claims, asked, wanted });
        }
        let mut elements = Vec::new();
        let mut refused = Vec::new();
        for (name, element) in &self.elements {
            let wishes = wishes(&changes, name);
            let wishes: Vec<Wish<'_>> = wishes.iter().map(|(key, tree)| (key.as_str(), *tree)).collect();
            match element.plan(&wishes, allowed) {
                Ok(plan) => elements.extend(plan),
                Err(reasons) => refused.extend(reasons.iter().map(|why| format!("{name}: [{}] {why}", why.app_tag()))),
            }
        }
        if !refused.is_empty() {
            return Err(refused);
        }
        let numbers = draft.takes().cloned().collect();
        Ok(Plan { id: String::new(), services: changes, elements, numbers, warnings }.sealed())
    }

    /// What a transaction leaves behind.
    pub fn commit(&mut self, plan: &Plan) {
        for (name, element) in &mut self.elements {
            let wishes = wishes(&plan.services, name);
            let wishes: Vec<Wish<'_>> = wishes.iter().map(|(key, tree)| (key.as_str(), *tree)).collect();
            let of_element: Option<&ElementPlan> = plan.elements.iter().find(|plan| plan.element == *name);
            element.commit(&wishes, of_element);
        }
        self.ledger.record(plan.numbers.iter().cloned());
        for change in &plan.services {
            match &change.document {
                Some(body) => {
                    let tree = json::parse(body.as_bytes(), &self.north.index, None, Policy::STRICT, &Limits::NORTH);
                    let service = face::service_of(&tree.unwrap(), &change.key).unwrap();
                    self.services.insert(change.key.clone(), service);
                    let kept =
                        change.claims.iter().filter_map(|(name, claims)| Some((name.clone(), claims.clone()?.tree)));
                    self.carried.insert(change.key.clone(), kept.collect());
                }
                None => {
                    self.services.remove(&change.key);
                    self.carried.remove(&change.key);
                }
            }
        }
    }

    /// The elements that carry the service now, all left.
    fn left(&self, key: &ServiceKey) -> BTreeMap<String, Option<Claims>> {
        self.carried.get(key).into_iter().flat_map(BTreeMap::keys).map(|element| (element.clone(), None)).collect()
    }
}

fn wishes<'a>(changes: &'a [ServiceChange], element: &str) -> Vec<(String, Option<&'a ConfigTree>)> {
    let of_element = |change: &'a ServiceChange| {
        let claims = change.claims.get(element)?;
        Some((change.key.to_string(), claims.as_ref().map(|claims| &claims.tree)))
    };
    changes.iter().filter_map(of_element).collect()
}

fn strings<T: ToString>(errors: Vec<T>) -> Vec<String> {
    errors.iter().map(T::to_string).collect()
}

fn ending(element: &paper::Element) -> &'static str {
    if element.adapter.name() == "frr" { "cli" } else { "xml" }
}
