//! The operations on what has been: history, rollback, undo, and the word on unresolved transactions.

use super::answer::Answer;
use super::errors::Problem;
use super::input::{allowed_in, bad_input, wrong};
use super::server::{Ask, Restconf};
use crate::controller::{KeptPlan, ResolveAsked};
use crate::domain::{Offer, Principal, ServiceKey};
use crate::presto::view::{self, Reader};

impl Restconf {
    pub(super) async fn service_history(
        &self,
        ask: &Ask,
        principal: &Principal,
        input: Reader<'_>,
    ) -> Result<Answer, Problem> {
        let key = self.service_in(input)?;
        let history = self.controller.history(principal, &key).await.map_err(|failure| self.failed(&failure))?;
        let present = history.first().filter(|newest| newest.body.is_some()).map(|newest| newest.revision);
        let number = |name: &str| input.leaf(name).and_then(|text| text.parse::<u64>().ok());
        let found =
            |number: u64| self.controller.revision_in(&history, number).map_err(|failure| self.failed(&failure));
        let asked = number("revision").map(found).transpose()?;
        let other = number("compare-with").map(found).transpose()?;
        let (mut document, mut diff) = (None, None);
        if let Some(asked) = asked {
            let text = self.controller.document_text(asked).map_err(|failure| self.failed(&failure))?;
            document = Some(text);
            if let Some(other) = other {
                let text = self.controller.revisions_differ(other, asked).map_err(|failure| self.failed(&failure))?;
                diff = Some(text);
            }
        } else if other.is_some() {
            return Err(wrong("revision", true, "is missing: which revision is compared?"));
        }
        self.output(ask, "service-history", |sheet| {
            sheet.leaf("face", &key.face);
            sheet.leaf("id", &key.id);
            let shown = history.iter().filter(|one| asked.is_none_or(|asked| asked.revision == one.revision));
            sheet.list("revision", shown, |sheet, one| {
                view::revision(sheet, one, present == Some(one.revision), document.as_deref());
            });
            sheet.maybe("diff", diff.as_ref());
        })
    }

    pub(super) async fn rollback(
        &self,
        ask: &Ask,
        principal: &Principal,
        input: Reader<'_>,
    ) -> Result<Answer, Problem> {
        let key = self.service_in(input)?;
        let revision = input.required("revision").map_err(bad_input)?;
        let revision = revision.parse().map_err(|_| wrong("revision", false, "is no number"))?;
        let kept = self.controller.rollback(principal, &key, revision, &allowed_in(input)).await;
        self.kept_plan(ask, "rollback", &kept.map_err(|failure| self.failed(&failure))?)
    }

    pub(super) async fn undo(&self, ask: &Ask, principal: &Principal, input: Reader<'_>) -> Result<Answer, Problem> {
        let id = input.required("transaction").map_err(bad_input)?;
        let kept = self.controller.undo(principal, id, input.flag("over-later", false), &allowed_in(input)).await;
        self.kept_plan(ask, "undo", &kept.map_err(|failure| self.failed(&failure))?)
    }

    pub(super) async fn resolve(&self, ask: &Ask, principal: &Principal, input: Reader<'_>) -> Result<Answer, Problem> {
        let asked = ResolveAsked {
            transaction: input.required("transaction").map_err(bad_input)?.into(),
            elements: input.each("element").into_iter().map(str::to_owned).collect(),
            reason: input.leaf("reason").map(str::to_owned),
            digest: input.leaf("digest").map(str::to_owned),
        };
        let offer = match input.leaf("offer").filter(|_| !input.flag("dry-run", false)) {
            None => None,
            Some("retry") => Some(Offer::Retry),
            Some("accept-actual") => Some(Offer::AcceptActual),
            Some(_) => Some(Offer::ForceIntent),
        };
        let all = input.flag("all", false);
        let Some(offer) = offer else {
            let standing =
                self.controller.standing(principal, &asked).await.map_err(|failure| self.failed(&failure))?;
            return self.output(ask, "resolve", |sheet| {
                view::standing(sheet, &standing);
                view::result(sheet, &standing.record, &self.controller.timing(&standing.record.id));
            });
        };
        if all != asked.elements.is_empty() {
            return Err(wrong("element", asked.elements.is_empty(), "name the elements, or say 'all': one of the two"));
        }
        let record = self.controller.resolve(principal, asked, offer).await.map_err(|failure| self.failed(&failure))?;
        // Closed as not applied is what was asked for here, and no error.
        Ok(self
            .output(ask, "resolve", |sheet| view::result(sheet, &record, &self.controller.timing(&record.id)))?
            .transaction(&record))
    }

    pub(super) fn kept_plan(&self, ask: &Ask, name: &str, kept: &KeptPlan) -> Result<Answer, Problem> {
        self.output(ask, name, |sheet| {
            sheet.container("plan", |sheet| {
                view::plan_content(sheet, &kept.plan, Some(kept.created), Some(kept.expires));
            });
        })
    }

    fn service_in(&self, input: Reader<'_>) -> Result<ServiceKey, Problem> {
        let id = input.required("id").map_err(bad_input)?;
        self.controller.service_named(input.leaf("face"), id).map_err(|failure| self.failed(&failure))
    }
}
