//! What people stumble over in their first days: what is said of a folder with faults in it, of times, of what is done
//! already, of a line that deviates, of a long list.

use crate::command::andante;
use crate::daemon::{Daemon, document as shipped, noc};
use crate::simulated::Domain;
use andante::domain::Revision;
use andante::store::{Batch, Durability, SqliteStore, Store, Table};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The one service of a document of `tests/documents`, under another name.
fn named(id: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut all = shipped("l3vpn-any-to-any.json");
    let service = &mut all["ietf-l3vpn-ntw:l3vpn-ntw"]["vpn-services"]["vpn-service"][0];
    service["vpn-id"] = id.into();
    change(service);
    all.to_string()
}

fn access(service: &mut Value, node: usize) -> &mut Value {
    &mut service["vpn-nodes"]["vpn-node"][node]["vpn-network-accesses"]["vpn-network-access"][0]
}

/// Each stage finds its own faults; one answer has them all, each with its file.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_refused_with_every_fault_and_the_file_of_each() {
    let daemon = Daemon::unreachable().await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    // libyang: a reference to nothing. The face: understood, and not served. Both in one document.
    file(
        "a.json",
        named("alpha", |service| {
            access(service, 0)["vpn-instance-profile"] = "nowhere".into();
            service["vpn-service-topology"] = "ietf-vpn-common:custom".into();
        }),
    );
    // Our own codec: a node that no module has.
    file("b.json", named("bravo", |service| service["colour"] = "red".into()));
    // Admission: a port that nobody has.
    file(
        "c.json",
        named("charlie", |service| {
            access(service, 1)["interface-id"] = "eth77".into();
        }),
    );
    // The adapter: the platform cannot say it.
    file(
        "d.json",
        named("delta", |service| {
            for node in 0..2 {
                let encapsulation = &mut access(service, node)["connection"]["encapsulation"]["dot1q"];
                encapsulation["cvlan-id"] = 200.into();
            }
            access(service, 1)["service"] = json!({ "mtu": 1400 });
        }),
    );
    let words = ["plan", folder.path().to_str().unwrap()];
    let refused = andante(&daemon.socket, &words, "").await.with(3);
    println!("{}", refused.err);
    let told: Vec<&str> = refused.err.lines().collect();
    for (file, part) in [
        ("a.json", "vpn-instance-profile"),
        ("a.json", "vpn-service-topology"),
        ("b.json", "colour"),
        ("c.json", "interface-id"),
        ("d.json", "mtu"),
    ] {
        // What, in which file, where in it.
        let about = |three: &[&str]| three[1].ends_with(file) && (three[0].contains(part) || three[2].contains(part));
        let at = told.windows(3).any(about);
        assert!(at, "{file} {part}\n{}", refused.err);
    }
    let named = refused.err.matches("  file ").count();
    assert_eq!(named, refused.err.matches("  where ").count(), "{}", refused.err);
    // A caller over HTTP who gives no names is told the place in the request.
    let documents = json!([{ "content": named_only("x") }, { "content": "{\"ietf-l3vpn-ntw:nonsense\": 1}" }]);
    let input = json!({ "andante:input": { "document": documents } }).to_string();
    let error = daemon.post("/restconf/operations/andante:plan", input).await.is(400).error();
    assert_eq!(error["error-info"]["andante:document"], "document 2", "{error:#}");
    daemon.untouched().await;
    daemon.end().await;
}

fn named_only(id: &str) -> String {
    named(id, |_| {})
}

/// A daemon that takes its time: what it says of the present is not in the future.
#[tokio::test]
async fn times_are_told_from_the_moment_of_printing() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await.unwrap();
        // As long work does: the answer is of a later second than the question.
        let asked = Timestamp::now().as_second();
        while Timestamp::now().as_second() < asked + 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let now = Timestamp::now();
        let record = json!({ "id": "0197", "outcome": "applied", "started": now, "principal": "noc" });
        let body = json!({ "andante:transactions": { "transaction": [record] } }).to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/yang-data+json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        // The command closes when it has read all.
        let _ = stream.read(&mut request).await;
    });
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_andante"));
    command.args(["--url", &url, "transaction", "list", "--color", "never"]).env_remove("ANDANTE_URL");
    let output =
        tokio::time::timeout(Duration::from_secs(60), command.kill_on_drop(true).output()).await.unwrap().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.contains(" s ago (") && !out.contains("in "), "{out}");
    serving.await.unwrap();
}

/// Applied once, asked for again: in three ways, and none of them makes a transaction.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_so_already_is_no_transaction_and_an_applied_plan_says_so() {
    let domain = Domain::start().await;
    let file = domain.file("one.json", "acme", 100);
    let file = file.to_str().unwrap();
    let plan = domain.json(&["plan", file], 2).await["andante:output"]["plan"]["id"].as_str().unwrap().to_owned();
    domain.run(&["commit", &plan, "--ticket", "CHG-1"]).await.with(0);
    let id = domain.transactions().await[0]["id"].as_str().unwrap().to_owned();
    let again = domain.run(&["commit", &plan]).await.with(3);
    for part in ["already-applied:", &format!("by transaction {id} at 20"), "transaction show"] {
        assert!(again.err.contains(part), "{part}\n{}", again.err);
    }
    let texts = domain.texts();
    for words in [&["service", "apply", file][..], &["plan", file], &["service", "apply", file, "--request-id", "r-1"]]
    {
        let same = domain.run(words).await.with(0);
        assert!(same.out.contains("no change"), "{words:?}\n{}", same.out);
    }
    assert_eq!((domain.transactions().await.len(), domain.texts()), (1, texts));
    let none = domain.run(&["commit", "0123456789"]).await.with(3);
    assert!(none.err.contains("a kept plan that begins with 0123456789"), "{}", none.err);
    domain.daemon.end().await;
}

/// Somebody's hand on a claimed line: it is found under the words that stand there now, healed only when asked, and what
/// that would send is shown before.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_deviates_is_explained_and_its_heal_is_shown_before_it_is_sent() {
    let domain = Domain::start().await;
    domain.apply("acme", 100, "CHG-1").await;
    domain.sim.hand_edit("pe2", "interface eth1.100\n description by hand\n").unwrap();
    domain.run(&["element", "check", "pe2"]).await.with(2);
    let found = domain.json(&["deviation", "list"], 2).await["andante:deviations"]["deviation"][0].clone();
    let id = found["id"].as_str().unwrap();
    for words in ["description by hand", found["path"].as_str().unwrap()] {
        let why = domain.run(&["why", "pe2", words]).await.with(0).out;
        for part in ["deviates (changed)", "by service acme", "'by hand'", &format!("deviation show {id}")] {
            assert!(why.contains(part), "{words}: {part}\n{why}");
        }
        assert!(!why.contains("nobody claims"), "{why}");
    }
    let (before, records) = (domain.texts(), domain.transactions().await.len());
    for short in ["", &id[..7]] {
        domain.run(&["deviation", "heal", short, "--dry-run"]).await.with(64);
        domain.run(&["deviation", "show", short]).await.with(64);
    }
    let shown = domain.run(&["deviation", "heal", id, "--dry-run"]).await.with(2).out;
    assert!(shown.contains("- description by hand") && shown.contains("+ description"), "{shown}");
    let native = domain.run(&["deviation", "heal", "--element", "pe2", "--dry-run", "--native"]).await.with(2).out;
    assert!(native.contains("\ninterface eth1.100\ndescription ") && !native.contains("@@"), "{native}");
    assert_eq!((domain.texts(), domain.transactions().await.len()), (before, records), "a dry-run sends nothing");
    // Sent again under its name when the deviation it speaks of is gone: the first answer.
    let input = json!({ "andante:input": { "deviation": [id], "request-id": "heal-1" } }).to_string();
    let heal = async || domain.daemon.post("/restconf/operations/andante:heal", input.clone()).await;
    let first = heal().await.is(200).json();
    assert!(!domain.sim.text("pe2").unwrap().contains("by hand"));
    assert_eq!(heal().await.is(200).json(), first);
    assert_eq!(domain.transactions().await.len(), records + 1);
    domain.run(&["deviation", "heal", id]).await.with(3);
    domain.daemon.end().await;
}

/// The list of transactions comes in pages, over HTTP and in the command; one of them is found by a part of its id.
#[tokio::test(flavor = "multi_thread")]
async fn transactions_come_in_pages_the_newest_first() {
    let domain = Domain::start().await;
    let mut ids = Vec::new();
    for (at, vlan) in [100, 200, 300].into_iter().enumerate() {
        ids.insert(0, domain.apply("acme", vlan, &format!("CHG-{at}")).await);
    }
    let page = async |query: &str| -> Vec<String> {
        let all = domain.daemon.get(&format!("/restconf/data/andante:transactions{query}")).await.is(200).json();
        let list = all["andante:transactions"]["transaction"].as_array().cloned().unwrap_or_default();
        list.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(page("").await, ids);
    assert_eq!(page("?limit=2").await, ids[..2]);
    assert_eq!(page(&format!("?limit=2&after={}", ids[1])).await, ids[2..]);
    assert_eq!(page(&format!("/transaction={}?depth=1", ids[1])).await.len(), 0, "one is no list");
    for wrong in ["?limit=0", "?limit=many"] {
        domain.daemon.get(&format!("/restconf/data/andante:transactions{wrong}")).await.is(400);
    }
    domain.daemon.get("/restconf/data/andante:elements?limit=3").await.is(400);
    let first = domain.run(&["transaction", "list", "--limit", "2"]).await.with(0).out;
    let next = format!("transaction list --after {}", ids[1]);
    assert!(first.contains(&ids[0]) && !first.contains(&ids[2]) && first.contains(&next), "{first}");
    let rest = domain.run(&["transaction", "list", "--after", &ids[1]]).await.with(0).out;
    assert!(rest.contains(&ids[2]) && !rest.contains(&ids[1]), "{rest}");
    // A part that fits one transaction is enough: an id ends in what was drawn for it.
    let shown = domain.run(&["transaction", "show", &ids[1][..35]]).await.with(0).out;
    assert!(shown.contains(&ids[1]) && !shown.contains(&ids[0]) && !shown.contains(&ids[2]), "{shown}");
    for short in [&ids[1][..7], "0", ""] {
        let refused = domain.run(&["transaction", "show", short]).await.with(64);
        assert!(refused.err.contains("at least 8 characters"), "{}", refused.err);
    }
    domain.run(&["transaction", "show", "ffffffff"]).await.with(3);
    domain.daemon.end().await;
}

/// A document of the past that the models of today do not know any more is the request's fault, with its path.
#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_is_no_document_any_more_is_refused_with_its_path() {
    let domain = Domain::start().await;
    domain.apply("acme", 100, "CHG-1").await;
    domain.apply("acme", 200, "CHG-2").await;
    let store = SqliteStore::open(&domain.daemon.state().join("andante.db")).unwrap();
    let (key, bytes) = store.list_bytes(Table::History, "").await.unwrap().remove(0);
    let mut old: Revision = serde_json::from_slice(&bytes).unwrap();
    old.body = old.body.map(|body| body.replacen("\"vpn-name\"", "\"vpn-title\"", 1));
    assert!(old.body.as_ref().unwrap().contains("vpn-title"), "{old:?}");
    let mut batch = Batch::default();
    batch.put(Table::History, &key, &old).unwrap();
    store.commit(1, batch, Durability::Now).await.unwrap();
    let input = json!({ "andante:input": { "id": "acme", "revision": "1" } }).to_string();
    let error =
        domain.daemon.post("/restconf/operations/andante:rollback", input).await.refused(400, "unknown-element");
    assert!(error["error-path"].as_str().unwrap().contains("vpn-service[vpn-id='acme']"), "{error:#}");
    assert!(error["error-message"].as_str().unwrap().contains("revision 1 of"), "{error:#}");
    assert_eq!(domain.daemon.controller.kept_list(&noc()).await.unwrap().len(), 2, "no plan more");
    domain.daemon.end().await;
}

/// What the guide tells to type is understood as it stands there.
#[tokio::test(flavor = "multi_thread")]
async fn every_curl_of_the_guide_is_answered() {
    let domain = Domain::start().await;
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let all = read("config/demo/l3vpn.json").replacen("\"vpn-id\": \"acme\"", "\"vpn-id\": \"acme-l3\"", 1);
    let all: Value = serde_json::from_str(&all).unwrap();
    let services = &all["ietf-l3vpn-ntw:l3vpn-ntw"]["vpn-services"]["vpn-service"];
    // The body of a PUT, as the guide says: the node that the URL names.
    let acme = json!({ "ietf-l3vpn-ntw:vpn-service": services }).to_string();
    domain.daemon.put(crate::daemon::ACME, acme.clone()).await.is(201);
    let guides = ["README.md", "docs/orchestrator.md", "docs/noc.md", "docs/operate.md", "docs/yang.md"];
    let guide = guides.map(read).join("\n").replace(" \\\n", " ");
    let mut seen = 0;
    for line in guide.lines().filter(|line| line.trim_start().starts_with("curl ")) {
        let words = shell_words(line);
        let after = |flag: &str| words.iter().position(|word| word == flag).map(|at| words[at + 1].clone());
        let method: http::Method = after("-X").unwrap_or_else(|| "GET".into()).parse().unwrap();
        let body = after("--data").map(|data| if data == "@acme.json" { acme.clone() } else { data });
        let url = words.iter().find_map(|word| word.strip_prefix("http://127.0.0.1:8080")).unwrap();
        let headers = [("content-type", crate::daemon::JSON)];
        let answer = domain.daemon.ask(method, url, &headers, body.unwrap_or_default()).await;
        assert!(answer.status.is_success(), "{line}\n{} {}", answer.status, answer.text);
        seen += 1;
    }
    assert!(seen >= 3, "only {seen}");
    domain.daemon.end().await;
}

/// The words of a line, as far as single quotes go.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('\'').enumerate() {
        match at % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}
