//! "This element writes X as Y": offered, confirmed, in force, taken back.

use crate::house::{House, bgp, noc, simulated};
use andante::adagio::sim::Fault;
use andante::controller::{Failure, RewriteAsked};
use andante::domain::outcome::CauseKind;
use andante::domain::{Cause, DeviationKind, Outcome, TransactionRecord};
use andante::plan::Allowed;
use serde_json::json;

const DOCUMENT: &str = "l3vpn-bgp-dual-stack.json";
const SENT: &str = "svc=globex-l3 customer=globex to the customer";
const SAYS: &str = "SVC=GLOBEX-L3 CUSTOMER=GLO";

fn asked(path: &str) -> RewriteAsked {
    RewriteAsked { element: "pe2".into(), path: path.into(), ..RewriteAsked::default() }
}

#[track_caller]
fn refused(record: &TransactionRecord) -> Cause {
    match &record.outcome {
        Some(Outcome::NotApplied { cause } | Outcome::Unresolved { cause, .. }) => cause.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_element_that_writes_values_its_own_way() {
    let folder = tempfile::tempdir().unwrap();
    let (sim, element) = simulated(folder.path()).await;
    let writes = Fault::Writes { leaf: "description".into(), sent: SENT.into(), says: SAYS.into() };
    sim.fault("pe2", writes.clone()).unwrap();
    let before = sim.text("pe2").unwrap();
    let house = House::with(folder, element).await;

    // Not known: the commit turns back. On an element that nothing locks a third value may be somebody else's and is left
    // alone until a person says what it is. The outcome names both values and the verb.
    let record = house.write(house.edit(DOCUMENT, |_| {})).await;
    let cause = refused(&record);
    assert_eq!(cause.kind, CauseKind::Verify, "{cause:?}");
    assert_eq!((cause.sent.as_deref(), cause.says.as_deref()), (Some(SENT), Some(SAYS)), "{cause:?}");
    let path = cause.path.clone().unwrap();
    assert!(path.ends_with("/description") && path.contains("192.0.2.14"), "{path}");
    let verb = format!("andante element rewrite confirm pe2 \"{path}\"");
    assert!(cause.message.contains(&verb), "{}", cause.message);

    // Nothing is learned.
    let (code, text) = house.command(&["element", "rewrite", "list"]).await;
    assert!(code == 0 && text.contains("no rewrites are confirmed"), "{code} {text}");
    let open = async || {
        house.controller.recover_again().await.unwrap();
        house.controller.transaction(&noc(), &record.id).await.unwrap().unwrap()
    };
    assert!(matches!(open().await.outcome, Some(Outcome::Unresolved { .. })));

    // Confirmed for exactly this place (the values come from the failed read-back): the other neighbour is still not ours.
    let (code, text) = house.command(&["element", "rewrite", "confirm", "pe2", &path, "--ticket", "CHG-7"]).await;
    assert!(code == 0 && text.contains(SENT) && text.contains(SAYS) && text.contains("CHG-7"), "{code} {text}");
    assert!(!text.contains("warning"), "it was heard to write so: {text}");
    assert!(matches!(open().await.outcome, Some(Outcome::Unresolved { .. })));

    // In all entries: what was half done is taken back, and the same document is applied and in sync.
    let fact = RewriteAsked { all_entries: true, ..asked(&path) };
    let fact = house.controller.confirm_rewrite(&noc(), &fact).await.unwrap();
    assert_eq!((fact.sent.as_str(), fact.says.as_str(), fact.by.as_str()), (SENT, SAYS, "noc"));
    assert!(matches!(open().await.outcome, Some(Outcome::NotApplied { .. })));
    assert_eq!(sim.text("pe2").unwrap(), before);
    let other = path.replace("192.0.2.14", "2001:db8:110:2::2");
    let plan = house.controller.propose(&noc(), vec![house.edit(DOCUMENT, |_| {})], &Allowed::default()).await.unwrap();
    assert_eq!(plan.elements[0].echoes.len(), 2, "the plan names what it stands on");
    House::applied(&house.write(house.edit(DOCUMENT, |_| {})).await);
    assert!(sim.text("pe2").unwrap().contains(SAYS));
    assert_eq!(house.deviations().await, []);

    // A plan for something else stands on the read, and is not disturbed; neither is its removal.
    let other_mtu =
        |service: &mut serde_json::Value| bgp(service)["bgp-timers"] = json!({"keepalive": 20, "hold-time": 60});
    let plan =
        house.controller.propose(&noc(), vec![house.edit(DOCUMENT, other_mtu)], &Allowed::default()).await.unwrap();
    assert_eq!(plan.elements[0].deviations, [], "a confirmed rewrite is no deviation");
    House::applied(&house.write(house.edit(DOCUMENT, other_mtu)).await);

    // A hand edit to a third value is a deviation as always, and so is the sent value where something else is wanted.
    let neighbor = |text: &str| {
        format!("router bgp 65000 vrf {}\n neighbor 192.0.2.14 description {text}\n", vrf(&sim.text("pe2").unwrap()))
    };
    sim.hand_edit("pe2", &neighbor("by hand")).unwrap();
    let found = house.deviations().await;
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((found[0].kind, found[0].actual.as_deref()), (DeviationKind::Changed, Some("by hand")));
    // Taken for the element's way of writing it is doubted, and can be taken back.
    let (code, text) = house.command(&["element", "rewrite", "confirm", "pe2", &found[0].path]).await;
    assert!(code == 0 && text.contains("warning: pe2 has not been heard to answer 'by hand'"), "{code} {text}");
    assert_eq!(house.deviations().await, []);
    let by_hand = RewriteAsked { says: Some("by hand".into()), ..asked(&found[0].path) };
    house.controller.forget_rewrite(&noc(), &by_hand).await.unwrap();
    assert_eq!(house.deviations().await.len(), 1);
    let ids = [found[0].id.clone()];
    let healed = house.controller.heal(&noc(), "pe2", &ids, &Default::default()).await.unwrap();
    House::applied(&healed);
    assert_eq!(house.deviations().await, []);

    // Another value is wanted, then the old one again: each is verified as what the element writes.
    let renamed = |service: &mut serde_json::Value| bgp(service)["description"] = json!("to somebody else");
    House::applied(&house.write(house.edit(DOCUMENT, renamed)).await);
    assert!(!sim.text("pe2").unwrap().contains(SAYS));
    House::applied(&house.write(house.edit(DOCUMENT, |_| {})).await);
    assert_eq!(house.deviations().await, []);

    // `why` names it.
    let why = house.controller.why(&noc(), "pe2", &other).await.unwrap();
    assert_eq!(why[0].written_as, [SAYS], "{why:?}");
    let (_, text) = house.command(&["why", "pe2", &other]).await;
    assert!(text.contains("the element writes SVC=GLOBEX-L3 CUSTOMER=GLO: confirmed"), "{text}");

    // Taken back: the deviations are there at once, and name both values.
    let gone = house.controller.forget_rewrite(&noc(), &asked(&fact.id)).await.unwrap();
    assert_eq!(gone, [fact]);
    let known = house.controller.deviations(&noc()).await.unwrap();
    let left: Vec<&str> = known.iter().map(|found| found.path.as_str()).collect();
    assert_eq!(left, [other.as_str()], "the exact fact of the other neighbour still holds");
    assert_eq!((known[0].wanted.as_deref(), known[0].actual.as_deref()), (Some(SENT), Some(SAYS)));
    let (code, text) = house.command(&["deviation", "show", &known[0].id]).await;
    assert!(code == 0 && text.contains("andante element rewrite confirm pe2"), "{code} {text}");
    let (code, text) = house.command(&["element", "rewrite", "forget", "pe2", &path]).await;
    assert!(code == 0 && text.contains("differ again"), "{code} {text}");
    let (code, _) = house.command(&["deviation", "list"]).await;
    assert_eq!((code, house.deviations().await.len()), (2, 2));

    // From a deviation the values are known as well.
    let fact = house.controller.confirm_rewrite(&noc(), &asked(&other)).await.unwrap();
    assert!(!fact.all_entries && fact.sent == SENT);
    assert_eq!(house.deviations().await.len(), 1);
}

/// The VRF of the service.
fn vrf(text: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix("router bgp 65000 vrf ")).expect(text);
    line.trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_confirmed_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (_sim, element) = simulated(folder.path()).await;
    let house = House::with(folder, element).await;
    let confirm = async |asked: RewriteAsked| match house.controller.confirm_rewrite(&noc(), &asked).await {
        Err(failure) => failure,
        Ok(fact) => panic!("taken: {fact:?}"),
    };
    let leaf = "/frr:interface[name='eth0']/description";
    let both =
        |sent: &str, says: &str| RewriteAsked { sent: Some(sent.into()), says: Some(says.into()), ..asked(leaf) };
    for (asked, words) in [
        (asked(leaf), "give both values"),
        (both("core", "core"), "equal already"),
        (
            RewriteAsked { path: "/frr:interface[name='eth0']".into(), ..both("a", "b") },
            "neither a leaf nor a leaf-list",
        ),
        (RewriteAsked { path: "/frr:nonsense".into(), ..both("a", "b") }, "nonsense"),
    ] {
        let Failure::Document(faults) = confirm(asked).await else { panic!("{words}") };
        assert!(faults[0].message.contains(words), "{faults:?}");
    }
    assert!(matches!(
        confirm(RewriteAsked { element: "pe9".into(), ..both("a", "b") }).await,
        Failure::NotFound { .. }
    ));
    let forget = house.controller.forget_rewrite(&noc(), &asked(leaf)).await;
    assert!(matches!(forget, Err(Failure::NotFound { .. })));
    // An observer may look at facts and take none.
    let observer = andante::domain::Principal { role: andante::domain::Role::Observer, ..noc() };
    assert!(matches!(house.controller.confirm_rewrite(&observer, &both("a", "b")).await, Err(Failure::Denied(_))));
    house.controller.confirm_rewrite(&noc(), &both("a", "b")).await.unwrap();
    assert_eq!(house.controller.rewrites(&observer, Some("pe2")).await.unwrap().len(), 1);
    let (code, text) = house.command(&["element", "rewrite", "list", "--json"]).await;
    let body: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, body["andante:rewrites"]["rewrite"][0]["says"].as_str()), (0, Some("b")), "{text}");
}
