//! The YANG modules that are shipped, held against the libyang of the daemon.
//!
//! Flow: every module of `yang/` and of `adapters/iosxr/yang/` is compiled; every document of `tests/documents/` must be valid
//! and come back unchanged; a native IOS-XR configuration that uses nearly every served node must mean the same under our
//! profiles and under the genuine modules.
//!
//! Caveats: the genuine modules are not ours to ship. Where neither `ANDANTE_IOSXR_YANG` / `ANDANTE_RFC_YANG` nor the test
//! set-up provides them, the comparison prints so and is skipped. Ranges, lengths and patterns are compared by what they
//! refuse (values around the limits), not by their text: libyang's binding does not show them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, also in its helper functions")]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use yang5::context::{Context, ContextFlags};
use yang5::data::{Data, DataFormat, DataOperation, DataParserFlags, DataPrinterFlags, DataTree, DataValidationFlags};
use yang5::schema::{SchemaNode, SchemaNodeKind, SchemaPathFormat};

#[test]
fn the_north_compiles_and_is_implemented() {
    let context = north();
    for name in ["andante", "ietf-vpn-common", "ietf-l3vpn-ntw", "ietf-l2vpn-ntw"] {
        let module = context.get_module_implemented(name);
        assert!(module.is_some(), "{name} is not implemented");
    }
}

#[test]
fn every_document_is_valid_and_comes_back_unchanged() {
    let context = north();
    let mut seen = 0;
    for file in files(&root("tests/documents")) {
        let format = match file.extension().and_then(|extension| extension.to_str()) {
            Some("json") => DataFormat::JSON,
            Some("xml") => DataFormat::XML,
            _ => continue,
        };
        let text = fs::read_to_string(&file).unwrap();
        let tree = parse(&context, &text, format).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        if format == DataFormat::JSON {
            let given = sorted(short(serde_json::from_str(&text).unwrap()));
            assert_eq!(short(printed(&tree)), given, "{}", file.display());
        }
        seen += 1;
    }
    assert!(seen >= 7, "only {seen} documents");
}

#[test]
fn the_xml_variant_says_the_same_as_the_json_document() {
    let context = north();
    let read = |name: &str| fs::read_to_string(root("tests/documents").join(name)).unwrap();
    let from_json = parse(&context, &read("l3vpn-any-to-any.json"), DataFormat::JSON).unwrap();
    let from_xml = parse(&context, &read("l3vpn-any-to-any.xml"), DataFormat::XML).unwrap();
    assert_eq!(printed(&from_json), printed(&from_xml));
}

#[test]
fn what_is_not_served_or_not_right_is_refused() {
    let context = north();
    let good = fs::read_to_string(root("tests/documents/l3vpn-any-to-any.json")).unwrap();
    assert!(parse(&context, &good, DataFormat::JSON).is_ok());
    let cases = [
        ("a node that is left out", "\"vpn-name\": \"acme\"", "\"vpn-name\": \"acme\", \"underlay-transport\": {}"),
        ("a VLAN out of range", "\"cvlan-id\": 100", "\"cvlan-id\": 4095"),
        ("a route target without its type", "0:65000:100", "65000:100"),
        ("a two-octet system that is too large", "0:65000:100", "0:65550:1"),
        ("an unknown identity", "ietf-vpn-common:any-to-any\"", "ietf-vpn-common:ring\""),
        (
            "an identity that hangs on a feature we lack",
            "ietf-vpn-common:static-routing",
            "ietf-vpn-common:ospf-routing",
        ),
        ("a profile that does not exist", "\"vpn-instance-profile\": \"main\"", "\"vpn-instance-profile\": \"other\""),
        ("tags without the encapsulation", "ietf-vpn-common:dot1q", "ietf-vpn-common:untagged-int"),
        ("slaac for ipv4", "static-address\"", "slaac\""),
    ];
    for (what, from, to) in cases {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{what}: the case changes nothing");
        assert!(parse(&context, &bad, DataFormat::JSON).is_err(), "{what} is accepted");
    }
}

#[test]
fn the_contract_carries_what_the_daemon_tells() {
    let context = north();
    let id = "0197f1c2-8c5b-7a3e-9d21-6f4b1c0a2e35";
    let plan = "5".repeat(64);
    let state = json!({
        "andante:elements": {"element": [{
            "name": "pe1", "adapter": "iosxr", "address": "192.0.2.1:830", "router-id": "10.0.0.1", "asn": 65000,
            "port": [{"name": "GigabitEthernet0/0/0/1", "role": "uni", "exclude": false}],
            "one-session": false, "class": "A", "reachability": "reachable", "sync-state": "in-sync", "deviations": 0,
            "fact": [{"name": "release", "value": "6.6.3"}]
        }]},
        "andante:services": {"service": [{
            "face": "ietf-l3vpn-ntw", "id": "acme-l3", "state": "deployed", "revision": "3", "element": ["pe1", "pe2"]
        }]},
        "andante:transactions": {"transaction": [{
            "id": id, "plan-id": plan, "reason": "request", "phase": "closed", "outcome": "not-applied",
            "cause": {"kind": "refused", "element": "pe2", "message": "unknown command"}, "class": "D", "principal": "noc",
            "started": "2026-11-23T02:00:00Z", "service": [{"face": "ietf-l3vpn-ntw", "id": "acme-l3", "effect": "create"}],
            "element": [
                {"name": "pe1", "class": "A", "state": "restored"},
                {"name": "pe2", "class": "D", "state": "restored", "residue": ["/vrf[acme]"]}
            ]
        }]},
        "andante:deviations": {"deviation": [{
            "id": "a1", "element": "pe2", "path": "/x", "kind": "orphan", "standing": "deviation", "recorded": "1", "actual": "2",
            "since": "2026-11-23T02:00:00Z", "policy": "report", "gate": "report only"
        }]}
    });
    let parse = |state: &Value| {
        DataTree::parse_string(
            &context,
            state.to_string(),
            DataFormat::JSON,
            DataParserFlags::STRICT,
            DataValidationFlags::PRESENT,
        )
        .map(|tree| printed(&tree))
    };
    assert_eq!(parse(&state).unwrap(), sorted(state.clone()));
    let mut wrong = state;
    wrong["andante:transactions"]["transaction"][0]["outcome"] = "failed".into();
    assert!(parse(&wrong).is_err(), "there is a fourth outcome");
}

#[test]
fn the_operations_take_what_the_command_sends() {
    let context = north();
    let operation = |body: Value| {
        DataTree::parse_op_string(
            &context,
            body.to_string(),
            DataFormat::JSON,
            DataParserFlags::STRICT,
            DataOperation::RpcYang,
        )
        .map(drop)
    };
    let document = fs::read_to_string(root("tests/documents/l3vpn-any-to-any.json")).unwrap();
    operation(json!({"andante:plan": {"document": [
        {"content": document},
        {"operation": "delete", "target": "ietf-l2vpn-ntw:l2vpn-ntw/vpn-services/vpn-service=acme-eline"}
    ], "overwrite": ["pe1:/x"], "require-atomicity": "D", "ticket": "CHG-1"}}))
    .unwrap();
    operation(json!({"andante:commit-plan": {"plan-id": "0123abcd", "async": true}})).unwrap();
    operation(json!({"andante:heal": {"deviation": ["a1"], "dry-run": true}})).unwrap();
    operation(json!({"andante:check-sync": {"element": ["pe1"]}})).unwrap();
    operation(json!({"andante:probe": {"element": "pe1", "trust": true}})).unwrap();
    operation(json!({"andante:why": {"element": "pe1", "path": "/x"}})).unwrap();
    operation(json!({"andante:apply-elements": {"element": [{"name": "pe1", "adapter": "iosxr", "address": "192.0.2.1:830"}]}}))
        .unwrap();
    operation(json!({"andante:element-config": {"element": "pe1", "source": "recorded"}})).unwrap();
    assert!(operation(json!({"andante:commit-plan": {"plan-id": "0123"}})).is_err(), "a prefix of four is too short");
    assert!(operation(json!({"andante:no-such": {}})).is_err());
}

/// The two tables of `docs/yang.md` name what the module has, and nothing else; the guide for orchestrators as well.
#[test]
fn the_guides_name_every_container_and_operation() {
    let module = fs::read_to_string(root("yang/andante.yang")).unwrap();
    let of = |keyword: &str| -> Vec<String> {
        let start = format!("  {keyword} ");
        let names = module.lines().filter_map(|line| line.strip_prefix(&start)?.strip_suffix(" {").map(str::to_owned));
        names.collect()
    };
    let guide = fs::read_to_string(root("docs/yang.md")).unwrap();
    let own = guide.split("### `andante`").nth(1).unwrap().split("\n### ").next().unwrap();
    let mut tables = own.split("| Operation |");
    let named = |table: &str| -> Vec<String> {
        let cells = table.lines().filter(|line| line.starts_with("| `")).map(|line| line.split('|').nth(1).unwrap());
        cells.flat_map(|cell| cell.split(',').map(|name| name.trim().trim_matches('`').to_owned())).collect()
    };
    let same = |mut told: Vec<String>, mut there: Vec<String>| {
        told.sort();
        there.sort();
        assert_eq!(told, there);
    };
    same(named(tables.next().unwrap()), of("container"));
    same(named(tables.next().unwrap()), of("rpc"));
    let wire = fs::read_to_string(root("docs/orchestrator.md")).unwrap();
    for name in of("rpc").iter().chain(&of("container")) {
        assert!(wire.contains(&format!("`{name}`")) || wire.contains(&format!(":{name}`")), "{name}");
    }
}

#[test]
fn the_iosxr_profiles_take_the_native_configuration() {
    let context = context(&root("adapters/iosxr/yang"), &iosxr_modules(&root("adapters/iosxr/yang")));
    let native = fs::read_to_string(root("tests/native/iosxr-all.xml")).unwrap();
    parse(&context, &native, DataFormat::XML).unwrap();
    let bad = native.replacen("<first-tag>100</first-tag>", "<first-tag>99999</first-tag>", 1);
    assert_ne!(bad, native);
    assert!(parse(&context, &bad, DataFormat::XML).is_err(), "VLAN 99999 is accepted");
}

#[test]
fn the_iosxr_profiles_say_what_the_genuine_modules_say() {
    let Some(genuine) = genuine("ANDANTE_IOSXR_YANG", "models/iosxr", "Cisco-IOS-XR-ifmgr-cfg.yang") else { return };
    let own = root("adapters/iosxr/yang");
    let modules = iosxr_modules(&own);
    let native = fs::read_to_string(root("tests/native/iosxr-all.xml")).unwrap();
    let ours = context(&own, &modules);
    let straight = without_circles(&genuine);
    let theirs = context(straight.path(), &modules);
    assert_subset(&ours, &theirs, &modules);
    let left = parse(&ours, &native, DataFormat::XML).unwrap();
    let right = parse(&theirs, &native, DataFormat::XML).unwrap();
    assert_eq!(printed(&left), printed(&right));
    let mut tried = 0;
    for (what, altered) in altered_leaves(&native) {
        let ours = parse(&ours, &altered, DataFormat::XML).is_ok();
        let theirs = parse(&theirs, &altered, DataFormat::XML).is_ok();
        assert_eq!(ours, theirs, "{what}: we say {ours}, the genuine modules say {theirs}");
        tried += 1;
    }
    assert!(tried > 1500, "only {tried} values were tried");
}

#[test]
fn the_standard_profiles_say_what_the_rfcs_say() {
    let Some(genuine) = genuine("ANDANTE_RFC_YANG", "models/rfc", "ietf-l3vpn-ntw@2022-02-14.yang") else { return };
    let modules = ["ietf-vpn-common", "ietf-l3vpn-ntw", "ietf-l2vpn-ntw"].map(str::to_owned);
    let ours = context(&root("yang"), &modules);
    let theirs = context(&genuine, &modules);
    assert_subset(&ours, &theirs, &modules);
    for file in files(&root("tests/documents")).iter().filter(|file| file.extension().is_some_and(|end| end == "json"))
    {
        let text = fs::read_to_string(file).unwrap();
        let left = parse(&ours, &text, DataFormat::JSON).unwrap();
        let right = parse(&theirs, &text, DataFormat::JSON).unwrap();
        assert_eq!(printed(&left), printed(&right), "{}", file.display());
    }
}

#[test]
fn the_comparison_notices_a_difference() {
    let modules = ["Cisco-IOS-XR-ifmgr-cfg".to_owned()];
    let ours = context(&root("adapters/iosxr/yang"), &modules);
    let folder = std::env::temp_dir().join(format!("andante-yang-profiles-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = "Cisco-IOS-XR-ifmgr-cfg.yang";
    let text = fs::read_to_string(root("adapters/iosxr/yang").join(file)).unwrap();
    let altered = text.replace("leaf description {\n        type string;", "leaf description {\n        type uint8;");
    assert_ne!(text, altered);
    fs::write(folder.join(file), altered).unwrap();
    let found = differences(&ours, &context(&folder, &modules), &modules);
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("interface-configuration/description"), "{found:?}");
}

/// The genuine modules, where the conditions of the policy manager that exclude each other (`count(../other) = 0` on either
/// side) are taken out of a copy: libyang takes them for a circle and refuses the module.
fn without_circles(genuine: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files(genuine) {
        std::os::unix::fs::symlink(file.canonicalize().unwrap(), folder.path().join(file.file_name().unwrap()))
            .unwrap();
    }
    let file = folder.path().join("Cisco-IOS-XR-infra-policymgr-cfg.yang");
    let mut text = fs::read_to_string(&file).unwrap();
    let mut taken = 0;
    while let Some(from) = text.find("when \"count(../") {
        let end = from + text[from..].find('}').unwrap() + 1;
        text.replace_range(from..end, "");
        taken += 1;
    }
    assert_eq!(taken, 4, "another module than the one that is known");
    fs::remove_file(&file).unwrap();
    fs::write(&file, text).unwrap();
    folder
}

/// The configuration with one leaf at a time set to values around the limits that the models know.
fn altered_leaves(native: &str) -> Vec<(String, String)> {
    let numbers = [
        "0",
        "1",
        "2",
        "10",
        "11",
        "63",
        "64",
        "67",
        "68",
        "128",
        "129",
        "254",
        "255",
        "256",
        "1279",
        "1280",
        "4094",
        "4095",
        "4096",
        "65534",
        "65535",
        "65536",
        "16777215",
        "16777216",
        "4294967295",
        "4294967296",
    ];
    let lengths = [32, 33, 38, 39, 64, 65, 244, 245].map(|length| "x".repeat(length));
    let words = ["", "a b", "any", "native", "true", "10.0.0.300", "1.2.3.4", "2001:db8::7"].map(str::to_owned);
    let mut altered = Vec::new();
    let mut from = 0;
    while let Some(end) = native[from..].find("</").map(|at| from + at) {
        let start = native[..end].rfind('>').unwrap() + 1;
        let name = native[end + 2..].split('>').next().unwrap();
        let leaf =
            native[..start].ends_with(&format!("<{name}>")) || native[..start].contains(&format!("<{name} xmlns"));
        let value = &native[start..end];
        if leaf && !value.trim().is_empty() {
            let candidates: Vec<&str> = if value.bytes().all(|byte| byte.is_ascii_digit()) {
                numbers.to_vec()
            } else {
                words.iter().chain(&lengths).map(String::as_str).collect()
            };
            for candidate in candidates {
                let text = format!("{}{candidate}{}", &native[..start], &native[end..]);
                altered.push((format!("{name} = '{candidate}' for '{value}'"), text));
            }
        }
        from = end + 2;
    }
    altered
}

/// Where genuine modules are: a variable names the directory, or the test set-up fetched them below the target folder.
fn genuine(variable: &str, fetched: &str, witness: &str) -> Option<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root("target"), PathBuf::from);
    let folder = std::env::var_os(variable).map_or_else(|| target.join(fetched), PathBuf::from);
    if folder.join(witness).is_file() {
        return Some(folder);
    }
    println!("skipped: no genuine modules in {} (name another directory in {variable})", folder.display());
    None
}

fn assert_subset(ours: &Context, theirs: &Context, modules: &[String]) {
    let found = differences(ours, theirs, modules);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// One line for each node of ours that is not there, or is another kind of node, with theirs.
fn differences(ours: &Context, theirs: &Context, modules: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for name in modules {
        let head = |context: &Context| {
            let module = context.get_module_implemented(name).unwrap();
            format!("{} {} {:?}", module.namespace(), module.prefix(), module.revision())
        };
        if head(ours) != head(theirs) {
            found.push(format!("{name}: {} is {}", head(ours), head(theirs)));
        }
        let genuine = facts(theirs, name);
        for (path, fact) in facts(ours, name) {
            match genuine.get(&path) {
                Some(other) if *other == fact => {}
                Some(other) => found.push(format!("{path}: {fact} is {other}")),
                None => found.push(format!("{path}: does not exist")),
            }
        }
    }
    found
}

/// What the wire sees of each data node of a module, augmentations included, by data path.
fn facts(context: &Context, module: &str) -> BTreeMap<String, String> {
    let inside = format!("/{module}:");
    context
        .modules(false)
        .flat_map(|module| module.traverse())
        .filter(|node| !node.is_schema_only())
        .map(|node| (node.path(SchemaPathFormat::DATA), fact(&node)))
        .filter(|(path, _)| path.contains(&inside))
        .collect()
}

fn fact(node: &SchemaNode) -> String {
    let keys: Vec<_> = match node.kind() {
        SchemaNodeKind::List => node.list_keys().map(|key| key.name().to_owned()).collect(),
        _ => Vec::new(),
    };
    let base = node.leaf_type().map(|leaf| {
        let real = leaf.leafref_real_type();
        format!("{:?} {:?}", leaf.base_type(), real.map(|real| real.base_type()))
    });
    format!(
        "{:?} config={} mandatory={} empty-container={} user-ordered={} keys={keys:?} type={base:?} default={:?} units={:?} \
         musts={} whens={}",
        node.kind(),
        node.is_config(),
        node.is_mandatory(),
        node.is_np_container(),
        node.is_user_ordered(),
        node.default_value_canonical().ok().flatten(),
        node.units(),
        node.musts().map_or(0, Iterator::count),
        node.whens().count(),
    )
}

/// All modules that the north serves, with all features of `ietf-vpn-common`.
fn north() -> Context {
    let modules: Vec<String> =
        ["ietf-vpn-common", "ietf-l3vpn-ntw", "ietf-l2vpn-ntw", "andante"].map(str::to_owned).into();
    context(&root("yang"), &modules)
}

fn context(directory: &Path, modules: &[String]) -> Context {
    let mut context = Context::new(ContextFlags::NO_YANGLIBRARY | ContextFlags::DISABLE_SEARCHDIR_CWD).unwrap();
    context.set_searchdir(directory).unwrap();
    let batch: Vec<(&str, Option<&str>, &[&str])> =
        modules.iter().map(|name| (name.as_str(), None, &["*"] as &[&str])).collect();
    context.load_modules(&batch).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    context
}

/// The names of the modules in a directory of profiles.
fn iosxr_modules(directory: &Path) -> Vec<String> {
    let names: Vec<String> =
        files(directory).iter().filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned())).collect();
    assert_eq!(names.len(), 11);
    names
}

fn parse<'a>(context: &'a Context, text: &str, format: DataFormat) -> Result<DataTree<'a>, yang5::Error> {
    let parser = DataParserFlags::STRICT | DataParserFlags::NO_STATE;
    DataTree::parse_string(context, text, format, parser, DataValidationFlags::NO_STATE)
}

fn printed(tree: &DataTree) -> Value {
    print(tree, DataPrinterFlags::WITH_SIBLINGS | DataPrinterFlags::WD_EXPLICIT)
}

fn print(tree: &DataTree, flags: DataPrinterFlags) -> Value {
    let text = tree.print_string(DataFormat::JSON, flags).unwrap();
    sorted(serde_json::from_str(&text).unwrap())
}

/// Lists in a fixed order: modules may declare their nodes in another order.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(sorted).collect();
            items.sort_by_key(Value::to_string);
            Value::Array(items)
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            members.sort_by(|left, right| left.0.cmp(&right.0));
            Value::Object(members.into_iter().collect())
        }
        other => other,
    }
}

/// Identities of the document's own module without their prefix, which RFC 7951 §6.8 makes optional.
fn short(value: Value) -> Value {
    match value {
        Value::String(text) => {
            let own = ["ietf-l3vpn-ntw:", "ietf-l2vpn-ntw:"].iter().find_map(|prefix| text.strip_prefix(prefix));
            Value::String(own.map(str::to_owned).unwrap_or(text))
        }
        Value::Array(items) => Value::Array(items.into_iter().map(short).collect()),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, value)| (name, short(value))).collect())
        }
        other => other,
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
