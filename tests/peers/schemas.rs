//! Elements that bring their own schema: no YANG file of theirs is on our side, all comes by `get-schema`.

use crate::domain::{Domain, Wishes, applied, controller, root};
use crate::support::{NetconfElement, changed_adapters, iosxr_models};
use andante::config::Settings;
use andante::controller::Failure;
use std::path::Path;

/// The adapters as shipped, but the one of IOS-XR has no profiles and says that elements bring their schema.
fn from_element(settings: &mut Settings, folder: &Path) {
    let adapters = changed_adapters(folder, "iosxr", &[FROM_ELEMENT]);
    std::fs::remove_dir_all(adapters.join("iosxr/yang")).unwrap();
    settings.paths.adapters = adapters;
    settings.paths.yang = Vec::new();
}

/// What makes an element bring its schema, in the place of what stands in `adapter.toml`.
pub const FROM_ELEMENT: (&str, &str) = ("[netconf]\n", "[netconf]\nschema = \"from-element\"\n");

/// How many texts the element was asked for.
fn asked(pe1: &NetconfElement) -> usize {
    pe1.wire().iter().map(|session| session.text().matches("<get-schema").count()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_is_applied_on_an_element_that_brings_its_own_schema() {
    let Some(mut domain) = Domain::with(Wishes { settings: from_element, ..Wishes::default() }).await else { return };
    let before = domain.running();
    assert_eq!(asked(&domain.pe1), 0, "nothing is asked before it is needed");
    let put = domain.put("l3vpn-any-to-any.json", |text| text);

    // The first plan fetches what it needs, and is the same as with the genuine modules in a directory.
    let plan = domain.plan(vec![put.clone()]).await.unwrap();
    let fetched = asked(&domain.pe1);
    assert!(fetched >= 11, "{fetched} modules");
    let mut other = domain.settings.clone();
    other.paths.adapters = root().join("adapters");
    other.paths.yang = vec![iosxr_models().unwrap()];
    other.paths.state = domain.folder().join("other");
    let by_directory = controller(&other, Default::default()).await;
    let elements = domain.controller.elements(&crate::domain::noc()).await.unwrap();
    let elements = elements.into_iter().map(|(element, _)| element).collect();
    by_directory.apply_elements(&crate::domain::noc(), elements, andante::controller::Absent::Keep).await.unwrap();
    let same = by_directory.propose(&crate::domain::noc(), vec![put.clone()], &Default::default()).await.unwrap();
    let payloads = |plan: &andante::plan::Plan| -> Vec<_> {
        plan.elements.iter().map(|element| (element.element.clone(), element.payload.clone())).collect()
    };
    assert_eq!(payloads(&plan), payloads(&same));
    drop(by_directory);

    applied(&domain.write(vec![put.clone()]).await.unwrap());
    assert!(domain.pe1.running().contains("Cisco-IOS-XR-infra-rsi-cfg"));
    assert_eq!(asked(&domain.pe1), fetched, "fetched once");

    // After a restart of the daemon what was fetched is used.
    domain.restart().await;
    assert!(domain.check("pe1").await.state.detail.is_none());
    assert_eq!(asked(&domain.pe1), fetched, "not fetched again after a restart");

    // Another set of modules is another schema.
    domain.pe1.restart_with_module("Cisco-IOS-XR-ipv4-ospf-cfg");
    assert!(domain.check("pe1").await.state.detail.is_none());
    assert!(asked(&domain.pe1) >= fetched * 2, "fetched again when its modules change");
    let key = domain.controller.documents(&crate::domain::noc(), "ietf-l3vpn-ntw").await.unwrap().remove(0).key;
    applied(&domain.write(vec![domain.delete(&key)]).await.unwrap());
    assert_eq!(domain.running(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn modules_that_are_too_much_are_refused_with_the_reason_and_not_asked_for_again_and_again() {
    let settings = |settings: &mut Settings, folder: &Path| {
        from_element(settings, folder);
        settings.yang.fetch_bytes = 10_000;
    };
    let Some(domain) = Domain::with(Wishes { settings, ..Wishes::default() }).await else { return };
    let put = domain.put("l3vpn-any-to-any.json", |text| text);
    let Err(Failure::Unreachable { element, message }) = domain.plan(vec![put.clone()]).await else {
        panic!("planned")
    };
    assert!(element == "pe1" && message.contains("more than 10000 bytes (yang.fetch_bytes)"), "{message}");
    let fetched = asked(&domain.pe1);
    let again = domain.plan(vec![put]).await;
    assert!(matches!(again, Err(Failure::Unreachable { .. })));
    assert_eq!(asked(&domain.pe1), fetched, "a set that failed is left alone for a while");
}
