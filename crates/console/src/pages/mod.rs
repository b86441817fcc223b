//! The pages. What they have in common is here; one file for each.

mod application;
mod job;
mod overview;

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub(crate) use self::application::page as application;
pub(crate) use self::job::page as job;
pub(crate) use self::overview::page as overview;
use crate::html::{Html, document, element, start, style, text};
use crate::model::{RunState, RunStatus};
use crate::words;

/// All the looks there are. It stands in each page, so that a page is one request.
pub(crate) const STYLE: &str = include_str!("style.css");

/// Seconds until a page asks for itself again.
const REFRESH: &str = "10";

#[derive(Clone, Copy, Eq, PartialEq)]
enum Tab {
    Application,
    Jobs,
    None,
}

/// A page that says one thing, for whoever may not see any other.
pub(crate) fn message(title: &str, message: &str) -> String {
    layout(title, Tab::None, [element("h1", &[], title), element("p", &[], message)].into())
}

fn layout(title: &str, tab: Tab, main: Html) -> String {
    let mut head = vec![
        start("meta", &[("charset", "utf-8")]),
        start("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")]),
        start("meta", &[("name", "color-scheme"), ("content", "light dark")]),
    ];
    if tab != Tab::None {
        head.push(start("meta", &[("http-equiv", "refresh"), ("content", REFRESH)]));
    }
    head.extend([element("title", &[], format!("{title} · Unattended")), style(STYLE)]);
    let link = |tab_of_link: Tab, address: &'static str, label: &'static str| {
        let current = if tab == tab_of_link { "page" } else { "false" };
        element("a", &[("href", address), ("aria-current", current)], label)
    };
    let mut header = vec![element("span", &[("class", "name")], "Unattended")];
    if tab != Tab::None {
        let links = [link(Tab::Jobs, "/", "Jobs"), link(Tab::Application, "/application", "Application")];
        header.push(element("nav", &[], links));
    }
    document(head.into(), [element("header", &[], header), element("main", &[], main)].into())
}

/// A moment: how far away, and on the calendar.
fn moment(at: Timestamp, now: Timestamp, zone: &TimeZone) -> Html {
    let exact = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let relative = element("time", &[("datetime", &exact)], words::relative(at, now));
    [relative, note(words::moment(at, zone))].into()
}

/// A word with a colour; the word says it all, for whoever sees no colours.
fn badge(kind: &str, word: &str) -> Html {
    element("span", &[("class", &format!("badge {kind}"))], word)
}

fn badge_of(state: RunState) -> Html {
    let kind = match state {
        RunState::Done => "good",
        RunState::Due => "plain",
        RunState::Running => "busy",
        RunState::Interrupted | RunState::Partial => "warn",
        _ => "bad",
    };
    badge(kind, state.words())
}

/// A second line, less important than the first.
fn note(content: impl Into<Html>) -> Html {
    element("span", &[("class", "note")], content)
}

/// What a run did and how long it took, and why it did not come to its end.
fn did(run: &RunStatus) -> Html {
    let mut told = Vec::new();
    if let Some(did) = run.did() {
        told.push(text(did));
    }
    let length = run.duration_ms.map(|length| format!("in {}", words::length(length)));
    let output = run.output.as_ref().map(|file| format!("to {file}"));
    let details: Vec<String> = length.into_iter().chain(output).collect();
    if !details.is_empty() {
        told.push(note(details.join(", ")));
    }
    told.extend(run.rejects.as_ref().map(|file| note(format!("left out: {file}"))));
    if run.resumed {
        told.push(note("went on where an earlier attempt had stopped"));
    }
    if let Some(reason) = &run.restarted {
        told.push(note(format!("began anew: {reason}")));
    }
    if let Some(error) = &run.error {
        told.push(element("span", &[("class", "error")], error.as_str()));
    }
    told.into()
}

/// A cell that says its column's name where columns do not fit beside each other.
fn cell(label: &str, content: impl Into<Html>) -> Html {
    element("td", &[("data-label", label)], element("div", &[], content))
}

fn table(class: &str, columns: &[&str], rows: impl Iterator<Item = Html>) -> Html {
    let head: Html = columns.iter().map(|column| element("th", &[("scope", "col")], *column)).collect();
    let body: Html = rows.collect();
    let parts = [element("thead", &[], element("tr", &[], head)), element("tbody", &[], body)];
    element("table", &[("class", class)], parts)
}

/// Names and values.
fn facts(rows: impl IntoIterator<Item = (&'static str, Html)>) -> Html {
    let rows = rows
        .into_iter()
        .map(|(name, value)| element("div", &[], [element("dt", &[], name), element("dd", &[], value)]));
    element("dl", &[], rows.collect::<Html>())
}
