//! Paths, documents and views.

#[cfg(test)]
use super::*;

#[test]
fn a_view_lays_unknown_over_everything_and_invents_nothing() {
    for name in DOCUMENTS {
        let (key, document) = document(&json(name));
        let face = face(&key.face).unwrap();
        let seen = face.view(&document, None);
        assert_eq!(view(&document, &key, None), seen);
        let mut unknown = 0;
        let mut back = seen.clone();
        seen.walk(&mut |path, node| {
            if node.name().name.as_str() == "oper-status" {
                let leaf = node.child(&Step::single(face.name("status"))).unwrap();
                assert_eq!(leaf.value().unwrap().as_str(), "ietf-vpn-common:op-unknown");
                assert_eq!(node.children().len(), 1, "no time was read, so none is shown");
                unknown += 1;
                back = back.without(path);
            }
            true
        });
        let service = understood(&json(name));
        assert_eq!(unknown, 1 + service.parts.len() + service.ends().count(), "{name}");
        assert_eq!(back, document, "apart from the state the view is the document");
        // State is no part of a document.
        assert!(face.service_of(&seen, &key).is_err());
    }
}

#[test]
fn a_view_shows_what_was_read() {
    let (key, document) = document(&json("l3vpn-any-to-any"));
    let face = face(&key.face).unwrap();
    let up = OperationalStatus { status: Status::Up, last_change: Some("2026-01-02T03:04:05Z".parse().unwrap()) };
    let state =
        ServiceState { accesses: BTreeMap::from([(("pe1".into(), "acme-pe1".into()), up)]), ..ServiceState::default() };
    let mut shown = vec![];
    face.view(&document, Some(&state)).walk(&mut |path, node| {
        let at = path.to_string();
        if at.contains("oper-status/") {
            shown.push(format!("{}={}", at.rsplit('/').next().unwrap(), node.value().unwrap()));
        }
        true
    });
    assert_eq!(shown.iter().filter(|line| line.ends_with(":op-up")).count(), 1);
    assert_eq!(shown.iter().filter(|line| line.ends_with(":op-unknown")).count(), 4);
    assert!(shown.contains(&"last-change=2026-01-02T03:04:05Z".to_string()));
}

#[test]
fn a_tree_with_many_services_is_split_and_strangers_are_refused() {
    let mut both = json("l3vpn-any-to-any");
    let mut second = body(&mut both).clone();
    second["vpn-id"] = "b-second".into();
    let list = &mut both["ietf-l3vpn-ntw:l3vpn-ntw"]["vpn-services"]["vpn-service"];
    list.as_array_mut().unwrap().push(second);
    let tree = tree(&both);
    let split = documents(&tree).unwrap();
    assert_eq!(split.iter().map(|(key, _)| key.id.as_str()).collect::<Vec<_>>(), ["acme-l3", "b-second"]);
    for (key, document) in &split {
        assert_eq!(face(&key.face).unwrap().ids(document), std::slice::from_ref(&key.id));
        service_of(document, key).unwrap();
    }
    let face = face("ietf-l3vpn-ntw").unwrap();
    assert_eq!(face.without(&tree, "b-second"), split[0].1);
    assert!(face.extract(&tree, "nobody").is_none());
    // Two in one document, or another than was named, is refused.
    assert!(face.service_of(&tree, &split[0].0).is_err());
    assert!(face.service_of(&split[1].1, &split[0].0).is_err());
    let stranger = ConfigTree::new(vec![Node::container(QName::new("ietf-system", "system"), true, vec![])]);
    assert_eq!(documents(&stranger).unwrap_err()[0].path, "/ietf-system:system");
    let profile = Node::leaf(face.name("x"), Value::text("1"));
    let beside = Path::new(vec![Step::single(face.name("l3vpn-ntw")), Step::single(face.name("vpn-profiles"))]);
    let beside = tree.with(&beside, profile, crate::tree::After::Keep);
    assert_eq!(documents(&beside).unwrap_err()[0].path, "/ietf-l3vpn-ntw:l3vpn-ntw/vpn-profiles");
    assert_eq!(
        face.service_path("a/b").to_string(),
        "/ietf-l3vpn-ntw:l3vpn-ntw/vpn-services/vpn-service[vpn-id='a/b']"
    );
}
