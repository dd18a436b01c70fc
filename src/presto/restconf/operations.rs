//! `/restconf/operations`: the operations of module `andante`.

use super::answer::Answer;
use super::documents::{self, FACES, service_of, service_path, services_path};
use super::errors::{Entry, Problem};
use super::media::{self, Media};
use super::server::{Ask, RESTCONF, Restconf, allow, not_here, read_body, read_only, ticket_text};
use super::target;
use crate::controller::{Absent, DocumentEdit, Failure, RequestName, RewriteAsked, Terms, strong_enough};
use crate::domain::{Class, Element, Principal, ServiceKey, TransactionRecord, Verb, authorize};
use crate::plan::{Allowed, Permit, Plan};
use crate::presto::view::{self, InputError, Reader, Sheet};
use crate::tree::{CodecError, CodecErrorKind, ConfigTree, Limits, Path, Policy, QName, SchemaKind, Step};
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

    /// The edits that a request's documents ask for, and what it allows.
    pub(super) async fn asked(&self, principal: &Principal, input: Reader<'_>) -> Result<Asked, Problem> {
        let given = input.list("document");
        if given.is_empty() {
            return Err(wrong("document", true, "at least one document is needed"));
        }
        let (mut edits, mut names) = (Vec::<DocumentEdit>::new(), Vec::new());
        let mut refused: Option<Problem> = None;
        let mut refuse = |problem: Problem, name: Option<&String>| {
            let errors = problem.errors.into_iter().map(|entry| Entry { document: name.cloned(), ..entry }).collect();
            match &mut refused {
                Some(first) => first.errors.extend::<Vec<Entry>>(errors),
                None => refused = Some(Problem { errors, ..problem }),
            }
        };
        let several = given.len() > 1;
        for (at, document) in given.into_iter().enumerate() {
            let name = document.leaf("name").map(str::to_owned);
            let name = name.or_else(|| several.then(|| format!("document {}", at + 1)));
            let found = match self.edits(document, at + 1) {
                Ok(found) => found,
                Err(problem) => {
                    refuse(problem, name.as_ref());
                    continue;
                }
            };
            for edit in found {
                let key = edit.key();
                if edits.iter().any(|known| known.key() == key) {
                    let message = format!("{key} stands in the request twice");
                    refuse(wrong("document", false, &message), name.as_ref());
                    continue;
                }
                let path = documents::face(&key.face).map(|face| service_path(face, &key.id).to_string());
                names.extend(path.zip(name.clone()));
                edits.push(edit);
            }
        }
        let Some(mut problem) = refused else { return Ok(Asked { edits, allowed: allowed_in(input), names }) };
        // What is wrong with those that can be read is said in the same answer.
        if let Ok(faults) = self.controller.faults_of(principal, edits).await {
            let others = self.failed(&Failure::Document(faults)).in_documents(&names);
            problem.errors.extend(others.errors);
        }
        Err(problem)
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
        let commit = self.controller.commit_kept(principal, id, &terms);
        let record = self.once(principal, &terms, commit).await.map_err(|failure| self.failed(&failure))?;
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
        let heal = self.controller.heal(principal, &element, &ids, &terms);
        let record = self.once(principal, &terms, heal).await.map_err(|failure| self.failed(&failure))?;
        // A deviation leaves the list when a look finds it gone; whoever healed it wants to see that now. The heal itself is
        // verified already, so a look that fails changes nothing about the answer.
        if let Err(failure) = self.controller.check(principal, &element).await {
            tracing::info!(element, %failure, "was healed, but cannot be looked at");
        }
        self.outcome(ask, "heal", &record)
    }

    async fn check_sync(&self, ask: &Ask, principal: &Principal, input: Reader<'_>) -> Result<Answer, Problem> {
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

    async fn probe(&self, ask: &Ask, principal: &Principal, input: Reader<'_>) -> Result<Answer, Problem> {
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

    async fn why(&self, ask: &Ask, principal: &Principal, input: Reader<'_>) -> Result<Answer, Problem> {
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

    async fn rewrite(&self, ask: &Ask, principal: &Principal, input: Reader<'_>) -> Result<Answer, Problem> {
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

    async fn apply_elements(&self, ask: &Ask, principal: &Principal, input: Reader<'_>) -> Result<Answer, Problem> {
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

    async fn element_config(&self, ask: &Ask, principal: &Principal, input: Reader<'_>) -> Result<Answer, Problem> {
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

    /// The edits that one `document` of the `plan` operation asks for.
    fn edits(&self, document: Reader<'_>, number: usize) -> Result<Vec<DocumentEdit>, Problem> {
        let delete = document.leaf("operation") == Some("delete");
        let Some(content) = document.leaf("content") else {
            let target = document.leaf("target").filter(|_| delete);
            let target =
                target.ok_or_else(|| wrong("content", true, "is missing; a delete may give a target instead"))?;
            return Ok(vec![DocumentEdit::Delete { key: self.service(target)?, expect: None }]);
        };
        let media = match document.leaf("media-type") {
            Some("application/yang-data+xml") => Media::Xml,
            _ => Media::Json,
        };
        let tree = self.instance(media, content).map_err(|error| {
            let mut problem = Problem::from_codec(&error);
            for entry in &mut problem.errors {
                entry.message = format!("document {number}: {}", entry.message);
            }
            problem
        })?;
        let mut edits = Vec::new();
        for face in FACES.iter().copied() {
            for (id, document) in documents::split(&tree, face) {
                let key = ServiceKey { face: face.0.into(), id };
                edits.push(match delete {
                    true => DocumentEdit::Delete { key, expect: None },
                    false => DocumentEdit::Put { key, document, expect: None },
                });
            }
        }
        if edits.is_empty() {
            return Err(wrong("content", false, &format!("document {number} holds no vpn-service")));
        }
        Ok(edits)
    }

    /// An instance document: the container of a face, its `vpn-services`, or single `vpn-service` entries.
    fn instance(&self, media: Media, content: &str) -> Result<ConfigTree, CodecError> {
        let mut at = vec![Path::root()];
        match outermost(media, content) {
            Some("vpn-service") => at = FACES.iter().map(|face| services_path(*face)).collect(),
            Some("vpn-services") => at = FACES.iter().filter_map(|face| services_path(*face).parent()).collect(),
            _ => {}
        }
        let mut worst: Option<CodecError> = None;
        for at in at {
            match media::parse(media, content.as_bytes(), self.index(), &at, Policy::STRICT, &Limits::NORTH) {
                Ok(tree) => return Ok(tree),
                // The face to which the document does not belong does not even know its outermost node.
                Err(error) => {
                    let alien = matches!(error.kind, CodecErrorKind::UnknownElement | CodecErrorKind::UnknownNamespace);
                    if worst.is_none() || !alien {
                        worst = Some(error);
                    }
                }
            }
        }
        Err(worst.unwrap_or(CodecError {
            kind: CodecErrorKind::Malformed,
            path: "/".into(),
            message: "the document is empty".into(),
            line: 0,
            column: 0,
        }))
    }

    fn service(&self, target: &str) -> Result<ServiceKey, Problem> {
        let raw = target.strip_prefix("/restconf/data").unwrap_or(target);
        let parsed = target::parse(raw, self.index()).map_err(|error| Problem::from_target(&error))?;
        match service_of(&parsed.path) {
            Some(key) if documents::face(&key.face).is_some_and(|face| parsed.path == service_path(face, &key.id)) => {
                Ok(key)
            }
            _ => Err(wrong("target", false, "must be one service: /…/vpn-services/vpn-service={vpn-id}")),
        }
    }

    async fn input(&self, ask: &Ask, body: &mut Body, at: &Path) -> Result<ConfigTree, Problem> {
        let bytes = read_body(body, &ask.headers, self.options.body_limit).await?;
        if bytes.is_empty() {
            return Ok(ConfigTree::default());
        }
        let media = media::sent(&ask.headers)
            .map_err(|why| Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "malformed-message", why))?;
        let limits = Limits { bytes: self.options.body_limit, value_bytes: self.options.body_limit, ..Limits::NORTH };
        media::parse(media, &bytes, self.index(), at, Policy::DATA, &limits)
            .map_err(|error| Problem::from_codec(&error))
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

/// What a request of documents asks for.
pub(super) struct Asked {
    pub edits: Vec<DocumentEdit>,
    pub allowed: Allowed,
    /// The path of each service, and the name of the document that holds it.
    pub names: Vec<(String, String)>,
}

/// The local name of the outermost node of a document.
fn outermost(media: Media, content: &str) -> Option<&str> {
    let name = match media {
        Media::Json => content.trim_start().strip_prefix('{')?.trim_start().strip_prefix('"')?.split('"').next()?,
        Media::Xml => {
            // Declarations and comments before the element begin with '<?' and '<!'.
            let start = content.match_indices('<').map(|(at, _)| &content[at + 1..]);
            let mut start = start.filter(|rest| rest.starts_with(|c: char| c.is_alphabetic() || c == '_'));
            start.next()?.split(|c: char| c.is_whitespace() || c == '>' || c == '/').next()?
        }
    };
    Some(name.rsplit(':').next().unwrap_or(name))
}

/// What the caller allows beyond the request, and has checked.
pub(super) fn allowed_in(input: Reader<'_>) -> Allowed {
    Allowed {
        overwrite: permit(&input.each("overwrite")),
        collateral: permit(&input.each("allow-collateral")),
        protected: permit(&input.each("allow-protected")),
        checks: input.each("check").into_iter().map(str::to_owned).collect(),
    }
}

pub(super) fn permit(given: &[&str]) -> Permit {
    if given.is_empty() {
        return Permit::Nothing;
    }
    if given.contains(&"all") {
        return Permit::All;
    }
    // 'pe1:/frr:vrf…': the planner knows paths alone.
    let path = |text: &&str| match text.find(":/") {
        Some(at) if !text.starts_with('/') => text[at + 1..].to_owned(),
        _ => (*text).to_owned(),
    };
    Permit::Paths(given.iter().map(path).collect())
}

pub(super) fn class(input: Reader<'_>) -> Option<Class> {
    match input.leaf("require-atomicity")? {
        "A" => Some(Class::A),
        "B" => Some(Class::B),
        "C" => Some(Class::C),
        _ => Some(Class::D),
    }
}

pub(super) fn own(name: &str) -> Step {
    Step::single(QName::new("andante", name))
}

pub(super) fn operation_path(name: &str) -> Path {
    Path::new(vec![own(name)])
}

pub(super) fn bad_input(error: InputError) -> Problem {
    wrong(&error.leaf, error.missing, &error.message)
}

/// An input leaf that is missing or wrong.
pub(super) fn wrong(leaf: &str, missing: bool, message: &str) -> Problem {
    let entry = Entry {
        layer: "application",
        tag: if missing { "missing-element" } else { "invalid-value" },
        message: format!("{leaf}: {message}; nothing was done"),
        ..Entry::default()
    };
    Problem { status: StatusCode::BAD_REQUEST, errors: vec![entry], transaction: None }
}

fn unsupported(message: &str) -> Problem {
    Problem::new(StatusCode::NOT_IMPLEMENTED, "operation-not-supported", message)
}
