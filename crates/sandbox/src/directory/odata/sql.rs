//! An expression into a condition: every constant becomes a parameter.

use crate::store::{Condition, SqlValue};

use super::super::schema::{Kind, Property};
use super::filter::{Constant, Expression, Operator};

/// The condition that an expression means. Texts compare ignoring the case of ASCII letters, as directories do.
pub(in crate::directory) fn condition(expression: &Expression) -> Condition {
    let mut condition = Condition { sql: String::new(), parameters: Vec::new() };
    write(expression, &mut condition);
    condition
}

fn write(expression: &Expression, out: &mut Condition) {
    match expression {
        Expression::All(parts) => join(parts, " AND ", out),
        Expression::Any(parts) => join(parts, " OR ", out),
        Expression::Compare { property, operator, value } => {
            compare(&column(property), *operator, value.clone(), out);
        }
        Expression::Element { property, operator, value } => {
            // A name of the schema, never of the request.
            out.sql.push_str(&format!(
                "EXISTS (SELECT 1 FROM json_each(document, '$.{}') AS element WHERE ",
                property.name
            ));
            compare("element.value COLLATE NOCASE", *operator, Constant::Text(value.clone()), out);
            out.sql.push(')');
        }
        Expression::In { property, values } => {
            let column = column(property);
            for (index, value) in values.iter().enumerate() {
                out.sql.push_str(if index == 0 { "(" } else { " OR " });
                compare(&column, Operator::Equal, value.clone(), out);
            }
            out.sql.push(')');
        }
        Expression::Not(inner) => {
            out.sql.push_str("NOT coalesce(");
            write(inner, out);
            out.sql.push_str(", FALSE)");
        }
    }
}

fn join(parts: &[Expression], operator: &str, out: &mut Condition) {
    for (index, part) in parts.iter().enumerate() {
        out.sql.push_str(if index == 0 { "(" } else { operator });
        write(part, out);
    }
    out.sql.push(')');
}

fn compare(column: &str, operator: Operator, value: Constant, out: &mut Condition) {
    let value = match value {
        Constant::Boolean(value) => SqlValue::Integer(value.into()),
        Constant::Null => {
            let is_null = if operator == Operator::NotEqual { "IS NOT NULL" } else { "IS NULL" };
            out.sql.push_str(&format!("{column} {is_null}"));
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
    out.sql.push_str(&format!("{column} {comparison}"));
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
