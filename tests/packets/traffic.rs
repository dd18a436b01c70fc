//! Packets of customers: echo requests that are counted, one by one.
use crate::support::processes::{Processes, python, run};
use crate::support::wait_until;
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How many of three echo requests were answered. The command leads into the customer's node and ends there. When some were
/// and some were not, a busy machine may have been too late for the others: it is asked again, and the most counts.
pub fn pings(inside: impl Fn() -> Command, options: &[&str], to: &str) -> usize {
    let mut most = 0;
    for _ in 0..3 {
        let mut ping = inside();
        ping.args(["-n", "-c3", "-i0.2", "-W1"]).args(options).arg(to);
        let output = ping.output().expect("ping runs");
        most = String::from_utf8_lossy(&output.stdout).matches("bytes from").count().max(most);
        if most == 0 || most == 3 {
            break;
        }
    }
    most
}

/// Waits until echo requests are answered; the time it took.
///
/// # Errors
/// None was within the limit.
pub fn passes(inside: impl Fn() -> Command, to: &str, limit: Duration) -> Result<Duration, String> {
    let began = Instant::now();
    wait_until(&format!("packets to {to}"), limit, || {
        let mut ping = inside();
        ping.args(["-n", "-c1", "-W0.2", to]);
        ping.output().expect("ping runs").status.success()
    })?;
    Ok(began.elapsed())
}

/// What arrives of `offered` bit/s of UDP, in bit/s of its data, over two seconds after a first one. `client` and `server`
/// are iperf3 at the two sites; the data flows from the client to the server.
pub fn arrives(mut client: Command, mut server: Command, to: &str, offered: u64) -> f64 {
    let mut serving = server.args(["-s", "-1"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("iperf3");
    client.args(["-c", to, "-u", "-b", &offered.to_string(), "-l", "1400", "-t", "2", "-O", "1", "--json"]);
    let mut said = String::new();
    let measured = wait_until("a measurement by iperf3", Duration::from_secs(20), || {
        let output = client.output().expect("iperf3");
        said = String::from_utf8_lossy(&output.stdout).into_owned();
        !said.contains("\"error\"") // the server may not listen yet; the exit status is 0 all the same
    });
    let _ = serving.kill();
    let _ = serving.wait();
    measured.unwrap_or_else(|error| panic!("{error}\n{said}"));
    let report: serde_json::Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    let received = &report["end"]["sum_received"]["bits_per_second"];
    received.as_f64().unwrap_or_else(|| panic!("no rate in {said}"))
}

/// A customer who sends 100 echo requests a second until [`Stream::stop`] (`stream.py`).
pub struct Stream {
    name: String,
    began: Instant,
}

/// What became of the requests of a [`Stream`].
#[derive(Debug)]
pub struct Count {
    pub sent: u32,
    /// The numbers of those that were never answered: a hundred of them are a second.
    pub lost: Vec<u32>,
    pub lasted: Duration,
}

impl Count {
    /// A line for people.
    pub fn told(&self, who: &str) -> String {
        let (seconds, lost) = (self.lasted.as_secs_f32(), self.lost.len());
        format!("{who}, 100 packets/s for {seconds:.1} s: {} sent, {lost} lost {}", self.sent, self.gaps())
    }

    /// How many went how long after the beginning.
    pub fn gaps(&self) -> String {
        let mut text = String::new();
        let mut rest = self.lost.as_slice();
        while let Some(first) = rest.first() {
            let length = rest.iter().zip(*first..).take_while(|(number, expected)| **number == *expected).count();
            let _ = write!(text, "{length} at {:.2} s, ", f64::from(*first) / 100.0);
            rest = &rest[length..];
        }
        text
    }
}

impl Stream {
    /// What [`Stream::start`] runs.
    pub fn program() -> String {
        python().unwrap_or_else(|missing| panic!("{missing:?}")).display().to_string()
    }

    /// Begins to send; a request has been answered when this returns. The command is [`Stream::program`] in a node.
    pub fn start(processes: &mut Processes, name: &str, mut stream: Command, to: &str) -> Self {
        stream.args(["-I", "-S", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/packets/stream.py"), to]);
        let log = processes.folder().join(format!("{name}.log"));
        let _ = std::fs::remove_file(&log); // of an earlier one
        processes.spawn(name, &mut stream);
        let answered = || std::fs::read_to_string(&log).is_ok_and(|said| said.contains("answered"));
        processes.wait_for(name, "a first answer", answered).unwrap_or_else(|error| panic!("{error}"));
        Self { name: name.to_owned(), began: Instant::now() }
    }

    /// Ends it and counts. What lasted too short to say anything goes on until a hundred came through.
    pub fn stop(self, processes: &mut Processes) -> Count {
        went_on(processes, &self.name);
        let lasted = self.began.elapsed();
        run(Command::new("kill").args(["-TERM", &processes.pid(&self.name).to_string()]));
        wait_until("the count", Duration::from_secs(10), || processes.log(&self.name).ends_with("end\n"))
            .unwrap_or_else(|error| panic!("{error}\n{}", processes.log(&self.name)));
        let said = processes.log(&self.name);
        processes.kill(&self.name);
        count(&said, lasted)
    }
}

/// Reads what `stream.py` said.
pub fn count(said: &str, lasted: Duration) -> Count {
    let numbers = |word: &str| -> Vec<u32> {
        let lines = said.lines().filter_map(|line| line.strip_prefix(word));
        lines.filter_map(|rest| rest.split_whitespace().next()?.parse().ok()).collect()
    };
    let [sent] = numbers("sent ")[..] else { panic!("no count in:\n{said}") };
    Count { sent, lost: numbers("lost "), lasted }
}

/// A customer who sends 100 datagrams a second in one direction only until [`OneWay::stop`] (`oneway.py`).
pub struct OneWay {
    name: String,
    began: Instant,
}

impl OneWay {
    /// Begins to send; a datagram has arrived when this returns. The commands are [`Stream::program`] in two nodes.
    pub fn start(processes: &mut Processes, name: &str, mut send: Command, mut count: Command, to: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/packets/oneway.py");
        let log = processes.folder().join(format!("{name}.log"));
        let _ = std::fs::remove_file(&log); // of an earlier one
        let says = |word: &str| std::fs::read_to_string(&log).is_ok_and(|said| said.contains(word));
        processes.spawn(name, count.args(["-I", "-S", script, "count"]));
        processes.wait_for(name, "the counter", || says("listens")).unwrap_or_else(|error| panic!("{error}"));
        processes.spawn(&sender(name), send.args(["-I", "-S", script, "send", to]));
        processes.wait_for(name, "a first datagram", || says("answered")).unwrap_or_else(|error| panic!("{error}"));
        Self { name: name.to_owned(), began: Instant::now() }
    }

    /// Ends it and counts. What lasted too short to say anything goes on until a hundred came through.
    pub fn stop(self, processes: &mut Processes) -> Count {
        went_on(processes, &self.name);
        let lasted = self.began.elapsed();
        run(Command::new("kill").args(["-TERM", &processes.pid(&sender(&self.name)).to_string()]));
        wait_until("the count", Duration::from_secs(10), || processes.log(&self.name).ends_with("end\n"))
            .unwrap_or_else(|error| panic!("{error}\n{}", processes.log(&self.name)));
        let said = processes.log(&self.name);
        processes.kill(&self.name);
        processes.kill(&sender(&self.name));
        count(&said, lasted)
    }
}

/// Waits until the script has seen a hundred packets: a change may be over before there were any to lose.
fn went_on(processes: &mut Processes, name: &str) {
    let log = processes.folder().join(format!("{name}.log"));
    let many = || std::fs::read_to_string(&log).is_ok_and(|said| said.contains("many"));
    processes.wait_for(name, "a hundred packets", many).unwrap_or_else(|error| panic!("{error}"));
}

fn sender(name: &str) -> String {
    format!("{name}-sender")
}

#[test]
fn what_is_lost_is_told_with_its_time() {
    let said = "answered\nsent 700\nlost 2 0.02\nlost 3 0.03\nlost 500 5.00\nend\n";
    let counted = count(said, Duration::from_secs(7));
    assert_eq!((counted.sent, counted.lost.len()), (700, 3));
    assert_eq!(counted.gaps(), "2 at 0.02 s, 1 at 5.00 s, ");
}
