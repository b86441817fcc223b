//! OData version 4.01 query options, as far as directories answer them.

mod filter;
mod lexer;
mod query;
mod skip_token;
mod sql;

pub(super) use self::filter::{Expression, parse as parse_filter};
pub(super) use self::query::{QueryOptions, is_eventual};
pub(super) use self::skip_token::SkipTokens;
pub(super) use self::sql::condition;
