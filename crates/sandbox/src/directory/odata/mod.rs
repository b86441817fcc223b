//! OData version 4.01 query options, as far as directories answer them.

mod filter;
mod lexer;
mod query;
mod search;
mod skip_token;
mod sql;

pub(super) use self::filter::{Constant, Expression, Operator, parse as parse_filter};
pub(super) use self::query::{QueryOptions, is_eventual, select};
pub(super) use self::search::Search;
pub(super) use self::skip_token::SkipTokens;
pub(super) use self::sql::condition;
