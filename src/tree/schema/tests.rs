use super::*;

/// One node of everything.
fn sample() -> Tables {
    let leaf = |name: &str, ty: TypeSpec| SchemaNode {
        parent: Some(SchemaId(0)),
        ty: Some(Arc::new(ty)),
        ..SchemaNode::new(QName::new("m", name), SchemaKind::Leaf)
    };
    let union = TypeSpec::Union(vec![
        TypeSpec::Integer { bits: 8, signed: true },
        TypeSpec::Decimal64 { digits: 3 },
        TypeSpec::Enumeration(vec!["a".into(), "b".into()]),
        TypeSpec::Identity { identities: vec!["m:x".into()] },
        TypeSpec::Text(Canonical::IpPrefix),
        TypeSpec::Bits(vec!["q".into()]),
        TypeSpec::Restricted { of: Box::new(TypeSpec::Binary), within: vec![(1, 2), (-4, i128::MAX)] },
    ]);
    let top = SchemaNode {
        keys: vec![Name::new("a")],
        children: vec![SchemaId(1), SchemaId(2), SchemaId(3)],
        more: Some(Arc::new(Constraints {
            unique: vec![vec![SchemaId(1), SchemaId(2)]],
            min_elements: 2,
            max_elements: Some(7),
            ..Constraints::default()
        })),
        ..SchemaNode::new(QName::new("m", "top"), SchemaKind::List { user_ordered: true })
    };
    let cases = vec![(Name::new("how"), Name::new("plain"))];
    let second = SchemaNode {
        default: Some("a".into()),
        cases: cases.clone(),
        when: true,
        config: false,
        ..leaf("b", union.clone())
    };
    let third = SchemaNode {
        kind: SchemaKind::LeafList { user_ordered: false },
        mandatory: true,
        cases,
        more: Some(Arc::new(Constraints {
            defaults: vec!["1".into(), "2".into()],
            leafref: Some(Leafref { target: SchemaId(1), required: true }),
            ..Constraints::default()
        })),
        ..leaf("c", TypeSpec::Empty)
    };
    Tables {
        content_id: "id".into(),
        modules: vec![SchemaModule {
            name: Name::new("m"),
            namespace: "urn:m".into(),
            prefix: "p".into(),
            revision: Some("2024-01-01".into()),
        }],
        nodes: vec![top, leaf("a", union), second, third],
        top: vec![SchemaId(0)],
        choices: vec![SchemaChoice {
            name: Name::new("how"),
            parent: Some(SchemaId(0)),
            within: Vec::new(),
            mandatory: true,
            default_case: Some(Name::new("plain")),
            when: false,
        }],
    }
}

#[test]
fn what_is_stored_is_what_is_read() {
    let tables = sample();
    let bytes = tables.encode();
    assert_eq!(Tables::decode(&bytes).unwrap(), tables);
    assert_eq!(Tables::decode(&bytes).unwrap().encode(), bytes);
}

#[test]
fn broken_bytes_are_an_error_and_never_a_panic() {
    let bytes = sample().encode();
    for end in 0..bytes.len() {
        assert!(Tables::decode(&bytes[..end]).is_err(), "cut at {end}");
    }
    let mut taken = 0;
    for at in 0..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            let mut broken = bytes.clone();
            broken[at] ^= flip;
            // What can still be read must also make an index.
            if let Ok(tables) = Tables::decode(&broken) {
                let index = SchemaIndex::from(tables);
                taken += index.choices(None).len() + index.len();
            }
        }
    }
    assert!(taken > 0, "texts may change without breaking the form");
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(Tables::decode(&longer).unwrap_err().contains("too many"));
    let other = Tables::decode(&[9]).unwrap_err();
    assert!(other.contains("stored form 9"), "{other}");
}

#[test]
fn an_index_shares_types_and_knows_defaults_and_choices() {
    let index = SchemaIndex::from(sample());
    let of = |id| index.node(SchemaId(id)).ty.clone().unwrap();
    assert!(Arc::ptr_eq(&of(1), &of(2)), "equal types are one");
    let defaults = |id| index.defaults(SchemaId(id)).collect::<Vec<_>>();
    assert_eq!((defaults(1), defaults(2), defaults(3)), (vec![], vec!["a"], vec!["1", "2"]));
    let choice = index.choice(Some(SchemaId(0)), &Name::new("how")).unwrap();
    assert!(choice.mandatory && choice.default_case == Some(Name::new("plain")));
    assert!(index.choices(None).is_empty() && index.choices(Some(SchemaId(1))).is_empty());
    assert_eq!(index.leafref(SchemaId(3)), Some(Leafref { target: SchemaId(1), required: true }));
}

#[test]
fn what_leads_nowhere_is_dropped() {
    let mut tables = sample();
    tables.nodes.truncate(2);
    let more = Constraints { leafref: Some(Leafref { target: SchemaId(9), required: true }), ..Constraints::default() };
    tables.nodes[1].more = Some(Arc::new(more));
    let index = SchemaIndex::from(tables);
    assert_eq!(index.children(Some(SchemaId(0))), [SchemaId(1)]);
    assert_eq!(index.leafref(SchemaId(1)), None);
    assert!(index.node(SchemaId(0)).more.as_ref().unwrap().unique.is_empty());
}
