//! `$filter` text into tokens.

/// A piece of a filter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Close,
    Colon,
    Comma,
    Literal(Literal),
    Open,
    Slash,
    /// A property, an operator or a function.
    Word(String),
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::directory) enum Literal {
    Boolean(bool),
    /// A date and time, a number or a GUID: text without quotes that is no name.
    Bare(String),
    Null,
    Text(String),
}

/// The tokens, or where the text stops being OData.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, usize> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let at = text.len() - rest.len();
        let (token, length) = match first {
            ' ' | '\t' => {
                rest = &rest[1..];
                continue;
            }
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            ',' => (Token::Comma, 1),
            '/' => (Token::Slash, 1),
            '\'' => {
                let (literal, length) = quoted(rest).ok_or(at)?;
                (Token::Literal(Literal::Text(literal)), length)
            }
            letter if letter.is_ascii_alphabetic() || letter == '_' => {
                let length =
                    run(rest, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'$'));
                match &rest[..length] {
                    "true" => (Token::Literal(Literal::Boolean(true)), length),
                    "false" => (Token::Literal(Literal::Boolean(false)), length),
                    "null" => (Token::Literal(Literal::Null), length),
                    word if is_guid(word) => (Token::Literal(Literal::Bare(word.to_owned())), length),
                    word => (Token::Word(word.to_owned()), length),
                }
            }
            ':' => (Token::Colon, 1),
            digit if digit.is_ascii_digit() || digit == '-' => {
                let is_bare =
                    |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b':' | b'.' | b'+');
                let length = run(rest, is_bare);
                (Token::Literal(Literal::Bare(rest[..length].to_owned())), length)
            }
            '$' => {
                let length = 1 + run(&rest[1..], |byte| byte.is_ascii_alphanumeric());
                (Token::Word(rest[..length].to_owned()), length)
            }
            _ => return Err(at),
        };
        tokens.push(token);
        rest = &rest[length..];
    }
    Ok(tokens)
}

/// A text in quotes, where a doubled quote is one; and how long it stands in the source.
fn quoted(source: &str) -> Option<(String, usize)> {
    let mut literal = String::new();
    let mut characters = source.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character != '\'' {
            literal.push(character);
        } else if characters.next_if(|(_, next)| *next == '\'').is_some() {
            literal.push('\'');
        } else {
            return Some((literal, at + 1));
        }
    }
    None
}

fn run(text: &str, belongs: impl Fn(u8) -> bool) -> usize {
    text.bytes().position(|byte| !belongs(byte)).unwrap_or(text.len())
}

fn is_guid(word: &str) -> bool {
    word.len() == 36 && uuid::Uuid::try_parse(word).is_ok()
}
