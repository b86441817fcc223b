//! Entries as the ring keeps them: a tenth of what they take when they are unfolded.

use super::Entry;
use super::entry::{RequestEntry, SHOWN_HEADERS};

/// Between the parts of a text, and between the elements of one part: control characters, which no value of an entry
/// has.
const PART: char = '\n';
const ELEMENT: char = '\t';

/// An entry whose texts are one.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) number: u64,
    /// 0 for none.
    batch: u64,
    time_ms: i64,
    arrived_ms: u64,
    duration_ms: u64,
    /// `u64::MAX` for none.
    retry_after_ms: u64,
    fault: Option<&'static str>,
    /// Origin, method, path, application, scope, fingerprint, the names in the query, then the headers: each the place
    /// of its name as a letter, and its value.
    text: Box<str>,
    status: Option<u16>,
}

impl Packed {
    pub(super) fn of(entry: &Entry) -> Self {
        let request = &entry.request;
        let parts = [
            &request.origin[..],
            &request.method,
            &request.path,
            request.application.as_deref().unwrap_or_default(),
            request.scope.as_deref().unwrap_or_default(),
            &request.fingerprint,
        ];
        let mut text = String::with_capacity(384);
        for part in parts {
            text.push_str(part);
            text.push(PART);
        }
        for name in &request.query {
            text.push_str(name);
            text.push(ELEMENT);
        }
        for (place, name) in (b'a'..).zip(SHOWN_HEADERS) {
            let Some(value) = request.headers.get(name) else { continue };
            text.push(PART);
            text.push(place.into());
            text.push_str(value);
        }
        Self {
            number: entry.number,
            batch: entry.batch.unwrap_or_default(),
            time_ms: entry.time_ms,
            arrived_ms: entry.arrived_ms,
            duration_ms: entry.duration_ms,
            retry_after_ms: entry.retry_after_ms.unwrap_or(u64::MAX),
            fault: entry.fault,
            text: text.into_boxed_str(),
            status: entry.status,
        }
    }

    pub(super) fn unfolded(&self) -> Entry {
        let mut parts = self.text.split(PART);
        let mut part = || parts.next().unwrap_or_default().to_owned();
        let something = |text: String| Some(text).filter(|text| !text.is_empty());
        let (origin, method, path) = (part(), part(), part());
        let (application, scope, fingerprint) = (something(part()), something(part()), part());
        let query = part().split_terminator(ELEMENT).map(str::to_owned).collect();
        let header = |part: &str| {
            let place = part.bytes().next()?.checked_sub(b'a')?;
            Some((*SHOWN_HEADERS.get(usize::from(place))?, part[1..].to_owned()))
        };
        let headers = parts.filter_map(header).collect();
        Entry {
            number: self.number,
            batch: Some(self.batch).filter(|batch| *batch != 0),
            time_ms: self.time_ms,
            arrived_ms: self.arrived_ms,
            duration_ms: self.duration_ms,
            request: RequestEntry { origin, method, path, query, application, scope, headers, fingerprint },
            status: self.status,
            retry_after_ms: Some(self.retry_after_ms).filter(|wait| *wait != u64::MAX),
            fault: self.fault,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn request()(
            texts in prop::collection::vec("[^\\p{C}]{0,12}", 4),
            query in prop::collection::vec("[^\\p{C}]{0,6}", 0..4),
            application in prop::option::of("[^\\p{C}]{1,6}"),
            scope in prop::option::of("[^\\p{C}]{1,6}"),
            headers in prop::collection::btree_map(prop::sample::select(&SHOWN_HEADERS[..]), "[^\\p{C}]{0,9}", 0..12),
        ) -> RequestEntry {
            let [origin, method, path, fingerprint] = <[String; 4]>::try_from(texts).unwrap();
            RequestEntry { origin, method, path, fingerprint, query, application, scope, headers }
        }
    }

    proptest! {
        #[test]
        fn an_entry_is_unfolded_as_it_was(
            request in request(),
            number in any::<u64>(),
            batch in prop::option::of(1..u64::MAX),
            time_ms in any::<i64>(),
            durations in any::<(u32, u32)>(),
            retry_after_ms in prop::option::of(0..u64::MAX),
            status in prop::option::of(any::<u16>()),
            fault in prop::option::of(Just("reset-before")),
        ) {
            let (arrived_ms, duration_ms) = (durations.0.into(), durations.1.into());
            let entry =
                Entry {
                number, batch, time_ms, arrived_ms, duration_ms, request, status, retry_after_ms, fault,
            };
            prop_assert_eq!(Packed::of(&entry).unfolded(), entry);
        }
    }
}
