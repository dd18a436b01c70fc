//! The customers of a lab: a host at each of two sites. All of them use the same addresses.
use crate::support::Unavailable;
use crate::support::processes::{Processes, cable, run};
use crate::traffic::{Count, Stream, arrives, passes, pings};
use std::process::Command;
use std::time::Duration;

/// The customer's own address at each site.
pub const ADDRESSES: [&str; 2] = ["198.51.100.1", "198.51.100.2"];
/// The far side, seen from the first site.
pub const THERE: &str = ADDRESSES[1];

/// The hosts. Dropping them ends them, and what runs there.
pub struct Customers(Processes);

impl Customers {
    /// # Errors
    /// This machine cannot have them.
    pub fn start(names: &[&str]) -> Result<Self, Unavailable> {
        let mut processes = Processes::new()?;
        for name in names {
            for site in [1, 2] {
                processes.spawn_node(&node(name, site));
            }
        }
        Ok(Self(processes))
    }

    /// Lays the cable from a customer's host to `(a process of the other end, interface)`.
    pub fn attach(&self, customer: &str, site: usize, end: (u32, &str)) {
        cable((self.pid(customer, site), "eth0"), end);
        let address = format!("{}/24", ADDRESSES[site - 1]);
        run(self.at(customer, site, "ip").args(["addr", "add", &address, "dev", "eth0"]));
        run(self.at(customer, site, "ip").args(["link", "set", "dev", "eth0", "mtu", "8000"]));
        // A veth leaves checksums to hardware that is not there; TCP would not pass a switch.
        run(self.at(customer, site, "ethtool").args(["-K", "eth0", "tx", "off"]));
    }

    /// A command that will run at the customer's site.
    pub fn at(&self, customer: &str, site: usize, program: &str) -> Command {
        self.0.command_in_node(&node(customer, site), program)
    }

    /// The process whose network namespace the customer's site is: `nsenter --net -t PID`.
    pub fn pid(&self, customer: &str, site: usize) -> u32 {
        self.0.pid(&node(customer, site))
    }

    /// How many of three packets came back from the other site.
    pub fn through(&self, customer: &str) -> usize {
        pings(self.at(customer, 1, "ping"), &[], THERE)
    }

    /// How many of three packets with so many bytes of data, which nobody may fragment.
    pub fn through_with(&self, customer: &str, bytes: u32) -> usize {
        pings(self.at(customer, 1, "ping"), &["-Mdo", "-s", &bytes.to_string()], THERE)
    }

    /// Waits until packets come back from the other site.
    ///
    /// # Errors
    /// None did within the limit.
    pub fn passes(&self, customer: &str, limit: Duration) -> Result<Duration, String> {
        passes(|| self.at(customer, 1, "ping"), THERE, limit)
    }

    /// What arrives at one site of `offered` bit/s that the other one sends, in bit/s of its data.
    pub fn arrives(&self, customer: &str, from: usize, offered: u64) -> f64 {
        let to = 3 - from;
        arrives(self.at(customer, from, "iperf3"), self.at(customer, to, "iperf3"), ADDRESSES[to - 1], offered)
    }

    /// The customer begins to send to the other site, 100 packets a second.
    pub fn stream(&mut self, customer: &str) -> Stream {
        let command = self.at(customer, 1, &Stream::program());
        Stream::start(&mut self.0, &format!("stream-{customer}"), command, THERE)
    }

    /// Ends it and counts.
    pub fn count(&mut self, stream: Stream) -> Count {
        stream.stop(&mut self.0)
    }
}

fn node(customer: &str, site: usize) -> String {
    format!("{customer}-{site}")
}
