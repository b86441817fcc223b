//! Changes, merged into a file of objects.

use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::fs::File;
use std::hash::{Hash as _, Hasher as _};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use super::object::{Head, overlay};

/// Everything that is said about one object.
enum Said {
    /// It is gone.
    Gone,
    /// It is new, whatever was known of it.
    New(String),
    /// It has changed; what is not said stays.
    Changed(String),
}

/// Writes what `base` becomes by the changes of `log`, and returns its length; without a base the log is the whole
/// collection. Objects keep their order, new ones come last. The same log merged again changes nothing.
pub(super) fn merge(base: Option<&Path>, log: &Path, to: &File) -> io::Result<u64> {
    to.set_len(0)?;
    let mut out = Counted { inner: BufWriter::with_capacity(1 << 16, to), bytes: 0 };
    match base {
        Some(base) => onto(base, log, &mut out)?,
        None => alone(log, &mut out)?,
    }
    out.inner.flush()?;
    Ok(out.bytes)
}

/// The changes fit into memory; what they change need not.
fn onto(base: &Path, log: &Path, out: &mut Counted<'_>) -> io::Result<()> {
    let mut said = HashMap::new();
    let mut order = Vec::new();
    for_each_line(log, |line| {
        let id = fold(&mut said, line)?;
        order.extend(id);
        Ok(())
    })?;
    for_each_line(base, |line| match said.remove(&*Head::of(line)?.id) {
        None => out.line(line),
        Some(Said::Gone) => Ok(()),
        Some(Said::New(text)) => out.line(&text),
        Some(Said::Changed(text)) => out.line(&overlay(line, &text)?),
    })?;
    order.iter().try_for_each(|id| match said.remove(id) {
        Some(Said::New(text) | Said::Changed(text)) => out.line(&text),
        _ => Ok(()),
    })
}

/// The whole collection may not fit into memory; the objects that are told more than once do. Which they are is
/// counted by a hash: two ids of one hash are looked at more closely than they would have to be, and no more.
fn alone(log: &Path, out: &mut Counted<'_>) -> io::Result<()> {
    let mut is_repeated: HashMap<u64, bool> = HashMap::new();
    for_each_line(log, |line| {
        match is_repeated.entry(hash(&Head::of(line)?.id)) {
            Entry::Vacant(place) => _ = place.insert(false),
            Entry::Occupied(mut known) => _ = known.insert(true),
        }
        Ok(())
    })?;
    let is_repeated = |id: &str| is_repeated.get(&hash(id)).copied().unwrap_or_default();
    let mut said = HashMap::new();
    for_each_line(log, |line| {
        if is_repeated(&Head::of(line)?.id) {
            fold(&mut said, line)?;
        }
        Ok(())
    })?;
    for_each_line(log, |line| {
        let head = Head::of(line)?;
        if !is_repeated(&head.id) {
            return if head.removed.is_none() { out.line(line) } else { Ok(()) };
        }
        match said.remove(&*head.id) {
            Some(Said::New(text) | Said::Changed(text)) => out.line(&text),
            _ => Ok(()),
        }
    })
}

/// Adds a change to what was said before; the id if nothing was.
fn fold(said: &mut HashMap<String, Said>, line: &str) -> io::Result<Option<String>> {
    let head = Head::of(line)?;
    let before = said.remove(&*head.id);
    let id = head.id.into_owned();
    let is_first = before.is_none().then(|| id.clone());
    let now = match (head.removed, before) {
        (Some(_), _) => Said::Gone,
        (None, None) => Said::Changed(line.to_owned()),
        (None, Some(Said::Gone)) => Said::New(line.to_owned()),
        (None, Some(Said::New(text))) => Said::New(overlay(&text, line)?),
        (None, Some(Said::Changed(text))) => Said::Changed(overlay(&text, line)?),
    };
    said.insert(id, now);
    Ok(is_first)
}

fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

/// A file that is not there has no lines.
fn for_each_line(path: &Path, mut each: impl FnMut(&str) -> io::Result<()>) -> io::Result<()> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        each(line.trim_end_matches('\n'))?;
        line.clear();
    }
    Ok(())
}

struct Counted<'a> {
    inner: BufWriter<&'a File>,
    bytes: u64,
}

impl Counted<'_> {
    fn line(&mut self, text: &str) -> io::Result<()> {
        self.bytes += text.len() as u64 + 1;
        self.inner.write_all(text.as_bytes())?;
        self.inner.write_all(b"\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(base: Option<&str>, log: &str) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("log"), log).unwrap();
        if let Some(base) = base {
            std::fs::write(path("base"), base).unwrap();
        }
        let to = File::create(path("to")).unwrap();
        let bytes = merge(base.map(|_| path("base")).as_deref(), &path("log"), &to).unwrap();
        let text = std::fs::read_to_string(path("to")).unwrap();
        assert_eq!(bytes, text.len() as u64);
        text
    }

    const GONE: &str = r#","@removed":{"reason":"changed"}}"#;

    // DL-3, DL-4
    #[test]
    fn changes_become_the_collection() {
        let base = "{\"id\":\"a\",\"n\":1,\"m\":1}\n{\"id\":\"b\",\"n\":1}\n{\"id\":\"c\",\"n\":1}\n";
        let log = format!(
            "{{\"id\":\"d\",\"n\":1}}\n{{\"id\":\"a\",\"n\":2}}\n{{\"id\":\"b\"{GONE}\n{{\"id\":\"d\",\"n\":3}}\n\
             {{\"id\":\"c\"{GONE}\n{{\"id\":\"c\",\"new\":1}}\n{{\"id\":\"x\"{GONE}\n"
        );
        let expected = "{\"id\":\"a\",\"n\":2,\"m\":1}\n{\"id\":\"c\",\"new\":1}\n{\"id\":\"d\",\"n\":3}\n";
        assert_eq!(merged(Some(base), &log), expected);
        assert_eq!(merged(Some(expected), &log), expected, "merging again changes nothing");
    }

    // DL-4
    #[test]
    fn a_whole_collection_has_each_object_once() {
        let log = format!(
            "{{\"id\":\"a\",\"n\":1}}\n{{\"id\":\"b\",\"n\":1}}\n{{\"id\":\"t\"{GONE}\n{{\"id\":\"a\",\"n\":2}}\n\
             {{\"id\":\"c\",\"n\":1}}\n{{\"id\":\"b\"{GONE}\n"
        );
        assert_eq!(merged(None, &log), "{\"id\":\"a\",\"n\":2}\n{\"id\":\"c\",\"n\":1}\n");
        assert_eq!(merged(None, ""), "");
    }
}
