//! How a client gets into an element: address, user, keys. What `elements.toml` asks for.
use super::Unavailable;
use super::processes::run;
use andante::adagio::ssh::{SshAuth, SshTarget};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The login of one element. Only keys: without PAM a password login of root depends on the machine.
#[derive(Debug, Clone)]
pub struct Access {
    folder: PathBuf,
    port: u16,
    host_key: String,
    fingerprint: String,
}

impl Access {
    /// Makes the host key and the client's key in the element's folder.
    ///
    /// # Errors
    /// OpenSSH is not installed.
    pub fn make(folder: &Path) -> Result<Self, Unavailable> {
        let keygen = super::program("ssh-keygen")?;
        for name in ["host_key", "client_key"] {
            run(Command::new(&keygen).args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(folder.join(name)));
        }
        let public = folder.join("host_key.pub");
        let said = run(Command::new(&keygen).args(["-l", "-E", "sha256", "-f"]).arg(&public));
        let fingerprint = said.split_whitespace().nth(1).expect("fingerprint").to_owned();
        let line = std::fs::read_to_string(public).expect("host key");
        let host_key = line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        Ok(Self { folder: folder.to_owned(), port: 0, host_key, fingerprint })
    }

    pub(super) fn on_port(&mut self, port: u16) {
        self.port = port;
        let line = format!("[127.0.0.1]:{port} {}\n", self.host_key);
        std::fs::write(self.known_hosts(), line).expect("known_hosts");
    }

    /// Where sshd listens.
    pub fn addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fn host_key_fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// `ssh-ed25519 AAAA…`, without a comment.
    pub fn host_key_openssh(&self) -> &str {
        &self.host_key
    }

    /// The line that a person types to log in.
    pub fn ssh(&self) -> String {
        let (key, hosts) = (self.private_key(), self.known_hosts());
        let options = format!("-i {} -o IdentitiesOnly=yes -o UserKnownHostsFile={}", key.display(), hosts.display());
        format!("ssh {options} -p {} {}@{}", self.port, self.username(), self.addr().ip())
    }

    /// All of it, for a driver.
    pub fn target(&self) -> SshTarget {
        SshTarget {
            address: self.addr().to_string(),
            username: self.username(),
            auth: vec![SshAuth::PrivateKey(self.private_key())],
            host_key: Some(self.host_key.parse().expect("host key")),
        }
    }

    /// The element of this name as an inventory file has it; the ports in TOML.
    pub fn listed(&self, name: &str, adapter: &str, router_id: &str, ports: &str) -> String {
        format!(
            "[[element]]\nname = \"{name}\"\nadapter = \"{adapter}\"\naddress = \"{}\"\nusername = \"{}\"\n\
             private_key = \"{}\"\nhost_key = \"{}\"\nrouter_id = \"{router_id}\"\nasn = 65000\n\
             ports = [{ports}]\n\n",
            self.addr(),
            self.username(),
            self.private_key().display(),
            self.host_key_openssh(),
        )
    }

    /// The client's private key, in OpenSSH's format, without a passphrase.
    pub fn private_key(&self) -> PathBuf {
        self.folder.join("client_key")
    }

    /// The user that runs the tests: sshd without PAM lets in nobody else.
    pub fn username(&self) -> String {
        user()
    }

    /// A `known_hosts` file with this element's key.
    pub fn known_hosts(&self) -> PathBuf {
        self.folder.join("known_hosts")
    }
}

/// Who runs the tests.
pub fn user() -> String {
    run(Command::new("id").arg("-un")).trim().to_owned()
}
