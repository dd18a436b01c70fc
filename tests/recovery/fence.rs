//! Two daemons on one store: the younger one has the lease, the older one changes nothing any more.

use crate::daemon::Daemon;
use crate::domain::{Domain, document};

#[test]
fn a_second_daemon_fences_the_first() {
    let Some(domain) = Domain::start() else { return };
    let reference = domain.reference();
    domain.configure_second();
    let first = domain.daemon();
    let second = Daemon::start(&domain.config("second"), &domain.socket("second"), &[]);
    let sessions = (domain.pe1.wire().len(), domain.pe2.wire().len());

    let refused = first.put(&document());
    assert!(refused.status >= 500 && refused.body.contains("lease"), "{refused:?}");
    assert!(domain.running() == reference.before, "the fenced daemon has written");
    let wrote = |sessions: Vec<crate::support::WireSession>, from: usize| {
        let mut texts = sessions.into_iter().skip(from).map(|session| session.text());
        texts.any(|text| ["<lock", "<edit-config", "configure terminal"].iter().any(|word| text.contains(word)))
    };
    assert!(!wrote(domain.pe1.wire(), sessions.0) && !wrote(domain.pe2.wire(), sessions.1));

    second.put(&document()).is(201);
    domain.comes_to("by the second", &reference.after);
    assert_eq!(second.services(), ["acme-l3"]);
    // The fenced one has no second try either.
    let refused = first.delete();
    assert!(refused.status >= 400, "{refused:?}");
    domain.comes_to("after the second refusal", &reference.after);
    first.stop();
    second.delete().is(204);
    domain.comes_to("at the end", &reference.before);
    second.stop();
}
