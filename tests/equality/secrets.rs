//! Secrets: they reach the element and nothing else; they are compared without being seen.

use crate::house::{House, bgp, entry, noc, simulated};
use crate::support::{FrrElement, FrrOptions, or_skip};
use andante::adagio::sim::Fault;
use andante::controller::{DocumentEdit, Failure};
use andante::domain::{DeviationKind, Element, Outcome, ServiceKey};
use andante::plan::{Allowed, Permit, Refused};
use andante::tree::secret::is_token;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, OnceLock};

const DOCUMENT: &str = "l3vpn-bgp-dual-stack.json";
const FIRST: &str = "aLpHa-s3cr3t.1";
const SECOND: &str = "bEtA&s3cr3t<2";
const BY_HAND: &str = "gAmMa-by-hand-3";

/// An element as its own operator sees it.
struct Console<'a> {
    element: Element,
    text: Box<dyn Fn() -> String + 'a>,
    types: Box<dyn Fn(&[&str]) + 'a>,
}

impl Console<'_> {
    /// The password of the IPv4 neighbour.
    fn password(&self) -> Option<String> {
        let text = (self.text)();
        let line = text.lines().find_map(|line| line.trim().strip_prefix("neighbor 192.0.2.14 password "));
        line.map(str::to_owned)
    }

    fn set(&self, password: &str) {
        let text = (self.text)();
        let bgp = text.lines().find(|line| line.starts_with("router bgp 65000 vrf ")).expect(&text).trim();
        (self.types)(&[bgp, &format!(" neighbor 192.0.2.14 password {password}")]);
    }
}

fn with(key: &'static str) -> impl Fn(&mut Value) {
    move |service| bgp(service)["authentication"] = json!({ "enable": true, "keying-material": { "key": key } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_reaches_a_simulated_element_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (sim, element) = simulated(folder.path()).await;
    let console = Console {
        element,
        text: Box::new(|| sim.text("pe2").unwrap()),
        types: Box::new(|lines| sim.hand_edit("pe2", &lines.join("\n")).unwrap()),
    };
    let house = story(folder, &console).await;

    // An element that refuses the line and says it back: nobody hears the secret.
    let refuse = Fault::Refuse { on: "password".into(), answer: format!("% Bad key: {FIRST}, {FIRST}"), times: 9 };
    sim.fault("pe2", refuse).unwrap();
    let record = house.write(house.edit(DOCUMENT, with(FIRST))).await;
    let Some(Outcome::NotApplied { cause }) = &record.outcome else { panic!("{record:?}") };
    assert!(cause.message.contains("Bad key: secret:"), "{}", cause.message);
    clean("an outcome", &format!("{record:?}"));
    scrubbed(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_reaches_a_real_frr_and_nothing_else() {
    let Some(frr) = or_skip("FRR", FrrElement::start(FrrOptions::pe("pe2", "10.0.0.2", "10.0.0.1"))) else { return };
    let folder = tempfile::tempdir().unwrap();
    let address = frr.addr().to_string();
    let mut element = entry(&address, frr.host_key_fingerprint(), &frr.private_key());
    element.username = frr.username();
    let console = Console {
        element,
        text: Box::new(|| frr.running_config()),
        types: Box::new(|lines| {
            frr.vtysh(&[&["configure terminal"], lines].concat()).unwrap();
        }),
    };
    story(folder, &console).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_element_that_shows_a_password_encrypted_is_compared_by_what_it_showed_first() {
    let folder = tempfile::tempdir().unwrap();
    let (sim, element) = simulated(folder.path()).await;
    sim.fault("pe2", Fault::Encrypts { leaf: "password".into() }).unwrap();
    // A platform that is said to show secrets in clear must show them so.
    let house = House::with(folder, element).await;
    let record = house.write(house.edit(DOCUMENT, with(FIRST))).await;
    assert!(!matches!(record.outcome, Some(Outcome::Applied)), "{record:?}");
    drop(house);

    // One that is said to show them in a form of its own: the form is noted when the transaction is verified.
    let folder = tempfile::tempdir().unwrap();
    let (sim, element) = simulated(folder.path()).await;
    sim.fault("pe2", Fault::Encrypts { leaf: "password".into() }).unwrap();
    let console = Console {
        element: element.clone(),
        text: Box::new(|| sim.text("pe2").unwrap()),
        types: Box::new(|lines| sim.hand_edit("pe2", &lines.join("\n")).unwrap()),
    };
    let house = House::with_adapter(folder, element, &[("", "secret_echo = \"encrypted\"\n")]).await;
    House::applied(&house.write(house.edit(DOCUMENT, with(FIRST))).await);
    let shown = console.password().unwrap();
    assert!(shown.starts_with('7') && shown != FIRST);
    assert_eq!(house.deviations().await, []);
    let facts = house.controller.rewrites(&noc(), Some("pe2")).await.unwrap();
    assert!(facts.len() == 2 && facts.iter().all(|fact| is_token(&fact.sent) && is_token(&fact.says)), "{facts:?}");
    assert!(house.plan(house.edit(DOCUMENT, with(FIRST))).await.elements.is_empty());

    // Changed by hand, healed, changed by a document: each time the last verified form is the one that counts.
    console.set(BY_HAND);
    let found = house.deviations().await;
    assert_eq!(found.len(), 1, "{found:#?}");
    let healed = house.controller.heal(&noc(), "pe2", &[found[0].id.clone()], &Default::default()).await.unwrap();
    House::applied(&healed);
    assert_eq!((console.password().as_ref(), house.deviations().await.len()), (Some(&shown), 0));
    House::applied(&house.write(house.edit(DOCUMENT, with(SECOND))).await);
    assert_eq!(house.deviations().await, []);
    assert_eq!(house.controller.rewrites(&noc(), Some("pe2")).await.unwrap().len(), 2, "noted in the old one's place");
    console.set(FIRST);
    assert_eq!(house.deviations().await.len(), 1, "the old secret is no longer the right one");
    scrubbed(&house);
}

/// From the first dry-run to the removal, with everything said and stored looked through at the end.
async fn story(folder: tempfile::TempDir, console: &Console<'_>) -> House {
    heard();
    let house = House::with(folder, console.element.clone()).await;
    let key = ServiceKey { face: "ietf-l3vpn-ntw".into(), id: "globex-l3".into() };

    // A dry-run shows where a secret would stand, and keeps nothing.
    let plan = house.plan(house.edit(DOCUMENT, with(FIRST))).await;
    let payload = plan.elements[0].payload.native();
    let token = handle(&payload);
    assert!(plan.elements[0].text.contains(&token) && plan.services[0].document.as_ref().unwrap().contains(&token));
    clean("a plan", &serde_json::to_string(&plan).unwrap());
    assert_eq!(house.plan(house.edit(DOCUMENT, with(FIRST))).await.id, plan.id, "a plan is a function of its inputs");
    let other = house.plan(house.edit(DOCUMENT, with(SECOND))).await;
    assert_ne!(handle(&other.elements[0].payload.native()), token);

    // Applied: the element has it in clear, the document its handle.
    House::applied(&house.write(house.edit(DOCUMENT, with(FIRST))).await);
    assert_eq!(console.password().as_deref(), Some(FIRST));
    assert_eq!(house.deviations().await, []);
    let stored = house.controller.document(&noc(), &key).await.unwrap().unwrap();
    assert!(stored.body.contains(&token));

    // The same again, and the document as a GET shows it: no change. A handle of nothing: refused.
    assert!(house.plan(house.edit(DOCUMENT, with(FIRST))).await.elements.is_empty());
    let as_shown =
        DocumentEdit::Put { key: key.clone(), document: house.controller.tree_of(&stored).unwrap(), expect: None };
    assert!(house.plan(as_shown).await.elements.is_empty());
    let stranger = house.edit(DOCUMENT, with("secret:00000000000000000000000000000000"));
    let refused = house.controller.propose(&noc(), vec![stranger], &Allowed::default()).await;
    let Err(Failure::Document(faults)) = refused else { panic!("taken: {refused:?}") };
    assert!(faults[0].path.ends_with("/keying-material/key") && faults[0].message.contains("handle"), "{faults:?}");

    // Changed by hand: a deviation that shows neither value; the handle itself, typed at the console, passes for nothing.
    for typed in [BY_HAND, token.as_str()] {
        console.set(typed);
        let found = house.deviations().await;
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!((found[0].kind, found[0].wanted.as_deref()), (DeviationKind::Changed, Some(token.as_str())));
        let actual = found[0].actual.as_deref().unwrap();
        assert!(is_token(actual) && actual != token, "{actual}");
    }
    console.set(BY_HAND);

    // Healed: what the hand typed was seen only as a token, and goes.
    let found = house.deviations().await;
    let healed = house.controller.heal(&noc(), "pe2", &[found[0].id.clone()], &Default::default()).await.unwrap();
    House::applied(&healed);
    assert_eq!(console.password().as_deref(), Some(FIRST));
    assert_eq!(house.deviations().await, []);

    // A request that meets it is refused as any hand-made change is; allowed, it says what cannot be put back.
    console.set(BY_HAND);
    let second = || vec![house.edit(DOCUMENT, with(SECOND))];
    let refused = house.controller.propose(&noc(), second(), &Allowed::default()).await;
    let Err(Failure::Refused { reasons, .. }) = &refused else { panic!("{refused:?}") };
    assert!(matches!(&reasons[0], Refused::HandMade(_)), "{reasons:?}");
    let overwrite = Allowed { overwrite: Permit::All, ..Allowed::default() };
    let plan = house.controller.propose(&noc(), second(), &overwrite).await.unwrap();
    assert!(plan.warnings.iter().any(|warning| warning.contains("cannot be put back")), "{:?}", plan.warnings);
    console.set(FIRST);
    assert_eq!(house.deviations().await, []);

    // Another secret, from a kept plan, by a daemon that was started again.
    let edit = house.edit(DOCUMENT, with(SECOND));
    let kept = house.controller.keep(&noc(), vec![edit], &Allowed::default()).await.unwrap();
    clean("a kept plan", &serde_json::to_string(&kept).unwrap());
    let house = house.again(console.element.clone()).await;
    let record = house.controller.commit_kept(&noc(), &kept.plan.id, &Default::default()).await.unwrap();
    House::applied(&record);
    assert_eq!(console.password().as_deref(), Some(SECOND));
    assert_eq!(house.deviations().await, []);

    // What the command says of all this.
    let file = house.folder.path().join("again.json");
    let mut document: Value = serde_json::from_str(
        &std::fs::read_to_string(crate::house::root().join("tests/documents").join(DOCUMENT)).unwrap(),
    )
    .unwrap();
    let service = &mut document["ietf-l3vpn-ntw:l3vpn-ntw"]["vpn-services"]["vpn-service"][0];
    service["vpn-nodes"]["vpn-node"].as_array_mut().unwrap().retain(|node| node["ne-id"] == "pe2");
    with(FIRST)(service);
    std::fs::write(&file, document.to_string()).unwrap();
    for words in [
        &["plan", file.to_str().unwrap(), "--native"][..],
        &["plan", file.to_str().unwrap(), "--json"],
        &["service", "show", "globex-l3"],
        &["service", "show", "globex-l3", "--json"],
        &["element", "config", "pe2"],
        &["transaction", "list", "--json"],
        &["why", "pe2", "password"],
        &["deviation", "list", "--json"],
    ] {
        let (code, text) = house.command(words).await;
        assert!(code == 0 || code == 2, "{words:?}: {code} {text}");
        clean(&words.join(" "), &text);
    }
    std::fs::remove_file(file).unwrap();

    // Without the key the session goes on unsigned; without the service nothing is left.
    House::applied(&house.write(house.edit(DOCUMENT, |_| {})).await);
    assert_eq!(console.password(), None);
    House::applied(&house.write(house.edit(DOCUMENT, with(FIRST))).await);
    House::applied(&house.write(DocumentEdit::Delete { key, expect: None }).await);
    assert_eq!(console.password(), None);
    scrubbed(&house);
    house
}

/// The one handle in a payload.
fn handle(payload: &str) -> String {
    let found: Vec<&str> = payload.split_whitespace().filter(|word| is_token(word)).collect();
    assert!(found.len() == 2 && found[0] == found[1], "one for each neighbour\n{payload}");
    found[0].to_owned()
}

/// No secret in anything that was stored or logged.
fn scrubbed(house: &House) {
    let state = house.folder.path().join("state");
    let (mut seen, mut handles) = (0, false);
    files(&state, &mut |file| {
        seen += 1;
        let bytes = std::fs::read(file).unwrap();
        for secret in [FIRST, SECOND, BY_HAND] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} stands in {}", file.display());
        }
        handles |= bytes.windows(7).any(|window| window == b"secret:");
    });
    // The search itself can find something: the handles are there.
    assert!(seen >= 2 && handles, "{seen} files");
    let log = heard().lock().unwrap().clone();
    assert!(log.len() > 1000, "nothing was logged");
    clean("the log", &String::from_utf8_lossy(&log));
}

#[track_caller]
fn clean(what: &str, text: &str) {
    for secret in [FIRST, SECOND, BY_HAND] {
        let escaped = secret.replace('&', "&amp;").replace('<', "&lt;");
        assert!(!text.contains(secret) && !text.contains(&escaped), "{secret} stands in {what}");
    }
}

fn files(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        match entry.path().is_dir() {
            true => files(&entry.path(), visit),
            false => visit(&entry.path()),
        }
    }
}

/// Everything that this process logs, at the finest level.
fn heard() -> &'static Mutex<Vec<u8>> {
    static HEARD: OnceLock<Mutex<Vec<u8>>> = OnceLock::new();
    struct Ear;
    impl Write for Ear {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            HEARD.get().unwrap().lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    HEARD.get_or_init(|| {
        let level = tracing_subscriber::filter::LevelFilter::TRACE;
        tracing_subscriber::fmt().with_max_level(level).with_ansi(false).with_writer(|| Ear).init();
        Mutex::default()
    })
}
