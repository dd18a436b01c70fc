//! The NETCONF side of a simulated element (RFC 6241, RFC 6242): one task per session.
//!
//! ```text
//!  bytes -> framing (the client's own) -> rpc -> datastore, edit, filter -> rpc-reply
//! ```
//!
//! *Offered*: base:1.0 and 1.1 with both framings, candidate, confirmed-commit:1.1, validate:1.1, rollback-on-error,
//! writable-running (class C), startup, get-schema of the adapter's profiles, the list of sessions, kill-session; what of
//! these an element has is said by [`Abilities`]. *Not here*: copy-config of anything but running to startup, xpath
//! filters, notifications, with-defaults, and what only a YANG library can check (`must`, `when`, mandatory, ranges).

mod datastore;
mod edit;
mod filter;
mod refusal;
mod rpc;

pub(super) use datastore::Datastores;

use super::Abilities;
use super::fault::Fault;
use super::machine::{Language, Machine, State, lock, printed};
use crate::adagio::netconf::framing::{Decoder, FrameLimits, Framing, encode};
use crate::adagio::netconf::message::{BASE, MONITORING};
use crate::adagio::netconf::operation::Datastore;
use crate::domain::Class;
use crate::tree::{ConfigTree, Limits, SchemaIndex, xml};
use datastore::Timer;
use edit::{edited, first_part};
use quick_xml::escape::escape;
use refusal::{Layer, Refusal, reply};
use rpc::{DefaultOperation, Item, Request, Rpc, parse_hello, parse_rpc};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

/// Serves one session until the client or somebody else ends it.
pub(super) async fn serve(
    machine: Arc<Machine>,
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    hangup: CancellationToken,
    user: String,
) {
    let id = machine.open_session(&hangup, &user);
    let session = Session { machine: machine.clone(), id };
    tokio::select! {
        () = hangup.cancelled() => {}
        ended = session.talk(&mut stream) => {
            if let Err(error) = ended {
                tracing::debug!(element = machine.name, session = id, %error, "simulated session ended");
            }
        }
    }
    machine.close_session(id);
    let _ = stream.shutdown().await; // the client may be gone already
}

/// What someone at the console changes: merged into running as it stands.
pub(super) fn apply_by_hand(running: &ConfigTree, config: &str, schema: &SchemaIndex) -> Result<ConfigTree, String> {
    let edit = parse_edit(&format!("<config xmlns=\"{BASE}\" xmlns:nc=\"{BASE}\">{config}</config>"), schema);
    let after = edit.and_then(|edit| edited(running, &edit, DefaultOperation::Merge, schema));
    after.map_err(|refusal| format!("{}: {}", refusal.tag, refusal.message))
}

fn parse_edit(config: &str, schema: &SchemaIndex) -> Result<xml::EditConfig, Refusal> {
    xml::parse_edit(config.as_bytes(), schema, &Limits::SOUTH).map_err(|error| Refusal::codec(&error))
}

struct Session {
    machine: Arc<Machine>,
    id: u32,
}

/// What an operation leads to.
#[derive(Default)]
struct Outcome {
    body: String,
    timer: Option<Timer>,
    close: bool,
}

impl Outcome {
    fn ok() -> Self {
        Self { body: "<ok/>".into(), ..Self::default() }
    }

    fn data(inner: &str) -> Self {
        Self { body: format!("<data>{inner}</data>"), ..Self::default() }
    }
}

impl Session {
    async fn talk(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> std::io::Result<()> {
        let mut framing = Framing::EndOfMessage;
        let mut decoder = Decoder::new(FrameLimits { max_message: 64 << 20, max_chunk: 64 << 20, max_chunks: 1 << 16 });
        let record = self.machine.record();
        let mut base11 = None;
        send(stream, framing, &self.hello()).await?;
        let mut block = vec![0; 64 << 10];
        loop {
            while let Some(message) = decoder.next().map_err(std::io::Error::other)? {
                let Some(modern) = base11 else {
                    let offered = parse_hello(&message).ok_or_else(|| std::io::Error::other("no hello"))?;
                    let modern = self.speaks_base11() && offered.iter().any(|uri| uri == BASE_11);
                    base11 = Some(modern);
                    if modern {
                        framing = Framing::Chunked;
                        decoder.set_framing(framing);
                    }
                    continue;
                };
                let rpc = parse_rpc(&message).ok_or_else(|| std::io::Error::other("no rpc"))?;
                if !self.answer(stream, framing, rpc, modern).await? {
                    return Ok(());
                }
            }
            let n = stream.read(&mut block).await?;
            if n == 0 {
                return Ok(());
            }
            lock(&record).extend_from_slice(&block[..n]);
            decoder.push(&block[..n]);
        }
    }

    /// Carries out one rpc and answers it; false when the session ends with it.
    async fn answer(
        &self,
        stream: &mut (impl AsyncWrite + Unpin),
        framing: Framing,
        rpc: Rpc,
        base11: bool,
    ) -> std::io::Result<bool> {
        let reaction = self.machine.react(&rpc.operation, false);
        if let Some(time) = reaction.delay {
            tokio::time::sleep(time).await;
        }
        if reaction.close == Some(false) {
            return Ok(false);
        }
        let result = match (&reaction.refuse, rpc.request) {
            (Some(tags), request) => {
                if let Ok(request) = request {
                    self.stopped_on_the_way(request);
                }
                Err(tags
                    .split('|')
                    .map(|tag| Refusal {
                        layer: Layer::Application,
                        ..Refusal::protocol(tag, "refused by this element")
                    })
                    .collect())
            }
            (None, Err(refusal)) => Err(vec![refusal]),
            (None, Ok(request)) => self.carry_out(request, base11).map_err(|refusal| vec![refusal]),
        };
        let outcome = result.unwrap_or_else(|refusals: Vec<Refusal>| {
            let empty = SchemaIndex::default();
            let schema = self.machine.adapter.schema().map_or(&empty, Arc::as_ref);
            Outcome { body: refusals.iter().map(|refusal| refusal.xml(schema)).collect(), ..Outcome::default() }
        });
        if let Some(timer) = outcome.timer {
            start(self.machine.clone(), timer);
        }
        if reaction.close == Some(true) {
            return Ok(false);
        }
        if !reaction.lose {
            send(stream, framing, &reply(rpc.message_id.as_deref(), &outcome.body)).await?;
        }
        Ok(!outcome.close)
    }

    /// A refused edit of running, where nothing rolls back: what came before the error stays.
    fn stopped_on_the_way(&self, request: Request) {
        let Request::Edit { target: Datastore::Running, default, test_only: false, config } = request else { return };
        if self.abilities().rollback_on_error || self.editable(Datastore::Running).is_err() {
            return;
        }
        let Some(schema) = self.machine.adapter.schema() else { return };
        let mut state = self.machine.state();
        let stores = &mut state.stores;
        if stores.writable(self.id, Datastore::Running).is_err() {
            return;
        }
        let part = parse_edit(&config, schema).map(|edit| first_part(&edit));
        if let Ok(after) = part.and_then(|part| edited(stores.running(), &part, default, schema)) {
            stores.write(Datastore::Running, after);
        }
    }

    fn carry_out(&self, request: Request, base11: bool) -> Result<Outcome, Refusal> {
        if let Request::KillSession(id) = request {
            if id == self.id {
                return Err(Refusal::protocol("invalid-value", "a session cannot kill itself"));
            }
            return if self.machine.kill_session(id) {
                self.machine.close_session(id);
                Ok(Outcome::ok())
            } else {
                Err(Refusal::protocol("invalid-value", format!("there is no session {id}")))
            };
        }
        let schema = self.machine.adapter.schema().ok_or_else(|| Refusal::protocol("operation-failed", "no schema"))?;
        let mut state = self.machine.state();
        let State { stores, faults, .. } = &mut *state;
        match request {
            Request::Lock(_) | Request::Unlock(_) if !self.abilities().lock => {
                Err(Refusal::protocol("operation-not-supported", "there are no locks"))
            }
            Request::Copy if self.abilities().startup => {
                stores.save();
                Ok(Outcome::ok())
            }
            Request::Copy => Err(Refusal::protocol("operation-not-supported", "there is no startup")),
            Request::Lock(store) => stores.lock(self.id, self.offered(store)?).map(|()| Outcome::ok()),
            Request::Unlock(store) => stores.unlock(self.id, self.offered(store)?).map(|()| Outcome::ok()),
            Request::Edit { target, default, test_only, config } => {
                let target = self.editable(target)?;
                stores.writable(self.id, target)?;
                let edit = parse_edit(&config, schema)?;
                let after = edited(stores.read(target), &edit, default, schema)?;
                if !test_only {
                    stores.write(target, after);
                }
                Ok(Outcome::ok())
            }
            Request::Validate(store) => {
                let store = self.offered(store)?;
                stores.spoilt |= store == Datastore::Candidate && faults.has(&Fault::ValidateSpoilsCommit);
                Ok(Outcome::ok())
            }
            Request::Commit(commit) => {
                self.offered(Datastore::Candidate)?;
                let confirmed = commit.confirmed || commit.persist_id.is_some();
                if confirmed && self.class() != Class::A {
                    return Err(Refusal::protocol("operation-not-supported", "there is no confirmed commit"));
                }
                Ok(Outcome { timer: stores.commit(self.id, &commit, base11)?, ..Outcome::ok() })
            }
            Request::CancelCommit { .. } if self.class() != Class::A => {
                Err(Refusal::protocol("operation-not-supported", "there is no confirmed commit"))
            }
            Request::CancelCommit { persist_id } => {
                stores.cancel(self.id, persist_id.as_deref()).map(|()| Outcome::ok())
            }
            Request::Discard => {
                self.offered(Datastore::Candidate)?;
                stores.discard(self.id).map(|()| Outcome::ok())
            }
            Request::GetConfig { source, filter } => {
                let tree = printed(stores.read(self.offered(source)?), faults);
                drop(state); // the rest takes long and changes nothing
                Ok(Outcome::data(&shown(&tree, filter.as_deref(), schema)))
            }
            Request::Get { filter } => {
                let tree = printed(stores.running(), faults);
                drop(state);
                let named = |name: &str| filter.as_ref().is_none_or(|items| items.iter().any(|item| item.name == name));
                let mut text = shown(&tree, filter.as_deref(), schema);
                if named("netconf-state") {
                    text.push_str(&self.sessions());
                }
                text.push_str(&self.machine.state_shown("").unwrap_or_default());
                Ok(Outcome::data(&text))
            }
            Request::GetSchema { identifier } => {
                drop(state);
                self.schema_text(&identifier)
            }
            Request::CloseSession => Ok(Outcome { close: true, ..Outcome::ok() }),
            Request::KillSession(_) => Ok(Outcome::ok()), // done above, without the state
        }
    }

    fn schema_text(&self, identifier: &str) -> Result<Outcome, Refusal> {
        let none = || Refusal::protocol("invalid-value", format!("there is no schema {identifier}"));
        let (folder, modules) = self.machine.adapter.profiles().ok_or_else(none)?;
        if !modules.iter().any(|module| module == identifier) {
            return Err(none());
        }
        // The name is one of the adapter's own list, so it leads nowhere else.
        let text = std::fs::read_to_string(folder.join(format!("{identifier}.yang"))).map_err(|_| none())?;
        let text = escape(text.as_str());
        Ok(Outcome { body: format!("<data xmlns=\"{MONITORING}\">{text}</data>"), ..Outcome::default() })
    }

    fn class(&self) -> Class {
        match self.machine.language {
            Language::Netconf { class, .. } => class,
            Language::Cli(_) => Class::D,
        }
    }

    fn abilities(&self) -> Abilities {
        match self.machine.language {
            Language::Netconf { abilities, .. } => abilities,
            Language::Cli(_) => Abilities::default(),
        }
    }

    /// Who is here (RFC 6022 §2.1.4).
    fn sessions(&self) -> String {
        let mut out = format!("<netconf-state xmlns=\"{MONITORING}\"><sessions>");
        for (id, user) in self.machine.sessions() {
            out.push_str(&format!(
                "<session><session-id>{id}</session-id><transport>netconf-ssh</transport><username>{}</username>\
                 <source-host>127.0.0.1</source-host></session>",
                escape(user.as_str())
            ));
        }
        out.push_str("</sessions></netconf-state>");
        out
    }

    fn speaks_base11(&self) -> bool {
        matches!(self.machine.language, Language::Netconf { base11: true, .. })
    }

    /// The datastore, if this element has it.
    fn offered(&self, store: Datastore) -> Result<Datastore, Refusal> {
        if store == Datastore::Candidate && self.class() == Class::C {
            return Err(Refusal::protocol("operation-not-supported", "there is no candidate"));
        }
        Ok(store)
    }

    fn editable(&self, store: Datastore) -> Result<Datastore, Refusal> {
        if store == Datastore::Running && self.class() != Class::C && !self.abilities().writable_running {
            return Err(Refusal::protocol("operation-not-supported", "running cannot be written, use the candidate"));
        }
        self.offered(store)
    }

    fn hello(&self) -> String {
        let mut uris = vec![BASE_10.to_owned()];
        if self.speaks_base11() {
            uris.push(BASE_11.to_owned());
        }
        let abilities: &[&str] = match self.class() {
            Class::A => &["candidate:1.0", "confirmed-commit:1.1"],
            Class::B => &["candidate:1.0"],
            Class::C | Class::D => &["writable-running:1.0"],
        };
        let own = self.abilities();
        let more = [
            (own.validate, "validate:1.1"),
            (own.rollback_on_error, "rollback-on-error:1.0"),
            (own.startup, "startup:1.0"),
            (own.writable_running && self.class() != Class::C, "writable-running:1.0"),
        ];
        let more = more.iter().filter(|(has, _)| *has).map(|(_, name)| name);
        let abilities = abilities.iter().chain(more);
        uris.extend(abilities.map(|ability| format!("urn:ietf:params:netconf:capability:{ability}")));
        uris.push(MONITORING.to_owned());
        for module in self.machine.adapter.schema().map(|schema| schema.modules()).unwrap_or_default() {
            let revision = module.revision.as_ref().map(|date| format!("&revision={date}")).unwrap_or_default();
            uris.push(format!("{}?module={}{revision}", module.namespace, module.name));
        }
        let mut out = format!("<hello xmlns=\"{BASE}\"><capabilities>");
        for uri in uris {
            out.push_str(&format!("<capability>{}</capability>", escape(uri.as_str())));
        }
        out.push_str(&format!("</capabilities><session-id>{}</session-id></hello>", self.id));
        out
    }
}

fn shown(tree: &ConfigTree, filter: Option<&[Item]>, schema: &SchemaIndex) -> String {
    match filter {
        None => xml::print(tree, schema, false),
        Some(filter) => xml::print(&filter::filtered(tree, filter, schema), schema, false),
    }
}

/// The timer of a confirmed commit: a task that ends with the element.
fn start(machine: Arc<Machine>, timer: Timer) {
    tokio::spawn(async move {
        tokio::select! {
            () = machine.stop.cancelled() => {}
            () = tokio::time::sleep(timer.after) => {
                if machine.state().stores.expired(timer.ticket) {
                    tracing::info!(element = machine.name, "simulated confirmed commit ran out and was reverted");
                }
            }
        }
    });
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), framing: Framing, message: &str) -> std::io::Result<()> {
    let frame = encode(framing, message.as_bytes()).map_err(std::io::Error::other)?;
    stream.write_all(&frame).await?;
    stream.flush().await
}

const BASE_10: &str = "urn:ietf:params:netconf:base:1.0";
const BASE_11: &str = "urn:ietf:params:netconf:base:1.1";
