//! Forms and queries (`application/x-www-form-urlencoded`), of which nearly all stand as they are meant: what is not
//! encoded is not decoded.

use std::borrow::Cow;

use memchr::{memchr_iter, memchr2};
use url::form_urlencoded;

/// A name and its value.
pub(crate) type Field<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The fields in order; one without a value has an empty one.
pub(crate) fn fields(text: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut start = 0;
    memchr_iter(b'&', text).chain([text.len()]).filter_map(move |end| {
        let one = &text[start..end];
        start = end + 1;
        field(one)
    })
}

/// One field; nothing if there is none between two ampersands.
fn field(text: &[u8]) -> Option<Field<'_>> {
    match std::str::from_utf8(text) {
        Ok("") => None,
        Ok(plain) if memchr2(b'%', b'+', text).is_none() => {
            let (name, value) = plain.split_once('=').unwrap_or((plain, ""));
            Some((name.into(), value.into()))
        }
        _ => form_urlencoded::parse(text).next(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn fields_are_those_that_the_standard_finds(
            text in prop::collection::vec(prop::sample::select(&b"ab=&&+%41%zz\xc3\xa9\xff~."[..]), 0..40),
        ) {
            prop_assert!(fields(&text).eq(form_urlencoded::parse(&text)));
        }
    }

    #[test]
    fn what_is_plain_is_not_copied() {
        let fields: Vec<_> = fields(b"client_assertion=a.b-c_d&scope=api%3A%2F%2Fx").collect();
        assert!(matches!(fields[0], (Cow::Borrowed("client_assertion"), Cow::Borrowed("a.b-c_d"))));
        assert_eq!(fields[1], ("scope".into(), "api://x".into()));
    }
}
