//! `/restconf/operations`: the operations of module `andante`.

use super::answer::Answer;
use super::errors::Problem;
use super::input::{Asked, bad_input, class, operation_path, own, wrong};
use super::media::{self, Media};
use super::server::{Ask, RESTCONF, Restconf, allow, not_here, read_only, ticket_text};
use crate::controller::{Failure, RequestName, Terms, strong_enough};
use crate::domain::{Principal, TransactionRecord};
use crate::plan::Plan;
use crate::presto::view::{self, Reader, Sheet};
use crate::tree::SchemaKind;
use axum::body::Body;
use http::{Method, StatusCode};
use std::collections::BTreeSet;

impl Restconf {
    /// Answers a request below `/restconf/operations`.
    pub(super) async fn operation(&self, ask: &Ask, body: &mut Body, raw: &str) -> Result<Answer, Problem> {
        let name = raw.trim_matches('/');
        if name.is_empty() {
            return read_only(ask, |media| self.listed(media));
        }
        let known = name.strip_prefix("andante:").filter(|name| self.offers(name));
        let Some(name) = known else {
            return Err(Problem::new(StatusCode::NOT_FOUND, "invalid-value", "there is no such operation")
                .remedy("GET /restconf/operations lists what there is"));
        };
        match ask.method {
            Method::OPTIONS => return Ok(allow("POST, OPTIONS")),
            Method::POST => {}
            _ => return Err(not_here(&ask.method)),
        }
        if ask.query.as_deref().is_some_and(|query| !query.is_empty()) {
            let message = "operations take no query; what they need stands in their input; nothing was done";
            return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid-value", message));
        }
        let at = operation_path(name);
        let tree = self.input(ask, body, &at).await?;
        let given = tree.at(&at.child(own("input"))).cloned();
        let input = Reader(given.as_ref());
        let mut principal = ask.principal.clone();
        if let Some(ticket) = input.leaf("ticket").and_then(|ticket| ticket_text(ticket.as_bytes())) {
            principal.ticket = Some(ticket);
        }
        let request = self.name_of_call(ask, name, &tree, &at, input)?;
        // Before anything is looked at: a deviation that the first request healed cannot be found any more.
        if let Some(request) = &request {
            let given = self.controller.given(&principal, request, self.terms_of(ask, input).patience()).await;
            if let Some(repeated) = given.map_err(|failure| self.failed(&failure))? {
                return self.outcome(ask, name, &repeated.record);
            }
        }
        match name {
            "plan" => self.plan(ask, &principal, input).await,
            "commit-plan" => self.commit_plan(ask, &principal, input, request).await,
            "heal" => self.heal(ask, &principal, input, request).await,
            "apply" => self.apply(ask, &principal, input, request).await,
            "cancel-transaction" => self.cancel_transaction(ask, &principal, input).await,
            "queued-change" => self.queued_change(&principal, input).await,
            "watch-transaction" => self.watch_transaction(ask, &principal, input).await,
            "check-sync" => self.check_sync(ask, &principal, input).await,
            "probe" => self.probe(ask, &principal, input).await,
            "rewrite" => self.rewrite(ask, &principal, input).await,
            "service-history" => self.service_history(ask, &principal, input).await,
            "rollback" => self.rollback(ask, &principal, input).await,
            "undo" => self.undo(ask, &principal, input).await,
            "resolve" => self.resolve(ask, &principal, input).await,
            "why" => self.why(ask, &principal, input).await,
            "apply-elements" => self.apply_elements(ask, &principal, input).await,
            "element-config" => self.element_config(ask, &principal, input).await,
            _ => Err(unsupported(&format!("'{name}' is not carried out by this daemon"))),
        }
    }

    async fn plan(&self, ask: &Ask, principal: &Principal, input: Reader<'_>) -> Result<Answer, Problem> {
        let Asked { edits, allowed, names } = self.asked(principal, input).await?;
        let refused = |failure: Failure| self.failed(&failure).in_documents(&names);
        let want = class(input);
        if input.flag("keep", true) {
            let kept = self.controller.keep(principal, edits, &allowed, want).await.map_err(refused)?;
            return self.kept_plan(ask, "plan", &kept);
        }
        let plan = self.controller.propose(principal, edits, &allowed).await.map_err(refused)?;
        strong_enough(&plan, want).map_err(refused)?;
        self.plan_alone(ask, "plan", &plan)
    }

    fn plan_alone(&self, ask: &Ask, name: &str, plan: &Plan) -> Result<Answer, Problem> {
        self.output(ask, name, |sheet| {
            sheet.container("plan", |sheet| view::plan_content(sheet, plan, None, None));
        })
    }

    async fn commit_plan(
        &self,
        ask: &Ask,
        principal: &Principal,
        input: Reader<'_>,
        request: Option<RequestName>,
    ) -> Result<Answer, Problem> {
        let id = input.required("plan-id").map_err(bad_input)?;
        let terms = Terms { require_class: class(input), request, ..self.terms_of(ask, input) };
        let record = self.controller.commit_kept(principal, id, &terms).await;
        let record = record.map_err(|failure| self.failed(&failure))?;
        self.outcome(ask, "commit-plan", &record)
    }

    async fn heal(
        &self,
        ask: &Ask,
        principal: &Principal,
        input: Reader<'_>,
        request: Option<RequestName>,
    ) -> Result<Answer, Problem> {
        if input.flag("force", false) {
            return Err(unsupported("heal with 'force' is not carried out by this daemon; nothing was done"));
        }
        let ids: Vec<String> = input.each("deviation").into_iter().map(str::to_owned).collect();
        let mut elements: BTreeSet<String> = input.each("element").into_iter().map(str::to_owned).collect();
        if !ids.is_empty() {
            let known = self.controller.deviations(principal).await.map_err(|failure| self.failed(&failure))?;
            for id in &ids {
                let found = known.iter().find(|found| found.id == *id).ok_or_else(|| {
                    self.failed(&Failure::NotFound { what: format!("deviation {id} (it may be gone already)") })
                })?;
                elements.insert(found.element.clone());
            }
        }
        let mut elements = elements.into_iter();
        let (Some(element), None) = (elements.next(), elements.next()) else {
            return Err(wrong("element", false, "one call heals one element: name it, or deviations of one element"));
        };
        if input.flag("dry-run", false) {
            let plan = self.controller.heal_plan(principal, &element, &ids).await;
            return self.plan_alone(ask, "heal", &plan.map_err(|failure| self.failed(&failure))?);
        }
        let terms = Terms { request, ..self.terms(ask) };
        let record = self.controller.heal(principal, &element, &ids, &terms).await;
        let record = record.map_err(|failure| self.failed(&failure))?;
        // A deviation leaves the list when a look finds it gone; whoever healed it wants to see that now. The heal itself is
        // verified already, so a look that fails changes nothing about the answer.
        if let Err(failure) = self.controller.check(principal, &element).await {
            tracing::info!(element, %failure, "was healed, but cannot be looked at");
        }
        self.outcome(ask, "heal", &record)
    }

    /// The answer of an operation; without content 204.
    pub(super) fn output(&self, ask: &Ask, name: &str, fill: impl FnOnce(&mut Sheet<'_>)) -> Result<Answer, Problem> {
        let sheet = Sheet::at(self.index(), &[name, "output"]);
        let mut sheet = sheet.ok_or_else(|| self.failed(&Failure::Internal(format!("module andante lacks {name}"))))?;
        fill(&mut sheet);
        let node = sheet.into_node();
        if node.children().is_empty() {
            return Ok(Answer::new(StatusCode::NO_CONTENT));
        }
        let body = media::print(ask.media, &[node], &operation_path(name), self.index());
        Ok(Answer::new(StatusCode::OK).body(ask.media.as_str(), body))
    }

    /// The answer of an operation that ran a transaction.
    pub(super) fn outcome(&self, ask: &Ask, name: &str, record: &TransactionRecord) -> Result<Answer, Problem> {
        if let Some(answer) = self.unfinished(record, ask.media) {
            return answer;
        }
        if record.id.is_empty() {
            // It is so already: there was no transaction.
            return Ok(Answer::new(StatusCode::NO_CONTENT));
        }
        Ok(self
            .output(ask, name, |sheet| view::result(sheet, record, &self.controller.timing(&record.id)))?
            .transaction(record))
    }

    fn offers(&self, name: &str) -> bool {
        let id = self.index().child_named(None, "andante", name);
        id.is_some_and(|id| self.index().node(id).kind == SchemaKind::Operation)
    }

    fn listed(&self, media: Media) -> String {
        let index = self.index();
        let names = index.top().iter().map(|id| index.node(*id)).filter(|node| node.kind == SchemaKind::Operation);
        let names: Vec<_> = names.map(|node| &node.name).collect();
        match media {
            Media::Json => {
                let list: Vec<_> = names.iter().map(|name| format!("    \"{name}\": [null]")).collect();
                format!("{{\n  \"ietf-restconf:operations\": {{\n{}\n  }}\n}}\n", list.join(",\n"))
            }
            Media::Xml => {
                let list: String = names
                    .iter()
                    .filter_map(|name| {
                        let space = &index.module(name.module.as_str())?.namespace;
                        Some(format!("  <{} xmlns=\"{}\"/>\n", name.name, media::escape(space)))
                    })
                    .collect();
                format!("<operations xmlns=\"{RESTCONF}\">\n{list}</operations>\n")
            }
        }
    }
}

/// What module `andante` has, and this daemon does not carry out.
pub(super) fn unsupported(message: &str) -> Problem {
    Problem::new(StatusCode::NOT_IMPLEMENTED, "operation-not-supported", message)
}
