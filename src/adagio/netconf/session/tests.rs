use super::*;
use crate::adagio::netconf::framing::{Decoder, FramingError, encode};
use crate::adagio::netconf::message;
use crate::domain::ErrorClass;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

const HELLO: &str = "urn:ietf:params:netconf:base:1.1 urn:ietf:params:netconf:capability:candidate:1.0 \
    urn:ietf:params:netconf:capability:confirmed-commit:1.1 urn:ietf:params:netconf:capability:notification:1.0";

/// The element's end of a stream, driven by hand.
struct Element {
    stream: DuplexStream,
    decoder: Decoder,
}

impl Element {
    async fn read(&mut self) -> String {
        loop {
            if let Some(m) = self.decoder.next().unwrap() {
                return String::from_utf8(m).unwrap();
            }
            let mut buf = [0; 4096];
            let n = self.stream.read(&mut buf).await.unwrap();
            assert!(n > 0, "the session hung up");
            self.decoder.push(&buf[..n]);
        }
    }

    async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    async fn answer(&mut self, id: u64, inner: &str) {
        let reply = format!("<rpc-reply xmlns=\"{}\" message-id=\"{id}\">{inner}</rpc-reply>", message::BASE);
        let frame = encode(self.decoder.framing(), reply.as_bytes()).unwrap();
        self.write(&frame).await;
    }

    /// Whether the other side has hung up.
    async fn leaves(mut self) -> bool {
        let mut buf = [0; 4096];
        loop {
            match self.stream.read(&mut buf).await {
                Ok(0) | Err(_) => return true,
                Ok(_) => {}
            }
        }
    }
}

fn hello(capabilities: &str) -> Vec<u8> {
    let list: String = capabilities.split_whitespace().map(|c| format!("<capability>{c}</capability>")).collect();
    let ns = message::BASE;
    format!("<hello xmlns=\"{ns}\"><capabilities>{list}</capabilities><session-id>5</session-id></hello>]]>]]>").into()
}

fn limits() -> NetconfLimits {
    NetconfLimits {
        hello_timeout: Duration::from_secs(5),
        rpc_timeout: Duration::from_secs(5),
        knock_after: Duration::from_secs(4),
        frames: FrameLimits { max_message: 100_000, max_chunk: 50_000, max_chunks: 100 },
        notifications: 2,
    }
}

async fn open_with(capabilities: &str, behind: &[u8], tap: Tap) -> (NetconfSession, Element) {
    open_limited(capabilities, behind, tap, limits()).await
}

async fn open_limited(capabilities: &str, behind: &[u8], tap: Tap, limits: NetconfLimits) -> (NetconfSession, Element) {
    let (ours, theirs) = duplex(1024);
    let mut element = Element { stream: theirs, decoder: Decoder::new(FrameLimits::default()) };
    let first = [hello(capabilities), behind.to_vec()].concat();
    let serve = async {
        element.write(&first).await;
        let said = element.read().await;
        assert!(said.contains("base:1.0<") && said.contains("base:1.1<"), "{said}");
        if capabilities.contains("base:1.1") {
            element.decoder.set_framing(Framing::Chunked);
        }
    };
    let (session, ()) = tokio::join!(NetconfSession::over(ours, limits, tap), serve);
    (session.unwrap(), element)
}

async fn open() -> (NetconfSession, Element) {
    open_with(HELLO, b"", Tap::default()).await
}

fn event(n: u32) -> Vec<u8> {
    let ns = message::NOTIFICATION;
    let xml = format!("<notification xmlns=\"{ns}\"><eventTime>t</eventTime><e{n} xmlns=\"urn:e\"/></notification>");
    encode(Framing::Chunked, xml.as_bytes()).unwrap()
}

#[tokio::test]
async fn a_call_and_its_reply_in_both_framings() {
    for capabilities in [HELLO, "urn:ietf:params:netconf:base:1.0 urn:ietf:params:netconf:capability:candidate:1.0"] {
        let (tap, record) = Tap::recording();
        let (session, mut element) = open_with(capabilities, b"", tap).await;
        assert_eq!(session.session_id(), 5);
        let serve = async {
            assert!(element.read().await.contains("<lock><target><candidate/></target></lock>"));
            element.answer(1, "<ok/>").await;
            assert!(element.read().await.contains("message-id=\"2\""));
            element.answer(2, "<data><a xmlns=\"urn:a\"/></data>").await;
        };
        let ask = async {
            session.lock(Datastore::Candidate).await.unwrap();
            session.get_config(Datastore::Running, None, None).await.unwrap()
        };
        let ((), data) = tokio::join!(serve, ask);
        assert_eq!(data.inner, "<a xmlns=\"urn:a\"/>");
        let sent = String::from_utf8(record.bytes()).unwrap();
        assert!(sent.contains("<get-config><source><running/></source></get-config>"), "{sent}");
        assert_eq!(sent.contains("\n##\n"), session.framing() == Framing::Chunked);
    }
}

#[tokio::test]
async fn replies_come_in_any_order_with_notifications_between() {
    let (mut session, mut element) = open().await;
    let mut events = session.take_notifications().unwrap();
    let serve = async {
        element.read().await;
        element.read().await;
        element.write(&event(1)).await;
        element.answer(2, "<data>two</data>").await;
        element.write(&event(2)).await;
        element.answer(1, "<data>one</data>").await;
    };
    let one = session.get(Some(Filter::Subtree("<one/>")));
    let two = session.get(Some(Filter::Subtree("<two/>")));
    let (one, two, ()) = tokio::join!(one, two, serve);
    assert_eq!((one.unwrap().inner.as_str(), two.unwrap().inner.as_str()), ("one", "two"));
    assert_eq!(events.recv().await.unwrap().name, "e1");
    assert_eq!(events.recv().await.unwrap().name, "e2");
}

#[tokio::test]
async fn a_flood_of_notifications_does_not_stop_replies() {
    let (session, mut element) = open().await;
    let serve = async {
        element.read().await;
        for n in 0..50 {
            element.write(&event(n)).await;
        }
        element.answer(1, "<ok/>").await;
    };
    let (done, ()) = tokio::join!(session.discard_changes(), serve);
    done.unwrap();
    assert_eq!(session.lost_notifications(), 48, "two fit");
}

#[tokio::test]
async fn bytes_behind_the_hello_belong_to_the_session() {
    let (mut session, _element) = open_with(HELLO, &event(9), Tap::default()).await;
    let mut events = session.take_notifications().unwrap();
    assert_eq!(events.recv().await.unwrap().name, "e9");
}

#[tokio::test]
async fn refusals_keep_every_error() {
    let (session, mut element) = open().await;
    let serve = async {
        element.read().await;
        element
            .answer(
                1,
                "<rpc-error><error-tag>data-missing</error-tag><error-path>/a</error-path></rpc-error>\
                 <rpc-error><error-tag>in-use</error-tag></rpc-error>",
            )
            .await;
        element.read().await;
        let warning =
            "<rpc-error><error-tag>operation-failed</error-tag><error-severity>warning</error-severity></rpc-error>";
        element.answer(2, warning).await;
        element.read().await;
        element.answer(3, "").await;
    };
    let ask = async {
        let refused = session.commit().await.unwrap_err();
        let warned = session.commit().await.unwrap();
        (refused, warned, session.commit().await.unwrap_err())
    };
    let ((), (refused, warned, silent)) = tokio::join!(serve, ask);
    assert_eq!(refused.rpc_errors().len(), 2);
    assert_eq!(refused.class(), ErrorClass::Transient);
    assert_eq!(refused.to_string(), "commit: data-missing at /a; in-use");
    assert_eq!(warned.warnings.len(), 1);
    assert!(silent.is_unknown(), "success is never inferred from silence: {silent}");
}

#[tokio::test]
async fn eof_inside_a_reply_is_unknown_and_later_calls_are_not_sent() {
    let (session, mut element) = open().await;
    let serve = async {
        element.read().await;
        element.write(b"\n#500\n<rpc-reply ").await;
        drop(element);
    };
    let (result, ()) = tokio::join!(session.commit(), serve);
    let error = result.unwrap_err();
    assert!(matches!(&error, NetconfError::Unknown { operation: "commit", .. }), "{error:?}");
    assert_eq!(error.class(), ErrorClass::Transient);
    let later = session.commit().await.unwrap_err();
    assert!(matches!(later, NetconfError::Closed { .. }) && !later.is_unknown(), "{later:?}");
}

#[tokio::test]
async fn a_timeout_is_unknown_and_ends_the_session() {
    let (mut session, mut element) = open().await;
    session.set_timeout(Duration::from_millis(50));
    let (result, _) = tokio::join!(session.commit(), element.read());
    let error = result.unwrap_err();
    assert!(error.is_unknown(), "{error:?}");
    assert!(matches!(session.commit().await.unwrap_err(), NetconfError::Closed { cause: EndCause::TimedOut(_), .. }));
    assert!(element.leaves().await);
}

#[tokio::test]
async fn a_reply_that_stalls_half_way_is_unknown() {
    let (mut session, mut element) = open().await;
    session.set_timeout(Duration::from_millis(50));
    let serve = async {
        element.read().await;
        // The head and a part of a chunk; the rest never comes, and the connection stays open.
        element.write(b"\n#500\n<rpc-reply message-id=\"1\" ").await;
        element.leaves().await
    };
    let (result, left) = tokio::join!(session.commit(), serve);
    assert!(matches!(result, Err(NetconfError::Unknown { cause: EndCause::TimedOut(_), .. })), "{result:?}");
    assert!(left, "the session has not hung up");
}

#[tokio::test]
async fn broken_answers_end_the_session() {
    let ns = message::BASE;
    let unasked = format!("<rpc-reply xmlns=\"{ns}\" message-id=\"77\"><ok/></rpc-reply>");
    type Expected = fn(&EndCause) -> bool;
    let cases: [(Vec<u8>, Expected); 5] = [
        (b"<rpc-reply/>]]>]]>".to_vec(), |c| matches!(c, EndCause::Framing(FramingError::Header { .. }))),
        (b"\n#99999999\n".to_vec(), |c| matches!(c, EndCause::Framing(FramingError::ChunkTooLarge { .. }))),
        (encode(Framing::Chunked, b"not xml").unwrap(), |c| matches!(c, EndCause::Message(_))),
        (encode(Framing::Chunked, unasked.as_bytes()).unwrap(), |c| matches!(c, EndCause::Unasked(Some(_)))),
        (encode(Framing::Chunked, b"<!DOCTYPE a><a/>").unwrap(), |c| matches!(c, EndCause::Message(_))),
    ];
    for (bytes, expected) in cases {
        let (session, mut element) = open().await;
        let serve = async {
            element.read().await;
            element.write(&bytes).await;
        };
        let (result, ()) = tokio::join!(session.commit(), serve);
        let error = result.unwrap_err();
        let NetconfError::Unknown { cause, .. } = &error else { panic!("{error:?}") };
        assert!(expected(cause), "{cause:?}");
        assert_eq!(error.class(), ErrorClass::Bug);
        assert!(element.leaves().await);
    }
}

#[tokio::test]
async fn a_huge_reply_is_cut_by_the_limit() {
    let (session, mut element) = open().await;
    let serve = async {
        element.read().await;
        let chunk = [b"\n#40000\n".to_vec(), vec![b'x'; 40_000]].concat();
        for _ in 0..4 {
            if element.stream.write_all(&chunk).await.is_err() {
                return;
            }
        }
    };
    let (result, ()) = tokio::join!(session.get(None), serve);
    let Err(NetconfError::Unknown { cause: EndCause::Framing(FramingError::MessageTooLarge { .. }), .. }) = result
    else {
        panic!("{result:?}")
    };
}

#[tokio::test]
async fn a_large_request_does_not_block_on_a_large_reply() {
    // The pipe holds 1 kB: unless the task reads while it writes, both ends wait for ever.
    let (session, mut element) = open().await;
    let config = "<a>".to_owned() + &"y".repeat(45_000) + "</a>";
    let edit = EditConfig {
        target: Datastore::Candidate,
        default_operation: None,
        test_option: None,
        error_option: None,
        config: &config,
    };
    let serve = async {
        element.read().await; // the get, whose reply is large
        let reply = format!("<data>{}</data>", "z".repeat(45_000));
        element.answer(1, &reply).await; // while the edit is on its way
        assert!(element.read().await.len() > 45_000);
        element.answer(2, "<ok/>").await;
    };
    let (data, done, ()) = tokio::join!(session.get(None), session.edit_config(edit), serve);
    assert_eq!(data.unwrap().inner.len(), 45_000);
    done.unwrap();
}

#[tokio::test]
async fn what_the_element_cannot_do_is_not_sent() {
    let (tap, record) = Tap::recording();
    let (session, _element) = open_with(HELLO, b"", tap).await;
    let before = record.bytes().len();
    let edit = |target, test_option, error_option| EditConfig {
        target,
        default_operation: None,
        test_option,
        error_option,
        config: "",
    };
    let refused = [
        session.validate(Datastore::Candidate).await,
        session.edit_config(edit(Datastore::Running, None, None)).await,
        session.edit_config(edit(Datastore::Candidate, Some(TestOption::TestThenSet), None)).await,
        session.edit_config(edit(Datastore::Candidate, None, Some(ErrorOption::RollbackOnError))).await,
        session.copy_config(Datastore::Startup, Datastore::Running).await,
    ];
    for result in refused {
        assert!(matches!(result, Err(NetconfError::NotSupported { .. })), "{result:?}");
    }
    assert!(session.get_config(Datastore::Running, None, Some(WithDefaults::Trim)).await.is_err());
    assert_eq!(record.bytes().len(), before);
}

#[tokio::test]
async fn an_element_without_a_usable_hello() {
    let try_with = async |bytes: &'static [u8]| {
        let (ours, mut theirs) = duplex(4096);
        let serve = async {
            theirs.write_all(bytes).await.unwrap();
            drop(theirs);
        };
        tokio::join!(NetconfSession::over(ours, limits(), Tap::default()), serve).0
    };
    assert!(matches!(try_with(b"").await, Err(NetconfError::Hello(EndCause::Closed))));
    assert!(matches!(try_with(b"SSH-2.0-x\r\n").await, Err(NetconfError::Hello(EndCause::Closed))));
    let endless = Box::leak([b'x'; 3000].to_vec().into_boxed_slice());
    assert!(matches!(try_with(endless).await, Err(NetconfError::Hello(_))));
    let no_version = Box::leak(hello("urn:ietf:params:netconf:capability:candidate:1.0").into_boxed_slice());
    assert!(matches!(try_with(no_version).await, Err(NetconfError::Hello(EndCause::Message(MessageError::Hello(_))))));
    assert!(matches!(try_with(b"<hello/>]]>]]>").await, Err(NetconfError::Hello(EndCause::Message(_)))));
}

#[tokio::test]
async fn an_element_that_forgot_the_first_rpc_is_knocked_at_once() {
    let quick = NetconfLimits { knock_after: Duration::from_millis(20), ..limits() };
    let (session, mut element) = open_limited(HELLO, b"", Tap::default(), quick).await;
    let serve = async {
        assert!(element.read().await.contains("<discard-changes/>"));
        let knock = element.read().await; // nothing was answered so far
        assert!(knock.contains("message-id=\"2\"") && knock.contains("<filter type=\"subtree\"></filter>"), "{knock}");
        element.answer(1, "<ok/>").await;
        element.answer(2, "<data/>").await;
        assert!(element.read().await.contains("message-id=\"3\""));
        // Three times the patience: only the first is watched.
        let more = tokio::time::timeout(quick.knock_after * 3, element.read()).await;
        assert!(more.is_err(), "{more:?}");
        element.answer(3, "<ok/>").await;
        element.read().await
    };
    let ask = async {
        session.discard_changes().await.unwrap();
        session.discard_changes().await.unwrap();
        let _ = tokio::time::timeout(Duration::from_millis(50), session.commit()).await;
    };
    let (next, ()) = tokio::join!(serve, ask);
    assert!(next.contains("<commit/>"), "{next}");
}

#[tokio::test]
async fn dropping_the_session_hangs_up() {
    let (session, element) = open().await;
    drop(session);
    assert!(element.leaves().await);
}

#[tokio::test]
async fn closing_is_polite() {
    let (session, mut element) = open().await;
    let serve = async {
        assert!(element.read().await.contains("<close-session/>"));
        element.answer(1, "<ok/>").await;
        element.leaves().await
    };
    let (closed, left) = tokio::join!(session.close(), serve);
    closed.unwrap();
    assert!(left);
    let (session, mut element) = open().await;
    let rude = async {
        element.read().await;
        drop(element);
    };
    tokio::join!(session.close(), rude).0.unwrap();
}
