//! "Did it work last night?"

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Tab, badge, badge_of, cell, did, layout, moment, note, table};
use crate::html::{Html, element};
use crate::model::{JobStatus, ScheduleStatus, Status, Verdict};

pub(crate) fn page(status: &Status, zone: &TimeZone) -> String {
    let kind = if status.succeeded { "good" } else { "bad" };
    let mut main = vec![element("h1", &[("class", kind)], status.summary())];
    main.extend(warnings(status));
    let row = |job: &JobStatus| {
        element(
            "tr",
            &[],
            [
                cell("Job", [name(job), note(job.work.as_str())]),
                cell("State", state(job)),
                cell("Last run", last(job, status.at, zone)),
                cell("Next", next(job, status.at, zone)),
            ],
        )
    };
    if !status.jobs.is_empty() {
        // Whoever looks is looking for these.
        let well = status.jobs.iter().filter(|job| job.verdict.is_good());
        let rows = status.troubled().chain(well).map(row);
        main.push(table("jobs", &["Job", "State", "Last run", "Next"], rows));
    }
    layout("Jobs", Tab::Jobs, main.into())
}

/// What will stop the jobs if nobody does anything.
fn warnings(status: &Status) -> Option<Html> {
    let warnings: Vec<Html> = status
        .application
        .credentials
        .iter()
        .filter_map(|credential| credential.warning())
        .map(|warning| element("p", &[], warning))
        .collect();
    let link = element("p", &[], element("a", &[("href", "/application")], "See the application"));
    let all = warnings.iter().cloned().chain([link]).collect::<Html>();
    (!warnings.is_empty()).then(|| element("div", &[("class", "banner"), ("role", "status")], all))
}

fn name(job: &JobStatus) -> Html {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("name", &job.name).finish();
    element("a", &[("class", "job"), ("href", &format!("/job?{query}"))], job.name.as_str())
}

pub(super) fn state(job: &JobStatus) -> Html {
    let mut badges = Vec::new();
    if let Some(running) = &job.running {
        badges.push(badge_of(running.state));
    }
    match (job.verdict, &job.last) {
        (Verdict::Overdue, _) => badges.push(badge("bad", "overdue")),
        (Verdict::Unplanned, _) => badges.push(badge("bad", "not planned")),
        (_, Some(last)) => badges.push(badge_of(last.state)),
        (_, None) if job.running.is_none() => badges.push(badge("plain", "has not run")),
        (_, None) => {}
    }
    badges.into()
}

fn last(job: &JobStatus, now: Timestamp, zone: &TimeZone) -> Html {
    match &job.last {
        Some(run) => [moment(run.when(), now, zone), element("div", &[("class", "did")], did(run))].into(),
        None => note("none yet"),
    }
}

/// When it runs, and why it does not.
pub(super) fn next(job: &JobStatus, now: Timestamp, zone: &TimeZone) -> Html {
    let mut told = Vec::new();
    if let Some(since) = job.overdue_since {
        let parts = [Html::from("should have run "), moment(since, now, zone)];
        told.push(element("div", &[("class", "error")], parts));
    }
    if job.verdict == Verdict::Unplanned {
        let mend = "no daemon has planned it: `unattended run` serves the schedules";
        told.push(element("div", &[("class", "error")], mend));
    }
    match (job.next_at, &job.schedule) {
        (Some(at), _) => told.push(moment(at, now, zone)),
        (None, None) => told.push(note("on demand")),
        (None, Some(_)) => {}
    }
    told.extend(job.schedule.as_ref().map(|schedule| note(schedule_words(schedule))));
    told.into()
}

pub(super) fn schedule_words(schedule: &ScheduleStatus) -> String {
    match &schedule.time_zone {
        Some(zone) => format!("{} ({zone})", schedule.words),
        None => schedule.words.clone(),
    }
}
