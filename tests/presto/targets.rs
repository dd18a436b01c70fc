//! Request paths, against the real modules.

use crate::daemon::{ACME, Daemon};
use andante::presto::restconf::target::{parse, print};

#[tokio::test(flavor = "multi_thread")]
async fn paths_are_read_as_clients_write_them() {
    let daemon = Daemon::unreachable().await;
    let index = daemon.controller.schema();
    let path = |raw: &str| parse(raw, index).unwrap().path.to_string();
    let l3 = "/ietf-l3vpn-ntw:l3vpn-ntw/vpn-services";
    assert_eq!(path(""), "/");
    assert_eq!(path("/"), "/");
    assert_eq!(path(l3), "/ietf-l3vpn-ntw:l3vpn-ntw/vpn-services");
    let service = "/ietf-l3vpn-ntw:l3vpn-ntw/vpn-services/vpn-service[vpn-id='a']";
    assert_eq!(path(&format!("{l3}/vpn-service=a/")), service);
    // Redundant prefixes, and names written in percent.
    assert_eq!(path("/ietf-l3vpn-ntw:l3vpn-ntw/ietf-l3vpn-ntw:vpn-services/ietf-l3vpn-ntw:vpn-service=a"), service);
    assert_eq!(path("/ietf-l3vpn-ntw%3Al3vpn-ntw/vpn%2Dservices/vpn-service=a"), service);
    assert_eq!(
        path(&format!("{l3}/vpn-service=a%2Fb%2C%20%C3%A4/vpn-nodes")),
        "/ietf-l3vpn-ntw:l3vpn-ntw/vpn-services/vpn-service[vpn-id='a/b, ä']/vpn-nodes"
    );
    // Several keys, an empty one, and one that says what module it is from.
    assert_eq!(
        path("/andante:alarms/alarm=element%20pe1,down,"),
        "/andante:alarms/alarm[resource='element pe1'][type='down'][qualifier='']"
    );
    assert_eq!(path(&format!("{l3}/vpn-service=")), "/ietf-l3vpn-ntw:l3vpn-ntw/vpn-services/vpn-service[vpn-id='']");

    for raw in [
        "l3vpn-ntw",
        "/l3vpn-ntw",
        "//",
        &format!("{l3}//x"),
        &format!("{l3}/vpn-service"),
        &format!("{l3}/vpn-service=a,b"),
        &format!("{l3}=a"),
        &format!("{l3}/vpn-service=%zz"),
        &format!("{l3}/vpn-service=%ff"),
        &"/a".repeat(100),
        "/andante:alarms/alarm=a,b",
    ] {
        assert!(!parse(raw, index).unwrap_err().unknown, "{raw}");
    }
    for raw in ["/ietf-l3vpn-ntw:nothing", "/x:y", &format!("{l3}/vpn-service=a/vpn-id/x"), "/andante:plan"] {
        assert!(parse(raw, index).unwrap_err().unknown, "{raw}");
    }
    let error = parse("/ietf-l2vpn-ntw:l3vpn-ntw", index).unwrap_err();
    assert!(error.message.contains("ietf-l3vpn-ntw:l3vpn-ntw"), "{error}");

    // What is printed as Location is read back as the same path.
    for raw in [
        ACME.trim_start_matches("/restconf/data"),
        &format!("{l3}/vpn-service=a%2Fb%2C%3D%25"),
        "/andante:alarms/alarm=,%2C,x",
    ] {
        let target = parse(raw, index).unwrap();
        assert_eq!(parse(&print(&target.path), index).unwrap(), target, "{raw}");
    }
}
