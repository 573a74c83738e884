//! Text that stays text.

/// `text` for an element or an attribute in double quotes, of HTML and of XML.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(letter),
            '\r' => {}
            // Neither language has a way to write these.
            other if other.is_control() || is_noncharacter(other) => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Whether Unicode reserves a code point for the use inside of programs.
fn is_noncharacter(letter: char) -> bool {
    let point = u32::from(letter);
    (0xfdd0..=0xfdef).contains(&point) || point & 0xfffe == 0xfffe
}
