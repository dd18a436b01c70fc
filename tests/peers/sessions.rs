//! Sessions that fail in other ways than by an end: half-open, out of number, without a free descriptor.

use crate::domain::{Domain, Wishes, applied, not_applied};
use crate::line::Line;
use crate::support::Cut;
use crate::unknown::{in_the_background, truthful};
use andante::config::Settings;
use andante::domain::Outcome;
use andante::domain::outcome::CauseKind;
use std::path::Path;
use std::time::{Duration, Instant};

const FILE: &str = "l3vpn-any-to-any.json";

fn impatient(settings: &mut Settings, _: &Path) {
    settings.adagio.connect_timeout = 3;
    settings.adagio.answer_timeout = 2;
    settings.transaction.lock_timeout = 3;
    let limits = &mut settings.transaction;
    (limits.prepare_timeout, limits.commit_timeout) = (3, 3);
    (limits.verify_timeout, limits.confirm_timeout) = (3, 3);
}

/// The connection stays open on both sides, and nothing comes through any more: after the time limit nobody knows what
/// the element has, it is read from another session, and all is as before.
#[tokio::test(flavor = "multi_thread")]
async fn a_half_open_session_is_given_up_and_the_element_is_read() {
    for (element, pattern) in [("pe1", "<edit-config"), ("pe1", "<commit>"), ("pe2", "router bgp 65000 vrf")] {
        let Some(domain) = Domain::with(Wishes { settings: impatient, ..Wishes::default() }).await else { return };
        let before = domain.running();
        let put = domain.put(FILE, |text| text);
        match element {
            "pe1" => domain.pe1.cut(Cut::Stall, pattern),
            _ => domain.pe2.cut(Cut::Stall, pattern),
        }
        let begun = Instant::now();
        let record = domain.write(vec![put.clone()]).await.unwrap();
        assert!(!domain.pe1.cut_is_pending() && !domain.pe2.cut_is_pending(), "{pattern}: nothing stalled");
        assert!(begun.elapsed() < Duration::from_secs(30), "{pattern}: {:?}", begun.elapsed());
        let why = format!("{:?}", record.outcome);
        assert!(why.contains(element), "{pattern}: {why}");
        // The element still keeps the dead session with its locks: it is ours, so we end it there.
        let end = truthful(&domain, record, &before).await;
        assert!(matches!(end, Outcome::NotApplied { .. }), "{pattern}: {end:?}");
        applied(&domain.write(vec![put]).await.unwrap());
    }
}

/// No further session is to be had when it is time to read back. What reverts by itself has to go back, for it may be our
/// own change that cuts us off; what does not is read on the session that wrote, and the report says so.
#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_session_left_to_read_back() {
    for (element, class_a) in [("pe1", true), ("pe2", false)] {
        let Some(domain) = Domain::with(Wishes { settings: impatient, ..Wishes::default() }).await else { return };
        let before = domain.running();
        let line = match element {
            "pe1" => Line::to(domain.pe1.addr()),
            _ => Line::to(domain.pe2.addr()),
        };
        domain.moves(element, line.addr()).await;
        let hold = domain.holds.at(&format!("before-verify:{element}"));
        let writing = in_the_background(&domain, domain.put(FILE, |text| text));
        hold.reached().await;
        line.no_new_connections();
        hold.go_on();
        let record = writing.await.unwrap();
        line.repair();
        if class_a {
            let cause = not_applied(&record, CauseKind::Verify);
            assert_eq!(cause.element.as_deref(), Some("pe1"), "{cause}");
            assert_eq!(domain.running(), before);
        } else {
            applied(&record);
            let detail = record.elements["pe2"].detail.clone().unwrap_or_default();
            assert!(detail.contains("same session"), "{record:#?}");
        }
    }
}
