use super::*;
use proptest::prelude::*;

fn reply_of(xml: &str) -> RpcReply {
    match parse(xml.as_bytes()).unwrap() {
        Incoming::Reply(reply) => reply,
        other => panic!("{other:?}"),
    }
}

fn wrap(inner: &str) -> String {
    format!("<rpc-reply xmlns=\"{BASE}\" message-id=\"7\">{inner}</rpc-reply>")
}

#[test]
fn hello_gives_capabilities_and_session() {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<nc:hello xmlns:nc=\"{BASE}\"><nc:capabilities>\
         <nc:capability>\n urn:a?module=m&amp;revision=1 \n</nc:capability><nc:capability>urn:b</nc:capability>\
         <x xmlns=\"urn:x\">urn:c</x></nc:capabilities><nc:session-id>42</nc:session-id></nc:hello>\n"
    );
    let hello = parse_hello(xml.as_bytes()).unwrap();
    assert_eq!(hello.capabilities, ["urn:a?module=m&revision=1", "urn:b"]);
    assert_eq!(hello.session_id, 42);
}

#[test]
fn a_hello_without_a_session_is_none() {
    let hello = |inner: &str| parse_hello(format!("<hello xmlns=\"{BASE}\">{inner}</hello>").as_bytes());
    assert!(matches!(hello("<capabilities/>"), Err(MessageError::Hello(_))));
    assert!(matches!(hello("<session-id>0</session-id>"), Err(MessageError::Hello(_))));
    assert!(matches!(hello("<session-id>-4</session-id>"), Err(MessageError::Hello(_))));
    assert!(matches!(hello("<session-id>4294967296</session-id>"), Err(MessageError::Hello(_))));
    assert_eq!(hello("<session-id>4294967295</session-id>").unwrap().session_id, u32::MAX);
    assert!(matches!(parse_hello(b"<hello/>"), Err(MessageError::Unexpected { .. })));
}

#[test]
fn ok_data_and_output() {
    assert_eq!(reply_of(&wrap("<ok/>")).body, ReplyBody::Ok);
    assert_eq!(reply_of(&wrap("<ok></ok>")).message_id.as_deref(), Some("7"));
    let inner = "\n  <a xmlns=\"urn:a\"><!-- c --><b>1 &lt; 2 &#x41;</b><c/> <![CDATA[<]]></a>\n ";
    let ReplyBody::Data(data) = reply_of(&wrap(&format!("<data>{inner}</data>"))).body else { panic!() };
    assert_eq!(data.inner, inner, "not one byte differs");
    let ReplyBody::Data(data) = reply_of(&wrap("<data/>")).body else { panic!() };
    assert_eq!(data.inner, "");
    let ReplyBody::Output(out) = reply_of(&wrap("<x xmlns=\"urn:x\">1</x> <y xmlns=\"urn:x\"/>")).body else {
        panic!()
    };
    assert_eq!(out.inner, "<x xmlns=\"urn:x\">1</x> <y xmlns=\"urn:x\"/>");
    assert_eq!(reply_of(&wrap("")).body, ReplyBody::Nothing);
    assert_eq!(reply_of(&format!("<rpc-reply xmlns=\"{BASE}\"/>")).body, ReplyBody::Nothing);
}

#[test]
fn prefixes_declared_outside_are_not_lost() {
    let xml = format!(
        "<nc:rpc-reply xmlns:nc=\"{BASE}\" xmlns:i=\"urn:i\" nc:message-id=\"1\" message-id=\"9\">\
         <nc:data xmlns=\"urn:d&amp;x\"><i:a><b/></i:a></nc:data></nc:rpc-reply>"
    );
    let reply = reply_of(&xml);
    assert_eq!(reply.message_id.as_deref(), Some("9"));
    let ReplyBody::Data(data) = reply.body else { panic!() };
    assert_eq!(data.inner, "<i:a><b/></i:a>");
    let document = data.to_document("data");
    assert!(document.contains(" xmlns:i=\"urn:i\"") && document.contains(" xmlns=\"urn:d&amp;x\""), "{document}");
    assert!(!document.contains("xmlns:xml"), "{document}");
}

#[test]
fn a_schema_is_text() {
    let ReplyBody::Data(data) = reply_of(&wrap(&format!(
        "<data xmlns=\"{MONITORING}\">module m {{ pattern \"[&lt;&gt;]\"; <![CDATA[<&]]> }}</data>"
    )))
    .body
    else {
        panic!()
    };
    assert_eq!(data.text().unwrap(), "module m { pattern \"[<>]\"; <& }");
}

#[test]
fn every_error_is_kept_with_every_field() {
    let xml = wrap(
        "<rpc-error><error-type>application</error-type><error-tag>data-missing</error-tag>\
         <error-severity>error</error-severity><error-app-tag>instance-required</error-app-tag>\
         <error-path xmlns:if=\"urn:if\">/if:interfaces/if:interface[if:name='a']</error-path>\
         <error-message xml:lang=\"en\">required &lt;type&gt; missing</error-message>\
         <error-info><bad-element>type</bad-element></error-info></rpc-error>\
         <rpc-error><error-type>protocol</error-type><error-tag>in-use</error-tag>\
         <error-severity>error</error-severity></rpc-error>\
         <rpc-error><error-type>protocol</error-type><error-tag>operation-failed</error-tag>\
         <error-severity>warning</error-severity><error-message>careful</error-message></rpc-error>",
    );
    let reply = reply_of(&xml);
    assert_eq!((reply.errors.len(), reply.warnings.len(), reply.omitted), (2, 1, 0));
    let first = &reply.errors[0];
    assert_eq!((first.kind.as_str(), first.tag.as_str()), ("application", "data-missing"));
    assert_eq!(first.app_tag.as_deref(), Some("instance-required"));
    assert_eq!(first.path.as_deref(), Some("/if:interfaces/if:interface[if:name='a']"));
    assert_eq!(first.message.as_deref(), Some("required <type> missing"));
    assert_eq!(first.info.as_ref().unwrap().inner, "<bad-element>type</bad-element>");
    assert_eq!(
        first.to_string(),
        "data-missing [instance-required] at /if:interfaces/if:interface[if:name='a']: required <type> missing"
    );
    assert_eq!(reply.warnings[0].severity, Severity::Warning);
    assert_eq!(parse(wrap("<rpc-error/>").as_bytes()), Err(MessageError::NoTag));
}

#[test]
fn a_flood_of_errors_is_counted() {
    let one = "<rpc-error><error-tag>in-use</error-tag></rpc-error>";
    let reply = reply_of(&wrap(&one.repeat(MAX_ERRORS + 5)));
    assert_eq!((reply.errors.len(), reply.omitted), (MAX_ERRORS, 5));
}

#[test]
fn notifications() {
    let xml = format!(
        "<notification xmlns=\"{NOTIFICATION}\"><eventTime>2026-11-23T01:02:03Z</eventTime>\
         <change xmlns=\"urn:n\"><who>root</who></change></notification>"
    );
    let Incoming::Notification(n) = parse(xml.as_bytes()).unwrap() else { panic!() };
    assert_eq!((n.name.as_str(), n.namespace.as_str()), ("change", "urn:n"));
    assert_eq!(n.event_time, "2026-11-23T01:02:03Z");
    assert_eq!(n.content.inner, "<who>root</who>");
}

#[test]
fn hostile_documents_are_refused() {
    let refused = |xml: &str| parse(xml.as_bytes()).unwrap_err();
    let dtd = "<!DOCTYPE r [<!ENTITY a \"b\">]><rpc-reply xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\"/>";
    assert_eq!(refused(dtd), MessageError::Xml(XmlError::Dtd));
    assert_eq!(refused(&wrap("<data>&lol;</data>")), MessageError::Xml(XmlError::Entity("lol".into())));
    assert_eq!(refused(&wrap("<data>&#0;</data>")), MessageError::Xml(XmlError::Entity("#0".into())));
    let deep = wrap(&format!("<data>{}{}</data>", "<a>".repeat(1000), "</a>".repeat(1000)));
    assert!(matches!(refused(&deep), MessageError::Xml(XmlError::Depth(_))));
    assert!(matches!(refused(&wrap("<data><a></b></data>")), MessageError::Xml(XmlError::Malformed { .. })));
    assert!(matches!(
        refused("<rpc-reply xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\"><data>"),
        MessageError::Xml(_)
    ));
    assert!(matches!(refused("<rpc-reply/>"), MessageError::Unexpected { .. }));
    assert!(matches!(refused(&format!("<rpc xmlns=\"{BASE}\"/>")), MessageError::Unexpected { .. }));
    assert_eq!(refused(&format!("{}{}", wrap("<ok/>"), wrap("<ok/>"))), MessageError::Trailing);
    assert_eq!(refused(""), MessageError::Empty);
    assert!(matches!(parse(b"\xff<a/>"), Err(MessageError::Xml(XmlError::Encoding { at: 0 }))));
}

proptest! {
    #[test]
    fn random_cuts_and_flips_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut xml = wrap("<data><a xmlns=\"urn:a\" b=\"c\">x &amp; y<!-- z --><![CDATA[q]]></a></data>\
            <rpc-error><error-tag>t</error-tag><error-info><i/></error-info></rpc-error>").into_bytes();
        let i = at.index(xml.len());
        if cut { xml.truncate(i) } else { xml[i] = byte }
        let _ = parse(&xml);
        let _ = parse_hello(&xml);
    }
}
