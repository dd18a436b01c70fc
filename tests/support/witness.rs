//! An independent witness: Python's `ncclient` reads the element, without any code of ours in between.
use super::processes::{lab_file, program_of_witness};
use super::{NetconfElement, Unavailable};
use std::io::Write;
use std::process::{Command, Stdio};

/// The capabilities as ncclient sees them.
///
/// # Errors
/// ncclient is not installed.
pub fn ncclient_hello(element: &NetconfElement) -> Result<Vec<String>, Unavailable> {
    Ok(ask(element, "hello", "")?.lines().map(str::to_owned).collect())
}

/// One session, these operations in a row (each an element of namespace `urn:ietf:params:xml:ns:netconf:base:1.0`):
/// the whole replies, rpc-errors included.
///
/// # Errors
/// ncclient is not installed.
pub fn ncclient_rpcs(element: &NetconfElement, operations: &[&str]) -> Result<Vec<String>, Unavailable> {
    let replies = ask(element, "rpc", &operations.join("\0"))?;
    Ok(replies.split('\0').map(str::to_owned).collect())
}

/// The running configuration under a subtree filter (the content of `<filter>`; empty for everything).
///
/// # Errors
/// ncclient is not installed.
pub fn ncclient_get_config(element: &NetconfElement, filter: &str) -> Result<String, Unavailable> {
    let filter = if filter.is_empty() { String::new() } else { format!("<filter type=\"subtree\">{filter}</filter>") };
    let operation = format!(
        "<get-config xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\"><source><running/></source>{filter}</get-config>"
    );
    Ok(ncclient_rpcs(element, &[&operation])?.remove(0))
}

fn ask(element: &NetconfElement, verb: &str, input: &str) -> Result<String, Unavailable> {
    let python = program_of_witness()?;
    let addr = element.addr();
    let host_key = element.host_key_openssh().split(' ').nth(1).expect("base64");
    let mut witness = Command::new(python)
        .arg(lab_file("witness.py"))
        .args([&addr.ip().to_string(), &addr.port().to_string(), &element.username()])
        .arg(element.private_key())
        .args([host_key, verb])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("witness starts");
    witness.stdin.take().expect("piped").write_all(input.as_bytes()).expect("witness reads");
    let output = witness.wait_with_output().expect("witness ends");
    assert!(output.status.success(), "ncclient: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout).expect("UTF-8"))
}
