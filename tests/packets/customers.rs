//! The customers of a lab: a host at each site. All of them use the same addresses.
use crate::support::Unavailable;
use crate::support::processes::{Processes, cable, run};
use crate::traffic::{Count, OneWay, Stream, arrives, passes, pings};
use std::process::Command;
use std::time::Duration;

/// The customer's own address at each site.
pub const ADDRESSES: [&str; 3] = ["198.51.100.1", "198.51.100.2", "198.51.100.3"];
/// The second site, seen from the first one.
pub const THERE: &str = ADDRESSES[1];

/// The hosts. Dropping them ends them, and what runs there.
pub struct Customers(Processes);

impl Customers {
    /// Two sites each.
    ///
    /// # Errors
    /// This machine cannot have them.
    pub fn start(names: &[&str]) -> Result<Self, Unavailable> {
        Self::with_sites(names, 2)
    }

    /// # Errors
    /// This machine cannot have them.
    pub fn with_sites(names: &[&str], sites: usize) -> Result<Self, Unavailable> {
        let mut processes = Processes::new()?;
        for name in names {
            for site in 1..=sites {
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
        self.between(customer, 1, 2)
    }

    /// How many of three packets from one site came back from another.
    pub fn between(&self, customer: &str, from: usize, to: usize) -> usize {
        pings(|| self.at(customer, from, "ping"), &[], ADDRESSES[to - 1])
    }

    /// How many of three packets with so many bytes of data, which nobody may fragment.
    pub fn through_with(&self, customer: &str, bytes: u32) -> usize {
        pings(|| self.at(customer, 1, "ping"), &["-Mdo", "-s", &bytes.to_string()], THERE)
    }

    /// Waits until packets come back from the other site.
    ///
    /// # Errors
    /// None did within the limit.
    pub fn passes(&self, customer: &str, limit: Duration) -> Result<Duration, String> {
        self.passes_between(customer, 1, 2, limit)
    }

    /// Waits until packets from one site come back from another.
    ///
    /// # Errors
    /// None did within the limit.
    pub fn passes_between(&self, customer: &str, from: usize, to: usize, limit: Duration) -> Result<Duration, String> {
        passes(|| self.at(customer, from, "ping"), ADDRESSES[to - 1], limit)
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

    /// The customer begins to send from one of the first two sites to the other, 100 datagrams a second; nothing comes back.
    pub fn one_way(&mut self, customer: &str, from: usize) -> OneWay {
        let to = 3 - from;
        let [send, count] = [from, to].map(|site| self.at(customer, site, &Stream::program()));
        OneWay::start(&mut self.0, &format!("oneway-{customer}"), send, count, ADDRESSES[to - 1])
    }

    /// Ends it and counts.
    pub fn count_one_way(&mut self, stream: OneWay) -> Count {
        stream.stop(&mut self.0)
    }

    /// Ends it and counts.
    pub fn count(&mut self, stream: Stream) -> Count {
        stream.stop(&mut self.0)
    }
}

fn node(customer: &str, site: usize) -> String {
    format!("{customer}-{site}")
}
