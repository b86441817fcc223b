//! What the doctor says.

use serde::Serialize;

/// One thing that was looked at.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What was looked at: `configuration`, `files`, `network`, `clock`, `authority`, `credential`, `token`, `roles`,
    /// `token-store`, `throttling`, `job`.
    pub check: &'static str,
    /// Which one, where there are several: an API, a job, a file, a host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// How it is.
    pub verdict: Verdict,
    /// What was found.
    pub detail: String,
    /// Why it matters, or where it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The command or the step that mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// How a thing is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Not looked at, because something that it needs has failed.
    Skipped,
    /// It works, and will not for long or not in every case.
    Warning,
    /// It does not work.
    Failed,
}

impl Finding {
    pub(super) fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, subject: None, verdict: Verdict::Ok, detail: detail.into(), why: None, fix: None }
    }

    pub(super) fn warning(
        check: &'static str,
        detail: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            verdict: Verdict::Warning,
            why: Some(why.into()),
            fix: Some(fix.into()),
            ..Self::ok(check, detail)
        }
    }

    pub(super) fn failed(
        check: &'static str,
        detail: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { verdict: Verdict::Failed, ..Self::warning(check, detail, why, fix) }
    }

    pub(super) fn skipped(check: &'static str, because: impl Into<String>) -> Self {
        Self { verdict: Verdict::Skipped, ..Self::ok(check, because) }
    }

    pub(super) fn about(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }

    /// Whether somebody has to act before the daemon works.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        self.verdict == Verdict::Failed
    }
}
