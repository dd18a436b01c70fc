//! Protected nodes: refused, unless the element reverts by itself and the caller says so.

use crate::platforms::{adapter_folder, platforms};
use andante::domain::{Class, Element};
use andante::plan::{Allowed, ElementInput, ElementPlan, Permit, Refused, plan_element};
use andante::tree::{Claims, ConfigTree, DefaultsMode, Intended, Layer, Owner};

async fn planned(class: Class, protected: &str, allowed: Permit) -> Result<Option<ElementPlan>, Vec<Refused>> {
    let (adapters, _) = platforms().await;
    let adapter = &adapters["iosxr"];
    let case = adapter_folder().join("iosxr/tests/change_vlan_id/element-service.json");
    let wanted = serde_json::from_str(&std::fs::read_to_string(case).unwrap()).unwrap();
    let claims = Claims::new(Owner("acme".into()), Layer::Service, adapter.map(&wanted).unwrap());
    let (before, after) = (Intended::merge(&[]).unwrap(), Intended::merge(&[claims]).unwrap());
    let (recorded, actual) = (ConfigTree::default(), ConfigTree::default());
    let text = format!(
        "name='pe1'\nadapter='iosxr'\naddress='127.0.0.1:1'\nusername='a'\none_session=true\nprotected=[\"{protected}\"]"
    );
    let element: Element = toml::from_str(&text).unwrap();
    let allowed = Allowed { protected: allowed, ..Allowed::default() };
    plan_element(&ElementInput {
        element: "pe1",
        adapter,
        class,
        before: &before,
        after: &after,
        recorded: &recorded,
        actual: &actual,
        defaults: DefaultsMode::Explicit,
        allowed: &allowed,
        inventory: Some(&element),
    })
}

const VRFS: &str = "/Cisco-IOS-XR-infra-rsi-cfg:vrfs";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_protected_node_is_changed_on_class_a_only_and_only_when_it_is_allowed() {
    for (class, allowed, may) in [
        (Class::A, Permit::Nothing, false),
        (Class::A, Permit::All, true),
        (Class::A, Permit::Paths([VRFS.to_owned()].into()), true),
        (Class::A, Permit::Paths(["/other:path".to_owned()].into()), false),
        (Class::B, Permit::All, false),
        (Class::D, Permit::All, false),
    ] {
        let plan = planned(class, VRFS, allowed.clone()).await;
        match plan {
            Ok(plan) => {
                let plan = plan.unwrap();
                assert!(may, "{class} {allowed:?}");
                assert!(plan.protected.iter().any(|path| path.to_string().starts_with(VRFS)), "{:?}", plan.protected);
                assert!(plan.one_session);
            }
            Err(reasons) => {
                assert!(!may, "{class} {allowed:?}: {reasons:?}");
                assert!(reasons.iter().all(|why| matches!(why, Refused::Protected { .. })), "{reasons:?}");
                let text = reasons[0].to_string();
                assert_eq!(text.contains("--allow-protected"), class == Class::A, "{text}");
            }
        }
    }
    // A list without keys is all its entries, here and below another one.
    for all in [format!("{VRFS}/vrf"), format!("{VRFS}/vrf/afs/af")] {
        let reasons = planned(Class::A, &all, Permit::Nothing).await.unwrap_err();
        let at = reasons[0].path().unwrap().to_string();
        assert!(at.starts_with(&format!("{VRFS}/vrf[vrf-name=")), "{all}: {reasons:?}");
        assert_eq!(at.contains("/afs/af["), all.ends_with("/af"), "{all}: {reasons:?}");
        assert!(planned(Class::A, &all, Permit::All).await.is_ok(), "{all}");
    }
    // Nor need the keys be at the end: the IPv4 family of all VRFs, and with a slash in a key of what is none of them.
    let family = format!("{VRFS}/vrf/afs/af[af-name='ipv4'][saf-name='unicast'][topology-name='default']");
    let reasons = planned(Class::A, &family, Permit::Nothing).await.unwrap_err();
    assert!(reasons.iter().all(|why| why.path().unwrap().to_string().contains("/af[af-name='ipv4']")), "{reasons:?}");
    let none = planned(Class::A, &family.replace("default", "a/b"), Permit::Nothing).await.unwrap().unwrap();
    assert!(none.protected.is_empty(), "{:?}", none.protected);
    // What is not protected needs no word.
    let plan = planned(Class::D, "/elsewhere:x", Permit::Nothing).await.unwrap().unwrap();
    assert!(plan.protected.is_empty());
}
