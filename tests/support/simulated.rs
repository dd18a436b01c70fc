//! The inventory entry of a simulated element.

use andante::adagio::sim::SimHandle;
use andante::domain::Element;
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
