//! One OpenSSH server in front of an element: keys only, 127.0.0.1 only, a free port, a recorder before the program.
use super::processes::{Processes, lab_file, python};
use super::{Access, Unavailable, program};
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// What a login gets.
#[derive(Debug, Clone, Copy)]
pub enum Front {
    /// The subsystem `netconf`, and nothing else.
    NetconfSubsystem,
    /// This program instead of whatever the client asks for.
    ForcedProgram,
}

/// The bytes one client session sent, in the order of arrival.
#[derive(Debug, Clone)]
pub struct WireSession {
    /// Begins with the start time: names sort in the order in which the sessions began.
    pub name: String,
    /// Exactly what was sent, framing included.
    pub bytes: Vec<u8>,
}

impl WireSession {
    /// The bytes as text; what is no UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// Where a connection is cut, see [`cut`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The element never gets the message.
    BeforeDelivery,
    /// The element obeys, and only its answer is lost: the client cannot know.
    AfterDelivery,
    /// Nothing is cut: the element gets another word in the pattern's place, and answers that with its own refusal.
    Refusal,
    /// Nothing is cut: the server behind the session gets the message, and SIGKILL at once.
    Death,
    /// The element obeys, the connection stays open on both sides, and nothing comes through it any more. The element
    /// keeps the session, with its locks, until its SSH is taken away.
    Stall,
}

/// Cuts the connection (or what [`Cut`] says) of the next session that sends a message with this pattern in it (an RPC, a
/// typed line). Once.
pub fn cut(folder: &Path, when: Cut, pattern: &str) {
    let when = match when {
        Cut::BeforeDelivery => "before",
        Cut::AfterDelivery => "after",
        Cut::Refusal => "garble",
        Cut::Death => "die",
        Cut::Stall => "stall",
    };
    let order = folder.join("wire.cut");
    let part = folder.join("wire.cut.part");
    std::fs::write(&part, format!("{when}\n{pattern}")).expect("order");
    std::fs::rename(part, order).expect("order");
}

/// Takes an order back that has not been carried out.
pub fn no_cut(folder: &Path) {
    let _ = std::fs::remove_file(folder.join("wire.cut"));
}

/// Whether the ordered cut is still to come.
pub fn cut_is_pending(folder: &Path) -> bool {
    folder.join("wire.cut").exists()
}

/// Tells the recorder which process serves the sessions: it lets it take the hello before anything else.
pub fn server_is(folder: &Path, pid: u32) {
    std::fs::write(folder.join("wire.server"), pid.to_string()).expect("process id");
}

/// Makes keys, starts sshd under the name `sshd`, and waits until it greets. The program may contain `{port}`.
///
/// # Errors
/// OpenSSH is not installed.
pub fn start(processes: &mut Processes, front: Front, front_program: &str) -> Result<Access, Unavailable> {
    let sshd = program("sshd")?;
    let folder = processes.folder().to_owned();
    let mut access = Access::make(&folder)?;
    std::fs::create_dir_all(folder.join("wire")).expect("wire folder");
    if super::access::user() == "root" {
        let _ = std::fs::create_dir_all("/run/sshd"); // privilege separation wants it; without systemd nobody made it
    }
    let front_line = match front {
        Front::NetconfSubsystem => format!("Subsystem netconf {}/front", folder.display()),
        Front::ForcedProgram => format!("ForceCommand {}/front", folder.display()),
    };
    let mut last = String::new();
    for _ in 0..5 {
        let port = free_port();
        write_front(&folder, &front_program.replace("{port}", &port.to_string()))?;
        // A home of its own: sshd runs the program by the user's shell, and bash reads `~/.bashrc` first, which may
        // take seconds, or wait for ever for a lock that a killed session has left (pyenv).
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host_key\nPidFile none\n\
             AuthorizedKeysFile {0}/client_key.pub\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
             PermitRootLogin yes\nMaxStartups 1000\nMaxSessions 100\nUseDNS no\nPrintMotd no\nLogLevel ERROR\n\
             SetEnv HOME={0} SHLVL=2\n{front_line}\n",
            folder.display()
        );
        std::fs::write(folder.join("sshd_config"), config).expect("sshd_config");
        run_sshd(processes, &sshd);
        match processes.wait_for("sshd", "a greeting", || greets(port)) {
            Ok(()) => {
                access.on_port(port);
                return Ok(access);
            }
            Err(error) => last = error, // somebody took the port between the look and the bind: another one
        }
        processes.kill("sshd");
    }
    panic!("sshd does not start: {last}");
}

/// Starts sshd again, with the configuration, keys and port it had.
pub fn start_again(processes: &mut Processes, access: &Access) {
    let sshd = program("sshd").unwrap_or_else(|missing| panic!("{missing:?}"));
    run_sshd(processes, &sshd);
    let port = access.addr().port();
    processes.wait_for("sshd", "a greeting", || greets(port)).unwrap_or_else(|error| panic!("{error}"));
}

/// One more line of sshd_config, for the next start.
pub fn configure(folder: &Path, line: &str) {
    let file = folder.join("sshd_config");
    let text = std::fs::read_to_string(&file).expect("sshd_config");
    std::fs::write(file, format!("{line}\n{text}")).expect("sshd_config");
}

/// The sessions recorded so far, oldest first.
pub fn wire(folder: &Path) -> Vec<WireSession> {
    let mut sessions: Vec<WireSession> = std::fs::read_dir(folder.join("wire"))
        .expect("wire folder")
        .map(|entry| {
            let entry = entry.expect("entry");
            let bytes = std::fs::read(entry.path()).expect("recorded session");
            WireSession { name: entry.file_name().to_string_lossy().into_owned(), bytes }
        })
        .collect();
    sessions.sort_by(|a, b| a.name.cmp(&b.name));
    sessions
}

fn run_sshd(processes: &mut Processes, sshd: &Path) {
    let config = processes.folder().join("sshd_config");
    processes.spawn("sshd", Command::new(sshd).args(["-D", "-e", "-f"]).arg(config));
}

/// What sshd starts: the recorder in front of the program.
fn write_front(folder: &Path, front_program: &str) -> Result<(), Unavailable> {
    let text = format!(
        "#!/bin/sh\nexec '{}' -I -S '{}' '{}' {front_program}\n",
        python()?.display(),
        lab_file("record.py").display(),
        folder.join("wire").display()
    );
    let path = folder.join("front");
    std::fs::write(&path, text).expect("front program");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("front program");
    Ok(())
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("bound").port()
}

fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    let mut greeting = [0; 4];
    stream.set_read_timeout(Some(Duration::from_secs(2))).is_ok()
        && stream.read_exact(&mut greeting).is_ok()
        && &greeting == b"SSH-"
}
