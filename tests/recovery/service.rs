//! The daemon as a service of systemd: the unit files, readiness, the watchdog, SIGHUP.

use crate::daemon::Daemon;
use crate::domain::{Domain, document};
use crate::support::{skipped, wait_until};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// What systemd itself says of the unit files. Only the program's place is another one than on an installed system.
#[test]
fn the_unit_files_are_right() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        skipped("systemd", "systemd-analyze is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (file, instance) in [("andanted.service", "andanted.service"), ("andanted@.service", "andanted@north.service")]
    {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(file)).unwrap();
        assert!(text.contains("ExecStart=/usr/bin/andanted "), "{file}");
        let here = text.replace("/usr/bin/andanted", env!("CARGO_BIN_EXE_andanted"));
        std::fs::write(folder.path().join(file), here).unwrap();
        let verified = Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(folder.path().join(instance))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&verified.stderr);
        let ours: Vec<&str> = said.lines().filter(|line| line.contains("andante")).collect();
        assert!(verified.status.success() && ours.is_empty(), "{instance}: {said}");
    }
}

/// READY comes when RESTCONF answers, WATCHDOG beats in time, STOPPING comes at the end.
#[test]
fn systemd_is_told() {
    let Some(domain) = Domain::start() else { return };
    let path = domain.folder().join("notify.sock");
    let notices = UnixDatagram::bind(&path).unwrap();
    notices.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "900000")];
    let (config, socket) = (domain.config("andante"), domain.socket("andante"));
    let daemon = Daemon::launch(&config, &socket, &[], &environment);
    assert_eq!(next(&notices), "READY=1");
    assert_eq!(daemon.ask("GET", "/restconf", "").status, 200, "ready, but it does not answer");
    let mut last = Instant::now();
    for beat in 0..4 {
        assert_eq!(next(&notices), "WATCHDOG=1");
        // systemd kills at 900 ms.
        assert!(last.elapsed() < Duration::from_millis(900), "beat {beat} came late: {:?}", last.elapsed());
        last = Instant::now();
    }
    daemon.signal("TERM");
    let stopping = (0..20).map(|_| next(&notices)).find(|notice| notice != "WATCHDOG=1");
    assert_eq!(stopping.as_deref(), Some("STOPPING=1"));
    daemon.stop();
}

fn next(notices: &UnixDatagram) -> String {
    let mut block = [0; 4096];
    let read = notices.recv(&mut block).unwrap();
    String::from_utf8_lossy(&block[..read]).trim_end().to_owned()
}

/// SIGHUP: a new element appears, an absent one becomes unmanaged and is not written to, a broken file changes nothing.
#[test]
fn sighup_reads_the_inventory_again() {
    let Some(domain) = Domain::start() else { return };
    domain.inventory(&["pe1"]);
    let daemon = domain.daemon();
    assert!(daemon.element("pe1").is_some() && daemon.element("pe2").is_none());
    let refused = daemon.put(&document());
    assert!(refused.status == 400 || refused.status == 409, "{refused:?}");

    domain.inventory(&["pe1", "pe2"]);
    daemon.signal("HUP");
    wait_until("pe2 appears", Duration::from_secs(10), || daemon.element("pe2").is_some()).unwrap();
    let before = domain.running();
    daemon.put(&document()).is(201);
    let after = domain.running();

    domain.inventory(&["pe2"]);
    daemon.signal("HUP");
    let unmanaged = |daemon: &Daemon| daemon.element("pe1").is_some_and(|pe1| pe1["sync-state"] == "unmanaged");
    wait_until("pe1 is unmanaged", Duration::from_secs(10), || unmanaged(&daemon)).unwrap();
    let refused = daemon.delete();
    assert!((400..=503).contains(&refused.status), "{refused:?}");
    assert!(domain.running() == after, "an unmanaged element, or half a service, was changed");

    std::fs::write(domain.folder().join("elements.toml"), "[[element]]\nname = 7\n").unwrap();
    daemon.signal("HUP");
    wait_until("the complaint", Duration::from_secs(10), || daemon.log().contains("the inventory stays as it was"))
        .unwrap();
    assert!(unmanaged(&daemon) && daemon.element("pe2").is_some());

    domain.inventory(&["pe1", "pe2"]);
    daemon.signal("HUP");
    wait_until("pe1 is back", Duration::from_secs(10), || !unmanaged(&daemon)).unwrap();
    daemon.delete().is(204);
    domain.comes_to("at the end", &before);
    daemon.stop();
}
