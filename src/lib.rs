//! Andante runs one network domain for an orchestrator.
//!
//! A service document enters, becomes a plan, the plan becomes a transaction, the transaction is verified and recorded;
//! a loop asks again and again whether it is still true. The modules below stand in the order in which data flows.
//!
//! * [`tree`] is native configuration as a tree: nodes, schema index, diff, claims, codecs. It uses nothing of ours.
//! * [`domain`] holds every type that is stored or published: element, deviation, outcome, journal record, principal.
//! * [`service`] is the small canonical meaning of a document, its decomposition per element and the number ledger.
//! * [`face`] translates a standard document (L3NM, L2NM) into a [`service`] and back.
//! * [`adapter`] is what Andante knows of a platform: a folder of pure data, templates and a grammar.
//! * [`plan`] compares intended and actual and holds the exact bytes that would be sent.
//! * [`yang`] is the libyang worker process and its client; nothing else touches libyang.
//! * [`store`] keeps durable state behind one trait.
//! * [`adagio`] is the south: NETCONF, CLI and simulated elements. The only input and output to the south.
//! * [`transaction`] makes a plan true on all its elements, or on none, or says otherwise.
//! * [`controller`] is the spine: the only file that knows the order of the stations above.
//! * [`reconcile`] asks every element whether what was recorded is still so.
//! * [`presto`] is the north: RESTCONF, protocol only.
//! * [`noc`] is what `andante` prints.
//! * [`daemon`] wires all of this and runs until it is told to stop; nothing uses it but `bin`.
//! * [`config`] reads the daemon's own settings; nothing else reads settings or the environment.

#![warn(missing_docs)]

pub mod adagio;
pub mod adapter;
pub mod config;
pub mod controller;
pub mod daemon;
pub mod domain;
pub mod face;
pub mod noc;
pub mod plan;
pub mod presto;
pub mod reconcile;
pub mod service;
pub mod store;
pub mod transaction;
pub mod tree;
pub mod yang;
