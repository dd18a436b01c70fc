//! The command `andante` as a process, against a daemon: what it prints and how it ends.

use crate::daemon::{Daemon, text};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ended {
    #[track_caller]
    pub fn with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "out:\n{}\nerr:\n{}", self.out, self.err);
        self
    }
}

/// Runs the command with the daemon's socket, `input` on its standard input.
pub async fn andante(socket: &Path, arguments: &[&str], input: &str) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_andante"));
    command.arg("--socket").arg(socket).args(arguments).env_remove("ANDANTE_URL");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = tokio::time::timeout(Duration::from_secs(100), child.wait_with_output()).await.unwrap().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_the_promised_codes() {
    let daemon = Daemon::unreachable().await;
    let run = |arguments: &'static [&'static str], input: String| {
        let socket = daemon.socket.clone();
        async move { andante(&socket, arguments, &input).await }
    };
    let none = String::new;

    let list = run(&["element", "list"], none()).await.with(0);
    assert!(list.out.contains("pe1") && list.out.contains("iosxr") && !list.out.contains('\u{1b}'), "{}", list.out);
    let json = run(&["element", "show", "pe1", "--json"], none()).await.with(0);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["andante:element"][0]["name"], "pe1");
    assert_eq!(run(&["service", "list"], none()).await.with(0).out, "no services\n");
    assert_eq!(run(&["deviation", "list", "--color", "never"], none()).await.with(0).out, "no deviations\n");
    run(&["adapter", "list"], none()).await.with(0);
    run(&["transaction", "list"], none()).await.with(0);

    // Refused: what, where, why, what now.
    let plan = run(&["plan", "-"], text("l3vpn-any-to-any.json")).await.with(3);
    for part in ["comm-loss:", "element    pe", "the network is as before", "to do"] {
        assert!(plan.err.contains(part), "{part}\n{}", plan.err);
    }
    // A check that no element has is a slip, and said at once; one that there is gets as far as the element.
    let slip = run(&["plan", "-", "--check", "bogus"], text("l3vpn-any-to-any.json")).await.with(3);
    assert!(slip.err.contains("'bogus'") && slip.err.contains("interface"), "{}", slip.err);
    let known = run(&["plan", "-", "--check", "interface"], text("l3vpn-any-to-any.json")).await.with(3);
    assert!(known.err.contains("comm-loss:"), "{}", known.err);
    let plan = run(&["plan", "-", "--json"], text("l3vpn-any-to-any.xml")).await.with(3);
    assert!(plan.out.contains("ietf-restconf:errors"), "{}", plan.out);
    let broken =
        run(&["plan", "-"], "{\"ietf-l3vpn-ntw:vpn-service\": [{\"vpn-id\": \"x\", \"colour\": 1}]}".into()).await;
    assert!(broken.with(3).err.contains("colour"));
    run(&["commit", "0123456789"], none()).await.with(3);
    run(&["element", "show", "pe9"], none()).await.with(3);
    run(&["service", "delete", "none"], none()).await.with(3);
    run(&["element", "probe", "pe1"], none()).await.with(3);

    // Wrong usage, and a daemon that is not there.
    run(&["commit", "123"], none()).await.with(64);
    run(&["plan", "/nonexistent.json"], none()).await.with(64);
    run(&["dance"], none()).await.with(64);
    run(&["--help"], none()).await.with(0);
    let lost = andante(Path::new("/nonexistent.sock"), &["element", "list"], "").await.with(1);
    assert!(lost.err.contains("/nonexistent.sock"), "{}", lost.err);

    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/config/andante.toml");
    andante(&daemon.socket, &["config", "check", shipped], "").await.with(0);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    std::fs::write(&file, "[presto]\nlisten_on = 1\n").unwrap();
    let bad = andante(&daemon.socket, &["config", "check", file.to_str().unwrap()], "").await.with(3);
    assert!(bad.out.contains("listen_on"), "{}", bad.out);

    let inventory = folder.path().join("elements.toml");
    std::fs::write(
        &inventory,
        "[[element]]\nname = \"pe1\"\nadapter = \"frr\"\naddress = \"127.0.0.1:1\"\nusername = \"x\"\npassword_file = \"p\"\n",
    )
    .unwrap();
    let applied = andante(&daemon.socket, &["element", "apply", inventory.to_str().unwrap()], "").await.with(0);
    assert!(applied.out.contains("pe1") && applied.out.contains("pe2"), "{}", applied.out);
    daemon.end().await;
}
