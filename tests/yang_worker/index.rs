//! What the schema index says beyond names and types.

use super::{at, set, worker};
use andante::tree::schema::{Leafref, TypeSpec};
use andante::tree::{Name, SchemaId, SchemaIndex};
use andante::yang::ModuleSet;
use std::path::Path as File;

const DEEP: &str = r#"
module t-deep {
  yang-version 1.1; namespace "urn:t:deep"; prefix d;
  import t-ids { prefix i; }
  typedef percent { type decimal64 { fraction-digits 2; range "0..100"; } default 12.50; }
  container top {
    leaf by-typedef { type percent; }
    leaf mode { type string; default plain; }
    leaf-list colour { type string; default red; default blue; }
    leaf-list kind { type identityref { base i:kind; } default i:one; ordered-by user; max-elements 4; }
    leaf guarded { when "../mode = 'plain'"; type uint8; default 7; }
    choice how { mandatory true;
      case fast { leaf speed { type uint8; default 9; } choice unit { default metric; case metric { leaf m { type empty; } } leaf feet { type empty; } } }
      case slow { when "../mode = 'plain'"; leaf patience { type uint8; } }
    }
    choice rest { default sleep; leaf sleep { type uint8; default 1; } leaf dream { type string; } }
    list site { key name; unique "port in/slot"; unique vlan; min-elements 1;
      leaf name { type string; } leaf port { type string; } leaf vlan { type uint16; }
      container in { leaf slot { type string; } }
      leaf peer { type leafref { path "../../site/name"; } }
      leaf maybe { type leafref { path "/top/colour"; require-instance false; } }
      leaf hop { type leafref { path "../peer"; } }
      leaf mixed { type union { type uint8 { range "1..10 | 20..max"; } type decimal64 { fraction-digits 1; } } }
    }
    container far { presence "it counts"; leaf-list many { type string; min-elements 2; max-elements 5; } }
  }
}"#;

const IDS: &str = r#"
module t-ids { yang-version 1.1; namespace "urn:t:ids"; prefix i; identity kind; identity one { base kind; } }"#;

const MORE: &str = r#"
module t-more { yang-version 1.1; namespace "urn:t:more"; prefix m; import t-deep { prefix d; }
  augment /d:top { choice how { case fast { leaf other { type empty; } } } }
  augment /d:top/d:how { case fast-too { leaf third { type empty; } } } }"#;

fn of(index: &SchemaIndex, names: &[&str]) -> SchemaId {
    let path: Vec<(&str, &str)> = std::iter::once("top").chain(names.iter().copied()).map(|n| ("t-deep", n)).collect();
    index.resolve(&at(&path)).unwrap_or_else(|| panic!("{names:?}"))
}

#[tokio::test]
async fn defaults_choices_leafrefs_and_constraints_are_in_the_index() {
    let loaded = worker().load(&set(&["t-ids", "t-deep", "t-more"], &[DEEP, IDS, MORE])).await.unwrap();
    assert_eq!(loaded.left_out, []);
    let index = &loaded.index;
    let defaults = |names: &[&str]| index.defaults(of(index, names)).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(defaults(&["by-typedef"]), ["12.5"]);
    assert_eq!(defaults(&["colour"]), ["red", "blue"]);
    assert_eq!(defaults(&["kind"]), ["t-ids:one"]);
    assert_eq!(defaults(&["site", "port"]), [""; 0]);
    let node = |names: &[&str]| index.node(of(index, names));
    assert_eq!(node(&["by-typedef"]).ty.as_deref(), Some(&TypeSpec::Decimal64 { digits: 2 }));
    assert!(node(&["guarded"]).when && !node(&["mode"]).when);
    assert!(node(&["patience"]).when && !node(&["speed"]).when, "a case's when holds for what is in it");

    let top = Some(of(index, &[]));
    let how = index.choice(top, &Name::new("how")).unwrap();
    assert!(how.mandatory && how.default_case.is_none() && how.within.is_empty());
    let unit = index.choice(top, &Name::new("unit")).unwrap();
    assert_eq!(unit.default_case, Some(Name::new("metric")));
    assert_eq!(unit.within, [(Name::new("how"), Name::new("fast"))]);
    assert_eq!(index.choice(top, &Name::new("rest")).unwrap().default_case, Some(Name::new("sleep")));
    assert_eq!(node(&["m"]).cases.len(), 2);
    // Another module may augment in a choice of the same name: it is another choice.
    let other = index.choice(top, &Name::new("t-more:how")).unwrap();
    assert!(!other.mandatory);
    let in_other = index.node(index.child_named(top, "t-more", "other").unwrap());
    assert_eq!(in_other.cases, [(Name::new("t-more:how"), Name::new("fast"))]);
    let third = index.node(index.child_named(top, "t-more", "third").unwrap());
    assert_eq!(third.cases, [(Name::new("how"), Name::new("t-more:fast-too"))]);

    let leafref = |names: &[&str]| index.leafref(of(index, names));
    let name = of(index, &["site", "name"]);
    assert_eq!(leafref(&["site", "peer"]), Some(Leafref { target: name, required: true }));
    assert_eq!(leafref(&["site", "hop"]), Some(Leafref { target: of(index, &["site", "peer"]), required: true }));
    assert_eq!(leafref(&["site", "maybe"]), Some(Leafref { target: of(index, &["colour"]), required: false }));
    let site = node(&["site"]).more.clone().unwrap();
    let id = |names: &[&str]| of(index, names);
    assert_eq!(site.unique, [vec![id(&["site", "port"]), id(&["site", "in", "slot"])], vec![id(&["site", "vlan"])]]);
    assert_eq!((site.min_elements, site.max_elements), (1, None));
    let many = node(&["far", "many"]).more.clone().unwrap();
    assert_eq!((many.min_elements, many.max_elements), (2, Some(5)));
    assert!(node(&["far", "many"]).mandatory);

    let mixed = node(&["site", "mixed"]).ty.clone().unwrap();
    let read = |text: &str| mixed.value("t-deep", text).unwrap().as_str().to_owned();
    assert_eq!((read("7"), read("25"), read("15")), ("7".into(), "25".into(), "15.0".into()), "as libyang does it");
}

/// The genuine modules of a router through the stored form: nothing is lost, and it is small.
#[tokio::test]
async fn the_index_of_genuine_modules_is_compact_and_survives_being_stored() {
    let models = File::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("models/iosxr");
    if !models.is_dir() {
        eprintln!("SKIPPED: no IOS-XR modules in {}: run `make setup-test`", models.display());
        return;
    }
    let names = ["ifmgr-cfg", "infra-rsi-cfg", "ipv4-bgp-cfg", "l2vpn-cfg", "l2-eth-infra-cfg"];
    let names = names.map(|name| format!("Cisco-IOS-XR-{name}"));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let loaded = worker().load(&ModuleSet::named(&names, &[&models])).await.unwrap();
    let tables = loaded.index.tables();
    let bytes = tables.encode();
    let again = SchemaIndex::from(andante::tree::schema::Tables::decode(&bytes).unwrap());
    assert_eq!(again.tables(), tables);
    let each = bytes.len() / loaded.index.len();
    println!("{} nodes, {} bytes stored, {each} a node", loaded.index.len(), bytes.len());
    assert!(loaded.index.len() > 3000 && each <= 24, "{} nodes, {each} bytes a node", loaded.index.len());
    let nodes = &loaded.index.tables().nodes;
    assert!(nodes.iter().any(|node| node.when) && nodes.iter().any(|node| node.default.is_some()));
}
