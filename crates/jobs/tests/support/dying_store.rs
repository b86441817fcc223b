//! A store in whose n-th call the process dies.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use tokio::sync::Notify;
use unattended_core::BoxFuture;
use unattended_jobs::store::{
    Answer, Claim, Claimed, End, Hold, Intent, JobKey, JournalEntry, Lease, Pending, RunRecord,
};
use unattended_jobs::{Store, StoreError};

use super::Fault;

pub struct DyingStore {
    inner: Arc<dyn Store>,
    call: u64,
    fault: Fault,
    calls: AtomicU64,
    died: Arc<Notify>,
}

impl DyingStore {
    /// Dies in call number `call`, counted from 1: before it has its effect or after.
    pub fn new(inner: Arc<dyn Store>, call: u64, fault: Fault, died: Arc<Notify>) -> Self {
        Self { inner, call, fault, calls: AtomicU64::new(0), died }
    }

    fn guarded<'a, T: Send + 'a>(&'a self, call: BoxFuture<'a, T>) -> BoxFuture<'a, T> {
        let is_last = self.calls.fetch_add(1, Ordering::Relaxed) + 1 == self.call;
        Box::pin(async move {
            if !is_last {
                return call.await;
            }
            if matches!(self.fault, Fault::DieAfter) {
                call.await;
            }
            self.died.notify_one();
            std::future::pending().await
        })
    }
}

// The real store queues a call when it is asked, not when it is awaited: a call that comes too late is not even asked.
impl Store for DyingStore {
    fn hold(&self, job: &JobKey) -> BoxFuture<'_, Result<Hold, StoreError>> {
        let job = job.to_owned();
        self.guarded(Box::pin(async move { self.inner.hold(&job).await }))
    }

    fn schedule(&self, job: &JobKey, run_id: &str, due: SystemTime) -> BoxFuture<'_, Result<(), StoreError>> {
        let job = job.to_owned();
        let run_id = run_id.to_owned();
        self.guarded(Box::pin(async move { self.inner.schedule(&job, &run_id, due).await }))
    }

    fn pending(&self, job: &JobKey) -> BoxFuture<'_, Result<Option<Pending>, StoreError>> {
        let job = job.to_owned();
        self.guarded(Box::pin(async move { self.inner.pending(&job).await }))
    }

    fn claim(&self, run_id: &str, claim: Claim) -> BoxFuture<'_, Result<Claimed, StoreError>> {
        let run_id = run_id.to_owned();
        self.guarded(Box::pin(async move { self.inner.claim(&run_id, claim).await }))
    }

    fn begin(&self, job: &JobKey, run_id: &str, claim: Claim) -> BoxFuture<'_, Result<Claimed, StoreError>> {
        let job = job.to_owned();
        let run_id = run_id.to_owned();
        self.guarded(Box::pin(async move { self.inner.begin(&job, &run_id, claim).await }))
    }

    fn renew(&self, lease: &Lease, until: SystemTime) -> BoxFuture<'_, Result<(), StoreError>> {
        let lease = lease.to_owned();
        self.guarded(Box::pin(async move { self.inner.renew(&lease, until).await }))
    }

    fn give_back(
        &self,
        lease: &Lease,
        not_before: Option<SystemTime>,
        reason: Option<String>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let lease = lease.to_owned();
        self.guarded(Box::pin(async move { self.inner.give_back(&lease, not_before, reason).await }))
    }

    fn finish(
        &self,
        lease: &Lease,
        end: End,
        report: String,
        now: SystemTime,
        memory: Option<String>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let lease = lease.to_owned();
        self.guarded(Box::pin(async move { self.inner.finish(&lease, end, report, now, memory).await }))
    }

    fn memory(&self, job: &JobKey) -> BoxFuture<'_, Result<Option<String>, StoreError>> {
        let job = job.to_owned();
        self.guarded(Box::pin(async move { self.inner.memory(&job).await }))
    }

    fn checkpoint(&self, job: &JobKey) -> BoxFuture<'_, Result<Option<String>, StoreError>> {
        let job = job.to_owned();
        self.guarded(Box::pin(async move { self.inner.checkpoint(&job).await }))
    }

    fn save_checkpoint(
        &self,
        lease: &Lease,
        checkpoint: Option<String>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let lease = lease.to_owned();
        self.guarded(Box::pin(async move { self.inner.save_checkpoint(&lease, checkpoint).await }))
    }

    fn journal_sent(&self, lease: &Lease, writes: Vec<Intent>) -> BoxFuture<'_, Result<(), StoreError>> {
        let lease = lease.to_owned();
        self.guarded(Box::pin(async move { self.inner.journal_sent(&lease, writes).await }))
    }

    fn journal_answered(&self, lease: &Lease, answers: Vec<Answer>) -> BoxFuture<'_, Result<(), StoreError>> {
        let lease = lease.to_owned();
        self.guarded(Box::pin(async move { self.inner.journal_answered(&lease, answers).await }))
    }

    fn journal(&self, run_id: &str) -> BoxFuture<'_, Result<Vec<JournalEntry>, StoreError>> {
        let run_id = run_id.to_owned();
        self.guarded(Box::pin(async move { self.inner.journal(&run_id).await }))
    }

    fn history(&self, job: &JobKey, limit: u32) -> BoxFuture<'_, Result<Vec<RunRecord>, StoreError>> {
        let job = job.to_owned();
        self.guarded(Box::pin(async move { self.inner.history(&job, limit).await }))
    }
}

impl fmt::Debug for DyingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DyingStore")
    }
}
