//! What a test needs around simulated elements: a key, a configuration to begin with, the inventory entry.

use andante::adagio::sim::SimHandle;
use andante::domain::Element;
use russh::keys::PrivateKey;
use std::path::Path;

/// With this user's key.
pub fn simulated(sim: &SimHandle, name: &str, user: &str, key: &Path) -> Element {
    let adapter = sim.adapter(name).unwrap();
    let text = format!(
        "name='{name}'\nadapter='{adapter}'\naddress='{}'\nusername='{user}'\nhost_key='{}'\nprivate_key='{}'",
        sim.address(name).unwrap(),
        sim.host_key(name).unwrap(),
        key.display(),
    );
    toml::from_str(&text).unwrap()
}

/// The key of the daemon, in the file `key` of this folder.
pub fn key_in(folder: &Path) -> PrivateKey {
    let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), russh::keys::Algorithm::Ed25519).unwrap();
    key.write_openssh_file(folder.join("key"), Default::default()).unwrap();
    key
}

/// An FRR as its owner left it.
pub const FRR_BEFORE: &str = "interface eth0\n description core\n ip address 10.0.0.2/30\nexit\n!\nrouter bgp 65000\n \
                          bgp router-id 10.255.0.2\nexit\n!\nend\n";
