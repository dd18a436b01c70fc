//! Measured facts of netconfd 2.13 and FRR 8.4 that the drivers and the transaction must survive, each with its test.
//!
//! | fact | what | test |
//! |---|---|---|
//! | F1 | edits without a lock stay and are committed by whoever comes next | `refusals::somebody_elses_dirty_candidate_is_reported_and_not_discarded`, [`edits_under_a_lock_die_with_their_session`] |
//! | F2 | an edit of another session is confirmed with ours | [`nobody_sneaks_into_a_confirmed_commit`] |
//! | F3 | the holder dies inside the window: nobody can lock, anyone can edit | `wire: what_netconfd_refuses_and_what_it_loses`, `unknown::the_reply_to_a_commit_is_lost` |
//! | F4 | confirm and cancel twice are errors that tell nothing | `wire: a_confirmed_commit_from_lock_to_unlock`, `unknown::a_lost_reply_to_a_confirmation_ends_applied` |
//! | F5 | persist; SIGKILL inside the window | `wire: what_netconfd_refuses_and_what_it_loses`, `unknown::the_server_dies_inside_the_window` |
//! | F6 | delete of what is missing; dirty candidates and locks | `wire: a_confirmed_commit_from_lock_to_unlock`, `hand::whole_blocks_removed_by_hand_come_back` |
//! | F7 | after a bad line all later ones still act | `refusals::frr_refuses_a_line_and_both_stay_as_they_were` |
//! | F8 | cascades, and what cannot be negated with its value | `grammar_frr`, `lifecycle::a_bgp_neighbour_changes` |
//! | F9 | FRR rewrites what is typed | `grammar_frr`, [`a_prefix_with_host_bits_is_no_deviation`] |
//! | F10 | a dead daemon takes its lines with it | [`a_dead_daemon_is_a_partial_read_and_no_deviation`] |
//! | F20 | after an explicit validate a commit changes nothing | `wire: what_netconfd_refuses_and_what_it_loses`, [`a_commit_that_changes_nothing_is_not_applied`] |
//! | F21 | a VRF binding is not in the configuration | [`kernel_objects_leave_residue_that_is_named`] |
//! | F22 | what the kernel still has cannot be removed | [`kernel_objects_leave_residue_that_is_named`] |
//! | – | a cancel under the session's own locks is answered ok and takes nothing back | [`a_cancel_under_our_own_locks_takes_nothing_back`], `sessions::there_is_no_session_left_to_read_back` |
//! | F23 | no MTU, no wires on FRR | `refusals::a_wrong_document_is_refused_with_its_path` |

use crate::domain::{Domain, Wishes, applied, noc, not_applied};
use crate::support::{changed_adapters, wait_until};
use andante::config::Settings;
use andante::controller::Failure;
use andante::domain::SyncState;
use andante::domain::outcome::CauseKind;
use std::path::Path;
use std::time::Duration;

const IFMGR: &str = "http://cisco.com/ns/yang/Cisco-IOS-XR-ifmgr-cfg";
const FILE: &str = "l3vpn-any-to-any.json";
const PERSIST: &str = "andante.facts";

fn edit(interface: &str) -> String {
    format!(
        "<edit-config><target><candidate/></target><config><interface-configurations xmlns=\"{IFMGR}\">\
         <interface-configuration><active>act</active><interface-name>{interface}</interface-name>\
         <description>x</description></interface-configuration></interface-configurations></config></edit-config>"
    )
}

/// F1: what a session edited under its lock is gone when it dies, so our next transaction does not commit it.
#[tokio::test(flavor = "multi_thread")]
async fn edits_under_a_lock_die_with_their_session() {
    let Some(domain) = Domain::start().await else { return };
    let mut operator = domain.pe1.operator();
    operator.expect_ok("<lock><target><candidate/></target></lock>");
    operator.expect_ok(&edit("GigabitEthernet0/0/0/2.8"));
    drop(operator);
    applied(&domain.write(vec![domain.put(FILE, |text| text)]).await.unwrap());
    assert!(!domain.running().0.contains("GigabitEthernet0/0/0/2.8"));
}

/// F2: with both locks kept from edit to confirm, nobody's edit is confirmed with ours.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_sneaks_into_a_confirmed_commit() {
    let Some(pe1) = crate::support::or_skip("netconfd", crate::support::NetconfElement::start_iosxr()) else { return };
    let commit = |rest: &str| format!("<commit>{rest}</commit>");
    let confirmed = format!("<confirmed/><confirm-timeout>60</confirm-timeout><persist>{PERSIST}</persist>");
    let confirm = commit(&format!("<persist-id>{PERSIST}</persist-id>"));
    for locked in [true, false] {
        let mut ours = pe1.operator();
        let mut theirs = pe1.operator();
        if locked {
            ours.expect_ok("<lock><target><running/></target></lock>");
            ours.expect_ok("<lock><target><candidate/></target></lock>");
        }
        ours.expect_ok(&edit("GigabitEthernet0/0/0/1.1"));
        ours.expect_ok(&commit(&confirmed));
        let answer = theirs.rpc(&edit("GigabitEthernet0/0/0/2.2"));
        assert_eq!(answer.contains("in-use"), locked, "{answer}");
        ours.expect_ok(&confirm);
        assert_eq!(pe1.running().contains("GigabitEthernet0/0/0/2.2"), !locked, "locked: {locked}");
    }
}

/// A cancel by the session that holds the locks is answered ok, ends the pending commit (its timer too), and leaves the
/// new configuration standing; without locks it goes back. So after a cancel, too, only reading tells.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_under_our_own_locks_takes_nothing_back() {
    let Some(pe1) = crate::support::or_skip("netconfd", crate::support::NetconfElement::start_iosxr()) else { return };
    let cancel = format!("<cancel-commit><persist-id>{PERSIST}</persist-id></cancel-commit>");
    for locked in [false, true] {
        let mut ours = pe1.operator();
        if locked {
            ours.expect_ok("<lock><target><running/></target></lock>");
            ours.expect_ok("<lock><target><candidate/></target></lock>");
        }
        ours.expect_ok(&edit("GigabitEthernet0/0/0/1.1"));
        ours.expect_ok(&format!(
            "<commit><confirmed/><confirm-timeout>60</confirm-timeout><persist>{PERSIST}</persist></commit>"
        ));
        ours.expect_ok(&cancel);
        assert!(ours.rpc(&cancel).contains("rpc-error"), "F4: the second one is an error");
        assert_eq!(pe1.running().contains("GigabitEthernet0/0/0/1.1"), locked, "locked: {locked}");
    }
}

/// A second confirmed commit, which starts the timer anew, does not become what the first one goes back to: when the
/// window ends, also by the end of the server, everything is as before the first. A server for which it did would be
/// found out by the reading after the cancel.
#[tokio::test(flavor = "multi_thread")]
async fn starting_the_timer_anew_keeps_the_state_to_go_back_to() {
    let Some(pe1) = crate::support::or_skip("netconfd", crate::support::NetconfElement::start_iosxr()) else { return };
    let before = pe1.running();
    let mut ours = pe1.operator();
    ours.expect_ok(&edit("GigabitEthernet0/0/0/1.1"));
    let confirmed = "<confirmed/><confirm-timeout>60</confirm-timeout>";
    ours.expect_ok(&format!("<commit>{confirmed}<persist>{PERSIST}</persist></commit>"));
    let again = format!("<persist>{PERSIST}</persist><persist-id>{PERSIST}</persist-id>");
    ours.expect_ok(&format!("<commit>{confirmed}{again}</commit>"));
    ours.expect_ok(&format!("<cancel-commit><persist-id>{PERSIST}</persist-id></cancel-commit>"));
    assert_eq!(pe1.running(), before);
}

/// The SSH server renegotiates its keys every few kilobytes, also in the middle of a commit: nobody notices.
#[tokio::test(flavor = "multi_thread")]
async fn keys_are_renegotiated_in_the_middle_of_everything() {
    let Some(mut domain) = Domain::start().await else { return };
    let before = domain.running();
    domain.pe1.rekey_every("4K");
    domain.pe2.rekey_every("1K");
    let put = domain.put(FILE, |text| text);
    applied(&domain.write(vec![put.clone()]).await.unwrap());
    assert!(domain.check("pe1").await.deviations.is_empty() && domain.check("pe2").await.deviations.is_empty());
    applied(&domain.write(vec![domain.delete(put.key())]).await.unwrap());
    assert_eq!(domain.running(), before);
}

/// The order on the wire that F2 asks for: both locks first, both unlocks after the confirmation, on one session.
#[tokio::test(flavor = "multi_thread")]
async fn locks_are_kept_from_the_edit_to_the_confirmation() {
    let Some(domain) = Domain::start().await else { return };
    applied(&domain.write(vec![domain.put(FILE, |text| text)]).await.unwrap());
    let sessions: Vec<String> = domain.pe1.wire().iter().map(|session| session.text()).collect();
    let writing: Vec<&String> = sessions.iter().filter(|session| session.contains("<edit-config")).collect();
    assert_eq!(writing.len(), 1, "{writing:#?}");
    let order = ["<lock>", "<lock>", "<edit-config", "<persist>", "<persist-id>", "<unlock>", "<unlock>"];
    let mut rest = writing[0].as_str();
    for word in order {
        let at = rest.find(word).unwrap_or_else(|| panic!("{word} is missing or too early: {}", writing[0]));
        rest = &rest[at + word.len()..];
    }
    assert!(!writing[0].contains("<validate>") && writing[0].contains("test-then-set"), "F20: {}", writing[0]);
    // What was written was read back from another session.
    let after = sessions.iter().skip_while(|session| *session != writing[0]).skip(1);
    assert!(after.filter(|session| session.contains("<get-config>")).count() >= 1);
}

/// A write asks an element for two sessions: the one that read for the plan writes, and another one reads back. A dry-run
/// asks for one, and nothing that writes is sent on it.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_asks_each_element_for_two_sessions() {
    let Some(domain) = Domain::start().await else { return };
    let sessions = || (domain.pe1.wire().len(), domain.pe2.wire().len());
    // Its YANG modules are read, and it is looked at, before anybody counts.
    domain.plan(vec![domain.put(FILE, |text| text)]).await.unwrap();
    let before = sessions();
    domain.plan(vec![domain.put(FILE, |text| text)]).await.unwrap();
    assert_eq!(sessions(), (before.0 + 1, before.1 + 1));
    assert_eq!(domain.writers(), (0, 0));
    let before = sessions();
    applied(&domain.write(vec![domain.put(FILE, |text| text)]).await.unwrap());
    assert_eq!(sessions(), (before.0 + 2, before.1 + 2));
    assert_eq!(domain.writers(), (1, 1));
    let wire = domain.pe1.wire();
    let (wrote, read) = (wire[before.0].text(), wire[before.0 + 1].text());
    let at = |word: &str| wrote.find(word).unwrap_or_else(|| panic!("{word} is missing: {wrote}"));
    assert!(at("<get-config>") < at("<lock>") && at("<lock>") < at("<edit-config"), "{wrote}");
    assert!(read.contains("<get-config>") && !read.contains("<lock>"), "{read}");
    // Those to which there is nothing to send are ended in good order as well.
    assert!(wire.iter().all(|session| session.text().contains("<close-session")));
}

/// F9: `198.51.100.200/25` is what FRR prints as `198.51.100.128/25`.
#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_with_host_bits_is_no_deviation() {
    let Some(domain) = Domain::start().await else { return };
    let before = domain.running();
    let put = domain.put(FILE, |text| text.replace("198.51.100.128/25", "198.51.100.200/25"));
    applied(&domain.write(vec![put.clone()]).await.unwrap());
    assert!(domain.pe2.running_config().contains("198.51.100.128/25"), "{}", domain.pe2.running_config());
    assert!(domain.check("pe2").await.deviations.is_empty());
    applied(&domain.write(vec![domain.delete(put.key())]).await.unwrap());
    assert_eq!(domain.running(), before);
}

/// F10: without staticd no route is printed. Nothing deviates, nothing is planned, nothing is forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_daemon_is_a_partial_read_and_no_deviation() {
    let Some(mut domain) = Domain::start().await else { return };
    let put = domain.put(FILE, |text| text);
    let key = put.key().clone();
    applied(&domain.write(vec![put]).await.unwrap());
    assert_eq!(domain.check("pe2").await.state.sync, SyncState::InSync);
    domain.pe2.vtysh(&["write memory"]).unwrap();
    domain.pe2.kill_daemon("staticd");
    assert!(!domain.pe2.running_config().contains("ip route"));

    let report = domain.check("pe2").await;
    assert_eq!(report.state.sync, SyncState::Partial);
    assert!(report.deviations.is_empty(), "{report:#?}");
    assert!(report.state.detail.as_ref().is_some_and(|why| why.contains("staticd")), "{report:#?}");
    let writers = domain.writers();
    match domain.write(vec![domain.delete(&key)]).await {
        Err(Failure::Incomplete { element, message }) => {
            assert!(element == "pe2" && message.contains("staticd"), "{element}: {message}");
        }
        other => panic!("an incomplete read was expected: {other:#?}"),
    }
    let healed = domain.controller.heal(&noc(), "pe2", &[], &Default::default()).await;
    assert!(matches!(healed, Err(Failure::Incomplete { .. })), "{healed:?}");
    assert_eq!(domain.writers(), writers);
    assert!(domain.controller.document(&noc(), &key).await.unwrap().is_some());

    domain.pe2.start_daemon("staticd");
    domain.pe2.vtysh(&["configure terminal"]).unwrap();
    let start = std::time::Instant::now();
    while domain.check("pe2").await.state.sync != SyncState::InSync {
        assert!(start.elapsed().as_secs() < 20, "{:#?}", domain.check("pe2").await);
    }
}

/// F20: an adapter that orders an explicit `<validate>` on this server. Every answer is ok, and nothing changes.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_changes_nothing_is_not_applied() {
    fn explicit(settings: &mut Settings, folder: &Path) {
        let says = [("validate = \"test-then-set\"", "validate = \"explicit\"")];
        settings.paths.adapters = changed_adapters(folder, "iosxr", &says);
    }
    let Some(domain) = Domain::with(Wishes { settings: explicit, ..Wishes::default() }).await else { return };
    let before = domain.running();
    let record = domain.write(vec![domain.put(FILE, |text| text)]).await.unwrap();
    let cause = not_applied(&record, CauseKind::Verify);
    assert_eq!(cause.element.as_deref(), Some("pe1"));
    assert!(domain.pe1.wire().iter().any(|session| session.text().contains("<validate>")));
    assert_eq!(domain.running(), before);
    // The edit does not wait in the candidate for the next one to commit it.
    let candidate = domain.pe1.operator().rpc("<get-config><source><candidate/></source></get-config>");
    assert!(!candidate.contains("GigabitEthernet0/0/0/1.100"), "{candidate}");
}

/// F21, F22: while the kernel has the interface, FRR keeps an empty `interface`: the removal is applied, and says what
/// is left. The binding to a VRF is no line of ours, so its absence from the configuration is no deviation.
#[tokio::test(flavor = "multi_thread")]
async fn kernel_objects_leave_residue_that_is_named() {
    let Some(domain) = Domain::start().await else { return };
    let put = domain.put(FILE, |text| text);
    let key = put.key().clone();
    let before = domain.running();
    applied(&domain.write(vec![put]).await.unwrap());
    // As the element's agent does when it sees the description.
    domain.pe2.in_namespace(&["ip", "link", "add", "eth1.100", "type", "veth", "peer", "name", "ce1"]);
    wait_until("zebra sees the interface", Duration::from_secs(10), || {
        !domain.pe2.vtysh(&["show interface eth1.100"]).is_ok_and(|text| text.contains("pseudo interface"))
    })
    .unwrap();
    assert!(domain.check("pe2").await.deviations.is_empty());
    let record = domain.write(vec![domain.delete(&key)]).await.unwrap();
    applied(&record);
    let residue = &record.elements["pe2"].residue;
    assert!(residue.iter().any(|line| line.contains("no interface eth1.100")), "{record:#?}");
    // The agent removes it, and nothing is left.
    domain.pe2.in_namespace(&["ip", "link", "del", "eth1.100"]);
    assert!(domain.check("pe2").await.deviations.is_empty());
    assert_eq!(domain.running().0, before.0);
    assert!(!domain.running().1.contains("vrf="), "{}", domain.running().1);
}
