//! A plan for the eyes: what changes where, what it does to traffic, what to watch out for, how to go on.

use super::paint::{Paint, clean, when};
use jiff::Timestamp;
use serde_json::Value;
use std::fmt::Write;

/// The whole report. `native`: payloads instead of diffs.
pub(super) fn report(plan: &Value, native: bool, now: Timestamp, paint: Paint) -> String {
    let mut out = header(plan, now, paint);
    for element in all(plan, "element") {
        let name = said(element, "name");
        let title =
            format!("{name}  class {}  {}  {}", said(element, "class"), said(element, "adapter"), impact(element));
        let _ = writeln!(out, "\n{}", paint.strong(&title));
        if element["simulated-only"] == true {
            let _ = writeln!(out, "{}", paint.care("simulated only: no live server has seen this adapter"));
        }
        for path in element["protected"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let _ = writeln!(out, "{}", paint.care(&format!("protected, as allowed: {}", clean(path))));
        }
        let checks: Vec<&str> = element["check"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if !checks.is_empty() {
            let _ = writeln!(out, "checked before the decision: {}", clean(&checks.join(", ")));
        }
        let text = |leaf: &str| element[leaf].as_str().unwrap_or_default().to_owned();
        if native {
            out.push_str(&clean(&text("native")));
            if !out.ends_with('\n') {
                out.push('\n');
            }
        } else {
            out.push_str(&paint.diff(&text("diff")));
        }
    }
    out.push_str(&footer(plan, paint));
    out
}

/// Whether it changes nothing on any element and on no service.
pub(super) fn is_empty(plan: &Value) -> bool {
    all(plan, "element").is_empty() && all(plan, "service").is_empty()
}

/// Everything before the elements.
pub(super) fn header(plan: &Value, now: Timestamp, paint: Paint) -> String {
    let mut out = String::new();
    let id = said(plan, "id");
    let _ = writeln!(out, "{} {}", paint.strong("plan"), id);
    for service in all(plan, "service") {
        let customer = service["customer"].as_str().map(|name| format!(" of {}", clean(name))).unwrap_or_default();
        let _ = writeln!(
            out,
            "  {:<9}{}/{}{customer}",
            said(service, "effect"),
            said(service, "face"),
            said(service, "id")
        );
    }
    let elements = all(plan, "element");
    if elements.is_empty() {
        let _ = writeln!(out, "  {}", paint.good("no element changes, only the stored document"));
        return out;
    }
    let names: Vec<_> = elements.iter().map(|element| said(element, "name")).collect();
    let _ = writeln!(out, "  elements {}", names.join(", "));
    let class = said(plan, "class");
    let _ = writeln!(out, "  class    {}: {}", paint.state(&class), meaning(&class));
    let worst = elements.iter().map(|element| said(element, "impact")).max_by_key(|impact| severity(impact));
    let worst = worst.unwrap_or_default();
    let painted = if worst == "hitless" { paint.good(&worst) } else { paint.bad(&worst) };
    let _ = writeln!(out, "  impact   {painted}");
    let numbers: Vec<_> = all(plan, "tentative-number")
        .iter()
        .map(|number| format!("{} = {}", said(number, "name"), said(number, "value")))
        .collect();
    if !numbers.is_empty() {
        let _ = writeln!(out, "  numbers  {} (tentative until the commit)", numbers.join(", "));
    }
    if let Some(expires) = plan["expires"].as_str() {
        let _ = writeln!(out, "  kept     forgotten {}", when(Some(expires), now));
    }
    out
}

fn footer(plan: &Value, paint: Paint) -> String {
    let mut out = String::new();
    let mut section = |title: String, lines: Vec<String>| {
        if !lines.is_empty() {
            let _ = writeln!(out, "\n{title}");
            for line in lines {
                let _ = writeln!(out, "  {line}");
            }
        }
    };
    let place = |entry: &Value| format!("{}:{}", said(entry, "element"), said(entry, "path"));
    let lines = |name: &str, line: &dyn Fn(&Value) -> String| all(plan, name).iter().map(line).collect::<Vec<_>>();
    section(
        paint.care("warnings"),
        all(plan, "warning").iter().map(|text| clean(text.as_str().unwrap_or_default())).collect(),
    );
    section(
        paint.bad("changes made by hand that will be overwritten"),
        lines("hand-made-change", &|found| {
            format!(
                "{}: recorded {}, actual {}, wanted {}",
                place(found),
                value(found, "recorded"),
                value(found, "actual"),
                value(found, "wanted")
            )
        }),
    );
    section(
        paint.bad("collateral: goes along though nobody claims it"),
        lines("collateral", &|found| with_value(&place(found), found, " ")),
    );
    let rewrites = all(plan, "element").iter().flat_map(|element| {
        all(element, "rewrite").iter().map(move |echo| {
            let (name, path) = (said(element, "name"), said(echo, "path"));
            format!("{name}:{path}: {} is written as {}", value(echo, "sent"), value(echo, "says"))
        })
    });
    section("written by the element in its own way, as confirmed".into(), rewrites.collect());
    section(paint.care("other deviations of these elements, left alone"), lines("other-deviation", &place));
    section(
        "values that come back when the service goes".into(),
        lines("returning-value", &|found| with_value(&place(found), found, " = ")),
    );
    out
}

/// What to type next.
pub(super) fn next(plan: &Value, paint: Paint) -> String {
    let id = said(plan, "id");
    let short = id.get(..12).unwrap_or(&id);
    let undo = all(plan, "element").iter().any(|element| element["undo"].as_str().is_some_and(|text| !text.is_empty()));
    let mut out = format!("\n{}\n", paint.strong(&format!("andante commit {short}")));
    if undo {
        let _ = writeln!(out, "{}", paint.faint("the undo of each element is in --json (undo)"));
    }
    out
}

fn impact(element: &Value) -> String {
    said(element, "impact")
}

fn severity(impact: &str) -> u8 {
    match impact {
        "drops-traffic" => 2,
        "resets-session" => 1,
        _ => 0,
    }
}

fn meaning(class: &str) -> &'static str {
    match class {
        "A" => "every element reverts by itself if anything fails",
        "B" => "elements commit at once; a failure is undone by a second commit",
        "C" => "at least one element takes the change in one shot, without a candidate",
        "D" => "at least one element is changed line by line; a failure is undone line by line",
        _ => "nothing to take back",
    }
}

fn value(entry: &Value, name: &str) -> String {
    entry[name].as_str().map_or_else(|| "nothing".into(), |text| format!("'{}'", clean(text)))
}

/// A place with its value; a node that is there without a value has its place alone.
fn with_value(place: &str, entry: &Value, between: &str) -> String {
    match said(entry, "value") {
        value if value.is_empty() => place.to_owned(),
        value => format!("{place}{between}{value}"),
    }
}

/// The entries of a list or leaf-list.
pub(super) fn all<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A leaf as text, whatever its JSON type.
pub(super) fn said(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::Null => String::new(),
        Value::String(text) => clean(text),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noc::arguments::Color;
    use serde_json::json;

    #[test]
    fn a_report_has_everything_that_a_person_should_know() {
        let plan = json!({
            "id": "0123456789abcdef", "class": "D", "expires": "2026-11-24T00:00:00Z",
            "service": [{"face": "ietf-l3vpn-ntw", "id": "acme", "effect": "create", "customer": "acme"}],
            "element": [{"name": "pe2", "class": "D", "adapter": "frr", "impact": "resets-session", "diff": "+vrf acme\n",
                "native": "vrf acme\n", "undo": "no vrf acme\n", "simulated-only": true,
                "rewrite": [{"path": "/frr:p", "sent": "www", "says": "80"}]}],
            "hand-made-change": [{"element": "pe2", "path": "/frr:x", "recorded": "a", "actual": "b"}],
            "collateral": [{"element": "pe2", "path": "/frr:y", "value": "z"}],
            "returning-value": [{"element": "pe2", "path": "/frr:q", "value": ""}],
            "tentative-number": [{"name": "rd/pe2", "value": "7"}],
            "warning": ["look twice"]
        });
        let paint = Paint::new(Color::Never, false);
        let now = "2026-11-23T00:00:00Z".parse().unwrap();
        let text = report(&plan, false, now, paint);
        for part in [
            "plan 0123456789abcdef",
            "create   ietf-l3vpn-ntw/acme of acme",
            "class    D: ",
            "impact   resets-session",
            "rd/pe2 = 7",
            "in 1 d",
            "+vrf acme",
            "simulated only",
            "recorded 'a', actual 'b', wanted nothing",
            "pe2:/frr:y z\n",
            "pe2:/frr:q\n",
            "look twice",
            "pe2:/frr:p: 'www' is written as '80'",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(report(&plan, true, now, paint).contains("\nvrf acme\n"));
        assert!(next(&plan, paint).contains("andante commit 0123456789ab"));
        assert!(!is_empty(&plan) && is_empty(&json!({"id": "0"})));
    }
}
