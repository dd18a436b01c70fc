//! The operations on elements: look, probe, who owns a line, what is written otherwise, the inventory, the configuration.

use super::answer::Answer;
use super::errors::Problem;
use super::input::bad_input;
use super::operations::unsupported;
use super::server::{Ask, Restconf};
use crate::controller::{Absent, Failure, RewriteAsked};
use crate::domain::{Element, Principal, Verb, authorize};
use crate::presto::view::{self, Reader};
use std::collections::BTreeSet;

impl Restconf {
    pub(super) async fn check_sync(
        &self,
        ask: &Ask,
        principal: &Principal,
        input: Reader<'_>,
    ) -> Result<Answer, Problem> {
        let known = self.controller.elements(principal).await.map_err(|failure| self.failed(&failure))?;
        let named = input.each("element");
        let mut found = Vec::new();
        let chosen: Vec<&Element> = if named.is_empty() {
            known.iter().map(|(element, _)| element).filter(|element| element.managed).collect()
        } else {
            let find = |name: &&str| {
                known
                    .iter()
                    .map(|(element, _)| element)
                    .find(|element| element.name == *name)
                    .ok_or_else(|| self.failed(&Failure::NotFound { what: format!("element {name}") }))
            };
            named.iter().map(find).collect::<Result<_, _>>()?
        };
        for element in chosen {
            match self.controller.check(principal, &element.name).await {
                Ok(report) => {
                    let state = view::sync_state(element.managed, &report.state);
                    let ids = report.deviations.into_iter().map(|found| found.id).collect();
                    found.push((element, state, report.state.last_read, report.state.detail, ids));
                }
                Err(Failure::Unreachable { message, .. }) => {
                    found.push((element, "unreachable", None, Some(message), Vec::new()));
                }
                Err(Failure::Incomplete { message, .. }) => {
                    found.push((element, "partial", None, Some(message), Vec::new()));
                }
                Err(failure) => return Err(self.failed(&failure)),
            }
        }
        self.output(ask, "check-sync", |sheet| {
            sheet.list("element", found, |sheet, (element, state, read, detail, ids): (_, _, _, _, Vec<String>)| {
                sheet.leaf("name", &element.name);
                sheet.leaf("sync-state", state);
                sheet.maybe("last-read", read);
                sheet.maybe("detail", detail);
                sheet.each("deviation", ids);
            });
        })
    }

    pub(super) async fn probe(&self, ask: &Ask, principal: &Principal, input: Reader<'_>) -> Result<Answer, Problem> {
        let element = input.required("element").map_err(bad_input)?;
        let trust = input.flag("trust", false);
        let known = self.controller.elements(principal).await.map_err(|failure| self.failed(&failure))?;
        let before = known.into_iter().find(|(known, _)| known.name == element).and_then(|(known, _)| known.host_key);
        let probe = self.controller.probe(principal, element, trust).await.map_err(|failure| self.failed(&failure))?;
        let same = before.as_deref().is_some_and(|pinned| pinned == probe.host_key || pinned == probe.fingerprint);
        let state = match (before.is_some(), probe.pinned) {
            (true, true) if same || !trust => "pinned",
            (_, true) => "newly-pinned",
            (false, false) => "unknown",
            (true, false) => "changed",
        };
        self.output(ask, "probe", |sheet| {
            sheet.leaf("host-key", &probe.host_key);
            sheet.leaf("fingerprint", &probe.fingerprint);
            sheet.leaf("host-key-state", state);
            sheet.leaf("reachable", probe.class.is_some());
            sheet.maybe("class", probe.class);
            if !probe.detail.is_empty() {
                sheet.leaf("detail", &probe.detail);
            }
        })
    }

    pub(super) async fn why(&self, ask: &Ask, principal: &Principal, input: Reader<'_>) -> Result<Answer, Problem> {
        let element = input.required("element").map_err(bad_input)?;
        let path = input.required("path").map_err(bad_input)?;
        let claims = self.controller.why(principal, element, path).await.map_err(|failure| self.failed(&failure))?;
        let deviating = self.controller.why_not(principal, element, path).await;
        let deviating = deviating.map_err(|failure| self.failed(&failure))?;
        let mut ranked = Vec::with_capacity(claims.len());
        for (at, claim) in claims.iter().enumerate() {
            let rank = claims[..at].iter().filter(|before| before.path == claim.path).count();
            ranked.push((rank, claim));
        }
        self.output(ask, "why", |sheet| {
            sheet.list("claim", ranked, |sheet, (rank, claim)| {
                sheet.leaf("path", &claim.path);
                sheet.leaf("index", rank);
                sheet.leaf("layer", &claim.layer);
                sheet.leaf("kind", &claim.kind);
                sheet.maybe("value", claim.value.as_ref());
                sheet.maybe("comes-back", claim.comes_back.as_ref());
                sheet.each("written-as", &claim.written_as);
                sheet.leaf("owner", &claim.owner);
            });
            view::deviating(sheet, &deviating);
        })
    }

    pub(super) async fn rewrite(&self, ask: &Ask, principal: &Principal, input: Reader<'_>) -> Result<Answer, Problem> {
        let asked = RewriteAsked {
            element: input.required("element").map_err(bad_input)?.into(),
            path: input.required("path").map_err(bad_input)?.into(),
            sent: input.leaf("sent").map(str::to_owned),
            says: input.leaf("says").map(str::to_owned),
            all_entries: input.flag("all-entries", false),
        };
        let action = input.required("action").map_err(bad_input)?;
        let doubt = match action {
            "confirm" => self.controller.doubt_of(principal, &asked).await.map_err(|failure| self.failed(&failure))?,
            _ => None,
        };
        let facts = match action {
            "confirm" => self.controller.confirm_rewrite(principal, &asked).await.map(|fact| vec![fact]),
            _ => self.controller.forget_rewrite(principal, &asked).await,
        };
        let facts = facts.map_err(|failure| self.failed(&failure))?;
        self.output(ask, "rewrite", |sheet| {
            sheet.list("rewrite", &facts, view::rewrite);
            sheet.each("warning", doubt);
        })
    }

    pub(super) async fn apply_elements(
        &self,
        ask: &Ask,
        principal: &Principal,
        input: Reader<'_>,
    ) -> Result<Answer, Problem> {
        authorize(principal, Verb::Onboard, "/andante:elements")
            .map_err(|denied| self.failed(&Failure::Denied(denied)))?;
        let elements: Vec<Element> =
            input.list("element").into_iter().map(view::element_of).collect::<Result<_, _>>().map_err(bad_input)?;
        let absent = if input.flag("partial", false) { Absent::Keep } else { Absent::Unmanage };
        let before = self.controller.elements(principal).await.map_err(|failure| self.failed(&failure))?;
        let given: BTreeSet<String> = elements.iter().map(|element| element.name.clone()).collect();
        let changed = self
            .controller
            .apply_elements(principal, elements, absent)
            .await
            .map_err(|failure| self.failed(&failure))?;
        let known = |name: &String| before.iter().any(|(element, _)| element.name == *name);
        let of = |kept: &dyn Fn(&String) -> bool| changed.iter().filter(|name| kept(name)).cloned().collect::<Vec<_>>();
        let created = of(&|name| !known(name));
        let modified = of(&|name| known(name) && given.contains(name));
        let unmanaged = of(&|name| known(name) && !given.contains(name));
        self.output(ask, "apply-elements", |sheet| {
            sheet.each("created", created);
            sheet.each("modified", modified);
            sheet.each("unmanaged", unmanaged);
        })
    }

    pub(super) async fn element_config(
        &self,
        ask: &Ask,
        principal: &Principal,
        input: Reader<'_>,
    ) -> Result<Answer, Problem> {
        let element = input.required("element").map_err(bad_input)?;
        match input.leaf("source") {
            None | Some("actual") => {}
            Some(other) => return Err(unsupported(&format!("source '{other}' is not offered yet; use 'actual'"))),
        }
        let running = self.controller.running(principal, element).await;
        let (config, partial) = running.map_err(|failure| self.failed(&failure))?;
        self.output(ask, "element-config", |sheet| {
            sheet.leaf("config", config);
            sheet.leaf("complete", partial.is_none());
        })
    }
}
