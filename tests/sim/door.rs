//! Who may in, and the console.

use super::by_hand::vrf;
use super::{FRR_BEFORE, Lab, key_in};
use crate::platforms::{adapter_folder, platforms};
use andante::adagio::Effect;
use andante::adagio::sim::{Fault, SimFiles, control, run_from_files};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_given_key_and_password_open_the_door() {
    let lab = Lab::start().await;
    let other = tempfile::tempdir().unwrap();
    key_in(other.path());
    let mut element = lab.element("pe1");
    element.private_key = Some(other.path().join("key"));
    let refused = lab.connector.southbound(&element, lab.adapter("pe1")).unwrap().open_reader().await.err().unwrap();
    assert_eq!((refused.doing.as_str(), refused.effect), ("connect", Effect::None));
    let password = other.path().join("password");
    for (given, opens) in [("wrong\n", false), ("s3cret\n", true)] {
        std::fs::write(&password, given).unwrap();
        (element.private_key, element.password_file) = (None, Some(password.clone()));
        let south = lab.connector.southbound(&element, lab.adapter("pe1")).unwrap();
        assert_eq!(south.open_reader().await.is_ok(), opens, "{given}");
    }
    lab.sim.fault("pe1", Fault::Unreachable).unwrap();
    assert!(lab.south("pe1").open_reader().await.is_err());
    lab.sim.mend("pe1").unwrap();
    assert!(lab.south("pe1").open_reader().await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_domain_from_files_is_changed_through_its_control_socket() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    key_in(folder.path());
    let (_, schemas) = platforms().await;
    let element = |name: &str, adapter: &str, address: &str| {
        format!(
            "[[element]]\nname='{name}'\nadapter='{adapter}'\naddress='{address}'\nusername='a'\nprivate_key='key'\n\
             router_id='10.255.0.1'\nasn=65000\nports=[{{name='eth1'}}]\n"
        )
    };
    let both = element("pe1", "iosxr", "127.0.0.1:0") + &element("pe2", "frr", "127.0.0.1:0");
    std::fs::write(at("elements.toml"), both).unwrap();
    std::fs::write(at("pe2.running"), FRR_BEFORE).unwrap();
    let mut files = SimFiles {
        elements: at("elements.toml"),
        adapters: adapter_folder(),
        running: Some(folder.path().to_owned()),
        state: Some(folder.path().to_owned()),
    };
    assert_eq!(files.adapters_in_use().unwrap(), ["frr", "iosxr"]);
    let sim = run_from_files(&files, schemas.clone()).await.unwrap();
    let (first, socket) = (sim.fingerprint("pe1").unwrap(), at("control"));
    let asked = async {
        let end = Instant::now() + Duration::from_secs(5);
        while !socket.exists() {
            assert!(Instant::now() < end, "no control socket");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let list = control::request(&socket, "list", "").await.unwrap();
        assert!(list.starts_with(&format!("pe1 iosxr {} {first}\n", sim.address("pe1").unwrap())), "{list}");
        control::request(&socket, "edit pe2", "interface eth1.100\n description by hand\n").await.unwrap();
        control::request(&socket, "edit pe1", &vrf("red", "", "<create/>")).await.unwrap();
        assert!(control::request(&socket, "show pe2", "").await.unwrap().contains(" description by hand\n"));
        assert!(control::request(&socket, "show pe1", "").await.unwrap().contains("red"));
        let refused = control::request(&socket, "edit pe2", "interface eth9\nbogus\n").await.unwrap_err();
        assert!(andante::domain::chain(&refused).contains("line 2: % Unknown command: bogus"), "{refused:?}");
        assert!(!control::request(&socket, "show pe2", "").await.unwrap().contains("eth9"), "nothing of it was done");
        assert!(control::request(&socket, "show pe9", "").await.is_err());
        assert!(control::request(&socket, "stop", "").await.is_err());
        sim.stop();
    };
    let (served, ()) = tokio::join!(control::serve(&sim, &socket), asked);
    served.unwrap();
    assert!(!socket.exists());
    drop(sim);
    let again = run_from_files(&files, schemas.clone()).await.unwrap();
    assert_eq!(again.fingerprint("pe1").unwrap(), first, "the host key is kept in the state folder");
    // Nowhere but on loopback.
    std::fs::write(at("far.toml"), element("pe1", "iosxr", "192.0.2.1:830")).unwrap();
    files.elements = at("far.toml");
    let refused = run_from_files(&files, schemas).await.err().expect("it is not of this machine");
    assert!(andante::domain::chain(&refused).contains("192.0.2.1:830 is not of the loopback interface"), "{refused}");
}
