//! The talk between the daemon and its libyang worker: frames as a broken other end might send them, tables as hostile
//! YANG might leave them, and documents that our codec took, on their way through libyang.

use andante::tree::schema::Tables;
use andante::tree::{Limits, Policy, SchemaIndex, json, xml};
use andante::yang::protocol::{DocumentKind, Encoding, Named, Request, Response, TextOf, read_frame, write_frame};
use andante::yang::worker::answering;
use std::cell::RefCell;

/// A stream of frames, read by both ends.
pub fn worker(data: &[u8]) {
    let mut from = data;
    while let Ok(Some((head, body))) = read_frame(&mut from) {
        if let Ok(request) = serde_json::from_slice::<Request>(&head) {
            again(&request, &body);
        }
        if let Ok(response) = serde_json::from_slice::<Response>(&head) {
            again(&response, &body);
            if matches!(response, Response::Loaded { .. }) {
                tables(&body);
            }
        }
    }
}

/// The stored form of a schema index, from the worker or from the cache on disk: what is not refused can be used.
pub fn tables(data: &[u8]) {
    let Ok(tables) = Tables::decode(data) else { return };
    let stored = tables.encode();
    let back = Tables::decode(&stored).expect("our own stored form");
    assert_eq!(back.encode(), stored);
    let index = SchemaIndex::from(tables);
    for document in DOCUMENTS {
        if let Ok(tree) = json::parse(document.as_bytes(), &index, None, Policy::ELEMENT, &Limits::NORTH) {
            let _ = json::print(&tree, &index, false);
            let _ = xml::print(&tree, &index, false);
        }
    }
}

/// A JSON document: what our codec takes, libyang reads from our JSON and from our XML with the same verdict.
pub fn validate(data: &[u8]) {
    thread_local!(static WORKER: RefCell<Worker> = RefCell::new(Worker::new()));
    WORKER.with_borrow_mut(|worker| {
        let Ok(tree) = json::parse(data, &worker.index, None, Policy::STRICT, &Limits::NORTH) else { return };
        let as_json = json::print(&tree, &worker.index, false);
        let as_xml = xml::print(&tree, &worker.index, false);
        let verdicts = [(Encoding::Json, &as_json), (Encoding::Xml, &as_xml)].map(|(encoding, document)| {
            let request = Request::Validate { set: SET.into(), kind: DocumentKind::Config, encoding };
            match worker.ask(&request, document.clone().into_bytes()) {
                (Response::Validated { faults }, _) => faults.is_empty(),
                (other, _) => panic!("{other:?} to {document}"),
            }
        });
        assert_eq!(verdicts[0], verdicts[1], "{as_json}\n{as_xml}");
    });
}

struct Worker {
    answer: Box<dyn FnMut(&[u8], Vec<u8>) -> (Response, Vec<u8>)>,
    index: SchemaIndex,
}

impl Worker {
    fn new() -> Self {
        let mut worker = Self { answer: Box::new(answering()), index: SchemaIndex::default() };
        let name = "fuzz".to_owned();
        let request = Request::Load {
            set: SET.into(),
            modules: vec![Named { name: name.clone(), revision: None, features: vec!["*".into()] }],
            texts: vec![TextOf { name, revision: None, bytes: MODULE.len() }],
            tables: true,
        };
        let (response, stored) = worker.ask(&request, MODULE.into());
        assert!(matches!(&response, Response::Loaded { left_out } if left_out.is_empty()), "{response:?}");
        worker.index = SchemaIndex::from(Tables::decode(&stored).expect("the tables of our module"));
        worker
    }

    fn ask(&mut self, request: &Request, body: Vec<u8>) -> (Response, Vec<u8>) {
        (self.answer)(&serde_json::to_vec(request).expect("a request"), body)
    }
}

/// What is understood is said again in the same words.
fn again<T: serde::Serialize + serde::de::DeserializeOwned>(message: &T, body: &[u8]) {
    let mut bytes = Vec::new();
    write_frame(&mut bytes, message, body).expect("a message that was a frame");
    let (head, same) = read_frame(&mut &bytes[..]).expect("our own frame").expect("our own frame");
    let back: T = serde_json::from_slice(&head).expect("our own message");
    assert_eq!(serde_json::to_value(&back).unwrap(), serde_json::to_value(message).unwrap());
    assert_eq!(same, body);
}

const SET: &str = "fuzz";

const MODULE: &str = r#"
module fuzz {
  yang-version 1.1;
  namespace "urn:example:fuzz";
  prefix f;
  identity kind;
  identity red { base kind; }
  identity blue { base kind; }
  container top {
    leaf flag { type empty; }
    leaf small { type int8 { range "-5..100"; } default 7; }
    leaf big { type uint64; }
    leaf ratio { type decimal64 { fraction-digits 3; } }
    leaf kind { type identityref { base kind; } }
    leaf set { type bits { bit a; bit b; bit c; } }
    leaf choice { type union { type uint8; type enumeration { enum none; enum any; } type string { length "1..9"; } } }
    leaf data { type binary; }
    leaf other { type leafref { path "../item/name"; } }
    leaf where { type instance-identifier { require-instance false; } }
    container here { presence "it counts"; leaf must { type string; must "../../small > 3"; } }
    choice one {
      case a { leaf a { type boolean; mandatory true; } leaf a2 { type string; } }
      case b { container b { leaf x { type string; } } }
    }
    leaf-list order { type string; ordered-by user; max-elements 4; }
    leaf-list bag { type uint16; }
    list item { key "name index"; unique "label"; ordered-by user;
      leaf name { type string { pattern "[a-z]+"; } } leaf index { type uint8; } leaf label { type string; } }
  }
}
"#;

const DOCUMENTS: [&str; 3] =
    [r#"{"m:c":{"l":[{"k":"a","v":1},{"k":"b"}],"n":5,"e":[null]}}"#, r#"{"m:l":["x","y"],"x:y":{"@":{}}}"#, "{}"];
