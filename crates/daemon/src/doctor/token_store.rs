//! Whether the second layer of the token cache helps. Nobody waits for it and nothing fails by it, so nobody would
//! notice that it does not.

use unattended_identity::StoreStatistics;

use super::finding::Finding;
use crate::config::TokenStorePlace;

const CHECK: &str = "token-store";

/// By what came of asking it for the tokens of the other checks.
pub(super) fn examine(place: &TokenStorePlace, asked: StoreStatistics) -> Finding {
    let (shown, fix) = match place {
        TokenStorePlace::Directory(path) => (
            path.display().to_string(),
            format!(
                "make {} a directory that the daemon's user may write, where there is room",
                path.display()
            ),
        ),
        TokenStorePlace::Sqlite(path) => (
            path.display().to_string(),
            format!(
                "let the daemon's user write {}, where there is room; if it is damaged, remove it",
                path.display()
            ),
        ),
        TokenStorePlace::Redis { url, .. } => {
            (url.to_string(), format!("start the server at {url}, or correct `redis` and its `password`"))
        }
    };
    if asked.failures > 0 {
        let why = "every process asks the authority for tokens of its own; the log says what the store complained of";
        return Finding::warning(CHECK, "it cannot be used", why, fix).about(shown);
    }
    if asked.unreadable > 0 {
        let why = "an entry was written with another key, and is replaced";
        let fix = "give all processes that share it the same `keys`, the new one first while they change";
        return Finding::warning(CHECK, "an entry cannot be opened", why, fix).about(shown);
    }
    let detail =
        if asked.hits > 0 { "holds tokens of this application" } else { "can be used, and is empty" };
    Finding::ok(CHECK, detail).about(shown)
}
