//! Sessions that read for a plan and go on to write it: an element is asked for two sessions by a transaction, not for three.
//!
//! Guarantees: a session is handed on only as long as nothing is waited for in between; whoever has to wait ends it first.
//! Whether it still lives is not known here: the crew finds out before anything is sent on it
//! ([`super::crew`]). Dropped ones are cut; [`Opened::end`] ends them in good order.

use crate::adagio::Writer;
use crate::plan::Plan;
use futures::future::join_all;
use std::collections::BTreeMap;
use std::time::Duration;

/// By element. None by default: then a transaction opens its own.
#[derive(Default)]
pub struct Opened(BTreeMap<String, Box<dyn Writer>>);

impl Opened {
    /// The session to go on with.
    pub(super) fn take(&mut self, element: &str) -> Option<Box<dyn Writer>> {
        self.0.remove(element)
    }

    /// Ends all in good order.
    pub async fn end(&mut self) {
        self.end_those(|_| true).await;
    }

    /// Ends those to which a plan has nothing to send.
    pub async fn end_but(&mut self, plan: &Plan) {
        self.end_those(|element| plan.elements.iter().all(|of| of.element != element)).await;
    }

    async fn end_those(&mut self, which: impl Fn(&str) -> bool) {
        let (ended, kept) = std::mem::take(&mut self.0).into_iter().partition(|(element, _)| which(element));
        self.0 = kept;
        let ended: BTreeMap<String, Box<dyn Writer>> = ended;
        join_all(ended.into_values().map(|mut writer| {
            writer.patience(GOODBYE);
            writer.close()
        }))
        .await;
    }
}

impl Extend<(String, Box<dyn Writer>)> for Opened {
    fn extend<T: IntoIterator<Item = (String, Box<dyn Writer>)>>(&mut self, sessions: T) {
        self.0.extend(sessions);
    }
}

/// How long the answer to the end of a session is waited for.
const GOODBYE: Duration = Duration::from_secs(5);
