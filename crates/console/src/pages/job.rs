//! One job and its runs.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::overview::{next, schedule_words, state};
use super::{Tab, badge_of, cell, did, facts, layout, moment, note, table};
use crate::html::{Html, element, text};
use crate::model::{JobStatus, RunState, RunStatus};

pub(crate) fn page(job: &JobStatus, runs: &[RunStatus], now: Timestamp, zone: &TimeZone) -> String {
    let mut known = vec![("State", state(job)), ("Work", text(&job.work))];
    if let Some(schedule) = &job.schedule {
        let cron = element("code", &[], schedule.cron.as_str());
        known.push(("Schedule", [text(schedule_words(schedule)), note(cron)].into()));
    }
    // The schedule stands above.
    let without_schedule = JobStatus { schedule: None, ..job.clone() };
    if job.next_at.is_some() || job.schedule.is_none() {
        known.push(("Next", next(&without_schedule, now, zone)));
    }
    if let Some(running) = &job.running {
        known.push(("Under way", moment(running.when(), now, zone)));
    }
    let begun: Vec<&RunStatus> = runs.iter().filter(|run| run.state != RunState::Due).collect();
    let row = |run: &RunStatus| {
        let cells = [
            cell("When", moment(run.when(), now, zone)),
            cell("State", badge_of(run.state)),
            cell("What it did", [did(run), attempts(run), goes_on(run, now, zone)]),
            cell("Run", element("code", &[("class", "id")], run.run_id.as_str())),
        ];
        element("tr", &[], cells)
    };
    let mut main = vec![
        element("p", &[("class", "back")], element("a", &[("href", "/")], "Jobs")),
        element("h1", &[], job.name.as_str()),
        facts(known),
        element("h2", &[], "Runs"),
    ];
    main.push(if begun.is_empty() {
        element("p", &[], "It has not run yet.")
    } else {
        table("runs", &["When", "State", "What it did", "Run"], begun.into_iter().map(row))
    });
    layout(&job.name, Tab::Jobs, main.into())
}

fn attempts(run: &RunStatus) -> Html {
    if run.attempts > 1 {
        note(format!("{} attempts since the last progress", run.attempts))
    } else {
        Html::default()
    }
}

fn goes_on(run: &RunStatus, now: Timestamp, zone: &TimeZone) -> Html {
    match (run.state, run.goes_on_at) {
        (RunState::Interrupted, Some(at)) if at > now => {
            element("div", &[], [Html::from("goes on "), moment(at, now, zone)])
        }
        _ => Html::default(),
    }
}
