//! An element is read three times for one transaction, from the element each time; what it says is parsed once.

use crate::stage::Stage;
use andante::adagio::netconf::ReadingCount;
use andante::domain::{Class, Outcome};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_parses_what_it_reads_back_and_nothing_that_it_knew() {
    for class in [Class::A, Class::B, Class::C] {
        let stage = Stage::of(&[class]).await;
        // As the planner does.
        let mut reader = stage.south["pe1"].open_reader().await.unwrap();
        reader.read_running().await.unwrap();
        reader.close().await;
        assert_eq!(stage.read(), ReadingCount { parsed: 1, same: 0 }, "{class}");
        let record = stage.run().await;
        assert_eq!(record.outcome, Some(Outcome::Applied), "{class}: {record:?}");
        stage.all_after();
        assert_eq!(stage.read(), ReadingCount { parsed: 2, same: 1 }, "{class}");
        // The next plan finds what was read back.
        let mut reader = stage.south["pe1"].open_reader().await.unwrap();
        assert_eq!(reader.read_running().await.unwrap().tree, stage.sim.running("pe1").unwrap());
        assert_eq!(stage.read(), ReadingCount { parsed: 2, same: 2 }, "{class}");
    }
}
