//! The query options of one request, checked against the type they are about.

use axum::http::HeaderMap;
use url::form_urlencoded;

use crate::store::{Condition, Order, Table};

use super::super::expand::Expansion;
use super::super::fault::Fault;
use super::super::schema::{EntityType, Property};
use super::{Expression, Search, condition, parse_filter};

/// How many objects a page has when nobody says.
const DEFAULT_PAGE: usize = 100;

/// How many objects a page may have.
const MAX_PAGE: usize = 999;

/// Properties of a user that other services keep, so that lists and delta queries of users have none of them.
const KEPT_ELSEWHERE: [&str; 11] = [
    "aboutMe",
    "birthday",
    "hireDate",
    "interests",
    "mailboxSettings",
    "mySite",
    "pastProjects",
    "preferredName",
    "responsibilities",
    "schools",
    "skills",
];

/// What a request asks of a collection or of one object.
#[derive(Debug)]
pub(in crate::directory) struct QueryOptions<'a> {
    /// As asked, in that order.
    pub(in crate::directory) select: Option<Vec<&'a Property>>,
    pub(in crate::directory) top: Option<usize>,
    pub(in crate::directory) filter: Option<Expression<'a>>,
    pub(in crate::directory) search: Option<Search<'a>>,
    pub(in crate::directory) expand: Option<Expansion>,
    pub(in crate::directory) order: Option<Order>,
    /// The property that the order is by.
    ordered_by: Option<&'a Property>,
    /// Whether the client asked to have the objects counted.
    count: bool,
    pub(in crate::directory) skip_token: Option<String>,
    /// Everything the client said except the page token, as the link to the next page repeats it.
    pub(in crate::directory) repeated: String,
    /// What a page token is bound to: the options that decide which objects come in which order.
    pub(in crate::directory) identity: String,
}

impl<'a> QueryOptions<'a> {
    /// Reads the query of a URL. Options that directories do not answer are refused, never ignored; what is no system
    /// option is none of our business.
    pub(in crate::directory) fn parse(
        query: &str,
        headers: &HeaderMap,
        entity: &'a EntityType,
    ) -> Result<Self, Fault> {
        let is_eventual = is_eventual(headers);
        let mut options = Self {
            select: None,
            top: None,
            filter: None,
            search: None,
            expand: None,
            order: None,
            ordered_by: None,
            count: false,
            skip_token: None,
            repeated: String::new(),
            identity: String::new(),
        };
        let mut seen: Vec<String> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let Some(option) = name.strip_prefix('$').map(str::to_ascii_lowercase) else { continue };
            if seen.contains(&option) {
                return Err(Fault::bad_query(format!(
                    "Query option '${option}' was specified more than once, but it must be specified at most once."
                )));
            }
            match option.as_str() {
                "select" => options.select = Some(select(&value, entity)?),
                "top" => options.top = Some(top(&value)?),
                "filter" => {
                    options.filter = Some(parse_filter(&value, entity)?);
                    options.identity.push_str(&format!("filter={value}\n"));
                }
                "orderby" => {
                    let (property, order) = order_by(&value, entity)?;
                    options.identity.push_str(&format!("orderby={} {}\n", order.column, order.descending));
                    (options.ordered_by, options.order) = (Some(property), Some(order));
                }
                "count" => options.count = is_eventual && boolean(&value)?,
                "skiptoken" => options.skip_token = Some(value.clone().into_owned()),
                "search" if !is_eventual => {
                    return Err(Fault::unsupported_query(
                        "Request with $search query parameter only works through MSGraph with a special request \
                         header: 'ConsistencyLevel: eventual'",
                    ));
                }
                "search" => {
                    options.search = Some(Search::parse(&value, entity)?);
                    options.identity.push_str(&format!("search={value}\n"));
                }
                "expand" => options.expand = Some(Expansion::parse(&value, entity)?),
                "format" => {}
                _ => {
                    return Err(Fault::unsupported_query(format!(
                        "Query option '${option}' is not supported on resource '{}'.",
                        entity.resource
                    )));
                }
            }
            if option != "skiptoken" {
                options.repeat(&option, &value);
            }
            seen.push(option);
        }
        let is_advanced = is_eventual && options.count;
        if !is_advanced {
            options.refuse_advanced(entity)?;
        }
        if options.expand.is_some() && (is_advanced || options.search.is_some()) {
            return Err(Fault::unsupported_query(
                "Query option '$expand' is not supported with advanced queries.",
            ));
        }
        Ok(options)
    }

    /// How many objects a page has at most.
    pub(in crate::directory) fn page_size(&self) -> usize {
        self.top.unwrap_or(DEFAULT_PAGE)
    }

    /// The condition of the filter and the search.
    pub(in crate::directory) fn condition(&self) -> Condition {
        let all = self.filter.as_ref().map_or_else(Condition::all, |filter| condition(filter, self.order));
        match &self.search {
            Some(search) => all.and(search.condition()),
            None => all,
        }
    }

    /// Whether the answer has `@odata.count`: only that with the first page has it.
    pub(in crate::directory) fn tells_count(&self) -> bool {
        self.count && self.skip_token.is_none()
    }

    /// Every property that decides which objects come.
    pub(in crate::directory) fn asked(&self) -> Vec<&'a Property> {
        let filtered = self.filter.iter().flat_map(Expression::properties);
        filtered.chain(self.search.iter().flat_map(Search::properties)).collect()
    }

    /// The names in `$select`.
    pub(in crate::directory) fn selected_names(&self) -> Option<Vec<&str>> {
        Some(self.select.as_ref()?.iter().map(|property| &*property.name).collect())
    }

    fn repeat(&mut self, option: &str, value: &str) {
        self.repeated.push('$');
        self.repeated.push_str(option);
        self.repeated.push('=');
        // Spelled as the documentation spells it, with the characters left bare that a query may hold.
        self.repeated.extend(form_urlencoded::byte_serialize(value.as_bytes()).map(|part| match part {
            "+" => "%20",
            "%2C" => ",",
            "%27" => "'",
            "%40" => "@",
            part => part,
        }));
        self.repeated.push('&');
    }

    fn refuse_advanced(&self, entity: &EntityType) -> Result<(), Fault> {
        if let Some(operator) = self.filter.as_ref().and_then(Expression::advanced_operator) {
            return Err(Fault::unsupported_query(format!(
                "Operator '{operator}' is not supported because the required parameters might be missing. Try adding \
                 $count=true query parameter and ConsistencyLevel:eventual header. Refer to \
                 https://aka.ms/graph-docs/advanced-queries for more information"
            )));
        }
        let Some(order_by) = self.ordered_by else { return Ok(()) };
        let is_usual = match &*order_by.name {
            "displayName" => matches!(entity.table, Table::Users | Table::Groups),
            "userPrincipalName" => entity.table == Table::Users,
            _ => false,
        };
        let filtered = self.filter.iter().flat_map(Expression::properties);
        match is_usual && filtered.into_iter().all(|property| property.name == order_by.name) {
            true => Ok(()),
            false => Err(Fault::unsupported_query("Sorting not supported for current query.")),
        }
    }
}

/// Whether the client takes an answer from the index, which advanced queries need.
pub(in crate::directory) fn is_eventual(headers: &HeaderMap) -> bool {
    headers.get("consistencylevel").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"eventual"))
}

/// The properties that a `$select` names.
pub(in crate::directory) fn select<'a>(
    value: &str,
    entity: &'a EntityType,
) -> Result<Vec<&'a Property>, Fault> {
    let mut selected: Vec<&'a Property> = Vec::new();
    for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        if name == "*" {
            return Ok(entity.all().collect());
        }
        if entity.name == "user" && KEPT_ELSEWHERE.contains(&name) {
            return Err(Fault::not_implemented());
        }
        let property = entity.property(name).ok_or_else(|| {
            Fault::bad_query(format!(
                "Parsing OData Select and Expand failed: Could not find a property named '{name}' on type \
                 'microsoft.graph.{}'.",
                entity.name
            ))
        })?;
        if !selected.iter().any(|other| other.name == property.name) {
            selected.push(property);
        }
    }
    if selected.is_empty() {
        return Err(Fault::bad_query("Parsing OData Select and Expand failed: $select names no property."));
    }
    Ok(selected)
}

fn top(value: &str) -> Result<usize, Fault> {
    let number = value.parse::<i64>().ok().and_then(|number| usize::try_from(number).ok()).ok_or_else(|| {
        Fault::bad_query(format!(
            "Invalid value '{}' for $top query option found. The $top query option requires a non-negative integer \
             value.",
            value.chars().take(40).collect::<String>()
        ))
    })?;
    if (1..=MAX_PAGE).contains(&number) {
        return Ok(number);
    }
    Err(Fault::unsupported_query(format!(
        "Invalid page size specified: '{number}'. Must be between 1 and {MAX_PAGE} inclusive."
    )))
}

fn order_by<'a>(value: &str, entity: &'a EntityType) -> Result<(&'a Property, Order), Fault> {
    let unsupported = || Fault::unsupported_query("Sorting not supported for current query.");
    let mut words = value.split_ascii_whitespace();
    let name = words.next().ok_or_else(unsupported)?;
    let descending = match words.next() {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(_) => return Err(unsupported()),
    };
    let property = entity.property(name).ok_or_else(|| {
        Fault::bad_query(format!(
            "Could not find a property named '{name}' on type 'microsoft.graph.{}'.",
            entity.name
        ))
    })?;
    let column = property.order().filter(|_| words.next().is_none()).ok_or_else(unsupported)?;
    Ok((property, Order { column, descending }))
}

fn boolean(value: &str) -> Result<bool, Fault> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Fault::bad_query("Invalid value for $count query option: it is 'true' or 'false'.")),
    }
}
