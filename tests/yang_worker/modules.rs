//! Modules that do not compile are left out by name, with the reason, and the others work.

use super::{BROKEN, TYPES, set, worker};
use andante::yang::{ModuleSet, YangError};
use std::path::Path as File;
use std::time::{Duration, Instant};

#[tokio::test]
async fn each_bad_module_is_named_with_its_own_reason_and_the_good_ones_work() {
    let good: Vec<String> = (0..40)
        .map(|n| format!("module good{n} {{ namespace g{n}; prefix g; leaf x{n} {{ type string; }} }}"))
        .collect();
    let lonely = "module lonely { namespace l; prefix l; import nobody { prefix n; } leaf y { type n:t; } }";
    let above = "module above { namespace a; prefix a; import lonely { prefix l; } }";
    let dated = "module dated { namespace d; prefix d; import t-types { prefix t; revision-date 1999-01-01; } }";
    let syntax = "module syntax { namespace s; prefix s; leaf { } }";
    let circle = "module circle { namespace c; prefix c; container c { leaf a { when \"../b\"; type empty; } \
                  leaf b { when \"../a\"; type empty; } } }";
    let victim = "module victim { namespace v; prefix v; import good3 { prefix g; } augment /g:nowhere { leaf z { type empty; } } }";
    let mut texts: Vec<&str> = good.iter().map(String::as_str).collect();
    texts.splice(20..20, [lonely, above, dated, syntax, circle, victim, BROKEN, TYPES]);
    let names: Vec<String> = (0..40).map(|n| format!("good{n}")).collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.splice(7..7, ["lonely", "above", "dated", "syntax", "circle", "victim", "t-broken", "t-types"]);
    let loaded = worker().load(&set(&names, &texts)).await.unwrap();
    let reason = |name: &str| {
        let found = loaded.left_out.iter().find(|out| out.module == name);
        found.unwrap_or_else(|| panic!("{name}: {:#?}", loaded.left_out)).reason.clone()
    };
    assert!(reason("lonely").contains("nobody") && reason("lonely").contains("not found"), "{}", reason("lonely"));
    assert!(reason("above").contains("lonely") && reason("above").contains("nobody"), "{}", reason("above"));
    assert!(reason("dated").contains("t-types@1999-01-01"), "{}", reason("dated"));
    assert!(reason("circle").contains("cyclic"), "{}", reason("circle"));
    assert!(reason("victim").contains("nowhere"), "{}", reason("victim"));
    assert!(reason("t-broken").contains("nowhere"), "{}", reason("t-broken"));
    assert!(!reason("syntax").is_empty());
    assert_eq!(loaded.left_out.len(), 7, "{:#?}", loaded.left_out);
    for n in 0..40 {
        assert!(loaded.index.child_named(None, &format!("good{n}"), &format!("x{n}")).is_some(), "good{n}");
    }
}

/// F25 of the field notes: the genuine module has a cyclic `when`.
#[tokio::test]
async fn a_genuine_module_that_libyang_refuses_is_left_out_and_the_router_works_without_it() {
    let models = File::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("models/iosxr");
    if !models.is_dir() {
        eprintln!("SKIPPED: no IOS-XR modules in {}: run `make setup-test`", models.display());
        return;
    }
    let names = ["Cisco-IOS-XR-ifmgr-cfg", "Cisco-IOS-XR-infra-policymgr-cfg", "Cisco-IOS-XR-infra-rsi-cfg"];
    let loaded = worker().load(&ModuleSet::named(&names, &[&models])).await.unwrap();
    let [out] = &loaded.left_out[..] else { panic!("{:#?}", loaded.left_out) };
    assert!(out.module == names[1] && out.reason.contains("cyclic"), "{out:?}");
    assert!(loaded.index.child_named(None, names[0], "interface-configurations").is_some());
    assert!(loaded.index.child_named(None, names[2], "vrfs").is_some());
}

#[tokio::test]
async fn huge_deep_and_circular_modules_end_in_bounded_time() {
    let worker = worker();
    let started = Instant::now();
    // Groupings that double: 2^24 nodes if anybody expanded them.
    let mut bomb = String::from("module bomb { namespace b; prefix b; grouping g0 { leaf x { type string; } } ");
    for n in 1..24 {
        bomb += &format!("grouping g{n} {{ container a {{ uses g{p}; }} container b {{ uses g{p}; }} }} ", p = n - 1);
    }
    bomb += "uses g23; }";
    let nested = format!(
        "module nested {{ namespace n; prefix n; leaf x {{ type {}string{} }} }}",
        "union { type ".repeat(5000),
        "; }".repeat(5000)
    );
    let wide = format!(
        "module wide {{ namespace w; prefix w; {} }}",
        (0..20_000).map(|n| format!("leaf l{n} {{ type string; }}")).collect::<String>()
    );
    let chain: Vec<String> = (0..300)
        .map(|n| format!("module c{n} {{ namespace c{n}; prefix c; import c{} {{ prefix d; }} }}", (n + 1) % 300))
        .collect();
    let mut texts = vec![nested.as_str(), wide.as_str(), TYPES];
    texts.extend(chain.iter().map(String::as_str));
    let loaded = worker.load(&set(&["nested", "c0", "c150", "wide", "t-types"], &texts)).await;
    match &loaded {
        Ok(loaded) => {
            let out: Vec<&str> = loaded.left_out.iter().map(|out| out.module.as_str()).collect();
            assert!(out.contains(&"c0") && out.contains(&"c150") && !out.contains(&"t-types"), "{out:?}");
            assert!(loaded.index.child_named(None, "wide", "l19999").is_some());
        }
        Err(error) => panic!("{error}"),
    }
    let limited = super::limited(64 << 20, Duration::from_secs(20));
    let error = limited.load(&set(&["bomb"], &[&bomb])).await.unwrap_err();
    assert!(matches!(error, YangError::Memory { .. } | YangError::Timeout { .. }), "{error}");
    // The worker after it serves the next set.
    assert!(limited.load(&set(&["t-types"], &[TYPES])).await.unwrap().left_out.is_empty());
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}
