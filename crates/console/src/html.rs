//! HTML that cannot be broken by what is in it.
//!
//! Names of elements and attributes are `&'static str`, so they stand in this program. Everything else, whoever wrote
//! it, gets into a page as text or as the value of an attribute, and both go through [`escape`].

use std::fmt::{Display, Write as _};

use unattended_core::is_deceptive;

/// A piece of a page, complete in itself.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Html(String);

/// The attributes of an element.
pub(crate) type Attributes<'a> = &'a [(&'static str, &'a str)];

/// An element with its content.
pub(crate) fn element(name: &'static str, attributes: Attributes<'_>, content: impl Into<Html>) -> Html {
    let Html(mut html) = start(name, attributes);
    html.push_str(&content.into().0);
    html.push_str("</");
    html.push_str(name);
    html.push('>');
    Html(html)
}

/// An element that has no content and no end, such as `meta`.
pub(crate) fn start(name: &'static str, attributes: Attributes<'_>) -> Html {
    let mut html = format!("<{name}");
    for (attribute, value) in attributes {
        html.push(' ');
        html.push_str(attribute);
        html.push_str("=\"");
        escape(value, &mut html);
        html.push('"');
    }
    html.push('>');
    Html(html)
}

/// Text.
pub(crate) fn text(value: impl Display) -> Html {
    let mut plain = String::new();
    // Writing to a string fails only if the value's own `Display` does; what it wrote so far stays.
    _ = write!(plain, "{value}");
    let mut html = String::new();
    escape(&plain, &mut html);
    Html(html)
}

/// A whole document.
pub(crate) fn document(head: Html, body: Html) -> String {
    let page = element("html", &[("lang", "en")], [element("head", &[], head), element("body", &[], body)]);
    format!("<!doctype html>\n{}", page.0)
}

/// The style sheet of this program, which is no text: a browser does not unescape it.
pub(crate) fn style(sheet: &'static str) -> Html {
    Html(format!("<style>{sheet}</style>"))
}

impl From<&str> for Html {
    fn from(value: &str) -> Self {
        text(value)
    }
}

impl From<String> for Html {
    fn from(value: String) -> Self {
        text(value)
    }
}

impl<const N: usize> From<[Self; N]> for Html {
    fn from(pieces: [Self; N]) -> Self {
        pieces.into_iter().collect()
    }
}

impl From<Vec<Self>> for Html {
    fn from(pieces: Vec<Self>) -> Self {
        pieces.into_iter().collect()
    }
}

impl FromIterator<Self> for Html {
    fn from_iter<I: IntoIterator<Item = Self>>(pieces: I) -> Self {
        Self(pieces.into_iter().map(|piece| piece.0).collect())
    }
}

fn escape(value: &str, html: &mut String) {
    for character in value.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '\n' | '\t' => html.push(character),
            // Controls are not allowed in HTML, either.
            deceptive if is_deceptive(deceptive) => html.push('\u{FFFD}'),
            other => html.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_or_a_value_becomes_markup() {
        let evil = "<script>alert('1')</script>\"&\0\u{202E}";
        let html = element("p", &[("title", evil)], evil).0;
        let escaped = "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;&amp;\u{FFFD}\u{FFFD}";
        assert_eq!(html, format!("<p title=\"{escaped}\">{escaped}</p>"));
    }

    #[test]
    fn pieces_stay_in_their_order() {
        let html: Html = [text("a"), start("br", &[]), element("b", &[], "c")].into();
        assert_eq!(html.0, "a<br><b>c</b>");
    }
}
