//! A reply is parsed when it says something new, and only then: parses are counted, nothing is timed.

use super::Lab;
use andante::adagio::Reading;
use andante::adagio::netconf::{ReadingCount, Readings};
use andante::adapter::Adapter;
use andante::tree::ConfigTree;
use std::sync::Arc;

/// One reading by a session of its own, through this adapter.
async fn read_by(lab: &Lab, name: &str, adapter: &Arc<Adapter>) -> Reading {
    let south = lab.connector.southbound(&lab.element(name), adapter).unwrap();
    let mut reader = south.open_reader().await.unwrap();
    let reading = reader.read_running().await.unwrap();
    reader.close().await;
    reading
}

/// A reading that remembers nothing.
async fn afresh(lab: &Lab, name: &str) -> ConfigTree {
    let connector = andante::adagio::connect::Connector { readings: Arc::default(), ..lab.connector.clone() };
    let south = connector.southbound(&lab.element(name), lab.adapter(name)).unwrap();
    south.open_reader().await.unwrap().read_running().await.unwrap().tree
}

fn count(parsed: u64, same: u64) -> ReadingCount {
    ReadingCount { parsed, same }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_were_read_are_not_read_again_and_one_other_byte_is() {
    let lab = Lab::start().await;
    let counted = || lab.connector.readings.count();
    let first = lab.read("pe1").await;
    assert_eq!(counted(), count(1, 0));
    assert_eq!(lab.read("pe1").await, first);
    assert_eq!(counted(), count(1, 1));
    // One letter of one value.
    let service = lab.service("pe1");
    lab.sim.set_running("pe1", service.after).unwrap();
    let with = lab.read("pe1").await;
    assert_eq!(counted(), count(2, 1));
    let text = lab.sim.text("pe1").unwrap();
    let digit = |at: &usize| text[*at..].starts_with(|c: char| c.is_ascii_digit());
    let other = text.match_indices('>').map(|(at, _)| at + 1).find(digit).unwrap();
    let new = if &text[other..=other] == "1" { "2" } else { "1" };
    let changed = format!("{}{new}{}", &text[..other], &text[other + 1..]);
    lab.sim.set_running("pe1", lab.adapter("pe1").parse(&changed).unwrap().tree).unwrap();
    let now = lab.read("pe1").await;
    assert_eq!(counted(), count(3, 1), "one byte of\n{text}");
    assert_ne!(now, with);
    assert_eq!(now, afresh(&lab, "pe1").await);
    // Back again: only the last reply is remembered.
    lab.sim.set_running("pe1", first.clone()).unwrap();
    assert_eq!(lab.read("pe1").await, first);
    assert_eq!(counted(), count(4, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_schema_reads_anew_and_elements_do_not_answer_for_each_other() {
    let lab = Lab::with(|element| {
        if element.name == "pe2" {
            element.adapter = "iosxr".into();
            element.running = String::new();
        }
    })
    .await;
    let counted = || lab.connector.readings.count();
    let service = lab.service("pe1");
    for name in ["pe1", "pe2"] {
        lab.sim.set_running(name, service.after.clone()).unwrap();
    }
    let (one, two) = (lab.read("pe1").await, lab.read("pe2").await);
    assert_eq!((&one, counted()), (&two, count(2, 0)), "the same bytes of two elements");
    lab.sim.set_running("pe2", service.before.clone()).unwrap();
    assert_eq!((lab.read("pe1").await, counted()), (one.clone(), count(2, 1)));
    assert_ne!(lab.read("pe2").await, one);
    // The modules were loaded again, and say the same: it is not for us to know.
    let known = lab.adapter("pe1");
    let again = Arc::new(known.with_schema(Arc::new(known.schema().unwrap().tables().clone().into())));
    assert_eq!(read_by(&lab, "pe1", &again).await.tree, one);
    assert_eq!(counted(), count(4, 1));
    // Modules that do not know a node keep it as it is: another tree of the same bytes.
    let mut less = known.schema().unwrap().tables().clone();
    for node in &mut less.nodes {
        node.children.clear();
    }
    let less = Arc::new(known.with_schema(Arc::new(less.into())));
    assert_ne!(read_by(&lab, "pe1", &less).await.tree, one);
    assert_eq!(read_by(&lab, "pe1", known).await.tree, one);
    assert_eq!(counted(), count(6, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_is_bounded_in_bytes() {
    let mut lab = Lab::with(|element| {
        if element.name == "pe2" {
            element.adapter = "iosxr".into();
            element.running = String::new();
        }
    })
    .await;
    let service = lab.service("pe1");
    for name in ["pe1", "pe2"] {
        lab.sim.set_running(name, service.after.clone()).unwrap();
    }
    let bytes = read_by(&lab, "pe1", lab.adapter("pe1")).await.bytes;
    for (limit, parsed) in [(2 * bytes, 2), (2 * bytes - 1, 4), (bytes - 1, 4)] {
        lab.connector.readings = Arc::new(Readings::within(limit));
        for name in ["pe1", "pe2", "pe1", "pe2"] {
            lab.read(name).await;
        }
        assert_eq!(lab.connector.readings.count(), count(parsed, 4 - parsed), "room for {limit} of {bytes} each");
    }
}
