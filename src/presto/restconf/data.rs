//! `/restconf/data`: reading and writing.
//!
//! A write is applied to the stored tree by [`super::edit`], becomes whole documents, and goes to the controller pinned to the
//! entity tags that it was computed from; if somebody else was faster and the client did not pin the state itself, it is
//! computed again from what is stored now.

use super::answer::Answer;
use super::conditions::{self, Verdict};
use super::documents::{self, FACES, service_of};
use super::dry_run;
use super::edit::{self, Edited, leaf_at};
use super::errors::Problem;
use super::load::Loaded;
use super::media::{self, Media};
use super::query::{self, DryRun, Query};
use super::select::select;
use super::server::{ACCEPT_PATCH, Ask, RESTCONF, Restconf, allow, not_here, read_body};
use super::target::{self, Target};
use crate::controller::{DocumentEdit, Failure, RequestName, Terms};
use crate::domain::{Outcome, Principal, QueuePolicy, ServiceKey, TransactionRecord, Verb, authorize};
use crate::plan::Allowed;
use crate::presto::view;
use crate::tree::{ConfigTree, Limits, Node, Path, Policy, QName, SchemaKind, Step};
use axum::body::Body;
use http::{Method, StatusCode};

impl Restconf {
    /// Answers a request for a data resource; `raw` is the path behind `/restconf/data`.
    pub(super) async fn data(&self, ask: &Ask, body: &mut Body, raw: &str) -> Result<Answer, Problem> {
        let target = target::parse(raw, self.index()).map_err(|error| Problem::from_target(&error))?;
        let method = match ask.method {
            Method::OPTIONS => return Ok(self.options(&target)),
            Method::GET | Method::HEAD => return self.read(ask, &target).await,
            Method::PUT => edit::Method::Put,
            Method::POST => edit::Method::Post,
            Method::PATCH => edit::Method::Patch,
            Method::DELETE => edit::Method::Delete,
            _ => return Err(not_here(&ask.method)),
        };
        let query = query::parse(ask.query.as_deref(), true).map_err(bad_query)?;
        self.write(ask, body, &target, method, &query).await
    }

    fn options(&self, target: &Target) -> Answer {
        let config = target.schema.is_none_or(|id| self.index().node(id).config);
        match (target.schema, config) {
            (None, _) => allow("GET, HEAD, OPTIONS, POST"),
            (_, true) => allow("GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE")
                .with(ACCEPT_PATCH, format!("{}, {}", Media::Json.as_str(), Media::Xml.as_str())),
            (_, false) => allow("GET, HEAD, OPTIONS"),
        }
    }

    async fn read(&self, ask: &Ask, target: &Target) -> Result<Answer, Problem> {
        let query = query::parse(ask.query.as_deref(), false).map_err(bad_query)?;
        let paged = target.path.steps().first().is_some_and(|top| top.name == QName::new("andante", "transactions"));
        if !paged && (query.limit.is_some() || query.after.is_some()) {
            let message = "query: 'limit' and 'after' are for /andante:transactions";
            return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid-value", message));
        }
        let (tree, present) =
            self.load(&ask.principal, target, &query).await.map_err(|failure| self.failed(&failure))?;
        let index = self.index();
        let Some(parent) = target.path.parent() else {
            let top: Vec<_> =
                tree.top().iter().map(|node| select(node, index.child(None, node.name()), &query, index)).collect();
            return Ok(Answer::new(StatusCode::OK).body(ask.media.as_str(), datastore(ask.media, &top, self)));
        };
        let node = leaf_at(&tree, &target.path).or_else(|| self.bare(target));
        let Some(node) = node else {
            return Err(
                Problem::new(StatusCode::NOT_FOUND, "invalid-value", "the resource does not exist").at(&target.path)
            );
        };
        match conditions::judge(&ask.headers, present.as_ref(), true) {
            Verdict::Holds => {}
            Verdict::NotModified => return Ok(Answer::new(StatusCode::NOT_MODIFIED).validators(present.as_ref())),
            verdict => return Err(unmet(verdict, &target.path)),
        }
        let node = select(&node, target.schema, &query, index);
        let body = media::print(ask.media, &[node], &parent, index);
        Ok(Answer::new(StatusCode::OK).validators(present.as_ref()).body(ask.media.as_str(), body))
    }

    /// A container that exists though nothing is in it, if nothing that must exist is missing above it.
    fn bare(&self, target: &Target) -> Option<Node> {
        let plain = target.path.steps().iter().enumerate().all(|(at, _)| {
            let path = Path::new(target.path.steps()[..=at].to_vec());
            let id = self.index().resolve(&path);
            id.is_some_and(|id| self.index().node(id).kind == SchemaKind::Container { presence: false })
        });
        let last = target.path.last()?;
        plain.then(|| Node::from_step(last.clone()))
    }

    async fn write(
        &self,
        ask: &Ask,
        body: &mut Body,
        target: &Target,
        method: edit::Method,
        query: &Query,
    ) -> Result<Answer, Problem> {
        let path = &target.path;
        let verb = if query.dry_run.is_some() { Verb::Plan } else { Verb::Write };
        authorize(&ask.principal, verb, &path.to_string()).map_err(|denied| self.failed(&Failure::Denied(denied)))?;
        let body = match method {
            edit::Method::Delete => None,
            _ => Some(self.body(ask, body, path, method).await?),
        };
        let face = self.face(path, body.as_ref())?;
        let name = match query.dry_run {
            None => self.name_of_write(ask, path, body.as_ref())?,
            // It leaves nothing behind that could be done twice.
            Some(_) => None,
        };
        if let Some(answer) = self.answered_before(ask, name.as_ref()).await? {
            return answer;
        }
        let answer = self.written(ask, target, method, query, body, face, name.as_ref()).await;
        match answer {
            // The first request of this name may have been carried out since we looked.
            Err(problem) => match self.answered_before(ask, name.as_ref()).await {
                Ok(Some(answer)) => answer,
                _ => Err(problem),
            },
            answer => answer,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one request, taken apart")]
    async fn written(
        &self,
        ask: &Ask,
        target: &Target,
        method: edit::Method,
        query: &Query,
        body: Option<ConfigTree>,
        face: (&'static str, &'static str),
        name: Option<&RequestName>,
    ) -> Result<Answer, Problem> {
        let path = &target.path;
        for last in [false, false, false, true] {
            let loaded = match named(ask, path, method, body.as_ref(), face) {
                Some(ids) => self.load_named(&ask.principal, face, &ids).await,
                None => self.load_services(&ask.principal, path, face).await,
            };
            let loaded = loaded.map_err(|failure| self.failed(&failure))?;
            match conditions::judge(&ask.headers, loaded.present.as_ref(), false) {
                Verdict::Holds => {}
                verdict => return Err(unmet(verdict, path)),
            }
            let edited = edit::edit(&loaded.tree, method, path, body.as_ref(), self.index())
                .map_err(|error| Problem::from_edit(&error))?;
            let edits = documents::changes(face, &loaded.tree, &edited.tree, &loaded.tags);
            let result = match query.dry_run {
                Some(kind) => self.rehearse(ask, kind, edits, &edited).await,
                None => self.perform(ask, edits, &edited, &loaded, name, query.queue).await,
            };
            match result {
                Err(Failure::Precondition { .. }) if !last && !conditions::pins(&ask.headers) => {}
                Err(failure) => return Err(self.failed(&failure)),
                Ok(answer) => return answer,
            }
        }
        Err(Problem::new(StatusCode::CONFLICT, "in-use", "others keep changing the resource; nothing was done")
            .at(path))
    }

    async fn rehearse(
        &self,
        ask: &Ask,
        kind: DryRun,
        edits: Vec<DocumentEdit>,
        edited: &Edited,
    ) -> Result<Result<Answer, Problem>, Failure> {
        let plan = match edits.is_empty() {
            true => None,
            false => Some(self.controller.propose(&ask.principal, edits, &Allowed::default()).await?),
        };
        let status = if edited.created { StatusCode::CREATED } else { StatusCode::OK };
        let body = dry_run::body(plan.as_ref(), kind, ask.media, self.index());
        Ok(Ok(Answer::new(status).body(ask.media.as_str(), body)))
    }

    async fn perform(
        &self,
        ask: &Ask,
        edits: Vec<DocumentEdit>,
        edited: &Edited,
        loaded: &Loaded,
        name: Option<&RequestName>,
        queue: Option<QueuePolicy>,
    ) -> Result<Result<Answer, Problem>, Failure> {
        if edits.is_empty() {
            if let Ok(Some(answer)) = self.answered_before(ask, name).await {
                return Ok(answer);
            }
            // What is asked for is stored already: idempotent, and no transaction.
            return Ok(Ok(Answer::new(StatusCode::NO_CONTENT).validators(loaded.present.as_ref())));
        }
        let creates = edited.created.then(|| target::print(&edited.resource));
        let request = name.map(|name| RequestName { creates: creates.clone(), ..name.clone() });
        let terms = Terms { request, queue, ..self.terms(ask) };
        let record = self.controller.write(&ask.principal, edits, &Allowed::default(), &terms).await?;
        self.concluded(ask, &record, &edited.resource, creates.as_deref()).await
    }

    /// The answer to a write whose transaction is this one.
    pub(super) async fn concluded(
        &self,
        ask: &Ask,
        record: &TransactionRecord,
        resource: &Path,
        creates: Option<&str>,
    ) -> Result<Result<Answer, Problem>, Failure> {
        if let Some(answer) = self.unfinished(record, ask.media) {
            return Ok(answer);
        }
        let present = match &service_of(resource) {
            Some(key) => self.present(&ask.principal, key).await?,
            None => None,
        };
        let answer = match creates {
            Some(created) => Answer::new(StatusCode::CREATED)
                .location(&format!("/restconf/data{created}"))
                .body(ask.media.as_str(), self.record(record, ask.media)),
            None => Answer::new(StatusCode::NO_CONTENT),
        };
        Ok(Ok(answer.validators(present.as_ref()).transaction(record)))
    }

    /// The answer to a transaction that is not applied, or not yet: an error, or 202 with the way to it.
    pub(super) fn unfinished(&self, record: &TransactionRecord, media: Media) -> Option<Result<Answer, Problem>> {
        match &record.outcome {
            Some(Outcome::Applied) => None,
            Some(Outcome::NotApplied { .. }) => Problem::from_record(record, self.options.nso_compatible).map(Err),
            None | Some(Outcome::Unresolved { .. }) => Some(Ok(Answer::new(StatusCode::ACCEPTED)
                .location(&format!("/restconf/data/andante:transactions/transaction={}", record.id))
                .body(media.as_str(), self.record(record, media))
                .transaction(record))),
        }
    }

    async fn present(&self, principal: &Principal, key: &ServiceKey) -> Result<Option<conditions::Present>, Failure> {
        let stored = self.controller.document(principal, key).await?;
        Ok(stored.map(|one| conditions::Present { etag: one.etag, modified: Some(one.modified) }))
    }

    /// The transaction as a resource.
    fn record(&self, record: &TransactionRecord, media: Media) -> String {
        let parent = Path::new(vec![Step::single(QName::new("andante", "transactions"))]);
        let nodes: Vec<_> =
            view::transaction(self.index(), record, &|id| self.controller.timing(id)).into_iter().collect();
        media::print(media, &nodes, &parent, self.index())
    }

    /// The body of a write as a tree from the root.
    async fn body(&self, ask: &Ask, body: &mut Body, path: &Path, method: edit::Method) -> Result<ConfigTree, Problem> {
        let media = media::sent(&ask.headers)
            .map_err(|why| Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "malformed-message", why))?;
        let bytes = read_body(body, &ask.headers, self.options.body_limit).await?;
        let at = match method {
            edit::Method::Post => Some(path.clone()),
            _ => path.parent(),
        };
        let limits = Limits { bytes: self.options.body_limit, ..Limits::NORTH };
        media::parse(media, &bytes, self.index(), &at.unwrap_or_default(), Policy::STRICT, &limits)
            .map_err(|error| Problem::from_codec(&error))
    }

    /// The face that a write is about.
    fn face(&self, path: &Path, body: Option<&ConfigTree>) -> Result<(&'static str, &'static str), Problem> {
        let top = path.steps().first().map(|step| &step.name);
        let top = top.or_else(|| body.and_then(|body| body.top().first()).map(|node| node.name()));
        let face = top.and_then(|name| documents::face(name.module.as_str()));
        face.ok_or_else(|| {
            let names: Vec<_> = FACES.iter().map(|(module, top)| format!("{module}:{top}")).collect();
            let message = format!("only services can be written, below {}; nothing was done", names.join(" and "));
            let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "operation-not-supported", message)
                .remedy("everything else changes by the operations below /restconf/operations");
            if path.steps().is_empty() { problem } else { problem.at(path) }
        })
    }

    /// A failure of the controller as a problem, with our own faults in the log.
    pub(super) fn failed(&self, failure: &Failure) -> Problem {
        let problem = Problem::from_failure(failure, self.options.nso_compatible);
        if problem.status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = problem.errors.first().map(|entry| entry.message.as_str()), "a request failed");
        }
        problem
    }
}

fn datastore(media: Media, top: &[Node], server: &Restconf) -> String {
    let inner = media::print(media, top, &Path::root(), server.index());
    match media {
        Media::Json => format!("{{\n\"ietf-restconf:data\": {}\n}}\n", inner.trim_end()),
        Media::Xml => format!("<data xmlns=\"{RESTCONF}\">\n{inner}</data>\n"),
    }
}

fn bad_query(error: query::QueryError) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid-value", error.to_string())
}

fn unmet(verdict: Verdict, path: &Path) -> Problem {
    match verdict {
        Verdict::Malformed(message) => Problem::new(StatusCode::BAD_REQUEST, "invalid-value", message),
        Verdict::Failed(message) => Problem::new(StatusCode::PRECONDITION_FAILED, "operation-failed", message)
            .at(path)
            .remedy("read the resource again and repeat the change on what it is now"),
        Verdict::Holds | Verdict::NotModified => {
            Problem::new(StatusCode::PRECONDITION_FAILED, "operation-failed", "a condition does not hold").at(path)
        }
    }
}

/// The services that a write above all services speaks of, where the others do not matter: it adds or merges, and the
/// client does not ask what the whole was. Then the others need not be read.
fn named(
    ask: &Ask,
    path: &Path,
    method: edit::Method,
    body: Option<&ConfigTree>,
    face: (&'static str, &'static str),
) -> Option<Vec<ServiceKey>> {
    let adds = matches!(method, edit::Method::Post | edit::Method::Patch);
    if !adds || service_of(path).is_some() || conditions::asks(&ask.headers) {
        return None;
    }
    let ids = documents::split(body?, face).into_keys();
    Some(ids.map(|id| ServiceKey { face: face.0.into(), id }).collect())
}
