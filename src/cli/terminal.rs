//! How wide to print, and whether in colour.

use std::io::IsTerminal;

const USUAL: usize = 80;
const NARROWEST: usize = 40;
/// Longer lines are hard to read, and curves gain nothing.
const WIDEST: usize = 110;

/// The place where a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Screen {
    pub width: usize,
    pub colour: bool,
}

impl Screen {
    /// Standard output, whatever is behind it.
    pub fn stdout() -> Self {
        let stdout = std::io::stdout();
        let columns = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
        let terminal = || terminal_size::terminal_size_of(&stdout).map(|(width, _)| usize::from(width.0));
        let width = columns.or_else(terminal).unwrap_or(USUAL).clamp(NARROWEST, WIDEST);
        let set = |name| std::env::var_os(name).is_some_and(|v: std::ffi::OsString| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { width, colour: stdout.is_terminal() && !set("NO_COLOR") && !dumb }
    }

    /// The text in bold, where there is colour.
    pub fn bold(&self, text: &str) -> String {
        if self.colour { format!("\x1b[1m{text}\x1b[0m") } else { text.to_string() }
    }
}

/// Words in lines of that many columns; a longer word has a line of its own.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces() {
        assert_eq!(wrapped("a few short words", 9), ["a few", "short", "words"]);
        assert_eq!(wrapped("a incomprehensible b", 4), ["a", "incomprehensible", "b"]);
        assert_eq!(wrapped(" ", 4), [""; 0]);
    }
}
