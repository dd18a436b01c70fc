//! Where secrets are kept: sealed, by their tokens.
//!
//! Flow: [`Controller::cut`] takes the secrets out of a document as it comes in and leaves tokens; they are sealed at once
//! and wait in memory; they are stored when a plan that needs them is kept, or right before its transaction begins; drivers
//! open them as they send ([`Secrets`]). At start those go that nobody refers to.
//!
//! Guarantees: clear text is in no store, plan, journal, log, answer or difference; sealed by ChaCha20-Poly1305 under a key
//! from a file that is not in the store, each with a nonce of its own and bound to its token. A dry-run stores nothing.
//! A token can be given instead of a secret only to the service that has it.

use super::Controller;
use super::failure::Failure;
use super::request::DocumentEdit;
use crate::adagio::secret::Secrets;
use crate::domain::{Fault, FaultTag};
use crate::face;
use crate::plan::{ElementPlan, Plan, Refused};
use crate::store::{self, Batch, Durability, Store, StoreError, Table};
use crate::tree::secret::{is_token, token, tokens};
use crate::tree::{After, ConfigTree, Node, Path, Value};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// The secrets of an installation.
pub struct Vault {
    key: LessSafeKey,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    /// Stored ones.
    stored: BTreeMap<String, Sealed>,
    /// Those of plans that are not kept; the oldest go first.
    waiting: BTreeMap<String, Sealed>,
    order: VecDeque<String>,
}

/// A secret as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sealed {
    /// Base64.
    nonce: String,
    /// Base64; the last 16 octets are the tag.
    sealed: String,
}

/// The vault cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The key is not usable.
    #[error("the key of the secrets is not 32 octets")]
    Key,
    /// No random numbers.
    #[error("no random numbers: {0}")]
    Random(String),
    /// The cipher refused.
    #[error("the secret cannot be sealed")]
    Seal,
}

impl Vault {
    /// A vault with this key, empty.
    pub fn new(key: &[u8; 32]) -> Result<Self, VaultError> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key).map_err(|_| VaultError::Key)?;
        Ok(Self { key: LessSafeKey::new(key), held: Mutex::default() })
    }

    /// Loads what is stored.
    pub(super) async fn load(&self, store: &dyn Store) -> Result<(), StoreError> {
        let stored = store::list(store, Table::Secrets, "").await?;
        self.held().stored = stored.into_iter().collect();
        Ok(())
    }

    /// Seals a secret, unless it is known; answers its token.
    fn take(&self, clear: &str) -> Result<String, VaultError> {
        let token = token(clear);
        if self.knows(&token) {
            return Ok(token);
        }
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|error| VaultError::Random(error.to_string()))?;
        let mut sealed = clear.as_bytes().to_vec();
        sealed.reserve_exact(CHACHA20_POLY1305.tag_len());
        let aad = Aad::from(token.as_bytes());
        let done = self.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed);
        done.map_err(|_| VaultError::Seal)?;
        let sealed = Sealed { nonce: STANDARD.encode(nonce), sealed: STANDARD.encode(sealed) };
        let mut held = self.held();
        held.waiting.insert(token.clone(), sealed);
        held.order.push_back(token.clone());
        while held.order.len() > WAITING_MAX {
            if let Some(oldest) = held.order.pop_front() {
                held.waiting.remove(&oldest);
            }
        }
        Ok(token)
    }

    /// Whether the clear text of a token is here.
    pub(super) fn knows(&self, token: &str) -> bool {
        let held = self.held();
        held.stored.contains_key(token) || held.waiting.contains_key(token)
    }

    /// What is needed of the waiting secrets, as records.
    fn needed(&self, tokens: &BTreeSet<String>, batch: &mut Batch) -> Result<(), StoreError> {
        let held = self.held();
        for token in tokens {
            if let Some(sealed) = held.waiting.get(token) {
                batch.put(Table::Secrets, token, sealed)?;
            }
        }
        Ok(())
    }

    /// These are stored now.
    fn stored(&self, tokens: &BTreeSet<String>) {
        let mut held = self.held();
        for token in tokens {
            if let Some(sealed) = held.waiting.remove(token) {
                held.order.retain(|waiting| waiting != token);
                held.stored.insert(token.clone(), sealed);
            }
        }
    }

    /// Whether others than these are stored.
    fn has_others(&self, tokens: &BTreeSet<String>) -> bool {
        self.held().stored.keys().any(|token| !tokens.contains(token))
    }

    /// Removes all stored ones but these; answers which went.
    fn keep_only(&self, tokens: &BTreeSet<String>) -> Vec<String> {
        let mut held = self.held();
        let gone: Vec<String> = held.stored.keys().filter(|token| !tokens.contains(*token)).cloned().collect();
        gone.iter().for_each(|token| drop(held.stored.remove(token)));
        gone
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Secrets for Vault {
    fn open(&self, token: &str) -> Result<Zeroizing<String>, String> {
        let sealed = {
            let held = self.held();
            held.stored.get(token).or_else(|| held.waiting.get(token)).cloned()
        };
        let sealed = sealed.ok_or_else(|| format!("{token} is not known here; give the secret again"))?;
        let broken = || format!("{token} cannot be opened: another key than the one it was sealed with?");
        let nonce: [u8; NONCE_LEN] =
            STANDARD.decode(&sealed.nonce).ok().and_then(|nonce| nonce.try_into().ok()).ok_or_else(broken)?;
        let mut bytes = Zeroizing::new(STANDARD.decode(&sealed.sealed).map_err(|_| broken())?);
        let aad = Aad::from(token.as_bytes());
        let clear = self.key.open_in_place(Nonce::assume_unique_for_key(nonce), aad, &mut bytes);
        let clear = std::str::from_utf8(clear.map_err(|_| broken())?).map_err(|_| broken())?;
        Ok(Zeroizing::new(clear.to_owned()))
    }
}

impl Controller {
    /// The edits with tokens in the place of secrets.
    pub(super) fn cut(&self, edits: Vec<DocumentEdit>) -> Result<Vec<DocumentEdit>, Failure> {
        let mut faults = Vec::new();
        let mut done = Vec::with_capacity(edits.len());
        for edit in edits {
            let DocumentEdit::Put { key, mut document, expect } = edit else {
                done.push(edit);
                continue;
            };
            for (path, clear) in face::secrets(&document) {
                let wrong = |message: String| Fault {
                    path: path.to_string(),
                    tag: FaultTag::InvalidValue,
                    app_tag: Some("secret".into()),
                    message,
                };
                let token = if is_token(&clear) {
                    let model = self.model();
                    let own = model.documents.get(&key).is_some_and(|stored| stored.body.contains(clear.as_str()));
                    if !own {
                        faults.push(wrong("it looks like a handle, but this service has no such secret".into()));
                        continue;
                    }
                    clear.to_string()
                } else if let Some(why) = unfit(&clear) {
                    faults.push(wrong(why.into()));
                    continue;
                } else {
                    self.parts.vault.take(&clear).map_err(|error| Failure::Internal(error.to_string()))?
                };
                document = replaced(&document, &path, &token);
            }
            done.push(DocumentEdit::Put { key, document, expect });
        }
        if faults.is_empty() { Ok(done) } else { Err(Failure::Document(faults)) }
    }

    /// Adds the secrets that a plan needs to a batch; [`Controller::sealed`] when it is durable.
    pub(super) fn seal(&self, plan: &Plan, batch: &mut Batch) -> Result<(), StoreError> {
        self.parts.vault.needed(&referred(plan), batch)
    }

    /// The secrets of a plan are durable.
    pub(super) fn sealed(&self, plan: &Plan) {
        self.parts.vault.stored(&referred(plan));
    }

    /// Stores the secrets of a plan before anything is journaled or sent: the first intent that waits for the disk takes
    /// them with it.
    pub(super) async fn seal_now(&self, plan: &Plan) -> Result<(), Failure> {
        let mut batch = Batch::default();
        self.seal(plan, &mut batch)?;
        if batch != Batch::default() {
            self.commit_with(batch, Durability::Lazy).await?;
            self.sealed(plan);
        }
        Ok(())
    }

    /// Loads the secrets, and removes those that no document, present or past, kept plan or open transaction refers to.
    pub(super) async fn open_vault(&self) -> Result<(), Failure> {
        let vault = &self.parts.vault;
        vault.load(self.parts.store.as_ref()).await?;
        if !vault.has_others(&BTreeSet::new()) {
            return Ok(());
        }
        let mut used = BTreeSet::new();
        for document in self.model().documents.values() {
            found_in(&document.body, &mut used);
        }
        for table in [Table::Plans, Table::Claims, Table::Recorded, Table::Deviations] {
            let mut after = String::new();
            loop {
                let page = self.parts.store.page_bytes(table, &after, PAGE).await?;
                let Some((last, _)) = page.last() else { break };
                after.clone_from(last);
                page.iter().for_each(|(_, bytes)| found_in(&String::from_utf8_lossy(bytes), &mut used));
            }
        }
        // The past may be large: it is looked at only when a secret would go.
        if vault.has_others(&used) {
            let mut after = String::new();
            loop {
                let rows = self.parts.store.page_bytes(Table::History, &after, PAGE).await?;
                let Some((last, _)) = rows.last() else { break };
                after.clone_from(last);
                rows.iter().for_each(|(_, bytes)| found_in(&String::from_utf8_lossy(bytes), &mut used));
            }
        }
        let gone = vault.keep_only(&used);
        if !gone.is_empty() {
            let mut batch = Batch::default();
            gone.iter().for_each(|token| batch.delete(Table::Secrets, token));
            self.commit_batch(batch).await?;
            tracing::info!(count = gone.len(), "secrets that nobody refers to are removed");
        }
        Ok(())
    }

    /// A secret that was only seen as a token cannot be sent, and cannot be put back. Where a person had it overwritten the
    /// plan says so; else it is refused. Answers the warnings.
    pub(super) fn sendable(&self, plan: &ElementPlan) -> Result<Vec<String>, Failure> {
        let unknown = |text: &str| -> Vec<String> {
            tokens(text).map(|(_, token)| token.to_owned()).filter(|token| !self.parts.vault.knows(token)).collect()
        };
        let refused = |what: &str, token: &str| {
            let reason = Refused::Render(format!("it would have to {what} {token}, a secret that is not known here"));
            Failure::Refused { element: plan.element.clone(), reasons: vec![reason] }
        };
        if let Some(token) = unknown(&plan.payload.native()).first() {
            return Err(refused("send", token));
        }
        let mut warnings = BTreeSet::new();
        for token in unknown(&plan.undo.native()) {
            let says = |actual: &Option<String>| actual.as_ref().is_some_and(|actual| actual.contains(&token));
            let Some(found) = plan.overwritten.iter().find(|found| says(&found.actual)) else {
                return Err(refused("put back", &token));
            };
            let (element, path) = (&plan.element, &found.path);
            warnings
                .insert(format!("{element}: {path}: the secret that stands there is not known; it cannot be put back"));
        }
        Ok(warnings.into_iter().collect())
    }
}

/// Revisions of the past that are read at once.
const PAGE: usize = 1000;

/// The tokens that a plan sends, stores, or would send to go back.
fn referred(plan: &Plan) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for change in &plan.services {
        found_in(change.document.as_deref().unwrap_or_default(), &mut used);
    }
    for element in &plan.elements {
        found_in(&element.payload.native(), &mut used);
        found_in(&element.undo.native(), &mut used);
    }
    used
}

fn found_in(text: &str, used: &mut BTreeSet<String>) {
    used.extend(tokens(text).map(|(_, token)| token.to_owned()));
}

/// The document with another value at a leaf.
fn replaced(document: &ConfigTree, path: &Path, text: &str) -> ConfigTree {
    match (document.at(path), path.parent()) {
        (Some(leaf), Some(parent)) => {
            let kind = leaf.value().map(Value::kind).unwrap_or(crate::tree::ValueKind::Text);
            document.with(&parent, Node::leaf(leaf.name().clone(), Value::new(kind, text)), After::Keep)
        }
        _ => document.clone(),
    }
}

/// Why a secret cannot be carried to elements. Never with the secret.
fn unfit(clear: &str) -> Option<&'static str> {
    match clear.len() {
        0 => return Some("an empty key protects nothing"),
        1..=80 => {}
        _ => return Some("a key is at most 80 characters long (TCP MD5 signatures of routers)"),
    }
    let plain = clear.bytes().all(|b| b.is_ascii_graphic() && b != b'?' && b != b'"');
    (!plain).then_some("a key is made of printable ASCII without blanks, ? and \", which command lines cannot carry")
}

/// How many secrets of plans that nobody kept are held.
const WAITING_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_opened_by_its_token_and_key_alone() {
        let vault = Vault::new(&[7; 32]).unwrap();
        let token = vault.take("hunter2").unwrap();
        assert_eq!(vault.open(&token).unwrap().as_str(), "hunter2");
        assert_eq!(vault.take("hunter2").unwrap(), token);
        let mut batch = Batch::default();
        vault.needed(&BTreeSet::from([token.clone()]), &mut batch).unwrap();
        assert!(!format!("{batch:?}").contains("hunter2"));
        // Another key, another token: nothing.
        let sealed = vault.held().waiting[&token].clone();
        let other = Vault::new(&[8; 32]).unwrap();
        other.held().stored.insert(token.clone(), sealed.clone());
        assert!(other.open(&token).is_err_and(|why| why.contains("another key")));
        let swapped = crate::tree::secret::token("other");
        vault.held().stored.insert(swapped.clone(), sealed);
        assert!(vault.open(&swapped).is_err(), "a record is bound to its token");
        assert!(vault.open("secret:0").is_err());
    }

    #[test]
    fn secrets_of_plans_that_nobody_kept_do_not_heap_up() {
        let vault = Vault::new(&[7; 32]).unwrap();
        let first = vault.take("number 0").unwrap();
        for at in 1..=WAITING_MAX {
            vault.take(&format!("number {at}")).unwrap();
        }
        assert!(!vault.knows(&first) && vault.held().waiting.len() == WAITING_MAX);
        let last = token(&format!("number {WAITING_MAX}"));
        vault.stored(&BTreeSet::from([last.clone()]));
        assert_eq!(vault.keep_only(&BTreeSet::new()), [last]);
    }

    #[test]
    fn what_no_command_line_carries_is_refused_without_saying_it() {
        for (clear, fits) in [("s3cret", true), ("", false), ("with blank", false), ("why?", false), ("ä", false)] {
            let why = unfit(clear);
            assert_eq!(why.is_none(), fits, "{clear}");
            assert!(clear.is_empty() || why.is_none_or(|why| !why.contains(clear)));
        }
        assert!(unfit(&"x".repeat(81)).is_some());
    }
}
