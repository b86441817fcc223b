//! An expression into a condition: every constant becomes a parameter.

use crate::store::{Condition, Order, Range, Ranges, SqlValue};

use super::super::schema::{Kind, Property};
use super::filter::{Constant, Expression, Operator};

/// The condition that an expression means. Texts compare ignoring the case of ASCII letters, as directories do.
///
/// Whatever it says of how a name begins, and how not, becomes ranges of that name's index, in which the pages stand as
/// they come. An order has to be by the same name.
pub(in crate::directory) fn condition(expression: &Expression<'_>, order: Option<Order>) -> Condition {
    let mut parts = Vec::new();
    conjuncts(expression, &mut parts);
    let column = match order {
        Some(order) => Some(order.column),
        None => parts.iter().find_map(|part| {
            let column = part.properties().first()?.ordering_column()?;
            ranges(part, column).map(|_| column)
        }),
    };
    let (mut within, mut sql) = (Vec::new(), Sql::default());
    for part in parts {
        match column.and_then(|column| ranges(part, column)) {
            Some(ranges) => within.push(ranges),
            None => {
                sql.text.push_str(if sql.text.is_empty() { "" } else { " AND " });
                write(part, &mut sql);
            }
        }
    }
    let rest = if sql.text.is_empty() { Condition::all() } else { Condition::new(sql.text, sql.parameters) };
    match column.filter(|_| !within.is_empty()) {
        Some(column) => rest.within(column, Ranges::intersection(within)),
        None => rest,
    }
}

/// The expressions that all have to be true.
fn conjuncts<'a>(expression: &'a Expression<'a>, out: &mut Vec<&'a Expression<'a>>) {
    match expression {
        Expression::All(parts) => parts.iter().for_each(|part| conjuncts(part, out)),
        other => out.push(other),
    }
}

/// The values of a column, which no object is without, for which an expression is true, if it is about how they begin.
fn ranges(expression: &Expression<'_>, column: &str) -> Option<Ranges> {
    let all =
        |parts: &[Expression<'_>]| parts.iter().map(|part| ranges(part, column)).collect::<Option<Vec<_>>>();
    match expression {
        Expression::All(parts) => Some(Ranges::intersection(all(parts)?)),
        Expression::Any(parts) => Some(Ranges::union(all(parts)?)),
        Expression::Not(inner) => Some(ranges(inner, column)?.complement()),
        Expression::Compare { property, operator: Operator::StartsWith, value: Constant::Text(prefix) }
            if property.ordering_column() == Some(column) =>
        {
            Some(Ranges::beginning_with(prefix))
        }
        _ => None,
    }
}

/// SQL with its parameters in order.
#[derive(Default)]
struct Sql {
    text: String,
    parameters: Vec<SqlValue>,
}

fn write(expression: &Expression<'_>, out: &mut Sql) {
    match expression {
        Expression::All(parts) => join(parts, " AND ", out),
        Expression::Any(parts) => join(parts, " OR ", out),
        Expression::Compare {
            property: property @ Property { column: Some(_), .. },
            operator: Operator::StartsWith,
            value: Constant::Text(prefix),
        } => {
            // Not by `LIKE`, whose pattern would have to be known while the index is chosen.
            let column = column(property);
            let Range { from, to } = Range::beginning_with(prefix);
            out.text.push_str(&format!("({column} >= ?"));
            out.parameters.push(SqlValue::Text(from));
            if let Some(to) = to {
                out.text.push_str(&format!(" AND {column} < ?"));
                out.parameters.push(SqlValue::Text(to));
            }
            out.text.push(')');
        }
        Expression::Compare { property, operator, value } => {
            compare(&column(property), *operator, value.clone(), out);
        }
        Expression::Count { property, is_equal, count } => {
            // A name of the schema, never of the request; that of an extension has nothing but letters, digits and
            // underscores.
            let counted = match property.kind {
                Kind::Links => format!(
                    "(SELECT count(*) FROM links WHERE links.source_id = id AND links.relation = '{}')",
                    property.name
                ),
                _ => format!("coalesce(json_array_length(document, '$.{}'), 0)", property.name),
            };
            let operator = if *is_equal { "=" } else { "<>" };
            out.text.push_str(&format!("{counted} {operator} {count}"));
        }
        Expression::Element { property, operator, value } => {
            // A name of the schema, never of the request.
            out.text.push_str(&format!(
                "EXISTS (SELECT 1 FROM json_each(document, '$.{}') AS element WHERE ",
                property.name
            ));
            compare("element.value COLLATE NOCASE", *operator, Constant::Text(value.clone()), out);
            out.text.push(')');
        }
        Expression::In { property, values } => {
            let column = column(property);
            for (index, value) in values.iter().enumerate() {
                out.text.push_str(if index == 0 { "(" } else { " OR " });
                compare(&column, Operator::Equal, value.clone(), out);
            }
            out.text.push(')');
        }
        Expression::Not(inner) => {
            out.text.push_str("NOT coalesce(");
            write(inner, out);
            out.text.push_str(", FALSE)");
        }
    }
}

fn join(parts: &[Expression<'_>], operator: &str, out: &mut Sql) {
    for (index, part) in parts.iter().enumerate() {
        out.text.push_str(if index == 0 { "(" } else { operator });
        write(part, out);
    }
    out.text.push(')');
}

fn compare(column: &str, operator: Operator, value: Constant, out: &mut Sql) {
    let value = match value {
        Constant::Boolean(value) => SqlValue::Integer(value.into()),
        Constant::Integer(number) => SqlValue::Integer(number),
        Constant::Null => {
            let is_null = if operator == Operator::NotEqual { "IS NOT NULL" } else { "IS NULL" };
            out.text.push_str(&format!("{column} {is_null}"));
            return;
        }
        Constant::Text(text) => SqlValue::Text(match operator {
            Operator::EndsWith => format!("%{}", escape_like(&text)),
            Operator::StartsWith => format!("{}%", escape_like(&text)),
            _ => text,
        }),
    };
    let comparison = match operator {
        Operator::EndsWith | Operator::StartsWith => r"LIKE ? ESCAPE '\'",
        Operator::Equal => "= ?",
        Operator::GreaterOrEqual => ">= ?",
        Operator::LessOrEqual => "<= ?",
        Operator::NotEqual => "IS NOT ?",
    };
    out.text.push_str(&format!("{column} {comparison}"));
    out.parameters.push(value);
}

fn column(property: &Property) -> String {
    let case = if property.kind == Kind::Boolean { "" } else { " COLLATE NOCASE" };
    match property.column {
        // The collation of the column is that of its index.
        Some(column) if column != "id" => column.to_owned(),
        Some(column) => format!("{column}{case}"),
        None => format!("(document ->> '$.{}'){case}", property.name),
    }
}

pub(super) fn escape_like(text: &str) -> String {
    text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_")
}
