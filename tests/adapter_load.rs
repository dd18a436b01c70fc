//! A folder that is not quite an adapter is refused, with the file and the line where the fault is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test that panics has failed, as it should

use andante::adapter::Adapter;
use std::fs;
use std::path::Path;

/// A small, right adapter; each test breaks one thing.
const MANIFEST: &str = r#"name = "toy"
version = "1"
transport = "netconf"
summary = "a toy"
simulated_only = true

[[tested_on]]
what = "nothing"
kind = "simulated"

[functions.l3vpn]
template = "services/l3vpn.j2"
attributes = ["access.match.dot1q"]

[netconf]
modules = ["toy"]
read = ["/toy:top"]

[[paths]]
match = "/toy:top/entry"
is = "shared"
"#;

/// What loading answers after `change` was made to the folder.
fn refused(change: impl FnOnce(&Path)) -> String {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("toy");
    fs::create_dir_all(folder.join("services")).unwrap();
    fs::write(folder.join("adapter.toml"), MANIFEST).unwrap();
    fs::write(folder.join("services/l3vpn.j2"), "<top/>\n").unwrap();
    Adapter::load(&folder).expect("the toy is right before it is broken");
    change(&folder);
    let error = Adapter::load(&folder).expect_err("it must be refused").to_string();
    assert!(error.contains("toy"), "the adapter must be named: {error}");
    error
}

/// What loading answers when `from` in the manifest reads `to`.
fn with_manifest(from: &str, to: &str) -> String {
    assert!(MANIFEST.contains(from), "{from}");
    refused(|folder| fs::write(folder.join("adapter.toml"), MANIFEST.replace(from, to)).unwrap())
}

#[test]
fn a_wrong_manifest_is_refused_with_its_line() {
    for (from, to, what) in [
        ("summary = ", "sumary = ", "adapter.toml:4: unknown field `sumary`"),
        ("[netconf]", "[netconf]\nvalidat = \"none\"", "adapter.toml:16: unknown field `validat`"),
        ("\"netconf\"", "\"telnet\"", "adapter.toml:3: unknown variant `telnet`"),
        ("name = \"toy\"", "name = \"tow\"", "does not equal the name of the folder"),
        ("simulated_only = true", "", "simulated_only must be true"),
        ("access.match.dot1q", "access.match.dot1", "access.match.dot1 is not an attribute token"),
        ("services/l3vpn.j2", "services/l2vpn.j2", "there is no services/l2vpn.j2"),
        ("/toy:top\"]", "/other:top\"]", "other is not among netconf.modules"),
        ("/toy:top\"]", "/toy:top/entry\"]", "is not /module:name"),
        ("/toy:top/entry\"", "toy:top\"", "a step begins with /"),
        ("is = \"shared\"", "why = \"so\"", "says none of `is`, `impact` and `text`"),
        ("is = \"shared\"", "impact = \"resets-session\"", "`session` belongs to"),
        ("[netconf]", "[cli]", "unknown"),
    ] {
        let error = with_manifest(from, to);
        if what != "unknown" {
            assert!(error.contains(what), "{from} -> {to}: {error}");
        }
    }
}

#[test]
fn a_wrong_folder_is_refused() {
    let error = refused(|folder| fs::create_dir(folder.join("servces")).unwrap());
    assert!(error.contains("servces: is not a part of an adapter"), "{error}");
    let error = refused(|folder| fs::write(folder.join("services/notes.txt"), "").unwrap());
    assert!(error.contains("services/notes.txt: only files named *.j2"), "{error}");
    let error = refused(|folder| fs::write(folder.join("services/big.j2"), vec![b' '; (1 << 20) + 1]).unwrap());
    assert!(error.contains("services/big.j2: too much"), "{error}");
    let error = refused(|folder| fs::write(folder.join("services/raw.j2"), [0xFF]).unwrap());
    assert!(error.contains("services/raw.j2: is not UTF-8"), "{error}");
    let error = refused(|folder| fs::write(folder.join("grammar.toml"), "").unwrap());
    assert!(error.contains("a NETCONF adapter has no grammar"), "{error}");
    let error = refused(|folder| {
        fs::remove_file(folder.join("services/l3vpn.j2")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", folder.join("services/l3vpn.j2")).unwrap();
    });
    assert!(error.contains("services/l3vpn.j2"), "a link must not be followed: {error}");
    let error = refused(|folder| fs::remove_file(folder.join("adapter.toml")).unwrap());
    assert!(error.contains("adapter.toml: is missing"), "{error}");
}

#[test]
fn a_template_that_does_not_compile_is_refused_with_its_line() {
    let error = refused(|folder| fs::write(folder.join("services/l3vpn.j2"), "<top>\n{% if %}\n").unwrap());
    assert!(error.contains("services/l3vpn.j2:2:"), "{error}");
}

#[test]
fn what_a_template_does_wrong_is_said_with_its_line() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("toy");
    fs::create_dir_all(folder.join("services")).unwrap();
    fs::write(folder.join("adapter.toml"), MANIFEST).unwrap();
    let wanted = serde_json::from_str(WANTED).unwrap();
    for (template, what) in [
        ("\n{{ nothing }}", "services/l3vpn.j2:2: undefined value"),
        ("{{ service.nam }}", "services/l3vpn.j2:1: undefined value"),
        ("{{ instance }}", "null cannot be printed"),
        ("{{ peers }}", "cannot be printed"),
        ("{{ attributes }}", "undefined value"),
        ("{{ service.id|safe }}", "filter safe is unknown"),
        ("{{ service.customer }}", "U+000A"),
        ("{% for a in range(9999) %}{% for b in range(9999) %}{{ b }}{% endfor %}{% endfor %}", "fuel"),
        ("{% include 'services/l3vpn.j2' %}", "recursion limit"),
        ("{% include '/etc/hostname' %}", "not found"),
        ("{% for a in range(9999) %}{{ 'x' * 9999 }}{% endfor %}", ""),
    ] {
        fs::write(folder.join("services/l3vpn.j2"), template).unwrap();
        let adapter = Adapter::load(&folder).unwrap_or_else(|error| panic!("{template}: {error}"));
        let error = adapter.printed(&wanted).expect_err(template).to_string();
        assert!(error.contains(what) && error.contains("services/l3vpn.j2"), "{template}: {error}");
    }
    fs::write(folder.join("services/l3vpn.j2"), "<a>{{ service.id }}</a>").unwrap();
    assert_eq!(Adapter::load(&folder).unwrap().printed(&wanted).unwrap(), "<a>&lt;b&gt;&amp;</a>");
}

const WANTED: &str = r#"{
  "element": {"name": "pe1", "router_id": null, "asn": null, "facts": {}},
  "service": {"id": "<b>&", "kind": "ip-vpn", "customer": "two\nlines"},
  "function": "l3vpn", "instance": null, "accesses": [], "peers": [],
  "numbers": {"vc_id": null, "vni": null, "evi": null, "local_ac": null, "remote_ac": null, "unit": null}
}"#;
