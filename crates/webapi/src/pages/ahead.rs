//! The page after the one that is being dealt with.

use std::pin::Pin;
use std::task::{Context, Poll};

use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tracing::Instrument as _;
use unattended_core::BoxFuture;

use super::page::{Page, fetch};
use crate::client::Client;
use crate::error::Error;
use crate::request::Request;

/// A page that is being read.
pub(super) enum UnderWay<T> {
    /// By whoever waits for it.
    Here(BoxFuture<'static, Result<Page<T>, Error>>),
    /// By a task of its own: it must not hold its place at the gate while nobody looks at it.
    Ahead(Task<T>),
}

impl<T: DeserializeOwned + Send + 'static> UnderWay<T> {
    pub(super) fn here(client: Client, request: Request) -> Self {
        Self::Here(Box::pin(fetch(client, request)))
    }

    /// `None` outside of a runtime that could run the task.
    pub(super) fn ahead(client: Client, request: Request) -> Option<Self> {
        let runtime = Handle::try_current().ok()?;
        Some(Self::Ahead(Task(runtime.spawn(fetch(client, request).in_current_span()))))
    }

    /// `None` once the task is gone, with its runtime or by a panic: then the page has to be asked for here.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Page<T>, Error>>> {
        match self {
            Self::Here(future) => future.as_mut().poll(context).map(Some),
            Self::Ahead(Task(handle)) => Pin::new(handle).poll(context).map(Result::ok),
        }
    }
}

/// Ends with whoever wanted it.
pub(super) struct Task<T>(JoinHandle<Result<Page<T>, Error>>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
