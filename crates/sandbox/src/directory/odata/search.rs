//! `$search`: phrases about properties, in quotes, with `AND`, `OR` and parentheses between.

use crate::store::{Condition, SqlValue};

use super::super::fault::Fault;
use super::super::schema::{EntityType, Kind, Property};

/// What a search asks for.
#[derive(Clone, Debug)]
pub(in crate::directory) enum Search<'a> {
    All(Vec<Self>),
    Any(Vec<Self>),
    Phrase { property: &'a Property, text: String },
}

/// The properties whose words are found wherever they stand; of others the beginning is.
const TOKENISED: [&str; 2] = ["description", "displayName"];

/// What stands between words, besides spaces.
const SEPARATORS: &str = "-._,;:/&@()+'";

const MAX_DEPTH: usize = 16;
const MAX_PHRASES: usize = 50;

impl<'a> Search<'a> {
    /// Reads the value of `$search`.
    ///
    /// # Errors
    /// 400 for what is not in quotes, names no property, or asks about one that holds no text.
    pub(in crate::directory) fn parse(text: &str, entity: &'a EntityType) -> Result<Self, Fault> {
        let mut parser = Parser { text, at: 0, entity, phrases: 0 };
        let search = parser.alternatives(0)?;
        parser.skip_spaces();
        if parser.at == text.len() { Ok(search) } else { Err(parser.unexpected()) }
    }

    /// Every property it asks about.
    pub(in crate::directory) fn properties(&self) -> Vec<&'a Property> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::properties).collect(),
            Self::Phrase { property, .. } => vec![property],
        }
    }

    /// The condition that it means; what came from outside becomes a parameter.
    pub(in crate::directory) fn condition(&self) -> Condition {
        let (mut sql, mut parameters) = (String::new(), Vec::new());
        self.write(&mut sql, &mut parameters);
        Condition::new(sql, parameters)
    }

    fn write(&self, sql: &mut String, parameters: &mut Vec<SqlValue>) {
        let mut join = |parts: &[Self], operator: &str, sql: &mut String| {
            for (index, part) in parts.iter().enumerate() {
                sql.push_str(if index == 0 { "(" } else { operator });
                part.write(sql, parameters);
            }
            sql.push(')');
        };
        match self {
            Self::All(parts) => join(parts, " AND ", sql),
            Self::Any(parts) => join(parts, " OR ", sql),
            Self::Phrase { property, text } => phrase(property, text, sql, parameters),
        }
    }
}

fn phrase(property: &Property, text: &str, sql: &mut String, parameters: &mut Vec<SqlValue>) {
    // Names of the schema, never of the request.
    let value = format!("(document ->> '$.{}')", property.name);
    if !TOKENISED.contains(&&*property.name) {
        sql.push_str(&format!(r"{value} LIKE ? ESCAPE '\'"));
        parameters.push(SqlValue::Text(format!("{}%", super::sql::escape_like(text))));
        return;
    }
    let spaced = SEPARATORS.chars().fold(value, |value, separator| {
        let separator = if separator == '\'' { "''".to_owned() } else { separator.to_string() };
        format!("replace({value}, '{separator}', ' ')")
    });
    let is_separator = |it: char| it.is_whitespace() || SEPARATORS.contains(it);
    let words = text.split(is_separator).filter(|word| !word.is_empty());
    sql.push_str("(TRUE");
    for word in words {
        sql.push_str(&format!(r" AND ' ' || {spaced} LIKE ? ESCAPE '\'"));
        parameters.push(SqlValue::Text(format!("% {}%", super::sql::escape_like(word))));
    }
    sql.push(')');
}

struct Parser<'a, 'e> {
    text: &'a str,
    at: usize,
    entity: &'e EntityType,
    phrases: usize,
}

impl<'e> Parser<'_, 'e> {
    fn alternatives(&mut self, depth: usize) -> Result<Search<'e>, Fault> {
        let mut parts = vec![self.conjunction(depth)?];
        while self.takes("OR") {
            parts.push(self.conjunction(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Search::Any(parts) })
    }

    fn conjunction(&mut self, depth: usize) -> Result<Search<'e>, Fault> {
        let mut parts = vec![self.term(depth)?];
        while self.takes("AND") {
            parts.push(self.term(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Search::All(parts) })
    }

    fn term(&mut self, depth: usize) -> Result<Search<'e>, Fault> {
        if self.takes("(") {
            if depth == MAX_DEPTH {
                return Err(self.unexpected());
            }
            let inner = self.alternatives(depth + 1)?;
            return if self.takes(")") { Ok(inner) } else { Err(self.unexpected()) };
        }
        if !self.takes("\"") {
            return Err(self.unexpected());
        }
        self.phrases += 1;
        let quoted = self.quoted().filter(|_| self.phrases <= MAX_PHRASES);
        let quoted = quoted.ok_or_else(|| self.unexpected())?;
        let (name, text) = quoted.split_once(':').ok_or_else(|| self.unexpected())?;
        let property = self.entity.property(name.trim()).ok_or_else(|| {
            Fault::unsupported_query(format!(
                "Unrecognized property in search clause: '{name}' of resource '{}'.",
                self.entity.resource
            ))
        })?;
        if !matches!(property.kind, Kind::Text(_)) {
            return Err(Fault::unsupported_query(format!(
                "Unsupported or invalid search clause specified for property '{name}' of resource '{}'.",
                self.entity.resource
            )));
        }
        Ok(Search::Phrase { property, text: text.trim().to_owned() })
    }

    /// The rest of a phrase whose opening quote was read; a backslash takes away what the next character means.
    fn quoted(&mut self) -> Option<String> {
        let mut quoted = String::new();
        let mut characters = self.text[self.at..].char_indices();
        while let Some((offset, character)) = characters.next() {
            match character {
                '"' => {
                    self.at += offset + 1;
                    return Some(quoted);
                }
                '\\' => quoted.push(characters.next()?.1),
                character => quoted.push(character),
            }
        }
        None
    }

    fn takes(&mut self, token: &str) -> bool {
        self.skip_spaces();
        let takes = self.text[self.at..].starts_with(token);
        if takes {
            self.at += token.len();
        }
        takes
    }

    fn skip_spaces(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn unexpected(&self) -> Fault {
        let shown: String = self.text.chars().take(200).collect();
        Fault::bad_query(format!(
            "Syntax error at position {} in '{shown}': a search is \"property:text\" in quotes, with AND or OR between.",
            self.at
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::schema::USER;
    use super::*;

    fn shape(text: &str) -> Option<String> {
        fn show(search: &Search<'_>) -> String {
            match search {
                Search::All(parts) => format!("({})", parts.iter().map(show).collect::<Vec<_>>().join("&")),
                Search::Any(parts) => format!("({})", parts.iter().map(show).collect::<Vec<_>>().join("|")),
                Search::Phrase { property, text } => format!("{}={text}", property.name),
            }
        }
        Search::parse(text, &USER).ok().as_ref().map(show)
    }

    #[test]
    fn phrases_are_in_quotes_and_and_binds_tighter_than_or() {
        assert_eq!(shape(r#""displayName:Ann""#).unwrap(), "displayName=Ann");
        assert_eq!(
            shape(r#""displayName:a b" OR "mail:c" AND ("mail:d" OR "mail:e")"#).unwrap(),
            "(displayName=a b|(mail=c&(mail=d|mail=e)))"
        );
        assert_eq!(shape(r#""displayName:say \"hi\"""#).unwrap(), r#"displayName=say "hi""#);
        for wrong in ["displayName:x", r#""x""#, r#""displayName:x"#, r#""nothing:x""#, r#""id:x""#, "", "("]
        {
            assert_eq!(shape(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "[\"(): ANDORmail\\\\é]{0,60}") {
            if let Ok(search) = Search::parse(&text, &USER) {
                let _ = search.condition();
            }
        }
    }
}
