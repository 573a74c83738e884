//! One HTML file that holds all it shows: text, tables and charts.
//!
//! A [`Page`] opens without a network: styles and charts are in it, and a policy in its head forbids the browser to load
//! or run anything else. It follows the reader's choice of light or dark and prints. All text is escaped, wherever it
//! comes from. It is well-formed XML as well, so that any tool can take it apart.
//!
//! ```
//! use results::html::Page;
//! use results::record::Table;
//!
//! let mut table = Table::new(&["setting", "mean (ms)"]);
//! table.row(["mq-deadline".into(), "38.0".into()]);
//! let mut page = Page::new("Sensitivity");
//! page.paragraph("Two readers beside a writer.");
//! page.heading("Latency");
//! page.table("Mean latency", &table);
//! assert!(page.html().contains("<th>setting</th>"));
//! ```

mod drawing;
mod escape;
mod prose;
mod run;

pub use run::{differences_page, run_page};

use crate::atomic;
use crate::chart::{ChartError, Figure};
use crate::record::{RecordError, Table};
use escape::escaped;
use std::path::Path;

const STYLE: &str = include_str!("page.css");

/// What may be loaded or run: the styles and pictures that are in the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// A page, from top to bottom in the order in which its parts are added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    title: String,
    body: String,
}

impl Page {
    /// A page with nothing but its title.
    #[must_use]
    pub fn new(title: &str) -> Self {
        Self { title: title.split_whitespace().collect::<Vec<_>>().join(" "), body: String::new() }
    }

    /// Begins a section.
    pub fn heading(&mut self, text: &str) {
        self.element("h2", text);
    }

    /// A paragraph of plain text.
    pub fn paragraph(&mut self, text: &str) {
        self.element("p", text);
    }

    /// A paragraph that a reader must not miss.
    pub fn warning(&mut self, text: &str) {
        self.body.push_str(&format!("<p class=\"warning\">{}</p>\n", escaped(text)));
    }

    /// Markdown: paragraphs, lists, emphasis and code. HTML in it is shown as text; links and pictures become their words.
    pub fn markdown(&mut self, text: &str) {
        self.body.push_str(&prose::html(text));
    }

    /// Text as it stands, in letters of one width: a command.
    pub fn preformatted(&mut self, text: &str) {
        self.element("pre", text);
    }

    /// Names with their values.
    pub fn facts<'a>(&mut self, facts: impl IntoIterator<Item = (&'a str, &'a str)>) {
        self.body.push_str("<table class=\"facts\"><tbody>\n");
        for (name, value) in facts {
            let (name, value) = (escaped(name), escaped(value));
            self.body.push_str(&format!("<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>\n"));
        }
        self.body.push_str("</tbody></table>\n");
    }

    /// A table; columns of numbers are set to the right. A row that is too short has empty cells at its end.
    pub fn table(&mut self, caption: &str, table: &Table) {
        let numeric: Vec<bool> = (0..table.columns().len()).map(|column| table.is_numeric(column)).collect();
        let class = |column: usize| match numeric.get(column) {
            Some(true) => " class=\"number\"",
            _ => "",
        };
        self.body.push_str("<div class=\"table\"><table>");
        if !caption.trim().is_empty() {
            self.body.push_str(&format!("<caption>{}</caption>", escaped(caption)));
        }
        self.body.push_str("<thead><tr>");
        for (column, name) in table.columns().iter().enumerate() {
            self.body.push_str(&format!("<th{}>{}</th>", class(column), escaped(name)));
        }
        self.body.push_str("</tr></thead><tbody>\n");
        for row in table.rows() {
            self.body.push_str("<tr>");
            for column in 0..row.len().max(table.columns().len()) {
                let cell = row.get(column).map_or("", String::as_str);
                self.body.push_str(&format!("<td{}>{}</td>", class(column), escaped(cell)));
            }
            self.body.push_str("</tr>\n");
        }
        self.body.push_str("</tbody></table></div>\n");
    }

    /// A chart. It has its title inside; a caption under it may be empty.
    ///
    /// # Errors
    /// Where it cannot be drawn.
    pub fn chart(&mut self, caption: &str, figure: &Figure) -> Result<(), ChartError> {
        self.figure(caption, &figure.svg()?);
        Ok(())
    }

    /// A drawing that [`Figure::write`] made; a caption under it may be empty.
    ///
    /// # Errors
    /// [`HtmlError::Drawing`] where it holds anything that such a drawing does not: it is not put into the page.
    pub fn drawing(&mut self, caption: &str, svg: &str) -> Result<(), HtmlError> {
        drawing::check(svg).map_err(|why| HtmlError::Drawing { why })?;
        self.figure(caption, svg);
        Ok(())
    }

    /// The whole page.
    #[must_use]
    pub fn html(&self) -> String {
        let (title, body) = (escaped(&self.title), &self.body);
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\"/>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
             <meta name=\"color-scheme\" content=\"light dark\"/>\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n\
             {body}</main>\n</body>\n</html>\n"
        )
    }

    /// Writes the page to `path`, whole or not at all.
    ///
    /// # Errors
    /// [`RecordError::Io`] with the path.
    pub fn write(&self, path: &Path) -> Result<(), RecordError> {
        atomic::write(path, self.html().as_bytes()).map_err(RecordError::io(path))
    }

    fn element(&mut self, name: &str, text: &str) {
        self.body.push_str(&format!("<{name}>{}</{name}>\n", escaped(text)));
    }

    fn figure(&mut self, caption: &str, svg: &str) {
        self.body.push_str(&format!("<figure>\n<div class=\"paper\">{svg}</div>\n"));
        if !caption.trim().is_empty() {
            self.body.push_str(&format!("<figcaption>{}</figcaption>\n", escaped(caption)));
        }
        self.body.push_str("</figure>\n");
    }
}

/// Why something could not be put into a page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HtmlError {
    /// What is no drawing of this library.
    #[error("a drawing: {why}, expected one that tunerd made")]
    Drawing {
        /// What is wrong with it.
        why: String,
    },
}
