//! `$filter` into an expression over the properties of a type (OData 4.01 part 2, section 5.1.1).

use super::super::extension_properties::PREFIX;
use super::super::fault::Fault;
use super::super::schema::{EntityType, Kind, Property};
use super::lexer::{Literal, Token, tokens};

/// What a filter says. Every name is a property of the type, every constant fits its property.
#[derive(Clone, Debug)]
pub(in crate::directory) enum Expression<'a> {
    All(Vec<Self>),
    Any(Vec<Self>),
    Compare {
        property: &'a Property,
        operator: Operator,
        value: Constant,
    },
    /// How many elements a collection has.
    Count {
        property: &'a Property,
        is_equal: bool,
        count: u8,
    },
    /// Whether an element of a collection compares.
    Element {
        property: &'a Property,
        operator: Operator,
        value: String,
    },
    In {
        property: &'a Property,
        values: Vec<Constant>,
    },
    Not(Box<Self>),
}

/// How two values compare.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::directory) enum Operator {
    EndsWith,
    Equal,
    GreaterOrEqual,
    LessOrEqual,
    NotEqual,
    StartsWith,
}

/// A constant of its property's kind.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::directory) enum Constant {
    Boolean(bool),
    Integer(i64),
    Null,
    Text(String),
}

impl<'a> Expression<'a> {
    /// The operator in it that only advanced queries may use, if there is one.
    pub(in crate::directory) fn advanced_operator(&self) -> Option<&'static str> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().find_map(Self::advanced_operator),
            Self::Compare { operator: Operator::EndsWith, .. }
            | Self::Element { operator: Operator::EndsWith, .. } => Some("endsWith"),
            Self::Compare { operator: Operator::NotEqual, .. }
            | Self::Element { operator: Operator::NotEqual, .. } => Some("ne"),
            // What has no value is known to the index alone.
            Self::Compare { property, value: Constant::Null, .. } if property.name.starts_with(PREFIX) => {
                Some("eq")
            }
            Self::Compare { .. } | Self::Element { .. } | Self::In { .. } => None,
            Self::Count { .. } => Some("$count"),
            Self::Not(_) => Some("not"),
        }
    }

    /// Every property it asks about.
    pub(in crate::directory) fn properties(&self) -> Vec<&'a Property> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::properties).collect(),
            Self::Compare { property, .. }
            | Self::Count { property, .. }
            | Self::Element { property, .. }
            | Self::In { property, .. } => vec![property],
            Self::Not(inner) => inner.properties(),
        }
    }
}

/// Reads a filter.
///
/// # Errors
/// 400 with what is wrong: it is not OData, it names what the type does not have, or it asks what the directory does
/// not answer.
pub(in crate::directory) fn parse<'a>(text: &str, entity: &'a EntityType) -> Result<Expression<'a>, Fault> {
    if text.len() > MAX_LENGTH {
        return Err(Fault::bad_query("Invalid filter clause: the filter is too long."));
    }
    let tokens = tokens(text).map_err(|at| syntax_error(text, at))?;
    let mut parser = Parser { text, entity, tokens: &tokens, depth: 0, terms: 0 };
    let expression = parser.alternatives()?;
    if parser.tokens.is_empty() { Ok(expression) } else { Err(parser.unexpected()) }
}

const MAX_LENGTH: usize = 16 * 1024;
const MAX_DEPTH: usize = 24;
const MAX_TERMS: usize = 256;

struct Parser<'a, 'e> {
    text: &'a str,
    entity: &'e EntityType,
    tokens: &'a [Token],
    depth: usize,
    terms: usize,
}

impl<'e> Parser<'_, 'e> {
    fn alternatives(&mut self) -> Result<Expression<'e>, Fault> {
        let mut parts = vec![self.conjunction()?];
        while self.takes_word("or") {
            parts.push(self.conjunction()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Any(parts) })
    }

    fn conjunction(&mut self) -> Result<Expression<'e>, Fault> {
        let mut parts = vec![self.negation()?];
        while self.takes_word("and") {
            parts.push(self.negation()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::All(parts) })
    }

    fn negation(&mut self) -> Result<Expression<'e>, Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fault::bad_query("Invalid filter clause: the filter is nested too deeply."));
        }
        let expression = if self.takes_word("not") {
            Expression::Not(Box::new(self.negation()?))
        } else if self.takes(&Token::Open) {
            let inner = self.alternatives()?;
            self.expect(&Token::Close)?;
            inner
        } else {
            self.term()?
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn term(&mut self) -> Result<Expression<'e>, Fault> {
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(Fault::bad_query("Invalid filter clause: the filter has too many terms."));
        }
        let word = self.word()?;
        let function = word.to_ascii_lowercase();
        if let ("startswith" | "endswith", Some(Token::Open)) = (function.as_str(), self.tokens.first()) {
            return self.text_function(&function);
        }
        let property = self.property(&word)?;
        if self.takes(&Token::Slash) {
            return match self.takes_word("$count") {
                true => self.count(property),
                false => self.element(property),
            };
        }
        if self.takes_word("in") {
            return self.one_of(property);
        }
        let operator = self.operator()?;
        let value = self.constant(property)?;
        if matches!(operator, Operator::GreaterOrEqual | Operator::LessOrEqual)
            && property.kind != Kind::DateTime
        {
            return Err(self.unsupported(property));
        }
        Ok(Expression::Compare { property, operator, value })
    }

    fn text_function(&mut self, function: &str) -> Result<Expression<'e>, Fault> {
        self.expect(&Token::Open)?;
        let name = self.word()?;
        let property = self.property(&name)?;
        if !matches!(property.kind, Kind::Text(_)) {
            return Err(self.unsupported(property));
        }
        self.expect(&Token::Comma)?;
        let Some(Token::Literal(Literal::Text(text))) = self.next() else {
            return Err(self.unexpected());
        };
        self.expect(&Token::Close)?;
        let operator = if function == "startswith" { Operator::StartsWith } else { Operator::EndsWith };
        Ok(Expression::Compare { property, operator, value: Constant::Text(text) })
    }

    /// `$count eq 0`, that being read: whether a collection is empty, and whether there is one owner.
    fn count(&mut self, property: &'e Property) -> Result<Expression<'e>, Fault> {
        let most = match (property.kind, &*property.name) {
            (kind, _) if kind.is_texts() => 0,
            (_, "assignedLicenses") => 0,
            (Kind::Links, "owners") => 1,
            _ => return Err(self.unsupported(property)),
        };
        let is_equal = match self.operator()? {
            Operator::Equal => true,
            Operator::NotEqual => false,
            _ => return Err(self.unsupported(property)),
        };
        let Some(Token::Literal(Literal::Bare(number))) = self.next() else { return Err(self.unexpected()) };
        let count = number.parse().ok().filter(|count| *count <= most);
        let count = count.ok_or_else(|| self.unsupported(property))?;
        Ok(Expression::Count { property, is_equal, count })
    }

    /// `any(x:x eq 'text')` or `any(x:startswith(x,'text'))`, the slash being read.
    fn element(&mut self, property: &'e Property) -> Result<Expression<'e>, Fault> {
        if !property.kind.is_texts() || !self.takes_word("any") {
            return Err(self.unsupported(property));
        }
        self.expect(&Token::Open)?;
        let variable = self.word()?;
        self.expect(&Token::Colon)?;
        let word = self.word()?;
        let function = word.to_ascii_lowercase();
        let (operator, value) = if word == variable {
            let operator = self.operator()?;
            (operator, self.text()?)
        } else if let "startswith" | "endswith" = function.as_str() {
            self.expect(&Token::Open)?;
            if self.word()? != variable {
                return Err(self.unexpected());
            }
            self.expect(&Token::Comma)?;
            let value = self.text()?;
            self.expect(&Token::Close)?;
            (if function == "startswith" { Operator::StartsWith } else { Operator::EndsWith }, value)
        } else {
            return Err(self.unexpected());
        };
        self.expect(&Token::Close)?;
        if matches!(operator, Operator::GreaterOrEqual | Operator::LessOrEqual) {
            return Err(self.unsupported(property));
        }
        Ok(Expression::Element { property, operator, value })
    }

    fn one_of(&mut self, property: &'e Property) -> Result<Expression<'e>, Fault> {
        self.expect(&Token::Open)?;
        let mut values = vec![self.constant(property)?];
        while self.takes(&Token::Comma) {
            values.push(self.constant(property)?);
            self.terms += 1;
        }
        self.expect(&Token::Close)?;
        if self.terms > MAX_TERMS {
            return Err(Fault::bad_query("Invalid filter clause: the filter has too many terms."));
        }
        Ok(Expression::In { property, values })
    }

    fn property(&self, name: &str) -> Result<&'e Property, Fault> {
        self.entity.property(name).ok_or_else(|| {
            Fault::bad_query(format!(
                "Invalid filter clause: Could not find a property named '{name}' on type 'microsoft.graph.{}'.",
                self.entity.name
            ))
        })
    }

    fn operator(&mut self) -> Result<Operator, Fault> {
        Ok(match self.word()?.as_str() {
            "eq" => Operator::Equal,
            "ge" => Operator::GreaterOrEqual,
            "le" => Operator::LessOrEqual,
            "ne" => Operator::NotEqual,
            _ => return Err(self.unexpected()),
        })
    }

    fn constant(&mut self, property: &Property) -> Result<Constant, Fault> {
        let Some(Token::Literal(literal)) = self.next() else { return Err(self.unexpected()) };
        let incompatible = || {
            Err(Fault::bad_query(format!(
                "Invalid filter clause: A binary operator with incompatible types was detected for property '{}'.",
                property.name
            )))
        };
        Ok(match (property.kind, literal) {
            (
                Kind::Binary(_) | Kind::Links | Kind::Many(_) | Kind::Object | Kind::Objects | Kind::Texts(_),
                _,
            ) => {
                return Err(self.unsupported(property));
            }
            (_, Literal::Null) => Constant::Null,
            (Kind::Integer(_), Literal::Bare(text)) => match text.parse() {
                Ok(number) => Constant::Integer(number),
                Err(_) => return incompatible(),
            },
            (Kind::Boolean, Literal::Boolean(value)) => Constant::Boolean(value),
            (Kind::Text(_), Literal::Text(text)) => Constant::Text(text),
            (Kind::Guid, Literal::Text(text) | Literal::Bare(text)) => Constant::Text(text),
            (Kind::DateTime, Literal::Bare(text)) => match text.parse::<jiff::Timestamp>() {
                Ok(at) => Constant::Text(at.to_string()),
                Err(_) => return incompatible(),
            },
            _ => return incompatible(),
        })
    }

    fn text(&mut self) -> Result<String, Fault> {
        match self.next() {
            Some(Token::Literal(Literal::Text(text))) => Ok(text),
            _ => Err(self.unexpected()),
        }
    }

    fn word(&mut self) -> Result<String, Fault> {
        match self.next() {
            Some(Token::Word(word)) => Ok(word),
            _ => Err(self.unexpected()),
        }
    }

    fn next(&mut self) -> Option<Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first.clone())
    }

    fn takes(&mut self, token: &Token) -> bool {
        let takes = self.tokens.first() == Some(token);
        if takes {
            self.tokens = &self.tokens[1..];
        }
        takes
    }

    fn takes_word(&mut self, word: &str) -> bool {
        self.takes(&Token::Word(word.to_owned()))
    }

    fn expect(&mut self, token: &Token) -> Result<(), Fault> {
        if self.takes(token) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> Fault {
        syntax_error(self.text, self.text.len())
    }

    fn unsupported(&self, property: &Property) -> Fault {
        Fault::unsupported_query(format!(
            "Unsupported or invalid query filter clause specified for property '{}' of resource '{}'.",
            property.name, self.entity.resource
        ))
    }
}

fn syntax_error(text: &str, at: usize) -> Fault {
    let shown: String = text.chars().take(200).collect();
    Fault::bad_query(format!("Invalid filter clause: Syntax error at position {at} in '{shown}'."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::schema::{APPLICATION, USER};
    use super::*;

    #[test]
    fn or_binds_weaker_than_and_and_parentheses_stronger() {
        let parsed = parse("displayName eq 'a' or city eq 'b' and country eq 'c'", &USER).unwrap();
        let Expression::Any(parts) = parsed else { panic!("{parsed:?}") };
        assert!(matches!(parts[..], [Expression::Compare { .. }, Expression::All(_)]));
        let parsed = parse("(displayName eq 'a' or city eq 'b') and country eq 'c'", &USER).unwrap();
        assert!(matches!(parsed, Expression::All(parts) if matches!(parts[0], Expression::Any(_))));
    }

    #[test]
    fn a_doubled_quote_is_one_quote() {
        let Expression::Compare { value, .. } = parse("surname eq 'O''Neil'", &USER).unwrap() else {
            panic!("no comparison")
        };
        assert_eq!(value, Constant::Text("O'Neil".into()));
    }

    #[test]
    fn every_form_of_term_is_read() {
        for text in [
            "startswith(displayName,'김')",
            "startsWith(displayName, 'a')",
            "accountEnabled eq true",
            "mail eq null",
            "id in ('6ea91a8d-e32e-41a1-b7bd-d2d185eed0e0')",
            "createdDateTime ge 2026-01-01T00:00:00Z",
            "not(city eq 'x')",
            "otherMails/any(x:x eq 'a@b.c')",
            "otherMails/any(o:startswith(o,'a'))",
            "otherMails/$count eq 0",
            "not(assignedLicenses/$count ne 0)",
        ] {
            assert!(parse(text, &USER).is_ok(), "{text}: {:?}", parse(text, &USER));
        }
        for text in ["appId eq 'x'", "appId eq 6ea91a8d-e32e-41a1-b7bd-d2d185eed0e0"] {
            assert!(parse(text, &APPLICATION).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_filter_of_the_type_is_refused_and_named() {
        for (text, message) in [
            ("shoeSize eq '44'", "Could not find a property named 'shoeSize' on type 'microsoft.graph.user'"),
            ("displayname eq 'a'", "Could not find a property named 'displayname'"),
            ("displayName eq 4", "incompatible types"),
            ("displayName eq 'a", "Syntax error at position 15"),
            ("displayName like 'a'", "Syntax error"),
            ("displayName eq 'a' city eq 'b'", "Syntax error"),
            ("", "Syntax error"),
            (
                "displayName ge 'a'",
                "Unsupported or invalid query filter clause specified for property 'displayName'",
            ),
            ("businessPhones eq 'a'", "for property 'businessPhones' of resource 'User'"),
            ("businessPhones/$count eq 2", "for property 'businessPhones' of resource 'User'"),
            ("businessPhones/$count ge 0", "for property 'businessPhones' of resource 'User'"),
            ("manager/$count eq 0", "for property 'manager' of resource 'User'"),
            ("displayName/$count eq 0", "for property 'displayName' of resource 'User'"),
            ("businessPhones/$count eq 'a'", "Syntax error"),
            ("memberOf/$count eq 0", "Could not find a property named 'memberOf'"),
        ] {
            let fault = parse(text, &USER).unwrap_err();
            assert!(fault.message.contains(message), "{text}: {}", fault.message);
            assert_eq!(fault.status, 400);
        }
    }

    #[test]
    fn nesting_and_length_have_an_end() {
        let deep = format!("{}city eq 'a'{}", "(".repeat(5_000), ")".repeat(5_000));
        assert!(parse(&deep, &USER).is_err());
        assert!(parse(&"not ".repeat(4_000), &USER).is_err());
        assert!(parse(&vec!["city eq 'a'"; 300].join(" or "), &USER).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,80}") {
            let _ = parse(&text, &USER);
        }

        #[test]
        fn no_sequence_of_tokens_makes_the_parser_panic(
            words in proptest::collection::vec(
                prop::sample::select(vec![
                    "displayName", "eq", "and", "or", "not", "(", ")", "'a'", "''", ",", "/", ":", "any", "in",
                    "startswith", "true", "null", "2026-01-01T00:00:00Z", "otherMails", "x", "ne", "-", "$count",
                ]),
                0..24,
            )
        ) {
            let _ = parse(&words.join(" "), &USER);
            let _ = parse(&words.concat(), &USER);
        }

        #[test]
        fn any_text_can_be_asked_for(text in "\\PC{0,40}") {
            let filter = format!("displayName eq '{}'", text.replace('\'', "''"));
            let Ok(Expression::Compare { value, .. }) = parse(&filter, &USER) else { panic!("{filter}") };
            prop_assert_eq!(value, Constant::Text(text));
        }
    }
}
