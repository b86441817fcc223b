//! What must hold over a journal, for use in tests of clients.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::Entry;

/// The rules as they are written.
const RULES: &str = "no-early-retry, no-token-to-foreign-origin, token-requests<=N";

/// Something that must hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Rule {
    /// No request is repeated before the time that the answer to it asked for.
    NoEarlyRetry,
    /// No credential goes where a foreign link led.
    NoTokenToForeignOrigin,
    /// No application asks the authority more than so many times for one scope.
    TokenRequests(usize),
}

impl Rule {
    /// The entries that break the rule.
    pub(crate) fn offenders(self, entries: &[Arc<Entry>]) -> Vec<Arc<Entry>> {
        match self {
            Self::NoEarlyRetry => early_retries(entries),
            Self::NoTokenToForeignOrigin => {
                entries.iter().filter(|entry| entry.request.is_leak()).cloned().collect()
            }
            Self::TokenRequests(most) => token_requests_beyond(entries, most),
        }
    }
}

fn early_retries(entries: &[Arc<Entry>]) -> Vec<Arc<Entry>> {
    let mut by_arrival: Vec<&Arc<Entry>> = entries.iter().collect();
    by_arrival.sort_by_key(|entry| (entry.arrived_ms, entry.number));
    // For each request the times between which nobody may repeat it.
    let mut closed: HashMap<&str, Vec<(u64, u64)>> = HashMap::new();
    let mut early = Vec::new();
    for entry in by_arrival {
        let windows = closed.entry(entry.request.fingerprint.as_str()).or_default();
        if windows.iter().any(|(from, to)| (*from..*to).contains(&entry.arrived_ms)) {
            early.push(Arc::clone(entry));
        }
        if let Some(wait) = entry.retry_after_ms {
            let answered = entry.arrived_ms + entry.duration_ms;
            windows.push((answered, answered + wait));
        }
    }
    early
}

fn token_requests_beyond(entries: &[Arc<Entry>], most: usize) -> Vec<Arc<Entry>> {
    let mut counts: HashMap<_, usize> = HashMap::new();
    let mut beyond = Vec::new();
    for entry in entries.iter().filter(|entry| entry.request.is_token_request()) {
        let request = &entry.request;
        let count = counts.entry((&request.application, &request.path, &request.scope)).or_default();
        *count += 1;
        if *count > most {
            beyond.push(Arc::clone(entry));
        }
    }
    beyond
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let unknown = || format!("`{text}` is no rule; the rules are {RULES}");
        match text {
            "no-early-retry" => Ok(Self::NoEarlyRetry),
            "no-token-to-foreign-origin" => Ok(Self::NoTokenToForeignOrigin),
            _ => {
                let most = text.strip_prefix("token-requests<=").ok_or_else(unknown)?;
                most.parse().map(Self::TokenRequests).map_err(|_| unknown())
            }
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEarlyRetry => f.write_str("no-early-retry"),
            Self::NoTokenToForeignOrigin => f.write_str("no-token-to-foreign-origin"),
            Self::TokenRequests(most) => write!(f, "token-requests<={most}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::RequestEntry;
    use super::*;

    fn at(number: u64, arrived_ms: u64, fingerprint: &str, retry_after_ms: Option<u64>) -> Arc<Entry> {
        let request = RequestEntry { fingerprint: fingerprint.into(), ..RequestEntry::default() };
        Arc::new(Entry { number, arrived_ms, duration_ms: 5, request, retry_after_ms, ..Entry::default() })
    }

    fn numbers(rule: Rule, entries: &[Arc<Entry>]) -> Vec<u64> {
        rule.offenders(entries).iter().map(|entry| entry.number).collect()
    }

    #[test]
    fn a_retry_before_its_time_is_found_and_one_in_time_is_not() {
        let entries = [
            at(1, 0, "a", Some(1000)),
            at(2, 3, "a", None),    // was on its way before the answer
            at(3, 500, "b", None),  // another request
            at(4, 1004, "a", None), // a millisecond early
            at(5, 1005, "a", None),
        ];
        assert_eq!(numbers(Rule::NoEarlyRetry, &entries), [4]);
    }

    #[test]
    fn token_requests_are_counted_for_each_application_and_scope() {
        let ask = |number, application: &str, scope: &str| {
            let request = RequestEntry {
                method: "POST".into(),
                path: "/t/oauth2/v2.0/token".into(),
                application: Some(application.into()),
                scope: Some(scope.into()),
                ..RequestEntry::default()
            };
            Arc::new(Entry { number, request, ..Entry::default() })
        };
        let entries =
            [ask(1, "a", "x"), ask(2, "a", "y"), ask(3, "b", "x"), ask(4, "a", "x"), at(5, 0, "q", None)];
        assert_eq!(numbers(Rule::TokenRequests(1), &entries), [4]);
        assert_eq!(numbers(Rule::TokenRequests(0), &entries), [1, 2, 3, 4]);
    }

    #[test]
    fn rules_are_read_as_they_are_written() {
        for text in ["no-early-retry", "no-token-to-foreign-origin", "token-requests<=3"] {
            assert_eq!(text.parse::<Rule>().unwrap().to_string(), text);
        }
        assert!("no-late-retry".parse::<Rule>().unwrap_err().contains("no-early-retry"));
        assert!("token-requests<=x".parse::<Rule>().is_err());
    }
}
