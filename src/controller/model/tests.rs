//! The mirror follows what the store holds, and a request costs the same beside a hundred services and beside thousands.

use super::*;
use crate::adapter::Adapter;
use crate::controller::desk::{Desk, Relied, Wanted};
use crate::controller::queue::Queueing;
use crate::domain::{Class, Effect, Element, Port, Principal, QueuePolicy, QueueState, Stamp, TransactionRecord};
use crate::plan::{Allowed, Plan, adopted_owner};
use crate::service::Ranges;
use crate::service::canonical::{
    Admin, EndPoint, EndRole, Instance, InstanceRole, Interface, Kind, Part, Rd, Said, Technology, Topology,
};
use crate::service::element_service::Match;
use crate::store::{Durability, MemoryStore, Store};
use crate::tree::{After, Intended, Layer, Node, Path, QName, Step, Value};
use jiff::SignedDuration;
use std::path::PathBuf;

/// Element, port, VLAN: all that a document of these tests says.
type Ends = Vec<(String, String, u16)>;

fn key(id: &str) -> ServiceKey {
    ServiceKey { face: "ietf-l3vpn-ntw".into(), id: id.into() }
}

fn service(id: &str, ends: &Ends) -> Service {
    let path = |what: &str| format!("/vpn-service[vpn-id='{id}']{what}");
    let said = |what: &str| Said::new(Admin::Up, path(what));
    let part = |(element, port, vid): &(String, String, u16)| Part {
        id: element.clone(),
        path: path(&format!("/{element}")),
        element: Said::new(element.clone(), path(&format!("/{element}/ne-id"))),
        router_id: None,
        local_as: None,
        admin: said("/status"),
        instance: Some(Instance {
            profile: "any".into(),
            path: path("/profile"),
            role: InstanceRole::AnyToAny,
            rd: Said::new(Rd::Auto, path("/rd")),
            families: vec![],
            targets: vec![],
        }),
        pseudowire: None,
        ends: vec![EndPoint {
            id: format!("{element}-{port}"),
            path: path(&format!("/{element}/{port}")),
            port: Said::new(port.clone(), path("/interface-id")),
            interface: Interface::Uni,
            role: EndRole::Root,
            frames: Said::new(Match::Dot1q { vid: *vid }, path("/cvlan-id")),
            description: None,
            admin: said("/status"),
            addresses: vec![Said::new("192.0.2.1/30".parse().unwrap(), path("/local-address"))],
            routes: vec![],
            sessions: vec![],
            mtu_ip: None,
            mtu_l2: None,
            bandwidth: Default::default(),
            local_ac: None,
            remote_ac: None,
        }],
    };
    Service {
        key: key(id),
        path: path(""),
        kind: Kind::IpVpn,
        technology: Technology::L3vpn,
        topology: Topology::AnyToAny,
        customer: "acme".into(),
        name: String::new(),
        admin: said("/status"),
        mtu_l2: None,
        parts: ends.iter().map(part).collect(),
    }
}

fn meaning(document: &StoredDocument) -> Result<Service, String> {
    let ends: Ends = serde_json::from_str(&document.body).map_err(|error| error.to_string())?;
    Ok(service(&document.key.id, &ends))
}

fn element(number: usize) -> Element {
    let port = |n: usize| Port { name: format!("eth{n}"), role: "uni".into(), exclude: false };
    Element {
        name: format!("pe{number}"),
        ne_id: Some(format!("ne-{number}")),
        adapter: "frr".into(),
        address: "192.0.2.1:22".into(),
        username: "andante".into(),
        private_key: None,
        password_file: None,
        host_key: None,
        router_id: Some(std::net::Ipv4Addr::new(10, 0, 0, number as u8)),
        asn: Some(65000),
        site: None,
        ports: (1..5).map(port).collect(),
        facts: BTreeMap::new(),
        protected: Vec::new(),
        one_session: false,
        managed: true,
    }
}

/// A domain of three elements, with nothing but the store and its mirror.
struct House {
    store: MemoryStore,
    epoch: u64,
    model: Model,
    adapters: BTreeMap<String, Arc<Adapter>>,
    now: Timestamp,
}

impl House {
    async fn with(batch: Batch) -> Self {
        let store = MemoryStore::new();
        let epoch = store.take_lease("test").await.unwrap();
        let mut all = Batch::default();
        for number in 1..=3 {
            all.put(Table::Elements, &format!("pe{number}"), &element(number)).unwrap();
        }
        all.extend(batch);
        store.commit(epoch, all, Durability::Now).await.unwrap();
        let frr = Adapter::load(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("adapters/frr")).unwrap();
        let model = Model::load(&store, &meaning).await.unwrap();
        Self {
            store,
            epoch,
            model,
            adapters: BTreeMap::from([("frr".to_string(), Arc::new(frr))]),
            now: Timestamp::from_second(1_000_000).unwrap(),
        }
    }

    fn wanted(&self, id: &str, ends: Option<&[(&str, &str, u16)]>) -> Wanted {
        let document = ends.map(|ends| {
            let own = |(element, port, vid): &(&str, &str, u16)| (element.to_string(), port.to_string(), *vid);
            let ends: Ends = ends.iter().map(own).collect();
            (serde_json::to_string(&ends).unwrap(), Arc::new(service(id, &ends)))
        });
        Wanted { key: key(id), document }
    }

    /// The plan of a request; every element says what is intended there, and `beside`.
    fn plan(&self, wanted: Vec<Wanted>, beside: &ConfigTree) -> Plan {
        let desk = Desk {
            model: &self.model,
            adapters: &self.adapters,
            own: &BTreeMap::new(),
            ranges: &Ranges::default(),
            excluded: &BTreeMap::new(),
        };
        let drafted = desk.draft(wanted).unwrap();
        let actual = |name: &str| self.intended(name).tree.overlay(beside);
        let readings = drafted.elements().map(|name| (name.to_string(), (actual(name), Class::D))).collect();
        desk.plan(drafted, &readings, &Allowed::default()).unwrap().0
    }

    /// What the plan of a request takes for granted where it sends nothing, on elements on which nothing stands.
    fn relied(&self, wanted: Vec<Wanted>) -> (Plan, Relied) {
        let (own, ranges, excluded) = (BTreeMap::new(), Ranges::default(), BTreeMap::new());
        let (model, adapters) = (&self.model, &self.adapters);
        let desk = Desk { model, adapters, own: &own, ranges: &ranges, excluded: &excluded };
        let drafted = desk.draft(wanted).unwrap();
        let nothing = |name: &str| (name.to_owned(), (ConfigTree::default(), Class::D));
        let readings = drafted.elements().map(nothing).collect();
        desk.plan(drafted, &readings, &Allowed::default()).unwrap()
    }

    fn intended(&self, element: &str) -> Intended {
        self.model.claimed_on(element).intended().unwrap().clone()
    }

    /// Decides a plan: all its elements do as they are told.
    async fn decide(&mut self, plan: &Plan) -> Batch {
        let batch = self.model.decided(plan, &stamp(&Principal::daemon(), self.now), KEEP, &BTreeMap::new()).unwrap();
        self.store.commit(self.epoch, batch.clone(), Durability::Now).await.unwrap();
        self.model.apply(&batch, &meaning).unwrap();
        self.agrees().await;
        batch
    }

    async fn write(&mut self, id: &str, ends: Option<&[(&str, &str, u16)]>, beside: &ConfigTree) -> Batch {
        let plan = self.plan(vec![self.wanted(id, ends)], beside);
        self.decide(&plan).await
    }

    /// The mirror that has followed is the mirror that a restart would load.
    async fn agrees(&self) {
        let fresh = Model::load(&self.store, &meaning).await.unwrap();
        for (element, loaded) in fresh.claimed.iter() {
            let ours = self.model.claimed_on(element);
            assert_eq!(ours.intended().unwrap().tree, loaded.intended().unwrap().tree, "{element}: intended");
            assert_eq!(ours.recorded(), loaded.recorded(), "{element}: recorded");
            assert_eq!(ours.has_record(), loaded.has_record(), "{element}");
            let all = |claimed: &Claimed| {
                let all = claimed.intended().unwrap().claims();
                all.map(|claims| (claims.owner.clone(), claims.tree.clone())).collect::<Vec<_>>()
            };
            assert_eq!(all(&ours), all(loaded), "{element}: claims");
        }
        assert_eq!(self.model.claimed.keys().collect::<Vec<_>>(), fresh.claimed.keys().collect::<Vec<_>>());
        let words = |model: &Model| {
            [format!("{:?}", model.ports), format!("{:?}", model.numbers), format!("{:?}", model.ledger)]
        };
        assert_eq!(words(&self.model), words(&fresh));
        assert!(self.model.documents.values().eq(fresh.documents.values()));
    }

    async fn rows(&self, table: Table) -> Vec<String> {
        self.store.list_bytes(table, "").await.unwrap().into_iter().map(|(key, _)| key).collect()
    }
}

const PE1: (&str, &str, u16) = ("pe1", "eth1", 100);
const PE2: (&str, &str, u16) = ("pe2", "eth1", 100);

#[tokio::test]
async fn the_mirror_follows_and_recorded_is_written_by_nobody() {
    let mut house = House::with(Batch::default()).await;
    let nothing = ConfigTree::default();
    house.write("a", Some(&[PE1, PE2]), &nothing).await;
    house.write("b", Some(&[("pe1", "eth1", 101)]), &nothing).await;
    let before = house.intended("pe1").tree;
    house.write("a", Some(&[PE1, ("pe3", "eth2", 7)]), &nothing).await;
    house.write("b", Some(&[("pe1", "eth1", 102)]), &nothing).await;
    assert_ne!(house.intended("pe1").tree, before);
    assert_eq!(house.model.recorded_on("pe1"), house.intended("pe1").tree);
    assert!(house.model.claimed.get("pe2").is_none(), "nobody is there any more");
    // Two services trade a VLAN in one request.
    let plan = house.plan(
        vec![
            house.wanted("a", Some(&[("pe1", "eth1", 102), ("pe3", "eth2", 7)])),
            house.wanted("b", Some(&[("pe1", "eth1", 100)])),
        ],
        &nothing,
    );
    house.decide(&plan).await;
    house.write("a", None, &nothing).await;
    house.write("b", None, &nothing).await;
    assert!(house.model.claimed.is_empty());
    assert_eq!(house.rows(Table::Recorded).await, [""; 0]);
    assert_eq!(house.rows(Table::Claims).await, [""; 0]);
}

/// The first list entry of a tree, alone: as if it had been there before us.
fn first_entry(tree: &ConfigTree) -> ConfigTree {
    let entry = tree.top().iter().find(|node| node.keys().is_some()).unwrap().with_children([]);
    ConfigTree::new([entry])
}

fn found(tree: ConfigTree) -> Claims {
    Claims::new(adopted_owner("pe1"), Layer::Adopted, tree)
}

#[test]
fn what_was_found_is_stored_node_by_node_and_goes_with_the_last_claim() {
    let leaf = |name: &str, text: &str| Node::leaf(QName::new("m", name), Value::text(text));
    let entry = |leafs: Vec<Node>| {
        ConfigTree::new([Node::entry(QName::new("m", "port"), [("name".into(), Value::text("eth1"))], false, leafs)])
    };
    let claims = |id: &str, tree: ConfigTree| {
        (claims_key("pe1", &key(id)), Some(Claims::new(owner_of(&key(id)), Layer::Service, tree)))
    };
    let mut claimed = Claimed::new("pe1", &Visits::default());
    let services = vec![claims("a", entry(vec![leaf("mtu", "9000")])), claims("b", entry(vec![leaf("speed", "10")]))];
    let both = entry(vec![leaf("mtu", "1500"), leaf("speed", "1")]);
    let rows = claimed.adopting(&services, Some(&found(both.clone())));
    assert_eq!(rows.len(), 3, "the port and two leafs: {rows:?}");
    claimed.follow(&services.into_iter().chain(rows).collect::<Vec<_>>());
    assert_eq!(claimed.intended().unwrap().tree, entry(vec![leaf("mtu", "9000"), leaf("speed", "10")]));
    assert!(claimed.adopting(&[], Some(&found(both))).is_empty(), "what was found first stays");
    // One service goes: its leaf is nobody's, the port is still used.
    let leaves = vec![(claims_key("pe1", &key("a")), None)];
    let rows = claimed.adopting(&leaves, None);
    assert_eq!(rows.len(), 1, "{rows:?}");
    claimed.follow(&leaves.into_iter().chain(rows).collect::<Vec<_>>());
    assert_eq!(claimed.intended().unwrap().tree, entry(vec![leaf("speed", "10")]));
    let leaves = vec![(claims_key("pe1", &key("b")), None)];
    let rows = claimed.adopting(&leaves, None);
    claimed.follow(&leaves.into_iter().chain(rows).collect::<Vec<_>>());
    assert!(claimed.is_empty());
}

/// A store of version 0.1: the whole recorded tree of each element, and all that was found in one record.
#[tokio::test]
async fn a_store_of_an_older_version_is_read_and_changes_its_ways_with_the_next_transaction() {
    let mut house = House::with(Batch::default()).await;
    house.write("a", Some(&[PE1, PE2]), &ConfigTree::default()).await;
    let mut old = Batch::default();
    let intended = house.intended("pe1").tree;
    old.put(Table::Claims, "pe1/adopted", &found(first_entry(&intended))).unwrap();
    old.put(Table::Recorded, "pe1", &intended).unwrap();
    old.put(Table::Recorded, "pe2", &ConfigTree::default()).unwrap();
    house.store.commit(house.epoch, old, Durability::Now).await.unwrap();
    house.model = Model::load(&house.store, &meaning).await.unwrap();
    let path = Path::root().child(first_entry(&intended).top().get(0).unwrap().step());
    let layers = |house: &House| -> Vec<Layer> {
        house.intended("pe1").owners_of(&path).into_iter().map(|(layer, _)| layer).collect()
    };
    assert_eq!(layers(&house), [Layer::Service, Layer::Adopted]);
    assert_eq!(house.intended("pe1").tree, intended);
    assert_eq!(house.model.recorded_on("pe1"), intended);
    assert!(house.model.recorded_on("pe2").is_empty(), "what differs from the intent is kept as it was written");
    // A transaction elsewhere leaves it alone; one on the element brings it to the new ways.
    house.write("c", Some(&[("pe3", "eth1", 5)]), &ConfigTree::default()).await;
    assert_eq!(house.rows(Table::Recorded).await, ["pe1", "pe2"]);
    house.write("b", Some(&[("pe1", "eth1", 101)]), &ConfigTree::default()).await;
    assert_eq!(house.rows(Table::Recorded).await, ["pe2"]);
    house.write("a", Some(&[PE1]), &ConfigTree::default()).await;
    assert_eq!(house.rows(Table::Recorded).await, [""; 0]);
    assert_eq!(layers(&house), [Layer::Service, Layer::Service, Layer::Adopted]);
    assert!(house.rows(Table::Claims).await.contains(&"pe1/adopted".to_string()), "nothing of it has changed");
    house.write("a", None, &ConfigTree::default()).await;
    house.write("b", None, &ConfigTree::default()).await;
    let left = house.rows(Table::Claims).await;
    assert!(left.iter().all(|key| !key.starts_with("pe1/")), "{left:?}");
}

/// A domain that has carried this many services for long, a hundred VLANs and more on each port.
async fn old_domain(services: usize) -> House {
    let mut batch = Batch::default();
    for number in 0..services {
        let (id, pe) = (format!("old-{number:05}"), number % 2 + 1);
        let ends: Ends = vec![
            (format!("pe{pe}"), format!("eth{}", number % 4 + 1), (1000 + number / 8) as u16),
            ("pe3".into(), format!("eth{}", number % 4 + 1), (1000 + number / 4) as u16),
        ];
        let document = StoredDocument {
            key: key(&id),
            revision: 1,
            etag: "1".into(),
            author: "test".into(),
            modified: Timestamp::UNIX_EPOCH,
            body: serde_json::to_string(&ends).unwrap(),
            elements: ends.iter().map(|(element, ..)| element.clone()).collect(),
            effect: Effect::Create,
            ticket: None,
            transaction: None,
            oldest: 0,
        };
        batch.put(Table::Documents, &document_key(&key(&id)), &document).unwrap();
        let take = Take::held("rt@65000", &key(&id), "", number as u64 + 1);
        batch.put(Table::Numbers, &take.key(), &take).unwrap();
        for (at, (element, ..)) in ends.iter().enumerate() {
            let take = Take::held(&format!("rd@10.0.0.{pe}"), &key(&id), element, number as u64 + 1);
            batch.put(Table::Numbers, &take.key(), &take).unwrap();
            let step = Step::entry(QName::new("frr", "vrf"), &[("name", &format!("{id}-{at}"))]);
            let tree = ConfigTree::default().with(&Path::root(), Node::from_step(step), After::Keep);
            let claims = Claims::new(owner_of(&key(&id)), Layer::Service, tree);
            batch.put(Table::Claims, &claims_key(element, &key(&id)), &claims).unwrap();
        }
    }
    House::with(batch).await
}

/// The law of costs (design §5), counted: entries of the mirror that a request looks at and bytes that its decision writes.
#[tokio::test]
async fn a_request_costs_the_same_beside_a_hundred_services_and_beside_thousands() {
    let (mut costs, mut sizes) = (Vec::new(), Vec::new());
    for services in [100, 5_000] {
        let mut house = old_domain(services).await;
        let (mut cost, mut written) = (Vec::new(), Vec::new());
        let requests: [Option<&[(&str, &str, u16)]>; 3] =
            [Some(&[PE1, ("pe3", "eth1", 9)]), Some(&[PE1, ("pe3", "eth1", 10)]), None];
        for ends in requests {
            let (from, nodes) = (house.model.visits().count(), crate::tree::visited());
            let plan = house.plan(vec![house.wanted("new", ends)], &ConfigTree::default());
            let planned = house.model.visits().count();
            let batch =
                house.model.decided(&plan, &stamp(&Principal::daemon(), house.now), KEEP, &BTreeMap::new()).unwrap();
            house.model.apply(&batch, &meaning).unwrap();
            let followed = house.model.visits().count();
            let bytes: usize = batch
                .changes
                .iter()
                .map(|change| match change {
                    Change::Put(_, key, bytes) => key.len() + bytes.len(),
                    Change::Delete(_, key) => key.len(),
                })
                .sum();
            let walked = crate::tree::visited() - nodes;
            cost.push((planned - from, followed - planned, batch.changes.len()));
            written.push((walked, bytes));
        }
        costs.push(cost);
        sizes.push(written);
    }
    println!("{costs:?} {sizes:?}");
    assert_eq!(costs[0], costs[1], "(visits of the plan, of the decision, records)");
    for ((few_nodes, few), (many_nodes, many)) in sizes[0].iter().zip(&sizes[1]) {
        // Fifty times the siblings: wide lists are walked by their chunks.
        assert!(*many_nodes <= few_nodes * 3 / 2, "nodes walked, bytes: {sizes:?}");
        // Numbers have more digits where many are taken.
        assert!(few.abs_diff(*many) < 32, "nodes, bytes written: {sizes:?}");
    }
}

#[tokio::test]
async fn a_number_that_was_given_back_is_free_when_it_was_read_away_and_has_rested() {
    let mut house = House::with(Batch::default()).await;
    let nothing = ConfigTree::default();
    house.write("a", Some(&[PE1, PE2]), &nothing).await;
    let carried = house.intended("pe1").tree;
    house.write("a", None, &nothing).await;
    let day = SignedDuration::from_hours(24);
    let later = |hours: i64| house.now + SignedDuration::from_hours(hours);
    assert_eq!(house.model.ledger.rested(later(1000), day).count(), 0, "nobody has looked");
    let remaining: Vec<Take> = house.model.ledger.remaining_on("pe1").cloned().collect();
    assert_eq!(remaining.len(), 2, "its route distinguisher and the route target: {remaining:?}");
    for take in &remaining {
        assert_eq!(take.read("pe1", &carried, later(1)), None, "{}: it is still there", take.key());
    }
    for element in ["pe1", "pe2"] {
        let seen: Vec<Take> = house.model.ledger.remaining_on(element).cloned().collect();
        house.model.ledger.record(seen.iter().map(|take| take.read(element, &nothing, later(2)).unwrap()));
    }
    assert_eq!(house.model.ledger.rested(later(25), day).count(), 0);
    assert_eq!(house.model.ledger.rested(later(26), day).count(), 3);
}

const KEEP: crate::controller::HistoryLimits = crate::controller::HistoryLimits { revisions: 3, deleted: 1 };

fn stamp(principal: &Principal, at: Timestamp) -> Stamp<'_> {
    Stamp { principal, transaction: "t", at }
}

/// Revisions count on over a deletion; the oldest ones go, and the longest gone service with all of its own.
#[tokio::test]
async fn the_past_is_kept_as_long_as_there_is_room() {
    let mut house = House::with(Batch::default()).await;
    let nothing = ConfigTree::default();
    let numbers = |rows: &[String], id: &str| -> Vec<u64> {
        let of = revisions_key(&key(id));
        rows.iter().filter_map(|row| row.strip_prefix(&of)?.parse().ok()).collect()
    };
    for vlan in 5..10 {
        house.write("a", Some(&[("pe1", "eth1", vlan)]), &nothing).await;
    }
    let document = house.model.documents.get(&key("a")).unwrap().clone();
    assert_eq!((document.revision, document.oldest, document.effect), (5, 3, Effect::Modify));
    assert_eq!(numbers(&house.rows(Table::History).await, "a"), [3, 4], "two of the past, and the present one");
    house.write("a", Some(&[("pe1", "eth1", 9)]), &nothing).await;
    assert_eq!(house.model.documents.get(&key("a")).unwrap().revision, 5, "the same words make no revision");
    house.write("a", None, &nothing).await;
    assert_eq!(numbers(&house.rows(Table::History).await, "a"), [4, 5, 6]);
    assert_eq!(house.model.gone.get(&key("a")).map(|gone| (gone.oldest, gone.last)), Some((4, 6)));
    house.write("a", Some(&[("pe1", "eth1", 5)]), &nothing).await;
    let document = house.model.documents.get(&key("a")).unwrap().clone();
    assert_eq!((document.revision, document.oldest, document.effect), (7, 5, Effect::Create));
    assert_eq!(numbers(&house.rows(Table::History).await, "a"), [5, 6]);
    assert!(house.model.gone.get(&key("a")).is_none());
    house.write("a", None, &nothing).await;
    house.write("b", Some(&[("pe1", "eth1", 5)]), &nothing).await;
    house.write("b", None, &nothing).await;
    let rows = house.rows(Table::History).await;
    assert_eq!((numbers(&rows, "a"), numbers(&rows, "b")), (vec![], vec![1, 2]), "one deleted service is remembered");
    assert_eq!(house.model.gone.len(), 1);
    assert_eq!(house.model.gone_since.len(), 1);
}

/// Nothing is sent to an element that shows nothing of a service any more, and so no read-set guards that: whoever carries
/// out the plan has to know what it rests on.
#[tokio::test]
async fn what_a_plan_rests_on_where_it_sends_nothing_is_named() {
    let mut house = House::with(Batch::default()).await;
    house.write("a", Some(&[PE1, PE2]), &ConfigTree::default()).await;
    let (plan, relied) = house.relied(vec![house.wanted("a", None)]);
    assert!(plan.elements.is_empty());
    assert_eq!(relied.keys().collect::<Vec<_>>(), ["pe1", "pe2"]);
    let gone = |path: &Path| path.to_string().contains("interface[name='eth1.100']");
    assert!(relied.values().all(|paths| paths.iter().any(gone)), "{relied:?}");
}

/// They once got the same place: one of them was never carried out, and nobody was told.
#[tokio::test]
async fn services_of_one_request_that_wait_for_one_element_stand_one_behind_the_other() {
    let mut house = House::with(Batch::default()).await;
    let plan = house.plan(
        vec![house.wanted("b", Some(&[PE1])), house.wanted("a", Some(&[("pe1", "eth1", 101)]))],
        &ConfigTree::default(),
    );
    let put_off = ["a", "b"].map(|id| ("pe1".to_owned(), key(id))).into_iter().collect();
    let queueing = Queueing { policy: Some(QueuePolicy::Skip), put_off, run: None };
    let record = TransactionRecord::new("t", Principal::daemon(), house.now);
    let mut batch = Batch::default();
    queueing.decided(&house.model, &plan, &record, house.now, &mut batch).unwrap();
    house.store.commit(house.epoch, batch.clone(), Durability::Now).await.unwrap();
    house.model.apply(&batch, &meaning).unwrap();
    let line = |model: &Model| -> Vec<(u64, String)> {
        model.queued_on("pe1").map(|change| (change.index, change.key.id.clone())).collect()
    };
    assert_eq!(line(&house.model), [(1, "b".into()), (2, "a".into())], "in the order of the request");
    assert_eq!(house.model.queued("pe1", &key("b")).map(|change| change.key.id.as_str()), Some("b"));
    // As older versions left them in the store.
    let mut twice = Batch::default();
    for id in ["a", "b"] {
        let known = house.model.queued("pe1", &key(id)).unwrap().clone();
        let known = crate::domain::QueuedChange { index: 1, state: QueueState::Blocked, ..known };
        twice.put(Table::Queue, &known.store_key(), &known).unwrap();
    }
    house.store.commit(house.epoch, twice.clone(), Durability::Now).await.unwrap();
    house.model.apply(&twice, &meaning).unwrap();
    let fresh = Model::load(&house.store, &meaning).await.unwrap();
    assert_eq!(line(&house.model), [(1, "a".into()), (1, "b".into())]);
    assert_eq!(line(&house.model), line(&fresh));
}
