//! libyang as the oracle: what it says of schemas, documents, values, faults and differences is held against what we say.
//!
//! Two kinds of material. *Drawn*: random modules ([`arbitrary_modules`]) with random instances; thousands of cases a run,
//! the same ones each time. *Genuine*: the module sets of vendors and of Debian packages ([`sets`]) with instances made from
//! their schemas; what libyang refuses is left out by name and counted in a table at the end.
//!
//! A broken law prints its seed; `ANDANTE_SEED=n cargo test --test oracle NAME` repeats that case alone, `ANDANTE_CASES=n`
//! draws n times as many.
//!
//! libyang stands here twice: behind the worker (schema index, faults), as the daemon has it, and directly through the safe
//! binding (parse, print, canonical values, `lyd_diff`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod drawn;
mod edit_config;
mod found;
mod laws;
mod libyang;
mod sets;
mod values;

#[path = "../support/arbitrary.rs"]
mod arbitrary;
#[path = "../support/arbitrary_modules.rs"]
mod arbitrary_modules;
#[path = "../support/instances.rs"]
mod instances;
#[path = "../support/law.rs"]
mod law;
#[path = "../support/mod.rs"]
mod support;

use andante::yang::{DocumentKind, Encoding, Fault, Loaded, ModuleSet, YangWorker};
use law::{Said, law, only, times};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A worker process and the runtime that talks to it.
struct Worker {
    runtime: tokio::runtime::Runtime,
    client: YangWorker,
}

impl Worker {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_andanted"));
        Self { runtime, client: YangWorker::spawn(program, &["yang-worker"], Duration::from_secs(300)) }
    }

    fn load(&self, set: &ModuleSet) -> Arc<Loaded> {
        self.runtime.block_on(self.client.load(set)).unwrap()
    }

    fn forget(&self, loaded: &Loaded) {
        self.runtime.block_on(self.client.forget(&loaded.id)).unwrap();
    }

    fn validate(&self, loaded: &Loaded, encoding: Encoding, document: &str) -> Vec<Fault> {
        let call = self.client.validate(&loaded.id, DocumentKind::Config, encoding, document);
        self.runtime.block_on(call).unwrap()
    }
}
