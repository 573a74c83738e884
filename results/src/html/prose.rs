//! The little Markdown that a record's words are written in, as HTML.

use super::escape::escaped;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Paragraphs, headings, lists, quotes, emphasis and code. Links and pictures become their words, so that nothing is
/// loaded and nothing leads out; HTML is shown as the text it is.
pub(crate) fn html(markdown: &str) -> String {
    let mut html = String::new();
    for event in Parser::new_ext(markdown, Options::empty()) {
        match event {
            Event::Start(tag) => html.push_str(&open(&tag)),
            Event::End(end) => html.push_str(&close(end)),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => html.push_str(&escaped(&text)),
            Event::Code(code) => html.push_str(&format!("<code>{}</code>", escaped(&code))),
            Event::SoftBreak => html.push('\n'),
            Event::HardBreak => html.push_str("<br/>\n"),
            Event::Rule => html.push_str("<hr/>\n"),
            // Footnotes, mathematics and tasks, which no option turns on.
            _ => {}
        }
    }
    html
}

/// The element of a tag; none for links, pictures and what the options leave out.
fn open(tag: &Tag<'_>) -> String {
    match tag {
        Tag::List(Some(first)) => format!("<ol start=\"{first}\">\n"),
        other => element(&other.to_end()).map_or_else(String::new, |name| format!("<{name}>")),
    }
}

fn close(end: TagEnd) -> String {
    element(&end)
        .map_or_else(String::new, |name| format!("</{name}>\n"))
        .replace("</strong>\n", "</strong>")
        .replace("</em>\n", "</em>")
}

fn element(end: &TagEnd) -> Option<&'static str> {
    match end {
        TagEnd::Paragraph | TagEnd::HtmlBlock => Some("p"),
        // The page has its own h1 and h2.
        TagEnd::Heading(_) => Some("h3"),
        TagEnd::BlockQuote(_) => Some("blockquote"),
        TagEnd::CodeBlock => Some("pre"),
        TagEnd::List(true) => Some("ol"),
        TagEnd::List(false) => Some("ul"),
        TagEnd::Item => Some("li"),
        TagEnd::Emphasis => Some("em"),
        TagEnd::Strong => Some("strong"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_their_form_and_nothing_leads_out() {
        let html = html(
            "One **bold** `a < b`.\n\n- first\n- [a link](https://example.org)\n\n![picture](http://example.org/x.png)\n\n\
             <script>alert(1)</script>\n",
        );
        for part in [
            "<p>One <strong>bold</strong> <code>a &lt; b</code>.</p>",
            "<li>first</li>",
            "<li>a link</li>",
            "<p>picture</p>",
            "&lt;script&gt;alert(1)&lt;/script&gt;",
        ] {
            assert!(html.contains(part), "{part:?} in {html}");
        }
        assert!(!html.contains("example.org") && !html.contains("<script"), "{html}");
    }
}
