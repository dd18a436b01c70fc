//! What an operation is given: its documents as edits, what the caller allows and demands.

use super::documents::{self, FACES, service_of, service_path, services_path};
use super::errors::{Entry, Problem};
use super::media::{self, Media};
use super::server::{Ask, Restconf, read_body};
use super::target;
use crate::controller::{DocumentEdit, Failure};
use crate::domain::{Class, Principal, ServiceKey};
use crate::plan::{Allowed, Permit};
use crate::presto::view::{InputError, Reader};
use crate::tree::{CodecError, CodecErrorKind, ConfigTree, Limits, Path, Policy, QName, Step};
use axum::body::Body;
use http::StatusCode;

impl Restconf {
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

    pub(super) async fn input(&self, ask: &Ask, body: &mut Body, at: &Path) -> Result<ConfigTree, Problem> {
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
