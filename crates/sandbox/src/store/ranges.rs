//! What conditions about the beginnings of a text come down to: ranges of the column's index.

/// Sorted ranges of texts that neither overlap nor touch, in the order of SQLite's `NOCASE`, for which ASCII letters are
/// small.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Ranges(Vec<Range>);

/// The texts from one on, up to another one and without that, or to the end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Range {
    pub(crate) from: String,
    pub(crate) to: Option<String>,
}

/// Where a text is, beside a range.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    Before,
    Within,
    Behind,
}

impl Ranges {
    /// The texts that begin with this one, whatever the case of its ASCII letters.
    pub(crate) fn beginning_with(prefix: &str) -> Self {
        Self(vec![Range::beginning_with(prefix)])
    }

    /// The texts that are in none of these.
    pub(crate) fn complement(&self) -> Self {
        let mut gaps = Vec::with_capacity(self.0.len() + 1);
        let mut open = Some("");
        for range in &self.0 {
            if let Some(from) = open.filter(|from| *from < range.from.as_str()) {
                gaps.push(Range { from: from.to_owned(), to: Some(range.from.clone()) });
            }
            open = range.to.as_deref();
        }
        gaps.extend(open.map(|from| Range { from: from.to_owned(), to: None }));
        Self(gaps)
    }

    /// The texts that are in any.
    pub(crate) fn union(all: impl IntoIterator<Item = Self>) -> Self {
        let mut ranges: Vec<Range> = all.into_iter().flat_map(|it| it.0).collect();
        ranges.sort_unstable_by(|a, b| a.from.cmp(&b.from));
        let mut union: Vec<Range> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match union.last_mut() {
                // No end is the last of all.
                Some(last) if last.reaches(&range.from) => {
                    last.to = last.to.take().zip(range.to).map(|(one, other)| one.max(other));
                }
                _ => union.push(range),
            }
        }
        Self(union)
    }

    /// The texts that are in each.
    pub(crate) fn intersection(all: impl IntoIterator<Item = Self>) -> Self {
        Self::union(all.into_iter().map(|it| it.complement())).complement()
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Range> {
        self.0.iter()
    }
}

impl Range {
    /// The texts that begin with this one, whatever the case of its ASCII letters.
    pub(crate) fn beginning_with(prefix: &str) -> Self {
        let from = prefix.to_ascii_lowercase();
        Self { to: behind(&from), from }
    }

    /// Where a text is.
    pub(super) fn side(&self, text: &str) -> Side {
        let text = text.to_ascii_lowercase();
        match &self.to {
            _ if text < self.from => Side::Before,
            Some(to) if text >= *to => Side::Behind,
            _ => Side::Within,
        }
    }

    /// Whether it ends at a text or behind it.
    fn reaches(&self, text: &str) -> bool {
        self.to.as_deref().is_none_or(|to| to >= text)
    }
}

/// The least text behind all that begin with a small one; there may be none.
fn behind(prefix: &str) -> Option<String> {
    let mut behind = prefix.to_owned();
    while let Some(last) = behind.pop() {
        let next = match last {
            // Capital letters count as small ones.
            '@' => Some('['),
            '\u{d7ff}' => Some('\u{e000}'),
            _ => char::from_u32(u32::from(last) + 1),
        };
        if let Some(next) = next {
            behind.push(next);
            return Some(behind);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Ranges {
        fn holds(&self, text: &str) -> bool {
            self.iter().filter(|range| range.side(text) == Side::Within).count() == 1
        }
    }

    fn begins(text: &str, prefix: &str) -> bool {
        text.to_ascii_lowercase().starts_with(&prefix.to_ascii_lowercase())
    }

    /// Characters beside which something is out of the ordinary.
    const TEXT: &str = "[?@AaBbZz\\[`{é\u{d7ff}\u{e000}\u{10ffff}]{0,3}";

    proptest! {
        #[test]
        fn a_text_is_where_the_words_say(
            text in TEXT, one in prop::collection::vec(TEXT, 0..4), other in prop::collection::vec(TEXT, 0..4),
        ) {
            let begins_with_any = |all: &[String]| all.iter().any(|prefix| begins(&text, prefix));
            let union = |all: &[String]| Ranges::union(all.iter().map(|it| Ranges::beginning_with(it)));
            let (a, b) = (union(&one), union(&other));
            let (in_a, in_b) = (begins_with_any(&one), begins_with_any(&other));
            prop_assert_eq!(a.holds(&text), in_a);
            prop_assert_eq!(a.complement().holds(&text), !in_a);
            prop_assert_eq!(a.complement().complement(), a.clone());
            prop_assert_eq!(Ranges::union([a.clone(), b.clone()]).holds(&text), in_a || in_b);
            prop_assert_eq!(Ranges::intersection([a, b.complement()]).holds(&text), in_a && !in_b);
        }
    }

    #[test]
    fn ranges_that_touch_are_one() {
        let union = Ranges::union(["b", "A", "d", "ab"].map(Ranges::beginning_with));
        let range = |from: &str, to: &str| Range { from: from.into(), to: Some(to.into()) };
        assert_eq!(union.0, [range("a", "c"), range("d", "e")]);
    }
}
