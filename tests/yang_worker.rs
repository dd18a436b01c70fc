//! The libyang worker as a real process: loading, export, faults, leaving out, death and time limit; its schema index in
//! [`index`], all faults of a document in [`faults`], bad modules in [`modules`], the disk in [`cache`], limits in [`limits`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "yang_worker/cache.rs"]
mod cache;
#[path = "yang_worker/faults.rs"]
mod faults;
#[path = "yang_worker/index.rs"]
mod index;
#[path = "yang_worker/limits.rs"]
mod limits;
#[path = "yang_worker/modules.rs"]
mod modules;

use andante::tree::codec::State;
use andante::tree::node::Body;
use andante::tree::schema::{Canonical, SchemaKind, TypeSpec};
use andante::tree::{CodecErrorKind, Limits, Path, Policy, QName, SchemaIndex, Step, json, xml};
use andante::yang::{DocumentKind, Encoding, Loaded, ModuleSet, Wanted, YangError, YangWorker};
use std::path::Path as File;
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);

fn worker() -> YangWorker {
    YangWorker::spawn(File::new(env!("CARGO_BIN_EXE_andanted")), &["yang-worker"], LIMIT)
}

/// A worker with limits of memory in bytes (0: none) and of time.
fn limited(memory: u64, time: Duration) -> YangWorker {
    YangWorker::spawn(File::new(env!("CARGO_BIN_EXE_andanted")), &["yang-worker"], time).with_memory_limit(memory)
}

const TYPES: &str = r#"
module t-types {
  yang-version 1.1; namespace "urn:t:types"; prefix ty; revision 2024-01-01;
  feature extra;
  identity vpn-type;
  identity any { base vpn-type; }
  identity hub { base vpn-type; }
  identity odd { if-feature extra; base hub; }
  typedef name { type string { length "1..20"; pattern "[a-z0-9-]+"; } }
}"#;

const MAIN: &str = r#"
module t-main {
  yang-version 1.1; namespace "urn:t:main"; prefix m;
  import t-types { prefix ty; }
  import ietf-inet-types { prefix inet; }
  import ietf-yang-types { prefix yang; }
  revision 2024-02-02;
  identity own { base ty:vpn-type; }
  container top {
    leaf kind { type identityref { base ty:vpn-type; } default ty:any; }
    leaf big { type uint64; }
    leaf small { type int8 { range "1..10"; } default 5; }
    leaf ratio { type decimal64 { fraction-digits 3; } default 1.50; }
    leaf on { type empty; }
    leaf flags { type bits { bit a { position 2; } bit b { position 1; } } }
    leaf mac { type yang:mac-address; }
    leaf address { type inet:ip-address; }
    leaf prefix { type inet:ip-prefix; }
    leaf mixed { type union { type ty:name; type uint8; type enumeration { enum unlimited; } type identityref { base ty:vpn-type; } } }
    leaf-list order { type string; ordered-by user; }
    container here { presence "says something"; }
    list site {
      key "name unit"; unique port; max-elements 3;
      leaf unit { type uint8; }
      leaf name { type ty:name; }
      leaf port { type string; mandatory true; }
      leaf peer { type leafref { path "../../site/name"; } }
      choice access { case tagged { leaf vlan { type uint16; must ". != 4095" { error-app-tag "reserved-vlan"; error-message "4095 is reserved"; } } } leaf whole { type empty; } }
      leaf up { config false; type boolean; }
    }
    anydata rest;
  }
  rpc turn { input { leaf by { type int32; mandatory true; } } output { leaf done { type boolean; } } }
}"#;

const AUGMENT: &str = r#"
module t-aug {
  namespace "urn:t:aug"; prefix a; import t-main { prefix m; } revision 2024-03-03;
  augment /m:top/m:site { leaf colour { type string; } }
}"#;

const BROKEN: &str = r#"
module t-broken { namespace "urn:t:broken"; prefix b; leaf x { type leafref { path "../nowhere"; } } }"#;

fn set(names: &[&str], texts: &[&str]) -> ModuleSet {
    ModuleSet {
        modules: names.iter().map(|name| Wanted::all_features(name)).collect(),
        dirs: Vec::new(),
        texts: texts.iter().map(|text| (*text).to_owned()).collect(),
    }
}

async fn loaded(worker: &YangWorker) -> Arc<Loaded> {
    let set = set(&["t-types", "t-main", "t-broken", "t-aug"], &[TYPES, MAIN, AUGMENT, BROKEN]);
    worker.load(&set).await.unwrap()
}

fn at(names: &[(&str, &str)]) -> Path {
    Path::new(names.iter().map(|(module, name)| Step::single(QName::new(module, name))).collect())
}

fn ty(index: &SchemaIndex, name: &str) -> TypeSpec {
    let id = index.resolve(&at(&[("t-main", "top"), ("t-main", name)])).unwrap();
    TypeSpec::clone(index.node(id).ty.as_ref().unwrap())
}

#[tokio::test]
async fn a_set_is_exported_and_a_bad_module_is_left_out_by_name() {
    let worker = worker();
    let loaded = loaded(&worker).await;
    assert_eq!(loaded.left_out.len(), 1, "{:?}", loaded.left_out);
    assert_eq!(loaded.left_out[0].module, "t-broken");
    assert!(loaded.left_out[0].reason.contains("nowhere"), "{:?}", loaded.left_out);
    let index = &loaded.index;
    let module = index.module("t-main").unwrap();
    assert_eq!((module.namespace.as_str(), module.prefix.as_str()), ("urn:t:main", "m"));
    assert_eq!(module.revision.as_deref(), Some("2024-02-02"));
    assert_eq!(index.module_of_namespace("urn:t:aug").unwrap().name.as_str(), "t-aug");

    let identities = TypeSpec::Identity {
        identities: ["t-main:own", "t-types:any", "t-types:hub", "t-types:odd"].map(String::from).to_vec(),
    };
    assert_eq!(ty(index, "kind"), identities);
    assert_eq!(ty(index, "big"), TypeSpec::Integer { bits: 64, signed: false });
    assert_eq!(ty(index, "flags"), TypeSpec::Bits(vec!["b".into(), "a".into()]));
    assert_eq!(ty(index, "mac"), TypeSpec::Text(Canonical::Lower));
    assert_eq!(ty(index, "address"), TypeSpec::Text(Canonical::IpAddress));
    assert_eq!(ty(index, "prefix"), TypeSpec::Text(Canonical::IpPrefix));
    assert_eq!(
        ty(index, "mixed"),
        TypeSpec::Union(vec![
            TypeSpec::Integer { bits: 8, signed: false },
            TypeSpec::Enumeration(vec!["unlimited".into()]),
            identities,
            TypeSpec::Restricted { of: Box::new(TypeSpec::Text(Canonical::Exact)), within: vec![(1, 20)] },
        ])
    );
    let default = |name: &str| {
        let id = index.resolve(&at(&[("t-main", "top"), ("t-main", name)])).unwrap();
        index.node(id).default.clone()
    };
    assert_eq!(default("kind").as_deref(), Some("t-types:any"));
    assert_eq!(default("ratio").as_deref(), Some("1.5"));
    assert_eq!(default("small").as_deref(), Some("5"));
    assert_eq!(default("big"), None);

    let top = index.resolve(&at(&[("t-main", "top")])).unwrap();
    let order: Vec<&str> = index.children(Some(top)).iter().map(|id| index.node(*id).name.name.as_str()).collect();
    assert_eq!(order[..3], ["kind", "big", "small"]);
    let site = index.child_named(Some(top), "t-main", "site").unwrap();
    let node = index.node(site);
    assert_eq!(node.kind, SchemaKind::List { user_ordered: false });
    assert_eq!(node.keys.iter().map(ToString::to_string).collect::<Vec<_>>(), ["name", "unit"]);
    let vlan = index.node(index.child_named(Some(site), "t-main", "vlan").unwrap());
    assert_eq!(vlan.cases, [("access".into(), "tagged".into())]);
    assert!(!index.node(index.child_named(Some(site), "t-main", "up").unwrap()).config);
    assert_eq!(
        index.node(index.child_named(Some(site), "t-main", "peer").unwrap()).ty.as_deref(),
        Some(&TypeSpec::Text(Canonical::Exact))
    );
    assert!(index.child_named(Some(site), "t-aug", "colour").is_some());
    let by = index.resolve(&at(&[("t-main", "turn"), ("t-main", "input"), ("t-main", "by")])).unwrap();
    assert!(index.node(by).mandatory && index.node(by).config);
    assert_eq!(index.child_named(None, "ietf-yang-library", "yang-library"), None);
}

#[tokio::test]
async fn all_faults_of_a_document_come_back_with_paths() {
    let worker = worker();
    let loaded = loaded(&worker).await;
    let check = async |document: &str| {
        worker.validate(&loaded.id, DocumentKind::Config, Encoding::Json, document).await.unwrap()
    };
    let good = r#"{"t-main:top":{"small":3,"site":[{"name":"a","unit":1,"port":"p","vlan":100}]}}"#;
    assert_eq!(check(good).await, []);
    let bad = r#"{"t-main:top":{"small":30,"site":[{"name":"a","unit":1,"port":"p","vlan":4095},
        {"name":"b","unit":1,"port":"q","peer":"nobody"}]}}"#;
    let faults = check(bad).await;
    assert!(faults.iter().any(|f| f.path.ends_with("/small")), "{faults:#?}");
    let bad = bad.replace("30,", "3,");
    let faults = check(&bad).await;
    let must = faults.iter().find(|f| f.app_tag.as_deref() == Some("reserved-vlan")).unwrap();
    assert!(must.path.contains("site[name='a']") && must.message.contains("4095 is reserved"), "{must:?}");
    let leafref = faults.iter().find(|f| f.path.ends_with("/peer")).unwrap();
    assert_eq!((leafref.tag.as_str(), leafref.app_tag.as_deref()), ("data-missing", Some("instance-required")));
    let missing = check(r#"{"t-main:top":{"site":[{"name":"a","unit":1}]}}"#).await;
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert_eq!(missing[0].tag, "data-missing");
    let state = check(r#"{"t-main:top":{"site":[{"name":"a","unit":1,"port":"p","up":true}]}}"#).await;
    assert!(!state.is_empty());
    let input = |text| worker.validate(&loaded.id, DocumentKind::Input, Encoding::Xml, text);
    assert_eq!(input(r#"<turn xmlns="urn:t:main"><by>1</by></turn>"#).await.unwrap(), []);
    assert!(!input(r#"<turn xmlns="urn:t:main"/>"#).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_our_codec_prints_libyang_takes() {
    let worker = worker();
    let loaded = loaded(&worker).await;
    let document = r#"{"t-main:top":{"kind":"t-types:hub","big":"18446744073709551615","ratio":"2.5","on":[null],
        "flags":"a b","mac":"AA:bb:CC:00:11:22","address":"2001:DB8::1","prefix":"10.1.1.1/8","mixed":7,
        "order":["z","a"],"here":{},"rest":{"x":[1,{"y":null}]},
        "site":[{"name":"a","unit":1,"port":"p \"q\"","whole":[null],"t-aug:colour":"red\n"}]}}"#;
    let tree = json::parse(document.as_bytes(), &loaded.index, None, Policy::STRICT, &Limits::NORTH).unwrap();
    for pretty in [false, true] {
        let printed = json::print(&tree, &loaded.index, pretty);
        let faults = worker.validate(&loaded.id, DocumentKind::Config, Encoding::Json, &printed).await.unwrap();
        assert_eq!(faults, [], "{printed}");
        let again = json::parse(printed.as_bytes(), &loaded.index, None, Policy::STRICT, &Limits::NORTH).unwrap();
        assert_eq!(again, tree);
    }
    let text = xml::print(&tree, &loaded.index, false);
    let again = xml::parse(text.as_bytes(), &loaded.index, None, Policy::STRICT, &Limits::NORTH).unwrap();
    // JSON inside anydata stays text in XML; all else is equal.
    let rest = at(&[("t-main", "top")])
        .child(tree.top()[0].children().iter().find(|n| matches!(n.body(), Body::Opaque { .. })).unwrap().step());
    let without = tree.without(&rest);
    assert!(again.count() == tree.count() && again.overlay(&without) == again);
    let text = xml::print(&without, &loaded.index, false);
    assert_eq!(worker.validate(&loaded.id, DocumentKind::Config, Encoding::Xml, &text).await.unwrap(), [], "{text}");
    let turn = QName::new("t-main", "turn");
    let call = Path::new(vec![Step::single(turn.clone())]);
    for (input, faults) in [(r#"{"t-main:input":{"by":1}}"#, 0), (r#"{"t-main:input":{}}"#, 1)] {
        let tree = json::parse(input.as_bytes(), &loaded.index, Some(&call), Policy::STRICT, &Limits::NORTH).unwrap();
        let text = xml::print_input(&tree, &turn, &loaded.index).unwrap_or("<turn xmlns=\"urn:t:main\"/>".into());
        let found = worker.validate(&loaded.id, DocumentKind::Input, Encoding::Xml, &text).await.unwrap();
        assert_eq!(found.len(), faults, "{text}: {found:?}");
    }
    let reply = json::parse(
        br#"{"t-main:output":{"done":true}}"#,
        &loaded.index,
        Some(&at(&[("t-main", "turn")])),
        Policy { state: State::Keep, ..Policy::STRICT },
        &Limits::NORTH,
    );
    assert_eq!(reply.unwrap().count(), 3);
    let fault = json::parse(
        br#"{"t-main:top":{"site":[{"name":"a","unit":1,"up":true}]}}"#,
        &loaded.index,
        None,
        Policy::STRICT,
        &Limits::NORTH,
    );
    let fault = fault.unwrap_err();
    assert_eq!(fault.kind, CodecErrorKind::NotConfiguration);
    assert_eq!(fault.path, "/t-main:top/site[name='a'][unit='1']/up");
}

#[tokio::test]
async fn a_dead_worker_is_started_again_with_its_sets() {
    let worker = worker();
    let first = loaded(&worker).await;
    assert!(Arc::ptr_eq(&first, &loaded(&worker).await));
    let pid = worker.pid().await.unwrap();
    let killed = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    assert!(killed.success());
    let faults = worker.validate(&first.id, DocumentKind::Config, Encoding::Json, "{}").await.unwrap();
    assert_eq!(faults, []);
    assert_ne!(worker.pid().await, Some(pid));
}

#[tokio::test]
async fn a_worker_that_always_dies_or_hangs_is_an_error_that_names_the_input() {
    let dies = YangWorker::spawn(File::new("/bin/false"), &[], LIMIT);
    let error = dies.load(&set(&["t-types"], &[TYPES])).await.unwrap_err();
    assert!(matches!(error, YangError::Died { .. }), "{error}");
    assert!(error.to_string().contains("t-types"), "{error}");
    let hangs = YangWorker::spawn(File::new("/bin/sleep"), &["60"], Duration::from_millis(50));
    let error = hangs.load(&set(&["t-types"], &[TYPES])).await.unwrap_err();
    assert!(matches!(error, YangError::Timeout { .. }), "{error}");
    assert_eq!(hangs.pid().await, None);
    let absent = YangWorker::spawn(File::new("/nonexistent"), &[], LIMIT);
    assert!(matches!(absent.load(&set(&["t-types"], &[TYPES])).await, Err(YangError::Start { .. })));
}

#[tokio::test]
async fn hostile_modules_are_left_out_with_their_reasons() {
    let worker = worker();
    let deep = format!(
        "module deep {{ namespace d; prefix d; {} leaf x {{ type string; }} {} }}",
        (0..3000).map(|n| format!("container c{n} {{ ")).collect::<String>(),
        "}".repeat(3000)
    );
    let loop_of_groupings =
        "module round { namespace r; prefix r; grouping a { uses b; } grouping b { uses a; } uses a; }";
    let loop_of_imports = "module one { namespace o; prefix o; import two { prefix t; } }";
    let other_half = "module two { namespace t; prefix t; import one { prefix o; } }";
    let names = ["deep", "round", "one", "two", "t-types", "absent"];
    let set = set(&names, &[&deep, loop_of_groupings, loop_of_imports, other_half, TYPES]);
    let reasons = worker.load(&set).await.unwrap();
    let left_out: Vec<&str> = reasons.left_out.iter().map(|out| out.module.as_str()).collect();
    assert_eq!(left_out, ["deep", "round", "two", "one", "absent"], "{reasons:?}");
    assert!(reasons.left_out[4].reason.contains("not found"));
    // The next set is served as if nothing had been.
    let loaded = loaded(&worker).await;
    worker.forget(&loaded.id).await.unwrap();
    let gone = worker.validate(&loaded.id, DocumentKind::Config, Encoding::Json, "{}").await;
    assert!(matches!(gone, Err(YangError::UnknownSet { .. })));
}
