//! Each verb: what it asks, what it prints, how it ends.

use super::Tools;
use super::arguments::{
    AdapterVerb, Arguments, Away, ConfigVerb, Consent, DeviationVerb, Mode, PlanArguments, Service, TransactionVerb,
    Verb,
};
use super::client::{Client, Reply};
use super::documents;
use super::failure::{Exit, Failure};
use super::paint::{Paint, clean};
use super::plan::{self, all, said};
use super::reports;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

/// Carries out what the command line says.
pub(super) async fn perform(arguments: &Arguments, tools: &Tools, paint: Paint) -> Result<Exit, Failure> {
    if let Verb::Config(ConfigVerb::Check { file }) = &arguments.verb {
        return match (tools.check_settings)(file) {
            Ok(()) => say(arguments.json, &json!({ "valid": true }), &format!("{}: in order\n", file.display())),
            Err(why) => {
                say(arguments.json, &json!({ "valid": false, "reason": why }), &format!("{}\n", clean(&why)))?;
                Ok(Exit::Refused)
            }
        };
    }
    let url = arguments.url.as_deref().or(if arguments.socket.is_some() { None } else { tools.url.as_deref() });
    let client = Client::new(url, arguments.socket.clone(), arguments.ticket.clone())?;
    let noc = Noc { client, json: arguments.json, ticket: arguments.ticket.clone(), paint };
    match &arguments.verb {
        Verb::Plan(given) => noc.plan(given).await,
        Verb::Commit { plan, require_class, mode } => noc.commit(plan, require_class.as_deref(), mode).await,
        Verb::Service(verb) => noc.service(verb).await,
        Verb::Element(verb) => noc.element(verb, tools).await,
        Verb::Deviation(verb) => noc.deviation(verb).await,
        Verb::Transaction(verb) => noc.transaction(verb).await,
        Verb::Queue(verb) => noc.queue(verb).await,
        Verb::Why { element, path } => {
            let reply = noc.call("why", json!({ "element": element, "path": path })).await?;
            noc.show(&reply, |body, noc| {
                let output = &body["andante:output"];
                reports::why(all(output, "claim"), all(output, "deviation"), noc.paint)
            })
        }
        Verb::Adapter(AdapterVerb::List) => {
            let reply = noc.client.get("/andante:adapters").await?;
            noc.show(&reply, |body, noc| reports::adapters(all(&body["andante:adapters"], "adapter"), noc.paint))
        }
        Verb::Config(ConfigVerb::Check { .. }) => Ok(Exit::Done),
    }
}

pub(super) struct Noc {
    pub(super) client: Client,
    pub(super) json: bool,
    ticket: Option<String>,
    pub(super) paint: Paint,
}

impl Noc {
    /// The moment of printing: relative times of a long verb count from its end, not from its start.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn plan(&self, given: &PlanArguments) -> Result<Exit, Failure> {
        let mut wanted = documents::read(&given.files)?;
        for id in &given.delete {
            wanted.push(json!({ "operation": "delete", "target": self.target(id).await? }));
        }
        let reply = self.planned(wanted, &given.consent).await?;
        let plan = &reply.body["andante:output"]["plan"];
        if plan::is_empty(plan) {
            return self.show(&reply, |_, noc| format!("{}\n", noc.paint.good("no change: all is so already")));
        }
        self.show(&reply, |_, noc| {
            let report = plan::report(plan, given.native, noc.now(), noc.paint);
            format!("{report}{}", plan::next(plan, noc.paint))
        })?;
        // A document may change without the network: words for people, or the same said otherwise.
        Ok(if all(plan, "element").is_empty() { Exit::Done } else { Exit::Differences })
    }

    async fn planned(&self, documents: Vec<Value>, consent: &Consent) -> Result<Reply, Failure> {
        self.call("plan", wanted(documents, consent)).await
    }

    pub(super) async fn commit(&self, id: &str, class: Option<&str>, mode: &Mode) -> Result<Exit, Failure> {
        let mut input = json!({ "plan-id": beginning("plan", id)? });
        if let Some(class) = class {
            input["require-atomicity"] = class.to_uppercase().into();
        }
        self.carried_out("commit-plan", input, mode).await
    }

    /// Plans, shows, commits: what `service apply` and `service delete` do.
    async fn at_once(
        &self,
        documents: Vec<Value>,
        consent: &Consent,
        mode: &Mode,
        away: &Away,
    ) -> Result<Exit, Failure> {
        if mode.request_id.is_some() || away.queue.is_some() {
            // Asked for again it would be another plan, and of what is away there is none; the documents are the same.
            let mut input = wanted(documents, consent);
            if let Some(policy) = &away.queue {
                input["queue-unreachable"] = policy.clone().into();
            }
            return self.carried_out("apply", input, mode).await;
        }
        let reply = self.planned(documents, consent).await?;
        let plan = &reply.body["andante:output"]["plan"];
        if plan::is_empty(plan) {
            return self.show(&reply, |_, noc| format!("{}\n", noc.paint.good("no change: all is so already")));
        }
        if !self.json {
            print!("{}", plan::report(plan, false, self.now(), self.paint));
            println!();
        }
        self.commit(&said(plan, "id"), consent.require_class.as_deref(), mode).await
    }

    async fn service(&self, verb: &Service) -> Result<Exit, Failure> {
        match verb {
            Service::List => {
                let reply = self.client.get("/andante:services").await?;
                self.show(&reply, |body, noc| {
                    reports::services(all(&body["andante:services"], "service"), noc.now(), noc.paint)
                })
            }
            Service::Show { id } => {
                let target = self.target(id).await?;
                let reply = self.client.get(&target).await?;
                let state = self.client.get("/andante:services").await?;
                self.show(&reply, |body, noc| {
                    let bare = id.rsplit('/').next().unwrap_or(id);
                    let list = all(&state.body["andante:services"], "service");
                    let facts = list.iter().find(|one| said(one, "id") == bare);
                    let facts = facts.map(|facts| reports::sheet(facts, noc.paint)).unwrap_or_default();
                    format!("{facts}\n{}\n", clean(&format!("{body:#}")))
                })
            }
            Service::Apply { files, consent, mode, away } => {
                self.at_once(documents::read(files)?, consent, mode, away).await
            }
            Service::History(given) => self.history(given).await,
            Service::Rollback { id, revision, commit, consent } => self.rollback(id, *revision, *commit, consent).await,
            Service::Delete { id, consent, mode, away } => {
                let target = self.target(id).await?;
                self.at_once(vec![json!({ "operation": "delete", "target": target })], consent, mode, away).await
            }
        }
    }

    async fn deviation(&self, verb: &DeviationVerb) -> Result<Exit, Failure> {
        let reply = self.client.get("/andante:deviations").await?;
        let list = all(&reply.body["andante:deviations"], "deviation");
        match verb {
            DeviationVerb::List => {
                self.show(&reply, |_, noc| reports::deviations(list, noc.now(), noc.paint))?;
                Ok(if list.is_empty() { Exit::Done } else { Exit::Differences })
            }
            DeviationVerb::Show { id } => {
                let found = single(list, &beginning("deviation", id)?, "deviation")?;
                let path = format!("/andante:deviations/deviation={}", encoded(&said(found, "id")));
                let reply = self.client.get(&path).await?;
                self.show(&reply, |_, noc| reports::deviation(found, noc.now(), noc.paint))
            }
            DeviationVerb::Heal { ids, element, dry_run, native } => {
                let mut chosen: Vec<&Value> = Vec::new();
                for id in ids {
                    chosen.push(single(list, &beginning("deviation", id)?, "deviation")?);
                }
                let mut names: Vec<String> = chosen.iter().map(|found| said(found, "element")).collect();
                names.extend(element.clone());
                names.sort();
                names.dedup();
                // One transaction for each element: the deviations of two elements have nothing to do with each other.
                let mut worst = Exit::Done;
                for name in names {
                    let of_it: Vec<String> = chosen
                        .iter()
                        .filter(|found| said(found, "element") == name)
                        .map(|found| said(found, "id"))
                        .collect();
                    let mut input = match of_it.is_empty() {
                        true => json!({ "element": [name] }),
                        false => json!({ "deviation": of_it }),
                    };
                    if *dry_run {
                        input["dry-run"] = true.into();
                        let reply = self.call("heal", input).await?;
                        let plan = &reply.body["andante:output"]["plan"];
                        self.show(&reply, |_, noc| plan::report(plan, *native, noc.now(), noc.paint))?;
                        if !all(plan, "element").is_empty() {
                            worst = Exit::Differences;
                        }
                        continue;
                    }
                    let reply = self.call("heal", input).await?;
                    match self.ended(&reply)? {
                        Exit::Done => {}
                        other => worst = other,
                    }
                }
                Ok(worst)
            }
        }
    }

    async fn transaction(&self, verb: &TransactionVerb) -> Result<Exit, Failure> {
        match verb {
            TransactionVerb::Watch { id } => self.followed(id).await,
            TransactionVerb::Cancel { id } => self.cancelled(id).await,
            TransactionVerb::List { limit, after } => {
                let after = after.as_ref().map(|id| format!("&after={}", encoded(&id.to_lowercase())));
                let path = format!("/andante:transactions?limit={limit}{}", after.unwrap_or_default());
                let reply = self.client.get(&path).await?;
                let list = all(&reply.body["andante:transactions"], "transaction");
                self.show(&reply, |_, noc| {
                    let mut out = reports::transactions(list, noc.now(), noc.paint);
                    if let Some(last) = list.last().filter(|_| list.len() >= *limit as usize) {
                        let next = format!("older ones: andante transaction list --after {}\n", said(last, "id"));
                        out.push_str(&noc.paint.faint(&next));
                    }
                    out
                })
            }
            TransactionVerb::Show { id } => {
                let id = self.transaction_id(id).await?;
                let reply = self.client.get(&format!("/andante:transactions/transaction={}", encoded(&id))).await?;
                let found = all(&reply.body, "andante:transaction").first().unwrap_or(&Value::Null);
                self.show(&reply, |_, noc| reports::transaction(found, noc.now(), noc.paint))?;
                if said(found, "outcome") == "unresolved" && !self.json {
                    self.stand(&id).await?;
                }
                Ok(Exit::Done)
            }
            TransactionVerb::Undo { id, over_later, commit, consent } => {
                self.undo(&self.transaction_id(id).await?, *over_later, *commit, consent).await
            }
            TransactionVerb::Resolve(given) => self.resolve(&self.transaction_id(&given.id).await?, given).await,
        }
    }

    /// The whole id of the transaction whose id begins so. Ids sort by time, and so do their beginnings: what begins so
    /// stands together, right before what comes behind all of it.
    async fn transaction_id(&self, id: &str) -> Result<String, Failure> {
        let id = beginning("transaction", id)?;
        let reply =
            self.client.get(&format!("/andante:transactions?limit=2&after={}", encoded(&format!("{id}~")))).await?;
        let list = all(&reply.body["andante:transactions"], "transaction");
        single(list, &id, "transaction").map(|found| said(found, "id"))
    }

    /// The resource of a service, from `ID` or `FACE/ID`.
    pub(super) async fn target(&self, id: &str) -> Result<String, Failure> {
        let reply = self.client.get("/andante:services").await?;
        let named = |one: &&Value| {
            let (face, bare) = (said(one, "face"), said(one, "id"));
            bare == id || format!("{face}/{bare}") == id
        };
        let found: Vec<&Value> = all(&reply.body["andante:services"], "service").iter().filter(named).collect();
        match found.as_slice() {
            [] => {
                Err(Failure::Absent(format!("service {id} does not exist; 'andante service list' shows what there is")))
            }
            [one] => {
                let face = said(one, "face");
                let top = face.strip_prefix("ietf-").unwrap_or(&face);
                Ok(format!("/{face}:{top}/vpn-services/vpn-service={}", encoded(&said(one, "id"))))
            }
            _ => Err(Failure::Usage(format!("service {id} exists in two faces; write FACE/{id}"))),
        }
    }

    pub(super) async fn call(&self, name: &str, mut input: Value) -> Result<Reply, Failure> {
        let silent = ["check-sync", "probe", "why", "element-config", "watch-transaction", "service-history"];
        let takes_ticket = !silent.contains(&name);
        if let (Some(ticket), true) = (&self.ticket, takes_ticket) {
            input["ticket"] = ticket.clone().into();
        }
        self.client.call(name, input).await
    }

    /// A transaction that was answered: done, or not yet.
    pub(super) fn ended(&self, reply: &Reply) -> Result<Exit, Failure> {
        let one = match &reply.body["andante:transaction"] {
            Value::Array(list) => list.first().unwrap_or(&Value::Null),
            _ => &reply.body["andante:output"],
        };
        self.show(reply, |_, noc| match one {
            Value::Null => format!("{}\n", noc.paint.good("no change: nothing was to be done")),
            _ => reports::transaction(one, noc.now(), noc.paint),
        })?;
        let open = reply.status.as_u16() == 202;
        if open && let (Some(id), false) = (&reply.transaction, self.json) {
            println!("watch it with: andante transaction watch {}", clean(id));
        }
        Ok(if open { Exit::Unresolved } else { Exit::Done })
    }

    /// The answer itself with `--json`, a report without.
    pub(super) fn show(&self, reply: &Reply, report: impl FnOnce(&Value, &Self) -> String) -> Result<Exit, Failure> {
        if self.json {
            let text = if reply.text.is_empty() { "{}" } else { reply.text.trim_end() };
            return put(&format!("{text}\n"));
        }
        put(&report(&reply.body, self))
    }
}

/// Documents with what the caller allows, as input of an operation.
fn wanted(documents: Vec<Value>, consent: &Consent) -> Value {
    let mut input = Map::new();
    input.insert("document".into(), documents.into());
    consent.allows(&mut input);
    if let Some(class) = &consent.require_class {
        input.insert("require-atomicity".into(), class.to_uppercase().into());
    }
    input.into()
}

/// The beginning of an id, long enough to be meant.
pub(super) fn beginning(what: &str, id: &str) -> Result<String, Failure> {
    match id.len() >= SHORTEST {
        true => Ok(id.to_lowercase()),
        false => Err(Failure::Usage(format!("{what} {id}: give at least {SHORTEST} characters of its id"))),
    }
}

/// The shortest beginning.
const SHORTEST: usize = 8;

/// The entry whose id begins so.
fn single<'a>(list: &'a [Value], id: &str, what: &str) -> Result<&'a Value, Failure> {
    let mut found = list.iter().filter(|one| said(one, "id").starts_with(id));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => {
            Err(Failure::Absent(format!("{what} {id} does not exist; 'andante {what} list' shows what there is")))
        }
        (Some(_), Some(_)) => Err(Failure::Usage(format!("{what} {id}: several begin so; give more of the id"))),
    }
}

impl Consent {
    /// What may be overwritten, what may go along, and what is checked, as the operations take it.
    pub(super) fn allows(&self, input: &mut Map<String, Value>) {
        for (name, given) in [
            ("overwrite", &self.overwrite),
            ("allow-collateral", &self.allow_collateral),
            ("allow-protected", &self.allow_protected),
            ("check", &self.check),
        ] {
            if !given.is_empty() {
                input.insert(name.into(), given.clone().into());
            }
        }
    }
}

pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn say(as_json: bool, body: &Value, text: &str) -> Result<Exit, Failure> {
    put(&if as_json { format!("{body:#}\n") } else { text.to_owned() })
}

/// Prints; a reader that went away (`| head`) is no error.
pub(super) fn put(text: &str) -> Result<Exit, Failure> {
    use std::io::Write;
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Tool(format!("cannot print: {error}")))
        }
        _ => Ok(Exit::Done),
    }
}
