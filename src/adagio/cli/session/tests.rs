use super::super::dialect::CliDialect;
use super::super::dialect::tests::frr;
use super::*;
use tokio::io::{DuplexStream, duplex};

/// The element's end of a terminal: it echoes, and answers as the test says.
struct Element {
    stream: DuplexStream,
    typed: Vec<u8>,
}

impl Element {
    async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next line typed; `None` when the session has hung up.
    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.typed.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.typed.drain(..=at).collect();
                return Some(String::from_utf8(line).unwrap().trim_end_matches('\n').to_owned());
            }
            let mut block = [0; 1024];
            match self.stream.read(&mut block).await {
                Ok(0) | Err(_) => return None,
                Ok(n) => self.typed.extend_from_slice(&block[..n]),
            }
        }
    }

    /// Takes one line, echoes it and says `answer`.
    async fn answer(&mut self, expected: &str, answer: &str) {
        let line = self.line().await.unwrap();
        assert_eq!(line, expected);
        self.say(&format!("{line}\r\n{answer}")).await;
    }

    /// Greets and answers what a new session asks.
    async fn login(&mut self, banner: &str, prompt: &str) {
        self.say(&format!("{banner}{prompt}")).await;
        self.answer("", prompt).await;
        self.answer("terminal length 0", prompt).await;
    }
}

fn limits() -> CliLimits {
    let t = Duration::from_secs(5);
    CliLimits { login_timeout: t, line_timeout: t, show_timeout: t }
}

fn pair() -> (DuplexStream, Element) {
    let (ours, theirs) = duplex(4096);
    (ours, Element { stream: theirs, typed: Vec::new() })
}

async fn open_with(change: impl FnOnce(&mut CliDialect), limits: CliLimits, tap: Tap) -> (CliSession, Element) {
    let (ours, mut element) = pair();
    let mut dialect = frr();
    change(&mut dialect);
    let dialect = Arc::new(dialect.compile().unwrap());
    let (session, ()) = tokio::join!(
        CliSession::over(ours, dialect, limits, tap),
        element.login("\r\nHello, this is FRRouting (version 8.4.4).\r\n\r\n", "pe1# ")
    );
    (session.unwrap(), element)
}

async fn open() -> (CliSession, Element) {
    open_with(|_| {}, limits(), Tap::default()).await
}

#[tokio::test]
async fn a_line_gives_mode_prompt_and_verdict() {
    let (tap, record) = Tap::recording();
    let (mut session, mut element) = open_with(|_| {}, limits(), tap).await;
    assert_eq!((session.host(), session.mode()), ("pe1", "exec"));
    let serve = async {
        element.answer("configure terminal", "pe1(config)# ").await;
        element.answer("interface eth1", "pe1(config-if)# ").await;
        element.answer(" mtu 1400", "% Unknown command:  mtu 1400\r\npe1(config-if)# ").await;
        element.answer("end", "pe1# ").await;
    };
    let ask = async {
        assert_eq!(session.enter_config().await.unwrap().mode, "config");
        let reply = session.send_line("interface eth1").await.unwrap();
        assert!(reply.accepted() && reply.echo_ok && reply.output.is_empty());
        let refused = session.send_line(" mtu 1400").await.unwrap();
        assert_eq!(refused.verdict, Verdict::Error { text: "% Unknown command:  mtu 1400".into() });
        assert_eq!((refused.mode.as_str(), refused.prompt.as_str()), ("config-if", "pe1(config-if)# "));
        assert_eq!(session.leave_config().await.unwrap().mode, "exec");
    };
    tokio::join!(serve, ask);
    assert!(record.contains(b"configure terminal\ninterface eth1\n mtu 1400\nend\n"), "the lines and nothing else");
}

#[tokio::test]
async fn a_banner_with_prompts_in_it_is_no_login() {
    let (ours, mut element) = pair();
    let dialect = Arc::new(frr().compile().unwrap());
    let serve = async {
        element.say("#############\r\n# pe9# welcome #\r\n").await;
        element.say("pe9# ").await; // the rest of this banner line comes later
        assert_eq!(element.line().await.unwrap(), "");
        element.say("is not my name\r\npe1# ").await;
        element.say("\r\npe1# ").await; // the empty line is answered now
        element.answer("terminal length 0", "pe1# ").await;
    };
    let (session, ()) = tokio::join!(CliSession::over(ours, dialect, limits(), Tap::default()), serve);
    assert_eq!(session.unwrap().host(), "pe1");
}

#[tokio::test]
async fn a_host_without_a_name() {
    let (ours, mut element) = pair();
    let dialect = Arc::new(frr().compile().unwrap());
    let serve = async {
        element.login("", "(none)# ").await;
        element.answer("configure terminal", "(none)(config)# ").await;
    };
    let ask = async {
        let mut session = CliSession::over(ours, dialect, limits(), Tap::default()).await.unwrap();
        assert_eq!(session.host(), "(none)");
        assert_eq!(session.enter_config().await.unwrap().mode, "config");
    };
    tokio::join!(serve, ask);
}

#[tokio::test]
async fn a_show_ends_at_a_proved_prompt_only() {
    let (mut session, mut element) = open().await;
    let serve = async {
        assert_eq!(element.line().await.unwrap(), "show running-config");
        element.say("show running-config\r\nhostname pe1\r\nbanner motd line x\r\npe1# ").await;
        assert_eq!(element.line().await.unwrap(), "", "the prompt in the output is doubted");
        element.say("rm -rf /\r\npe1# \r\nend\r\npe1# ").await;
        element.say("\r\npe1# ").await;
        element.answer("show version", "FRR 8.4.4\r\npe1# ").await;
        element.answer("", "pe1# ").await;
    };
    let ask = async {
        let text = session.run_show_to_end("show running-config").await.unwrap();
        assert_eq!(text, "hostname pe1\nbanner motd line x\npe1# rm -rf /\npe1# \nend\n");
        assert_eq!(session.run_show("show version").await.unwrap(), "FRR 8.4.4\n");
    };
    tokio::join!(serve, ask);
}

#[tokio::test]
async fn a_show_that_is_cut_or_refused_is_no_reading() {
    let (mut session, mut element) = open().await;
    let serve = async {
        element.answer("show running-config", "hostname pe1\r\n!\r\npe1# ").await;
        element.answer("", "pe1# ").await;
        element.answer("show bogus", "% Unknown command: show bogus\r\npe1# ").await;
        element.answer("", "pe1# ").await;
        element.answer("show nothing", "pe1# ").await;
        element.answer("", "pe1# ").await;
    };
    let ask = async {
        let cut = session.run_show_to_end("show running-config").await.unwrap_err();
        assert!(matches!(&cut, CliError::Incomplete { last } if last == "!"), "{cut:?}");
        let refused = session.run_show("show bogus").await.unwrap_err();
        assert!(matches!(&refused, CliError::Rejected(text) if text.starts_with("% Unknown")), "{refused:?}");
        assert_eq!(session.run_show("show nothing").await.unwrap(), "");
    };
    tokio::join!(serve, ask);
}

#[tokio::test]
async fn a_line_that_would_do_something_else_is_not_sent() {
    let (tap, record) = Tap::recording();
    let (mut session, _element) = open_with(|_| {}, limits(), tap).await;
    let before = record.bytes().len();
    for line in ["description why?", "a\nb", "a\rb", "a\u{3}b", "show \u{e9}", &"x".repeat(600)] {
        let refused = session.send_line(line).await.unwrap_err();
        assert!(matches!(refused, CliError::Refused(_)) && !refused.is_unknown(), "{line:?}: {refused:?}");
    }
    assert_eq!(record.bytes().len(), before);
    assert!(session.ended().is_none(), "a refused line does not cost the session");
}

#[tokio::test]
async fn a_help_request_shows_as_an_echo_that_differs() {
    // What vtysh does with `?`: help, the line again without it, and a prompt as if it had been executed.
    let (mut session, mut element) = open_with(|d| d.forbidden.clear(), limits(), Tap::default()).await;
    let serve = async {
        element.line().await.unwrap();
        element.say("description a\r\n  <cr>\r\n  LINE  Characters\r\npe1# description a\r\npe1# ").await;
    };
    let (reply, ()) = tokio::join!(session.send_line("description a?"), serve);
    let reply = reply.unwrap();
    assert_eq!((reply.echo_ok, reply.verdict), (false, Verdict::EchoDiffers));
}

#[tokio::test]
async fn the_end_of_the_stream_inside_an_answer_is_unknown() {
    let (mut session, mut element) = open().await;
    let serve = async {
        element.line().await.unwrap();
        element.say("no vrf red\r\n% Only in").await;
        drop(element);
    };
    let (result, ()) = tokio::join!(session.send_line("no vrf red"), serve);
    let error = result.unwrap_err();
    assert!(matches!(error, CliError::Unknown(EndCause::Closed)) && error.is_unknown(), "{error:?}");
    let later = session.send_line("end").await.unwrap_err();
    assert!(matches!(later, CliError::Closed(EndCause::Closed)) && !later.is_unknown(), "{later:?}");
}

#[tokio::test]
async fn no_prompt_in_time_is_unknown_and_hangs_up() {
    let short = CliLimits { line_timeout: Duration::from_millis(50), ..limits() };
    let (mut session, mut element) = open_with(|_| {}, short, Tap::default()).await;
    let serve = async {
        element.answer("hostname pe2", "pe2(config)# ").await; // a prompt nobody knows
        element.line().await
    };
    let (result, next) = tokio::join!(session.send_line("hostname pe2"), serve);
    assert!(matches!(result, Err(CliError::Unknown(EndCause::TimedOut(_)))), "{result:?}");
    assert_eq!(next, None, "the session has hung up");
    assert!(matches!(session.ended(), Some(EndCause::TimedOut(_))));
}

#[tokio::test]
async fn a_call_given_up_half_way_costs_the_session() {
    let (mut session, mut element) = open().await;
    let given_up = tokio::time::timeout(Duration::from_millis(20), session.send_line("end")).await;
    assert!(given_up.is_err());
    assert!(matches!(session.send_line("end").await, Err(CliError::Closed(EndCause::Abandoned))));
    assert_eq!(element.line().await.as_deref(), Some("end"));
    assert_eq!(element.line().await, None);
}

#[tokio::test]
async fn too_much_output_is_cut() {
    let (mut session, mut element) = open_with(|d| d.max_output = 10_000, limits(), Tap::default()).await;
    let serve = async {
        element.line().await.unwrap();
        let line = "x".repeat(98) + "\r\n";
        while element.stream.write_all(line.as_bytes()).await.is_ok() {}
    };
    let (result, ()) = tokio::join!(session.run_show("show all"), serve);
    assert!(matches!(result, Err(CliError::Unknown(EndCause::TooMuch(10_000)))), "{result:?}");
}

#[tokio::test]
async fn a_pager_is_answered_and_cut_out() {
    let pager = |d: &mut CliDialect| d.pager = Some("^ --More-- $".into());
    let (mut session, mut element) = open_with(pager, limits(), Tap::default()).await;
    let serve = async {
        element.answer("show ip route", "a\r\n --More-- ").await;
        let mut key = [0; 1];
        element.stream.read_exact(&mut key).await.unwrap();
        assert_eq!(&key, b" ");
        element.say("\r          \rb\r\npe1# ").await;
        element.answer("", "pe1# ").await;
    };
    let (text, ()) = tokio::join!(session.run_show("show ip route"), serve);
    assert_eq!(text.unwrap().lines().map(str::trim_end).collect::<Vec<_>>(), ["a", "b"]);
}

#[tokio::test]
async fn log_lines_and_escapes_do_not_disturb() {
    let log = |d: &mut CliDialect| d.log_lines = vec![r"^\d{4}/\d\d/\d\d .* BGP: ".into()];
    let (mut session, mut element) = open_with(log, limits(), Tap::default()).await;
    let line = "2026/11/23 02:00:00 BGP: neighbor 10.0.0.1 down";
    element.say(&format!("\r\n{line}\r\npe1# ")).await; // while nobody asks; the prompt is printed again
    let serve = async {
        element.answer("configure terminal", &format!("{line}\r\n\x1b[1mpe1(config)# \x1b[0m")).await;
    };
    let (reply, ()) = tokio::join!(session.enter_config(), serve);
    let reply = reply.unwrap();
    assert_eq!((reply.verdict, reply.mode.as_str()), (Verdict::Ok, "config"));
}

#[tokio::test]
async fn a_login_without_a_prompt_says_what_it_saw() {
    let (ours, mut element) = pair();
    let dialect = Arc::new(frr().compile().unwrap());
    let short = CliLimits { login_timeout: Duration::from_millis(50), ..limits() };
    element.say("User Access Verification\r\nPassword: ").await;
    let error = CliSession::over(ours, dialect, short, Tap::default()).await.unwrap_err();
    assert!(matches!(&error, CliError::Login { last, .. } if last == "Password: "), "{error:?}");
    assert_eq!(element.line().await, None, "nothing was typed");
}

#[tokio::test]
async fn saving_has_notices_of_its_own() {
    let (mut session, mut element) = open().await;
    let words = "Note: this version of vtysh never writes vtysh.conf\r\nBuilding Configuration...\r\n\
        Configuration saved to /etc/frr/zebra.conf\r\npe1# ";
    let serve = async {
        element.answer("write memory", words).await;
        element.answer("write memory", words).await;
    };
    let ask = async {
        assert_eq!(session.save().await.unwrap().verdict, Verdict::Notice);
        assert!(matches!(session.send_line("write memory").await.unwrap().verdict, Verdict::Error { .. }));
    };
    tokio::join!(serve, ask);
}

#[tokio::test]
async fn questions_are_answered_and_are_no_part_of_the_output() {
    let (mut session, mut element) = open().await;
    let answers = [
        Answer { expect: r"\[confirm\]$".into(), answer: String::new() },
        Answer { expect: r"\[y/n\]".into(), answer: "y".into() },
    ];
    let script = async {
        element.answer("no username ops", "This will remove all of ops.\r\nDo you want to continue? [confirm]").await;
        element.answer("", "Really? [y/n]: ").await;
        element.answer("y", "pe1(config)# ").await;
        // Without a question nothing is answered, and what stands behind an answer is output.
        element.answer("no username ops", "pe1(config)# ").await;
        element.answer("no username ops", "Sure? [y/n]").await;
        element.answer("y", "% not possible\r\npe1(config)# ").await;
    };
    let talk = async {
        let lines = ["no username ops"];
        let reply = session.send_lines(&lines, &answers).await.unwrap();
        assert_eq!((reply.verdict, reply.output.len(), reply.mode.as_str()), (Verdict::Ok, 0, "config"));
        assert_eq!(session.send_lines(&lines, &answers).await.unwrap().verdict, Verdict::Ok);
        let refused = session.send_lines(&lines, &answers).await.unwrap();
        assert_eq!(refused.verdict, Verdict::Error { text: "% not possible".into() });
        let bad = [Answer { expect: "(".into(), answer: String::new() }];
        assert!(matches!(session.send_lines(&lines, &bad).await, Err(CliError::Question(_))));
    };
    tokio::join!(script, talk);
}

#[tokio::test]
async fn lines_that_are_one_are_sent_without_waiting_in_between() {
    let (mut session, mut element) = open().await;
    let script = async {
        for line in ["banner motd #", "Keep out.", "#"] {
            element.answer(line, "").await;
        }
        element.say("pe1(config)# ").await;
    };
    let talk = async {
        let reply = session.send_lines(&["banner motd #", "Keep out.", "#"], &[]).await.unwrap();
        assert_eq!((reply.verdict, reply.output.len()), (Verdict::Ok, 0));
    };
    tokio::join!(script, talk);
}
