//! All faults of one document at once, and the defaults of a document.

use super::{set, worker};
use andante::yang::{DocumentKind, Encoding, Fault, YangError};

const RULES: &str = r#"
module t-rules {
  yang-version 1.1; namespace "urn:t:rules"; prefix r;
  container top {
    leaf small { type int8 { range "1..10" { error-message "too large a value"; error-app-tag "my-range"; } } }
    leaf word { type string { pattern "[a-z]+"; length "2..4"; } }
    leaf colour { type enumeration { enum red; enum blue; } }
    leaf mode { type string; default plain; }
    leaf level { type uint8; must ". < 5" { error-message "below five"; error-app-tag "level-too-high"; } }
    leaf odd { type uint8; must ". mod 2 = 1"; }
    leaf when-mode { when "../mode = 'fancy'"; type string; }
    leaf peer { type leafref { path "../site/name"; } }
    leaf needed { type string; mandatory true; }
    leaf sized { mandatory true; type uint8; }
    choice pick { mandatory true; leaf left { type empty; } leaf right { type empty; } }
    list site { key name; unique port; max-elements 2;
      leaf name { type string; } leaf port { type string; } leaf needed { type string; mandatory true; } }
    leaf-list few { type string; min-elements 2; }
    container auto { leaf on { type boolean; default true; } leaf-list c { type string; default x; default y; } }
    container box { presence p; leaf in { type uint8; default 3; } }
  }
}"#;

fn find<'f>(faults: &'f [Fault], path: &str, message: &str) -> &'f Fault {
    let fits = |fault: &&Fault| fault.path == path && fault.message.contains(message);
    faults.iter().find(fits).unwrap_or_else(|| panic!("no '{message}' at {path}: {faults:#?}"))
}

#[tokio::test]
async fn one_answer_names_every_fault_with_path_message_and_app_tag() {
    let worker = worker();
    let loaded = worker.load(&set(&["t-rules"], &[RULES])).await.unwrap();
    let json = r#"{"t-rules:top":{"small":99,"word":"ABCDEF","colour":"green","level":9,"odd":4,"when-mode":"x",
        "peer":"nobody","sized":"many","few":["one"],
        "site":[{"name":"a","port":"p","needed":"n"},{"name":"b","port":"p"},{"name":"c"}]}}"#;
    let xml = "<top xmlns='urn:t:rules'><small>99</small><word>ABCDEF</word><colour>green</colour><level>9</level><odd>4</odd>\
        <when-mode>x</when-mode><peer>nobody</peer><sized>many</sized><few>one</few><site><name>a</name><port>p</port>\
        <needed>n</needed></site><site><name>b</name><port>p</port></site><site><name>c</name></site></top>";
    for (encoding, document) in [(Encoding::Json, json), (Encoding::Xml, xml)] {
        let faults = worker.validate(&loaded.id, DocumentKind::Config, encoding, document).await.unwrap();
        let at = |leaf: &str| format!("/t-rules:top/{leaf}");
        let tags = |fault: &Fault| (fault.tag.clone(), fault.app_tag.clone());
        let says = |tag: &str, app: &str| (tag.to_owned(), Some(app.to_owned()));
        // Values that do not fit their types.
        assert_eq!(tags(find(&faults, &at("small"), "too large a value")), says("invalid-value", "my-range"));
        find(&faults, &at("word"), "ABCDEF");
        find(&faults, &at("colour"), "green");
        find(&faults, &at("sized"), "many");
        // must, when, leafref.
        let level = find(&faults, &at("level"), "below five");
        assert_eq!(level.app_tag.as_deref(), Some("level-too-high"));
        assert_eq!(tags(find(&faults, &at("odd"), "mod 2")), says("operation-failed", "must-violation"));
        find(&faults, &at("when-mode"), "When condition");
        assert_eq!(tags(find(&faults, &at("peer"), "nobody")), says("data-missing", "instance-required"));
        // unique, max-elements, min-elements.
        assert!(faults.iter().any(|fault| fault.app_tag.as_deref() == Some("data-not-unique")), "{faults:#?}");
        assert!(faults.iter().any(|fault| fault.app_tag.as_deref() == Some("too-many-elements")), "{faults:#?}");
        assert!(faults.iter().any(|fault| fault.app_tag.as_deref() == Some("too-few-elements")), "{faults:#?}");
        // mandatory leafs and a mandatory choice, each once.
        let missing = |name: &str| {
            let fits = |fault: &&Fault| fault.tag == "data-missing" && fault.message.contains(&format!("\"{name}\""));
            faults.iter().filter(fits).count()
        };
        assert_eq!((missing("needed"), missing("pick")), (3, 1), "{faults:#?}");
        assert_eq!(missing("sized"), 0, "a leaf with a bad value is not missing, too: {faults:#?}");
        assert_eq!(faults.len(), 15, "{faults:#?}");
    }
}

#[tokio::test]
async fn the_number_of_faults_is_bounded() {
    let worker = worker();
    let loaded = worker.load(&set(&["t-rules"], &[RULES])).await.unwrap();
    let few: Vec<String> = (0..1500).map(|n| format!(r#"{{"name":"s{n}"}}"#)).collect();
    let document = format!(
        r#"{{"t-rules:top":{{"needed":"x","sized":1,"left":[null],"few":["a","b"],"site":[{}]}}}}"#,
        few.join(",")
    );
    let faults = worker.validate(&loaded.id, DocumentKind::Config, Encoding::Json, &document).await.unwrap();
    assert_eq!(faults.len(), 1001);
    assert!(faults[1000].message.contains("501 more faults"), "{:?}", faults[1000]);
}

#[tokio::test]
async fn a_document_is_filled_with_the_defaults_that_hold() {
    let worker = worker();
    let loaded = worker.load(&set(&["t-rules"], &[RULES])).await.unwrap();
    let filled = |encoding, document: &'static str| {
        let (worker, id) = (&worker, &loaded.id);
        async move { worker.fill(id, encoding, document).await }
    };
    let parsed = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
    let all = serde_json::json!({"t-rules:top": {"mode": "plain", "auto": {"on": true, "c": ["x", "y"]}}});
    assert_eq!(parsed(filled(Encoding::Json, "{}").await.unwrap()), all);
    let found = parsed(
        filled(Encoding::Json, r#"{"t-rules:top":{"mode":"fancy","auto":{"c":["z"]},"box":{}}}"#).await.unwrap(),
    );
    let wanted = serde_json::json!(
        {"t-rules:top": {"mode": "fancy", "auto": {"on": true, "c": ["z"]}, "box": {"in": 3}}});
    assert_eq!(found, wanted, "what is there stays; a presence container's defaults come with it");
    let text = filled(Encoding::Xml, "<top xmlns=\"urn:t:rules\"><word>ok</word></top>").await.unwrap();
    assert!(text.contains("<mode>plain</mode>") && text.contains("<word>ok</word>"), "{text}");
    let Err(YangError::Faulty { faults, .. }) = filled(Encoding::Json, r#"{"t-rules:top":{"small":"x"}}"#).await else {
        panic!("filled")
    };
    assert!(faults[0].path.ends_with("/small"), "{faults:?}");
}
