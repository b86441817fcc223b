//! Reads tables key by key, with the place of everything at hand.
//!
//! Deserialising into structs would stop at the first mistake; a person who mends a file wants to see all of them.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Mistake, Mistakes};
use super::suggestion::nearest;
use super::{application, root};

/// One table whose keys are all known.
#[derive(Debug)]
pub(super) struct Section<'t> {
    /// How a report calls it: `[application]`.
    pub(super) title: String,
    /// Where a report points when something is missing.
    pub(super) span: Range<usize>,
    table: &'t DeTable<'t>,
    /// The keys that unknown ones were meant to be: already reported, so not missing as well.
    meant: Vec<String>,
}

/// A string and its place.
#[derive(Clone, Debug)]
pub(super) struct Text<'t> {
    pub(super) value: &'t str,
    pub(super) span: Range<usize>,
}

impl Text<'_> {
    /// The place of a byte of the value, unless escapes moved it; then the whole.
    pub(super) fn place(&self, position: usize) -> Range<usize> {
        if self.span.len() != self.value.len() + 2 || position >= self.value.len() {
            return self.span.clone();
        }
        let start = self.span.start + 1 + position;
        let rest = self.value.get(position..).unwrap_or_default();
        start..start + rest.find(char::is_whitespace).unwrap_or(rest.len())
    }
}

impl<'t> Section<'t> {
    /// Opens a table and reports every key that is not one of `known`.
    pub(super) fn open(
        title: impl Into<String>,
        span: Range<usize>,
        table: &'t DeTable<'t>,
        known: &[&str],
        mistakes: &mut Mistakes,
    ) -> Self {
        let title = title.into();
        let mut meant = Vec::new();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            if may_be_secret(name) {
                mistakes.conceal(value.span());
            }
            meant.extend(nearest(name, known.iter().copied()).map(str::to_owned));
            mistakes.add(Mistake::at(
                key.span(),
                format!("unknown key `{name}` in {title}"),
                format!("{title} knows {}", list(known)),
                unknown_key_fix(name, known),
            ));
        }
        Self { title, span, table, meant }
    }

    /// Whether the key is there, whatever its value, or was meant by a misspelt one.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key) || self.meant.iter().any(|meant| meant == key)
    }

    pub(super) fn text(&self, key: &str, mistakes: &mut Mistakes) -> Option<Text<'t>> {
        let value = self.value(key)?;
        let text = value.get_ref().as_str();
        if text.is_none() {
            mistakes.add(self.wrong_type(key, value, "a string in quotes"));
        }
        text.map(|text| Text { value: text, span: value.span() })
    }

    /// A string that has to be there; `example` is a line that would mend its absence.
    pub(super) fn required_text(
        &self,
        key: &str,
        why: &str,
        example: &str,
        mistakes: &mut Mistakes,
    ) -> Option<Text<'t>> {
        if !self.has(key) {
            mistakes.add(self.missing(key, why, example));
        }
        self.text(key, mistakes)
    }

    pub(super) fn flag(&self, key: &str, mistakes: &mut Mistakes) -> bool {
        let Some(value) = self.value(key) else { return false };
        value.get_ref().as_bool().unwrap_or_else(|| {
            mistakes.add(self.wrong_type(key, value, "true or false"));
            false
        })
    }

    /// A number of 32 bits, not below zero.
    pub(super) fn number(&self, key: &str, mistakes: &mut Mistakes) -> Option<u32> {
        let value = self.value(key)?;
        let number = value
            .get_ref()
            .as_integer()
            .and_then(|number| u32::from_str_radix(number.as_str(), number.radix()).ok());
        if number.is_none() {
            mistakes.add(self.wrong_type(key, value, "a whole number from 0 to 4294967295"));
        }
        number
    }

    pub(super) fn texts(&self, key: &str, mistakes: &mut Mistakes) -> Vec<Text<'t>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(items) = value.get_ref().as_array() else {
            mistakes.add(self.wrong_type(key, value, "a list of strings such as [\"a\", \"b\"]"));
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in items.iter() {
            match item.get_ref().as_str() {
                Some(text) => texts.push(Text { value: text, span: item.span() }),
                None => mistakes.add(self.wrong_type(key, item, "a list of strings such as [\"a\", \"b\"]")),
            }
        }
        texts
    }

    /// A table inside this one.
    pub(super) fn table(
        &self,
        key: &str,
        mistakes: &mut Mistakes,
    ) -> Option<(Range<usize>, &'t DeTable<'t>)> {
        let value = self.value(key)?;
        let table = value.get_ref().as_table();
        if table.is_none() {
            mistakes.add(self.wrong_type(key, value, "a table"));
        }
        table.map(|table| (self.key_span(key), table))
    }

    /// The tables of an array of tables, `[[application.credentials]]`.
    pub(super) fn tables(&self, key: &str, mistakes: &mut Mistakes) -> Vec<(Range<usize>, &'t DeTable<'t>)> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let wanted = format!("a list of tables, each begun by [[{}]]", nested(&self.title, key));
        let Some(items) = value.get_ref().as_array() else {
            mistakes.add(self.wrong_type(key, value, &wanted));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items.iter() {
            match item.get_ref().as_table() {
                Some(table) => tables.push((item.span(), table)),
                None => mistakes.add(self.wrong_type(key, item, &wanted)),
            }
        }
        tables
    }

    /// Whether the key is there and a list.
    pub(super) fn is_array(&self, key: &str) -> bool {
        self.value(key).is_some_and(|value| value.get_ref().is_array())
    }

    /// Whether the key is there and `false`.
    pub(super) fn is_false(&self, key: &str) -> bool {
        self.value(key).is_some_and(|value| value.get_ref().as_bool() == Some(false))
    }

    /// Whether the key is there and no list: [`tables`](Self::tables) has reported it.
    pub(super) fn has_value_of_another_type(&self, key: &str) -> bool {
        self.has(key) && !self.is_array(key)
    }

    /// The place of a key itself; of the section if the key is absent.
    pub(super) fn key_span(&self, key: &str) -> Range<usize> {
        self.table.get_key_value(key).map_or_else(|| self.span.clone(), |(key, _)| key.span())
    }

    pub(super) fn missing(&self, key: &str, why: &str, example: &str) -> Mistake {
        Mistake::at(
            self.span.clone(),
            format!("`{key}` is missing in {}", self.title),
            why,
            format!("add `{example}`"),
        )
    }

    fn value(&self, key: &str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.table.get(key)
    }

    fn wrong_type(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) -> Mistake {
        Mistake::at(
            value.span(),
            format!("`{key}` in {} has the wrong type", self.title),
            format!("it is {}", with_article(value.get_ref().type_str())),
            format!("write {wanted}"),
        )
    }
}

/// Whether the value under a key that nobody knows must be kept out of a report.
pub(super) fn may_be_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["secret", "pass", "pwd", "key", "token", "credential", "certificate", "pem"]
        .iter()
        .any(|word| key.contains(word))
}

/// `a`, `b` and `c`, each in backquotes.
pub(super) fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn unknown_key_fix(name: &str, known: &[&str]) -> String {
    if let Some(meant) = nearest(name, known.iter().copied()) {
        return format!("write `{meant}` instead of `{name}`");
    }
    if known == root::TABLES && name == "credentials" {
        return "write [[application.credentials]] instead of [[credentials]]".to_owned();
    }
    if known == root::TABLES && nearest(name, application::KEYS.iter().copied()).is_some() {
        return format!("put `{name}` below the line [application]");
    }
    if known.contains(&"client-id") && may_be_secret(name) {
        return "credentials have tables of their own: [[application.credentials]] with \
                `certificate = \"file:app.pem\"` or `secret = \"file:client-secret\"`"
            .to_owned();
    }
    format!("remove `{name}`")
}

fn nested(title: &str, key: &str) -> String {
    format!("{}.{key}", title.trim_matches(['[', ']']))
}

fn with_article(type_name: &str) -> String {
    let article = if type_name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {type_name}")
}
