//! Provisioning: desired (a file) and actual (a paged read) become a plan, and the plan is applied in batches.
//!
//! No point of the run needs to be remembered: reading the directory again tells what is done. The journal says what
//! reading cannot: which objects this run itself has made, and which writes were under way when it was killed.

mod apply;
mod journal;
mod lookup;

use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use self::apply::Applier;
use crate::error::JobError;
use crate::job::Provision;
use crate::observer::{Phase, Unobserved};
use crate::plan::{Actual, Plan, Step, step};
use crate::reject::Reject;
use crate::report::Report;
use crate::row::{Desired, Kind, RowChecks};
use crate::run::{Ending, RunContext, Watch};
use crate::source::{Fault, Records, Survey};

/// How many rows are handled before other tasks get a turn.
const ROWS_PER_TURN: u64 = 512;

/// Runs to the end, or until the watch says stop.
pub(crate) async fn run(
    job: &Provision,
    context: &RunContext<'_>,
    report: &mut Report,
) -> Result<Ending, JobError> {
    let survey = Survey::of(&job.source, &job.match_on)?;
    let Some(actual) = read_actual(job, &survey, context.watch, report).await? else {
        return Ok(Ending::Interrupted);
    };
    let mut applier = Applier::new(job, context, report, actual, survey.rows).await?;
    let mut rows = Rows::open(job)?;
    while let Some(row) = rows.next()? {
        if context.watch.stop.is_cancelled() {
            return Ok(Ending::Interrupted);
        }
        if rows.count.is_multiple_of(ROWS_PER_TURN) {
            tokio::task::yield_now().await;
        }
        applier.handle(row).await?;
    }
    applier.finish().await?;
    Ok(Ending::Complete(None))
}

/// Reads everything, changes nothing.
pub(crate) async fn plan(job: &Provision) -> Result<Plan, JobError> {
    let survey = Survey::of(&job.source, &job.match_on)?;
    let never = CancellationToken::new();
    let watch = Watch { job: "", observer: &Unobserved, stop: &never };
    let mut plan = Plan::default();
    let Some(actual) = read_actual(job, &survey, watch, &mut Report::default()).await? else {
        return Ok(plan);
    };
    let mut rows = Rows::open(job)?;
    while let Some(row) = rows.next()? {
        plan.add(match row {
            Ok(desired) => step(Kind::of(&job.resource), desired, &actual),
            Err(reject) => Step::Reject(reject),
        });
    }
    Ok(plan)
}

/// Every object of the resource, or `None` when it was asked to stop.
async fn read_actual(
    job: &Provision,
    survey: &Survey,
    watch: Watch<'_>,
    report: &mut Report,
) -> Result<Option<Actual>, JobError> {
    let mut actual = Actual::new(&job.match_on, &survey.attributes);
    let select: Vec<&str> = actual.select().collect();
    let path = format!("{}?$select={}&$top=999", job.resource, select.join(","));
    let mut pages = job.client.pages(&path).without_reading_ahead();
    loop {
        let page = tokio::select! {
            page = pages.next() => page.map_err(|error| JobError::of_call("reading the directory", error))?,
            () = watch.stop.cancelled() => return Ok(None),
        };
        let Some(page) = page else { return Ok(Some(actual)) };
        report.pages += 1;
        report.items += page.items.len() as u64;
        let objects =
            page.items.iter().filter_map(|item| serde_json::from_str::<Map<String, Value>>(item.get()).ok());
        objects.for_each(|object| actual.insert(object));
        watch.progress(Phase::Compare, actual.len(), page.count);
    }
}

/// The checked rows of the source.
struct Rows {
    records: Records,
    checks: RowChecks,
    count: u64,
}

impl Rows {
    fn open(job: &Provision) -> Result<Self, JobError> {
        let checks = RowChecks::new(Kind::of(&job.resource), &job.match_on);
        Ok(Self { records: Records::open(&job.source)?, checks, count: 0 })
    }

    fn next(&mut self) -> Result<Option<Result<Desired, Reject>>, JobError> {
        self.count += 1;
        Ok(match self.records.next() {
            None => None,
            Some(Ok(record)) => Some(self.checks.check(record)),
            Some(Err(Fault::Row(reject))) => Some(Err(reject)),
            Some(Err(Fault::File(error))) => return Err(error.into()),
        })
    }
}
