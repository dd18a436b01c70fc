//! NETCONF by hand, and clients that break the rules.

use super::{Lab, rpc_tag};
use andante::adagio::netconf::{Datastore, DefaultOperation, EditConfig, Filter};
use andante::adagio::sim::Fault;
use andante::adagio::ssh::{SshConnection, SshLimits};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const VRFS: &str = "http://cisco.com/ns/yang/Cisco-IOS-XR-infra-rsi-cfg";

pub(super) fn vrf(name: &str, operation: &str, inner: &str) -> String {
    let operation = if operation.is_empty() { String::new() } else { format!(" nc:operation=\"{operation}\"") };
    format!("<vrfs xmlns=\"{VRFS}\"><vrf{operation}><vrf-name>{name}</vrf-name>{inner}</vrf></vrfs>")
}

fn edit(config: &str, default: DefaultOperation) -> EditConfig<'_> {
    let target = Datastore::Candidate;
    EditConfig { target, default_operation: Some(default), test_option: None, error_option: None, config }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locks_and_the_shared_candidate_are_as_the_facts_say() {
    let lab = Lab::start().await;
    let (one, two) = (lab.netconf("pe1").await, lab.netconf("pe1").await);
    let red = vrf("red", "", "<create/>");
    // F1: without a lock the edit of a dead session stays, and whoever commits next commits it.
    one.edit_config(edit(&red, DefaultOperation::Merge)).await.unwrap();
    drop(one);
    assert_eq!(rpc_tag(two.lock(Datastore::Candidate).await), "resource-denied", "F6: dirty");
    two.commit().await.unwrap();
    assert!(lab.sim.text("pe1").unwrap().contains("<vrf-name>red</vrf-name>"));

    // With a lock it is thrown away with the session.
    let three = lab.netconf("pe1").await;
    three.lock(Datastore::Running).await.unwrap();
    three.lock(Datastore::Candidate).await.unwrap();
    assert_eq!(rpc_tag(two.lock(Datastore::Candidate).await), "lock-denied");
    let blue = vrf("blue", "", "<create/>");
    assert_eq!(rpc_tag(two.edit_config(edit(&blue, DefaultOperation::Merge)).await), "in-use");
    three.edit_config(edit(&blue, DefaultOperation::Merge)).await.unwrap();
    assert_eq!(rpc_tag(two.commit().await), "in-use");
    // kill-session is an end like any other.
    two.kill_session(three.session_id()).await.unwrap();
    two.lock(Datastore::Candidate).await.unwrap();
    let candidate = two.get_config(Datastore::Candidate, None, None).await.unwrap().inner;
    assert!(candidate.contains("red") && !candidate.contains("blue"), "{candidate}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edits_that_do_not_fit_are_refused_with_their_tag() {
    let lab = Lab::start().await;
    let session = lab.netconf("pe1").await;
    let (merge, none) = (DefaultOperation::Merge, DefaultOperation::None);
    let red = vrf("red", "create", "<create/>");
    session.edit_config(edit(&red, none)).await.unwrap();
    for (what, config, default, expected) in [
        ("create what exists", red.clone(), none, "data-exists"),
        ("delete what is missing", vrf("blue", "delete", ""), none, "data-missing"), // F6
        (
            "go through what is missing",
            vrf("blue", "", "<description nc:operation=\"merge\">x</description>"),
            none,
            "data-missing",
        ),
        ("a node that the model lacks", vrf("red", "", "<colour>red</colour>"), merge, "unknown-element"),
        ("a namespace of nobody", "<x xmlns=\"urn:nobody\"/>".into(), merge, "unknown-namespace"),
        ("an entry without its key", format!("<vrfs xmlns=\"{VRFS}\"><vrf/></vrfs>"), merge, "missing-element"),
        ("an operation of nobody", vrf("red", "destroy", ""), merge, "bad-attribute"),
    ] {
        assert_eq!(rpc_tag(session.edit_config(edit(&config, default)).await), expected, "{what}");
    }
    session.edit_config(edit(&vrf("blue", "remove", ""), none)).await.unwrap(); // F6: remove is harmless
    let changed = vrf("red", "", "<description nc:operation=\"merge\">x</description>");
    session.edit_config(edit(&changed, none)).await.unwrap();
    session.edit_config(edit(&vrf("green", "", "<create/>"), merge)).await.unwrap();
    session.commit().await.unwrap();

    // Filters: a container, and an entry by its key.
    let read = async |filter: &str| {
        session.get_config(Datastore::Running, Some(Filter::Subtree(filter)), None).await.unwrap().inner
    };
    let all = read(&format!("<vrfs xmlns=\"{VRFS}\"/>")).await;
    assert!(all.contains("red") && all.contains("green") && all.contains("<description>x</description>"), "{all}");
    let one = read(&format!("<vrfs xmlns=\"{VRFS}\"><vrf><vrf-name>green</vrf-name></vrf></vrfs>")).await;
    assert!(one.contains("green") && one.contains("<create/>") && !one.contains("red"), "{one}");
    let names = read(&format!("<vrfs xmlns=\"{VRFS}\"><vrf><vrf-name/></vrf></vrfs>")).await;
    assert!(names.contains("green") && names.contains("red") && !names.contains("description"), "{names}");
    assert_eq!(read("<nothing xmlns=\"urn:nobody\"/>").await, "");
    assert_eq!(rpc_tag(session.get_schema("Cisco-IOS-XR-none", None).await), "invalid-value");
    let module = session.get_schema("Cisco-IOS-XR-infra-rsi-cfg", None).await.unwrap();
    assert!(module.contains("module Cisco-IOS-XR-infra-rsi-cfg {"), "{module}");

    // `replace` of the whole datastore leaves what was given.
    session.edit_config(edit(&vrf("blue", "", "<create/>"), DefaultOperation::Replace)).await.unwrap();
    session.commit().await.unwrap();
    let text = lab.sim.text("pe1").unwrap();
    assert!(text.contains("blue") && !text.contains("red"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_without_base_11_has_no_persist() {
    let lab = Lab::start().await;
    let connection = SshConnection::connect(&lab.target("pe1"), &SshLimits::default()).await.unwrap();
    let mut stream = connection.subsystem("netconf").await.unwrap();
    let base = "urn:ietf:params:xml:ns:netconf:base:1.0";
    let hello =
        format!("<hello xmlns=\"{base}\"><capabilities><capability>{base}</capability></capabilities></hello>]]>]]>");
    let commit =
        format!("<rpc xmlns=\"{base}\" message-id=\"7\"><commit><confirmed/><persist>p</persist></commit></rpc>]]>]]>");
    let no_id = format!("<rpc xmlns=\"{base}\"><commit/></rpc>]]>]]>");
    stream.write_all(format!("{hello}{commit}{no_id}").as_bytes()).await.unwrap();
    let mut said = String::new();
    while said.matches("]]>]]>").count() < 3 {
        let mut block = [0; 4096];
        let n = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut block)).await.unwrap().unwrap();
        assert!(n > 0, "{said}");
        said.push_str(std::str::from_utf8(&block[..n]).unwrap());
    }
    let replies: Vec<&str> = said.split("]]>]]>").collect();
    assert!(replies[0].contains("candidate:1.0") && replies[0].contains("<session-id>"), "{said}");
    assert!(
        replies[1].contains("message-id=\"7\"") && replies[1].contains("base:1.1 protocol not enabled"),
        "F5: {said}"
    );
    assert!(replies[2].contains("missing-attribute"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validate_may_spoil_the_commit_and_only_reading_tells() {
    let lab = Lab::start().await;
    lab.sim.fault("pe1", Fault::ValidateSpoilsCommit).unwrap();
    let session = lab.netconf("pe1").await;
    let red = vrf("red", "", "<create/>");
    // F20.
    session.edit_config(edit(&red, DefaultOperation::Merge)).await.unwrap();
    session.validate(Datastore::Candidate).await.unwrap();
    session.commit().await.unwrap();
    assert!(lab.sim.running("pe1").unwrap().is_empty());
    // Without the explicit validate it works.
    session.edit_config(edit(&red, DefaultOperation::Merge)).await.unwrap();
    session.commit().await.unwrap();
    assert!(!lab.sim.running("pe1").unwrap().is_empty());
}
