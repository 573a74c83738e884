//! Whether a drawing is one of ours: a record may come from anywhere, and what is put into a page acts as the page does.

use roxmltree::{Document, Node};

const ELEMENTS: [&str; 9] = ["svg", "title", "desc", "rect", "polygon", "polyline", "circle", "text", "line"];
/// None of them names another file or holds a program.
const ATTRIBUTES: [&str; 27] = [
    "cx",
    "cy",
    "dy",
    "fill",
    "font-family",
    "font-size",
    "font-style",
    "font-weight",
    "height",
    "opacity",
    "points",
    "r",
    "role",
    "rx",
    "stroke",
    "stroke-opacity",
    "stroke-width",
    "text-anchor",
    "viewBox",
    "width",
    "x",
    "x1",
    "x2",
    "y",
    "y1",
    "y2",
    "transform",
];

/// Why `svg` is none of ours, if it is not.
pub(crate) fn check(svg: &str) -> Result<(), String> {
    let document = Document::parse(svg).map_err(|error| error.to_string())?;
    // What stands before the first element (a declaration, a comment) has no place inside of a page.
    if !svg.trim_start().starts_with("<svg") {
        return Err("it begins with something other than <svg>".to_owned());
    }
    document.descendants().filter(|node| !node.is_root()).try_for_each(check_node)
}

fn check_node(node: Node<'_, '_>) -> Result<(), String> {
    if node.is_text() {
        return Ok(());
    }
    if !node.is_element() {
        return Err("it holds a comment or an instruction".to_owned());
    }
    let name = node.tag_name().name();
    if !ELEMENTS.contains(&name) {
        return Err(format!("it holds <{name}>"));
    }
    let foreign = node.attributes().find(|attribute| {
        let value = attribute.value().to_ascii_lowercase();
        attribute.namespace().is_some() || !ATTRIBUTES.contains(&attribute.name()) || value.contains("url(")
    });
    match foreign {
        Some(attribute) => Err(format!("<{name}> has {}={:?}", attribute.name(), attribute.value())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_load_or_run_is_refused() {
        let svg = |inside: &str| format!("<svg xmlns=\"http://www.w3.org/2000/svg\">{inside}</svg>");
        check(&svg("<rect x=\"1\" y=\"2\" width=\"3\" height=\"4\" fill=\"#FFFFFF\"/>")).unwrap();
        for (inside, named) in [
            ("<script>alert(1)</script>", "<script>"),
            ("<image href=\"x.png\"/>", "<image>"),
            ("<rect onload=\"alert(1)\"/>", "onload"),
            ("<rect fill=\"url(http://example.org)\"/>", "url("),
            ("<rect style=\"x\"/>", "style"),
            ("<!-- hidden -->", "comment"),
            ("<rect", "expected"),
        ] {
            let why = check(&svg(inside)).unwrap_err();
            assert!(why.contains(named) || inside == "<rect", "{inside}: {why}");
        }
        assert!(check("<?xml version=\"1.0\"?><svg/>").is_err());
    }
}
