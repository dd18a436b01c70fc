//! Transactions under way: followed to their end, called off. And what waits for elements that are away.

use super::arguments::{Mode, QueueVerb};
use super::failure::{Exit, Failure};
use super::paint::{Paint, clean};
use super::plan::{all, said};
use super::reports;
use super::verbs::{Noc, beginning, put};
use jiff::Timestamp;
use serde_json::{Value, json};

impl Noc {
    /// Calls an operation that runs a transaction, as the mode wants it.
    pub(super) async fn carried_out(&self, name: &str, mut input: Value, mode: &Mode) -> Result<Exit, Failure> {
        if mode.at_once || mode.follow {
            input["async"] = true.into();
        }
        if let Some(id) = &mode.request_id {
            input["request-id"] = id.clone().into();
        }
        let reply = self.call(name, input).await?;
        match (&reply.transaction, reply.status.as_u16()) {
            (Some(id), 202) if mode.follow => self.followed(&id.clone()).await,
            (Some(id), 202) if mode.at_once => {
                self.show(&reply, |_, _| {
                    let id = clean(id);
                    format!("{id}\nwatch it with: andante transaction watch {id}\n")
                })?;
                Ok(Exit::Done)
            }
            _ => self.ended(&reply),
        }
    }

    /// A line for each phase, until the end.
    pub(super) async fn followed(&self, id: &str) -> Result<Exit, Failure> {
        let id = beginning("transaction", id)?;
        let (mut after, mut last) = (0, String::new());
        loop {
            let reply = self.call("watch-transaction", json!({ "transaction": id, "after": after })).await?;
            let seen = &reply.body["andante:output"];
            after = number(seen, "change").unwrap_or_default();
            let now = standing(seen);
            if now != last {
                match self.json {
                    // A document a line: whoever reads it need not wait for the end.
                    true => put(&format!("{seen}\n"))?,
                    false => put(&line(seen, Timestamp::now(), self.paint))?,
                };
                last = now;
            }
            match seen["outcome"].as_str() {
                None => {}
                Some(outcome) => {
                    if !self.json {
                        put(&reports::transaction(seen, Timestamp::now(), self.paint))?;
                    }
                    return Ok(match outcome {
                        "applied" => Exit::Done,
                        "not-applied" => Exit::Refused,
                        _ => Exit::Unresolved,
                    });
                }
            }
        }
    }

    /// `queue …`
    pub(super) async fn queue(&self, verb: &QueueVerb) -> Result<Exit, Failure> {
        let reply = self.client.get("/andante:queue").await?;
        let list = all(&reply.body["andante:queue"], "change");
        let (given, action, told) = match verb {
            QueueVerb::List => {
                self.show(&reply, |_, noc| reports::queue(list, Timestamp::now(), noc.paint))?;
                return Ok(if list.is_empty() { Exit::Done } else { Exit::Differences });
            }
            QueueVerb::Retry(given) => (given, "retry", "is tried again; see 'andante queue list'"),
            QueueVerb::Drop(given) => (given, "drop", "is given up; the element stays as it is"),
        };
        let named = |one: &&Value| {
            let (face, id) = (said(one, "face"), said(one, "id"));
            said(one, "element") == given.element && (id == given.service || format!("{face}/{id}") == given.service)
        };
        let Some(found) = list.iter().find(named) else {
            let what = format!("a queued change of {} on {}", given.service, given.element);
            return Err(Failure::Absent(format!("{what} does not exist; 'andante queue list' shows what there is")));
        };
        let input = json!({ "element": found["element"], "face": found["face"], "id": found["id"], "action": action });
        let reply = self.call("queued-change", input).await?;
        self.show(&reply, |_, _| format!("{} on {} {told}\n", said(found, "id"), said(found, "element")))
    }

    /// `transaction cancel`.
    pub(super) async fn cancelled(&self, id: &str) -> Result<Exit, Failure> {
        let id = beginning("transaction", id)?;
        let reply = self.call("cancel-transaction", json!({ "transaction": id })).await?;
        self.ended(&reply)
    }
}

/// What a line tells; two that are the same are one line.
fn standing(seen: &Value) -> String {
    let turns: Vec<_> = all(seen, "element").iter().map(turn).collect();
    format!("{} {} {}", said(seen, "transaction"), said(seen, "phase"), turns.join(" "))
}

fn turn(element: &Value) -> String {
    format!("{} {}", said(element, "name"), said(element, "state"))
}

fn line(seen: &Value, now: Timestamp, paint: Paint) -> String {
    let mut out = format!("{now:.0}  {:<10}", said(seen, "phase"));
    let elements = all(seen, "element");
    let mut turns: Vec<String> = elements.iter().take(SHOWN).map(turn).collect();
    if elements.len() > SHOWN {
        turns.push(format!("and {} more", elements.len() - SHOWN));
    }
    out.push_str(&turns.join(" · "));
    let mut times = Vec::new();
    for (name, title) in [("deadline", "answers due in"), ("window", "window")] {
        let at = seen[name].as_str().and_then(|text| text.parse::<Timestamp>().ok());
        times.extend(at.map(|at| format!("{title} {} s", (at.as_second() - now.as_second()).max(0))));
    }
    if !times.is_empty() {
        out.push_str(&paint.faint(&format!("  ({})", times.join(", "))));
    }
    out.push('\n');
    out
}

/// RFC 7951 §6.1 writes 64-bit numbers as text.
fn number(seen: &Value, name: &str) -> Option<u64> {
    seen[name].as_str().and_then(|text| text.parse().ok()).or_else(|| seen[name].as_u64())
}

/// How many elements stand in one line.
const SHOWN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noc::arguments::Color;

    #[test]
    fn a_line_tells_phase_elements_and_what_time_is_left() {
        let seen = json!({ "phase": "applied", "deadline": "2026-11-23T00:01:00Z", "window": "2026-11-23T00:04:00Z",
            "element": [{ "name": "pe1", "state": "applied" }, { "name": "pe2", "state": "prepared" }] });
        let now = "2026-11-23T00:00:02Z".parse().unwrap();
        let text = line(&seen, now, Paint::new(Color::Never, false));
        assert_eq!(
            text,
            "2026-11-23T00:00:02Z  applied   pe1 applied · pe2 prepared  (answers due in 58 s, window 238 s)\n"
        );
    }
}
