//! A page of HTML while it is written. Invariant: all foreign text is escaped, wherever it goes.

use fm_cli::group_digits;

/// The style of every report.
const STYLE: &str = include_str!("report.css");

/// The page so far.
pub(super) struct Page {
    html: String,
}

impl Page {
    /// Begins a page. The page forbids itself scripts and the network, whatever it may come to hold.
    pub(super) fn new(title: &str) -> Self {
        let title = escape(title);
        Self {
            html: format!(
                "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
                 <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
                 <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
                 <meta name=\"color-scheme\" content=\"light dark\">\n\
                 <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
            ),
        }
    }

    pub(super) fn finish(mut self) -> String {
        self.html.push_str("</body>\n</html>\n");
        self.html
    }

    /// Opens an element; the names of elements and classes are our own.
    pub(super) fn open(&mut self, name: &'static str, class: &str) {
        self.html.push('<');
        self.html.push_str(name);
        self.attribute("class", class);
        self.html.push('>');
        if !matches!(name, "td" | "th" | "p" | "dd" | "div" | "li") {
            self.html.push('\n');
        }
    }

    pub(super) fn close(&mut self, name: &'static str) {
        self.html.push_str("</");
        self.html.push_str(name);
        self.html.push_str(">\n");
    }

    /// Writes a whole element with a text.
    pub(super) fn tag(&mut self, name: &'static str, class: &str, text: &str) {
        self.html.push('<');
        self.html.push_str(name);
        self.attribute("class", class);
        self.html.push('>');
        self.text(text);
        self.close(name);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.html.push_str(&escape(text));
    }

    /// Writes the first row of a table: each heading, and whether its column holds numbers.
    pub(super) fn heads(&mut self, heads: &[(&str, bool)]) {
        self.open("tr", "");
        for (text, is_number) in heads {
            self.tag("th", if *is_number { "number" } else { "" }, text);
        }
        self.close("tr");
    }

    /// Opens a drawing that stretches to the available width.
    pub(super) fn svg(&mut self, class: &str, width: usize, height: usize, label: &str) {
        let label = escape(label);
        self.html.push_str(&format!(
            "<svg class=\"{}\" viewBox=\"0 0 {width} {height}\" preserveAspectRatio=\"none\" role=\"img\" \
             aria-label=\"{label}\">",
            escape(class)
        ));
    }

    /// Writes a rectangle (x, y, width, height) with a tooltip.
    pub(super) fn rect(&mut self, class: &str, [x, y, width, height]: [usize; 4], title: &str) {
        let (class, title) = (escape(class), escape(title));
        self.html.push_str(&format!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"><title>{title}</title></rect>"
        ));
    }

    fn attribute(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.html.push_str(&format!(" {name}=\"{}\"", escape(value)));
        }
    }
}

/// Escapes text for HTML: nothing in it acts as markup, and nothing in it changes the direction of the text
/// around it.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if fm_history::is_hidden(c) => escaped.extend(c.escape_default()),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Formats a part of a whole in percent.
pub(super) fn percent(part: u64, whole: u64) -> String {
    match (u128::from(part) * 1000, u128::from(whole)) {
        (_, 0) => "–".to_owned(),
        (part, whole) => match (part / whole, part % whole) {
            (1000, _) => "100 %".to_owned(),
            (0, 0) => "0 %".to_owned(),
            (0, _) => "< 0.1 %".to_owned(),
            (tenths, _) => format!("{}.{} %", tenths / 10, tenths % 10),
        },
    }
}

/// Formats a number of bytes for people.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{} bytes", group_digits(bytes)),
        10_000..10_000_000 => format!("{} kB", group_digits(bytes / 1000)),
        _ => format!("{} MB", group_digits(bytes / 1_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markup() {
        let mut page = Page::new("</title><script>alert(1)</script>");
        page.tag("p", "\" onload=\"x", "<img src=x onerror='y'>&amp;\u{202e}\u{0}");
        page.svg("c", 1, 1, "\"><script>");
        page.rect("r", [0, 0, 1, 1], "</title></svg><script>");
        let html = page.finish();
        assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("\u{202e}"));
        assert!(html.contains("&lt;img src=x onerror=&#39;y&#39;&gt;&amp;amp;\\u{202e}\\u{0}"));
        assert!(html.contains("class=\"&quot; onload=&quot;x\""));
    }

    #[test]
    fn percents_never_say_all_or_nothing_of_less() {
        let shown =
            [(0, 5), (1, 10_000), (999, 1000), (99_999, 100_000), (5, 5), (0, 0)].map(|(a, b)| percent(a, b));
        assert_eq!(shown, ["0 %", "< 0.1 %", "99.9 %", "99.9 %", "100 %", "–"]);
    }
}
