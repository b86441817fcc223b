//! A document as the text that it is kept as, for whom a tree of it would be too dear.
//!
//! Documents are written by this crate: compact JSON whose members are in the order of their names.

use memchr::memchr2;

/// Goes through the members of a document. Ends early at what is no document as the store writes them.
#[derive(Clone, Debug)]
pub(crate) struct Members<'a> {
    text: &'a [u8],
    at: usize,
}

/// One member of a document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Member<'a> {
    /// Without quotes. A name that would have to be escaped is shown escaped: the store has none.
    pub(crate) name: &'a [u8],
    /// Where the member begins in the document, with the quote of its name.
    pub(crate) start: usize,
    /// Where its value ends.
    pub(crate) end: usize,
}

/// What should be a document is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NoDocument;

impl<'a> Members<'a> {
    pub(crate) fn of(document: &'a [u8]) -> Self {
        Self { text: document, at: 0 }
    }

    /// The next member; nothing after the last one.
    pub(crate) fn next(&mut self) -> Result<Option<Member<'a>>, NoDocument> {
        let bytes = self.text;
        let start = self.at + 1;
        match (self.at, bytes.get(self.at), bytes.get(start)) {
            (0, Some(b'{'), Some(b'"')) | (1.., Some(b','), Some(b'"')) => {}
            (0, Some(b'{'), Some(b'}')) | (1.., Some(b'}'), None) => return Ok(None),
            _ => return Err(NoDocument),
        }
        let colon = string_end(bytes, start)?;
        if bytes.get(colon) != Some(&b':') {
            return Err(NoDocument);
        }
        let end = value_end(bytes, colon + 1)?;
        self.at = end;
        Ok(Some(Member { name: &bytes[start + 1..colon - 1], start, end }))
    }
}

/// Where the string ends that begins with the quote at a place.
fn string_end(bytes: &[u8], quote: usize) -> Result<usize, NoDocument> {
    let mut at = quote + 1;
    loop {
        let rest = bytes.get(at..).ok_or(NoDocument)?;
        at += memchr2(b'"', b'\\', rest).ok_or(NoDocument)?;
        match bytes[at] {
            b'"' => return Ok(at + 1),
            _ => at += 2,
        }
    }
}

/// Where the value ends that begins at a place.
fn value_end(bytes: &[u8], start: usize) -> Result<usize, NoDocument> {
    match bytes.get(start).ok_or(NoDocument)? {
        b'"' => string_end(bytes, start),
        b'{' | b'[' => nested_end(bytes, start),
        _ => {
            let length = bytes[start..].iter().position(|byte| matches!(byte, b',' | b'}'));
            length.filter(|length| *length > 0).map(|length| start + length).ok_or(NoDocument)
        }
    }
}

fn nested_end(bytes: &[u8], start: usize) -> Result<usize, NoDocument> {
    let (mut at, mut depth) = (start, 0_usize);
    loop {
        match bytes.get(at).ok_or(NoDocument)? {
            b'"' => {
                at = string_end(bytes, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Ok(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[\"\\\\{}\\[\\],:]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_members_are_those_that_a_parser_finds(
            members in prop::collection::vec(("[a-zA-Z@.]{0,12}", json()), 0..12),
        ) {
            let document: Map<String, Value> = members.into_iter().collect();
            let text = serde_json::to_string(&document).unwrap();
            let mut members = Members::of(text.as_bytes());
            for (name, value) in &document {
                let member = members.next().unwrap().unwrap();
                prop_assert_eq!(member.name, name.as_bytes());
                prop_assert_eq!(&text[member.start..member.end], format!("\"{name}\":{value}"));
            }
            prop_assert_eq!(members.next(), Ok(None));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}", parts in "[{}\\[\\]\":,a\\\\1]{0,40}") {
            for text in [text, format!("{{\"{parts}"), parts] {
                let mut members = Members::of(text.as_bytes());
                while let Ok(Some(_)) = members.next() {}
            }
        }
    }

    #[test]
    fn what_is_no_document_is_told() {
        for text in [
            "",
            "{",
            "[]",
            "null",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1",
            "{\"a\":1,}",
            "{\"a\":1}x",
            "{ \"a\":1}",
        ] {
            let mut members = Members::of(text.as_bytes());
            let end = loop {
                match members.next() {
                    Ok(Some(_)) => {}
                    end => break end,
                }
            };
            assert_eq!(end, Err(NoDocument), "{text}");
        }
        assert_eq!(Members::of(b"{}").next(), Ok(None));
    }
}
