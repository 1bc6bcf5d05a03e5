use super::*;
use crate::cli::plot::{Figure, Limit};
use crate::finder::{GoodRates, Point, Rules, Suggestion};

const NASTY: &str = "<script>alert('x')</script> & \"quotes\" </style> ]]> <!--";

fn pictures() -> Pictures {
    let point = |step: usize| {
        let (x, lr) = (step as f64 / 40.0, 1e-5 * 1e5f64.powf(step as f64 / 39.0));
        let loss = 2.0 - x;
        Point { step, lr, loss, smoothed: loss, accuracy: Some(x), grad_norm: None, momentum: 0.9 }
    };
    let points: Vec<Point> = (0..40).map(point).collect();
    let found =
        Suggestion { lr: 1e-2, low: 5e-3, high: 2e-2, score: 9.0, rule: "ours", reason: NASTY.to_string() };
    let figure = Figure {
        title: NASTY,
        subtitle: NASTY,
        points: &points,
        suggestion: Ok(&found),
        verified: Some(GoodRates { low: 1e-2, high: 1.6e-1 }),
        band: (1, &[]),
        held_out: &[],
        rules: &Rules::default(),
        smith: None,
        limit: Some(Limit { rate: 0.5, formula: "2/λ" }),
        stopped: Some((39, NASTY)),
    };
    figure.pictures()
}

/// One of each block, each with texts that mean something in HTML.
fn document() -> Document {
    let text = || NASTY.to_string();
    let table = || {
        let columns = vec![Column::Words("name"), Column::Number("value")];
        let rows = [false, true].map(|marked| Row { cells: vec![text(), text()], marked });
        Block::Table(Table { caption: text(), columns, rows: rows.into() })
    };
    let mut first = Section::new(text(), vec![Block::Answer { value: text(), about: text() }]);
    first.parts.push(Section::new("Within", vec![Block::Text(text()), Block::Note(text())]));
    let facts = Block::Facts(vec![(text(), text()), ("b".into(), "c".into())]);
    let second = vec![
        Block::Figure { pictures: pictures(), caption: text() },
        table(),
        facts,
        Block::Command(text()),
        Block::Folded { summary: text(), blocks: vec![table()] },
    ];
    let sections = vec![first, Section::new("Second", second)];
    Document { title: text(), subtitle: text(), sections }
}

/// A tag of the page, and what follows it up to the next: (name, attributes, text).
fn tags(html: &str) -> Vec<(&str, &str, &str)> {
    let rest = html.strip_prefix("<!DOCTYPE html>").expect("a type");
    rest.split('<')
        .skip(1)
        .map(|tag| {
            let (tag, text) = tag.split_once('>').unwrap_or_else(|| panic!("`<{tag}` does not end"));
            let (name, attributes) = tag.split_once(|c: char| c.is_whitespace()).unwrap_or((tag, ""));
            (name.trim_end_matches('/'), attributes, text)
        })
        .collect()
}

/// The page without what is inside its scripts, which is no markup.
fn without_scripts(html: &str) -> String {
    let mut parts = html.split("<script");
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let (_, after) = part.split_once("</script>").expect("a script ends");
        out += after;
    }
    out
}

#[test]
fn every_element_ends_where_it_should() {
    let html = without_scripts(&document().html());
    let mut open = Vec::new();
    for (name, attributes, text) in tags(&html) {
        assert!(!text.contains('>'), "{name}: {text}");
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if name == "meta" || attributes.ends_with('/') => {}
            None => open.push(name),
        }
        assert_eq!(attributes.matches('"').count() % 2, 0, "{name} {attributes}");
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn what_is_said_is_never_markup() {
    let html = document().html();
    // Ours are one for the page and one for the points of each of two pictures.
    assert_eq!(html.matches("<script").count(), 3);
    assert!(!html.contains("alert('x')</script>") && !html.contains("<!--"));
    assert!(html.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;quotes&quot;"));
}

#[test]
fn nothing_is_fetched() {
    let html = document().html();
    for reference in
        ["src=", "href=", "url(", "@import", "<link", "<img", "<iframe", "fetch(", "import(", "//cdn"]
    {
        assert!(!html.contains(reference), "{reference}");
    }
    // The name of SVG's namespace is no address.
    assert_eq!(html.matches("://").count(), html.matches("http://www.w3.org/2000/svg").count());
    assert!(html.contains("default-src 'none'"));
}

#[test]
fn headings_tables_and_pictures_can_be_heard() {
    let html = without_scripts(&document().html());
    let mut level = 0;
    for (name, attributes, _) in tags(&html) {
        if let Some(now) = name.strip_prefix('h').and_then(|n| n.parse::<usize>().ok()) {
            assert!(now <= level + 1 && now > 0, "h{level} is followed by h{now}");
            level = now;
        }
        match name {
            "html" => assert!(attributes.contains("lang=\"en\"")),
            "th" => assert!(attributes.contains("scope=\"col\"") || attributes.contains("scope=\"row\"")),
            "svg" => assert!(attributes.contains("role=\"img\"") && attributes.contains("aria-label=\"")),
            _ => {}
        }
    }
    assert_eq!(html.matches("<h1>").count(), 1);
    assert_eq!(html.matches("<table>").count(), html.matches("<caption>").count());
    assert_eq!((html.matches("<svg").count(), html.matches("<desc>").count()), (2, 2));
    assert!(html.contains("stable below 2/λ"), "the limit is in the picture");
}

/// A column's number stands under its name, and the marked row is the one that was marked.
#[test]
fn a_table_has_its_cells() {
    let rows = vec![
        Row { cells: vec!["a".into(), "1".into()], marked: false },
        Row { cells: vec!["b".into(), "2".into()], marked: true },
    ];
    let columns = vec![Column::Words("name"), Column::Number("value")];
    let html = Table { caption: "c".into(), columns, rows }.html();
    assert!(html.contains(
        "<thead><tr><th scope=\"col\">name</th><th scope=\"col\" class=\"n\">value</th></tr></thead>"
    ));
    assert!(html.contains("<tr><th scope=\"row\">a</th><td class=\"n\">1</td></tr>"));
    assert!(html.contains("<tr class=\"marked\"><th scope=\"row\">b</th><td class=\"n\">2</td></tr>"));
}

/// Every colour of the style sheet is one of the pictures', whose contrasts are tested, on light and on dark paper.
#[test]
fn the_page_has_the_pictures_colours() {
    let html = document().html();
    let used: Vec<&str> = STYLE.split("var(--").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    for name in used.into_iter().filter(|name| *name != "soft") {
        assert_eq!(html.matches(&format!("--{name}:#")).count(), 2, "{name}");
    }
    let fixed = STYLE.split('#').skip(1).filter(|rest| rest.starts_with(|c: char| c.is_ascii_hexdigit()));
    assert_eq!(fixed.count(), 0, "a colour without a name");
}
