//! The client of web APIs beside a floor: `call_cost` for valgrind, `workload` for everything that takes time or memory.

#[cfg(feature = "floor")]
pub mod floor;
#[cfg(feature = "floor")]
#[path = "../../identity/src/measure.rs"]
pub mod measure;
pub mod ours;
#[cfg(feature = "floor")]
pub mod users;

use std::error::Error;
use std::future::Future;

pub type BoxError = Box<dyn Error + Send + Sync>;

/// A client of one API, with a token that lives.
pub trait Caller: Clone + Send + Sync + 'static {
    /// Calls a resource below the base of the API; how long the body of the answer is.
    fn call(&self, path: &'static str) -> impl Future<Output = Result<usize, BoxError>> + Send;
}

/// As many calls of `path` by so many tasks, each of them one after the other.
///
/// # Errors
/// A call fails, or is answered with another body than one of `length` bytes.
pub async fn calls(
    caller: &impl Caller,
    path: &'static str,
    length: usize,
    count: usize,
    under_way: usize,
) -> Result<(), BoxError> {
    let tasks: Vec<_> = (0..under_way)
        .map(|_| {
            let caller = caller.clone();
            tokio::spawn(async move {
                for _ in 0..count / under_way {
                    if caller.call(path).await? != length {
                        return Err(BoxError::from("another answer"));
                    }
                }
                Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}
