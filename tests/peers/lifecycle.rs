//! Create, modify, delete on both elements in one transaction each.

use crate::domain::{Domain, applied};
use andante::adapter::Payload;

/// A service document becomes configuration of both elements; deleting it leaves both byte for byte as before; the bytes
/// of the dry-run are the bytes on the wire.
#[tokio::test(flavor = "multi_thread")]
async fn an_l3vpn_lives_and_leaves_no_trace() {
    let Some(domain) = Domain::start().await else { return };
    let before = domain.running();

    let put = domain.put("l3vpn-any-to-any.json", |text| text);
    let key = put.key().clone();
    let plan = domain.plan(vec![put.clone()]).await.unwrap();
    for element in &plan.elements {
        println!("{} {}\n{}\n{}", element.element, element.class, element.payload.native(), element.text);
    }
    assert_eq!(domain.running(), before, "a dry-run sends nothing");
    let names: Vec<&str> = plan.elements.iter().map(|element| element.element.as_str()).collect();
    assert_eq!(names, ["pe1", "pe2"]);

    let record = domain.write(vec![put]).await.unwrap();
    applied(&record);
    let with_service = domain.running();
    assert!(with_service.0.contains("GigabitEthernet0/0/0/1.100"), "{}", with_service.0);
    assert!(with_service.1.contains("interface eth1.100"), "{}", with_service.1);

    // What was planned is what was sent.
    for element in &plan.elements {
        match &element.payload {
            Payload::Netconf { config } => {
                let sent: Vec<String> = domain.pe1.wire().iter().map(|session| session.text()).collect();
                assert!(sent.iter().any(|session| session.contains(config.as_str())), "{config}\n{sent:#?}");
            }
            Payload::Cli { lines } => {
                let typed: String = domain.pe2.wire().iter().map(|session| session.text()).collect();
                let typed: Vec<&str> = typed.split(['\r', '\n']).map(str::trim_end).collect();
                let planned: Vec<&str> = lines.iter().map(|line| line.text.trim_end()).collect();
                assert!(typed.windows(planned.len()).any(|window| window == planned), "{planned:#?}\n{typed:#?}");
            }
        }
    }

    applied(&domain.write(vec![domain.delete(&key)]).await.unwrap());
    let after = domain.running();
    assert_eq!(after.0, before.0, "pe1");
    assert_eq!(after.1, before.1, "pe2");
}
