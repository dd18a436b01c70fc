//! The talk between the daemon and its libyang worker, each end given what a broken other end might send.

use andante::tree::{Limits, Policy, SchemaIndex, json};
use andante::yang::protocol::{Request, Response, read_frame, write_frame};

/// A stream of frames, read by both ends.
pub fn worker(data: &[u8]) {
    let mut from = data;
    while let Ok(Some(frame)) = read_frame(&mut from) {
        if let Ok(request) = serde_json::from_slice::<Request>(&frame) {
            again(&request);
        }
        let Ok(response) = serde_json::from_slice::<Response>(&frame) else { continue };
        again(&response);
        // Tables from a worker that hostile YANG has broken must not break the daemon.
        if let Response::Loaded { tables, .. } = response {
            let index = SchemaIndex::from(tables);
            for document in DOCUMENTS {
                if let Ok(tree) = json::parse(document.as_bytes(), &index, None, Policy::ELEMENT, &Limits::NORTH) {
                    let _ = json::print(&tree, &index, false);
                }
            }
        }
    }
}

/// What is understood is said again in the same words.
fn again<T: serde::Serialize + serde::de::DeserializeOwned>(message: &T) {
    let mut bytes = Vec::new();
    write_frame(&mut bytes, message).expect("a message that was a frame");
    let frame = read_frame(&mut &bytes[..]).expect("our own frame").expect("our own frame");
    let back: T = serde_json::from_slice(&frame).expect("our own message");
    assert_eq!(serde_json::to_value(&back).unwrap(), serde_json::to_value(message).unwrap());
}

const DOCUMENTS: [&str; 3] =
    [r#"{"m:c":{"l":[{"k":"a","v":1},{"k":"b"}],"n":5,"e":[null]}}"#, r#"{"m:l":["x","y"],"x:y":{"@":{}}}"#, "{}"];
