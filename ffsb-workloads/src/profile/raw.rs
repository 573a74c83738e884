//! The first stage: text to nested sections of keywords, each with its line.

use crate::profile::fault::{Fault, Line};
use crate::profile::vocabulary::{Keyword, Kind, Scope, look_up};

/// A keyword and what was written after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where.
    pub line: Line,
    /// Which keyword.
    pub keyword: &'static Keyword,
    /// Its value as written, without the space around it; never empty.
    pub text: String,
}

/// A section, or the file as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Which one it is.
    pub scope: Scope,
    /// The line that opens it.
    pub line: Line,
    /// Its keywords, in order.
    pub entries: Vec<Entry>,
    /// The sections in it, in order.
    pub sections: Vec<Section>,
}

impl Section {
    const fn new(scope: Scope, line: Line) -> Self {
        Self { scope, line, entries: Vec::new(), sections: Vec::new() }
    }

    /// All entries of this keyword.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| entry.keyword.name == name)
    }

    /// The entry of this keyword.
    #[must_use]
    pub fn one(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.keyword.name == name)
    }

    /// The sections of this kind in it.
    pub fn children(&self, scope: Scope) -> impl Iterator<Item = &Self> {
        self.sections.iter().filter(move |section| section.scope == scope)
    }
}

/// Reads a text into the section that stands for the whole file.
///
/// # Errors
///
/// At the first line that is no keyword of its section, no section, or no comment.
pub fn read(bytes: &[u8]) -> Result<Section, Fault> {
    // Innermost last; the first is the file itself and is never closed.
    let mut open = vec![Section::new(Scope::Global, 1)];
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut last = 1;
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let number = Line::try_from(index + 1).unwrap_or(Line::MAX);
        let line = std::str::from_utf8(line)
            .map_err(|error| Fault::new(number, format!("bytes that are not UTF-8 ({error})"), "text"))?
            .trim();
        if !line.is_empty() {
            last = number;
        }
        let Some(innermost) = open.last_mut() else {
            break;
        };
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            bracket(&mut open, rest, number)?;
        } else {
            let entry = entry(innermost.scope, line, number)?;
            if let (false, Some(first)) = (entry.keyword.kind.repeats(), innermost.one(entry.keyword.name)) {
                return Err(Fault::new(
                    number,
                    format!("`{}` again", entry.keyword.name),
                    format!("it once (the first is on line {})", first.line),
                ));
            }
            innermost.entries.push(entry);
        }
    }
    let innermost = open.pop();
    match (innermost, open.is_empty()) {
        (Some(file), true) => Ok(file),
        (Some(unclosed), false) => Err(Fault::new(
            last,
            "the end of the file",
            format!("[end] of the {} that line {} opens", unclosed.scope, unclosed.line),
        )),
        (None, _) => Err(Fault::new(last, "nothing", "a profile")),
    }
}

/// `[filesystem0]`, `[end]` and the like; `rest` is what follows the bracket.
fn bracket(open: &mut Vec<Section>, rest: &str, line: Line) -> Result<(), Fault> {
    let inside = uncommented(rest);
    let word = inside.strip_suffix(']').map(str::trim).ok_or_else(|| {
        Fault::new(line, format!("`[{inside}`"), "the name of a section in brackets, alone on its line")
    })?;
    let found = || format!("[{word}]");
    let scope = open.last().map_or(Scope::Global, |section| section.scope);
    if word.starts_with("end") {
        if open.len() > 1
            && let Some(closed) = open.pop()
            && let Some(parent) = open.last_mut()
        {
            parent.sections.push(closed);
            return Ok(());
        }
        return Err(Fault::new(line, found(), "it after the section that it closes"));
    }
    let sections = [Scope::Filesystem, Scope::Threadgroup, Scope::Stats];
    let Some(opened) = sections.into_iter().find(|section| word.starts_with(section.word())) else {
        return Err(Fault::new(line, found(), "[filesystem], [threadgroup], [stats] or [end]"));
    };
    if !scope.children().contains(&opened) {
        let expected = match open.last() {
            Some(parent) if parent.scope != Scope::Global => {
                format!("no {opened} in {scope}: is the [end] of line {} missing?", parent.line)
            }
            _ => format!("no {opened} outside of [threadgroup]"),
        };
        return Err(Fault::new(line, found(), expected));
    }
    open.push(Section::new(opened, line));
    Ok(())
}

/// `keyword = value`, or a keyword that is written without `=`.
fn entry(scope: Scope, line: &str, number: Line) -> Result<Entry, Fault> {
    let name_ends = line.find(|c: char| c == '=' || c == '#' || c.is_whitespace()).unwrap_or(line.len());
    let (name, rest) = line.split_at(name_ends);
    let rest = rest.trim_start();
    let keyword =
        look_up(scope, name).map_err(|expected| Fault::new(number, format!("`{name}`"), expected))?;
    if let Kind::Deprecated(instead) = keyword.kind {
        return Err(Fault::new(number, format!("`{name}`"), instead));
    }
    let value = match (rest.strip_prefix('='), keyword.kind) {
        (Some(_), kind) if kind.is_bare() => {
            return Err(Fault::new(number, format!("`{name} =`"), format!("{} without `=`", shape(keyword))));
        }
        // A command has its own idea of `#`.
        (Some(value), Kind::Command) => value.trim(),
        (Some(value), _) => uncommented(value),
        (None, kind) if kind.is_bare() => uncommented(rest),
        (None, _) => {
            return Err(Fault::new(number, format!("`{}`", uncommented(line)), shape(keyword)));
        }
    };
    if value.is_empty() {
        return Err(Fault::new(number, format!("`{name}` without a value"), shape(keyword)));
    }
    Ok(Entry { line: number, keyword, text: value.to_owned() })
}

/// What a line with this keyword looks like.
pub(crate) fn shape(keyword: &Keyword) -> String {
    match keyword.kind {
        Kind::SizeWeight => format!("`{} SIZE WEIGHT`", keyword.name),
        Kind::MsecRange => format!("`{} FROM TO` in milliseconds", keyword.name),
        _ => format!("`{} = value`", keyword.name),
    }
}

/// What stands before a comment, trimmed.
fn uncommented(text: &str) -> &str {
    text.split('#').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_tabs_comments_and_line_ends() {
        let text = "# a comment\r\n\ttime=30 # seconds\r\n callout = sync.sh # host\r\n[filesystem0]#x\n location\t=\t/mnt/a b/ \n\
            size_weight 4k 33# third\n[end0]\n[threadgroup_any]\n[stats]\n[end]\n[end]";
        let file = read(text.as_bytes()).unwrap();
        let texts: Vec<_> = file.entries.iter().map(|entry| (entry.line, entry.text.as_str())).collect();
        assert_eq!(texts, [(2, "30"), (3, "sync.sh # host")]);
        assert_eq!(file.sections[0].one("location").unwrap().text, "/mnt/a b/");
        assert_eq!(file.sections[0].one("size_weight").unwrap().text, "4k 33");
        assert_eq!(file.sections[1].sections[0].scope, Scope::Stats);
        assert_eq!(file.sections[1].sections[0].line, 9);
    }

    #[test]
    fn a_byte_order_mark_is_no_keyword() {
        assert_eq!(read(b"\xEF\xBB\xBFtime=1").unwrap().entries.len(), 1);
    }
}
