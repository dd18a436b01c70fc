//! The command line, by the daemon's own driver and by hand.

use super::Lab;
use andante::adagio::cli::Verdict;
use andante::adagio::sim::Fault;
use andante::adagio::{Effect, Payload};
use andante::domain::Class;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_there_and_back_leave_the_element_byte_for_byte() {
    let lab = Lab::start().await;
    let service = lab.service("pe2");
    let text = lab.sim.text("pe2").unwrap();
    assert!(
        text.starts_with("Building configuration...\n\nCurrent configuration:\n!\n") && text.ends_with("!\nend\n"),
        "{text}"
    );
    assert_eq!(lab.read("pe2").await, service.before);
    let mut writer = lab.south("pe2").open_writer().await.unwrap();
    assert_eq!(writer.class(), Class::D);
    writer.lock().await.unwrap();
    writer.prepare(&service.payload).await.unwrap();
    assert_eq!(writer.apply(&service.payload, None).await.unwrap(), Vec::<String>::new());
    assert_eq!(lab.read("pe2").await, service.after);
    writer.save().await.unwrap();
    assert_eq!(writer.apply(&service.back, None).await.unwrap(), Vec::<String>::new());
    assert_eq!(lab.sim.text("pe2").unwrap(), text);
    let Payload::Cli { lines } = &service.payload else { panic!() };
    let typed: String = lines.iter().map(|line| format!("{}\n", line.text)).collect();
    assert!(lab.typed("pe2").contains(&format!("configure terminal\n{typed}end\n")), "the lines are typed as they are");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_line_leaves_the_lines_before_it() {
    let lab = Lab::start().await;
    let service = lab.service("pe2");
    let Payload::Cli { lines } = &service.payload else { panic!() };
    let answer = "% Configuration failed.".to_owned();
    lab.sim.fault("pe2", Fault::RefuseLine { number: 5, answer: answer.clone() }).unwrap();
    let mut writer = lab.south("pe2").open_writer().await.unwrap();
    let refused = writer.apply(&service.payload, None).await.unwrap_err();
    assert_eq!((refused.effect, refused.path.as_deref()), (Effect::Partial, Some(lines[4].text.trim())));
    assert!(refused.message.contains(&answer), "{refused}");
    // F7: what came before stays, for there is no transaction; what comes after was not typed.
    let now = lab.read("pe2").await;
    assert!(now != service.before && now != service.after);
    assert!(!lab.typed("pe2").contains(lines[5].text.trim()));
    // The grammar's own refusal, with the element's words.
    let mut cli = lab.cli("pe2").await;
    cli.enter_config().await.unwrap();
    let said = cli.send_line("router bgp 65001").await.unwrap();
    assert_eq!(said.verdict, Verdict::Error { text: "BGP is already running; AS is 65000".into() });
    let said = cli.send_line("frobnicate").await.unwrap();
    assert_eq!(said.verdict, Verdict::Error { text: "% Unknown command: frobnicate".into() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_line_is_tried_again_and_then_named() {
    let mut lab = Lab::start().await;
    let service = lab.service("pe2");
    let mut writer = lab.south("pe2").open_writer().await.unwrap();
    writer.apply(&service.payload, None).await.unwrap();
    drop(writer);
    let Payload::Cli { lines } = &service.back else { panic!() };
    let busy = lines.iter().find(|line| line.busy).expect("the removal has a busy line").text.trim().to_owned();
    let answer = "% Configuration failed.\n\nError type: validation\n\
                  Error description: only inactive interfaces can be deleted";
    // F22: refused while the kernel object lives. Once: the line passes when it is tried again.
    lab.connector.busy = Duration::from_secs(5);
    lab.sim.fault("pe2", Fault::Refuse { on: busy.clone(), answer: answer.into(), times: 1 }).unwrap();
    let mut writer = lab.south("pe2").open_writer().await.unwrap();
    assert_eq!(writer.apply(&service.back, None).await.unwrap(), Vec::<String>::new());
    assert_eq!(lab.sim.running("pe2").unwrap(), service.before);
    // For ever: it is residue, and the rest is done.
    lab.connector.busy = Duration::from_millis(100);
    lab.sim.fault("pe2", Fault::Refuse { on: busy.clone(), answer: answer.into(), times: 1000 }).unwrap();
    let mut writer = lab.south("pe2").open_writer().await.unwrap();
    writer.apply(&service.payload, None).await.unwrap();
    let residue = writer.apply(&service.back, None).await.unwrap();
    assert!(!residue.is_empty() && residue[0].starts_with(&busy), "{residue:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_daemon_takes_its_part_out_of_the_text_and_the_read_is_partial() {
    let lab = Lab::start().await;
    lab.sim.hand_edit("pe2", "ip route 10.9.0.0/16 192.0.2.1").unwrap();
    let nodes = vec!["ip-route".to_owned(), "ipv6-route".to_owned()];
    lab.sim.fault("pe2", Fault::DeadDaemon { daemon: "staticd".into(), nodes }).unwrap();
    // F10.
    let mut reader = lab.south("pe2").open_reader().await.unwrap();
    let reading = reader.read_running().await.unwrap();
    assert_eq!(reading.partial.as_deref(), Some("not running: staticd"));
    assert!(!lab.sim.text("pe2").unwrap().contains("ip route"));
    lab.sim.mend("pe2").unwrap();
    assert!(lab.sim.text("pe2").unwrap().contains("\nip route 10.9.0.0/16 192.0.2.1\n"));
    assert_eq!(reader.read_running().await.unwrap().partial, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_operators_work_on_the_same_element() {
    let lab = Lab::start().await;
    let (mut one, mut two) = (lab.cli("pe2").await, lab.cli("pe2").await);
    one.enter_config().await.unwrap();
    two.enter_config().await.unwrap();
    assert_eq!(one.send_line("interface eth7").await.unwrap().mode, "config-if");
    assert_eq!(two.send_line("router bgp 65000 vrf red").await.unwrap().mode, "config-router");
    assert_eq!(two.send_line("address-family ipv4 unicast").await.unwrap().mode, "config-router-af");
    assert!(one.send_line("description mine").await.unwrap().accepted());
    assert!(two.send_line("export vpn").await.unwrap().accepted());
    // Leaving a context goes up one step, also after somebody else's change.
    assert!(one.send_line("shutdown").await.unwrap().accepted());
    assert_eq!(two.send_line("exit-address-family").await.unwrap().mode, "config-router");
    assert!(one.send_line("ip address 192.0.2.1/24").await.unwrap().accepted());
    assert!(two.send_line("bgp router-id 10.255.0.2").await.unwrap().accepted());
    assert_eq!(two.send_line("interface eth8").await.unwrap().mode, "config-if");
    assert_eq!(one.send_line("exit").await.unwrap().mode, "config");
    assert!(two.send_line("description yours").await.unwrap().accepted());
    assert_eq!(two.leave_config().await.unwrap().mode, "exec");
    let text = one.send_line("do show running-config").await.unwrap().output.join("\n");
    for line in ["interface eth7", " description mine", " shutdown", " ip address 192.0.2.1/24", "  export vpn"] {
        assert!(text.lines().any(|have| have.trim_end() == line), "{line:?} in {text}");
    }
    assert!(text.contains("interface eth8\n description yours"), "{text}");
    // The end of the connection instead of an answer: unknown.
    lab.sim.fault("pe2", Fault::Close { on: "no interface".into(), done: true }).unwrap();
    assert!(one.send_line("no interface eth8").await.unwrap_err().is_unknown());
    assert!(!lab.sim.text("pe2").unwrap().contains("eth8"));
}
