use super::colour::{CHOSEN, GREY, INK};
use super::page::{Layout, page};
use super::paint::{Anchor, Label, Shape, Spot, measure};
use super::*;
use std::io::Read;
use std::path::PathBuf;

/// What a figure borrows.
struct Case {
    points: Vec<Point>,
    suggestion: Result<Suggestion, Refusal>,
    rules: Rules,
    smith: Option<Smith>,
    limit: Option<f64>,
    stopped: Option<(usize, &'static str)>,
    verified: Option<GoodRates>,
    band: Vec<(f64, f64, f64)>,
    held_out: Vec<HeldOutPoint>,
}

impl Case {
    fn figure(&self) -> Figure<'_> {
        Figure {
            title: "CNN on digits, SGD momentum 0.9, batch 64",
            subtitle: "llvmpipe, 100 steps, sweep",
            points: &self.points,
            suggestion: self.suggestion.as_ref(),
            verified: self.verified,
            band: (3, &self.band),
            held_out: &self.held_out,
            rules: &self.rules,
            smith: self.smith.as_ref(),
            limit: self.limit.map(|rate| Limit { rate, formula: "2(1+β)/λ" }),
            stopped: self.stopped,
        }
    }
}

/// A loss that falls and then diverges to NaN, with noise that is the same in every run.
fn sweep(n: usize, low: f64, high: f64) -> Vec<Point> {
    let point = |step: usize| {
        let x = step as f64 / n.max(2) as f64;
        let lr = low * (high / low).powf(step as f64 / (n.max(2) - 1) as f64);
        let smoothed = if x > 0.95 { f64::NAN } else { 2.3 - 2.0 * x + (40.0 * (x - 0.8)).exp() };
        let loss = smoothed + 0.1 * ((step * 7 % 5) as f64 - 2.0);
        let accuracy = Some((0.1 + x).min(1.0));
        Point { step, lr, loss, smoothed, accuracy, grad_norm: None, momentum: 0.9 }
    };
    (0..n).map(point).collect()
}

fn chosen(lr: f64) -> Suggestion {
    Suggestion { lr, low: lr / 2.0, high: lr * 2.5, score: 5.0, rule: "ours", reason: String::new() }
}

fn digits() -> Case {
    let rules = Rules {
        fastai_valley: Some(8.3e-4),
        fastai_steep: Some(3.2e-3),
        fastai_slide: Some(0.16),
        fastai_minimum: Some(0.021),
        min_gradient: Some(2.9e-3),
    };
    Case {
        points: sweep(100, 1e-7, 10.0),
        suggestion: Ok(chosen(0.012)),
        rules,
        smith: Some(Smith { base_lr: 4e-4, max_lr: 0.3 }),
        limit: Some(0.7),
        stopped: Some((99, "loss diverged")),
        verified: Some(GoodRates { low: 2e-3, high: 3.2e-2 }),
        band: sweep(100, 1e-7, 10.0).iter().map(|p| (p.lr, p.loss - 0.1, p.loss + 0.1)).collect(),
        held_out: held_out(7),
    }
}

fn refused(points: Vec<Point>) -> Case {
    let reason = "the loss never falls; use more steps & a <larger> batch".to_string();
    let (suggestion, rules) = (Err(Refusal { reason, guess: None }), Rules::default());
    Case {
        points,
        suggestion,
        rules,
        smith: None,
        limit: None,
        stopped: None,
        verified: None,
        band: Vec::new(),
        held_out: Vec::new(),
    }
}

/// Of every so many points of a sweep.
fn held_out(every: usize) -> Vec<HeldOutPoint> {
    let points = sweep(100, 1e-7, 10.0).into_iter().step_by(every);
    points.map(|p| HeldOutPoint { step: p.step, lr: p.lr, loss: p.loss - 0.8, accuracy: None }).collect()
}

/// An empty folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rangefinder-plot-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).expect("the folder is there");
        entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn svg_of(case: &Case) -> String {
    svg::document(&page(&case.figure(), &Layout::WIDE))
}

#[test]
fn an_svg_says_everything_in_text() {
    let folder = Folder::new("svg");
    let path = folder.0.join("curve.SVG");
    plot(&digits().figure(), &path).expect("written");
    let svg = std::fs::read_to_string(&path).expect("readable");
    let texts = [
        "CNN on digits, SGD momentum 0.9, batch 64",
        "llvmpipe, 100 steps, sweep",
        "suggested 1.2e-2 (6e-3 .. 3e-2)",
        "loss diverged (step 99)",
        "stopped",
        "curvature limit",
        "0.7",
        "stable below 2(1+β)/λ",
        "verified",
        "range of 3 seeds",
        "held-out loss",
        "fastai valley",
        "fastai minimum",
        "min gradient",
        "4e-4 .. 0.3",
        "10⁻⁷",
        "10¹",
        "100 %",
        "learning rate (log scale)",
    ];
    for text in texts {
        assert!(svg.contains(&format!(">{text}</text>")), "{text}");
    }
    assert!(
        svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1000\" height=\"")
            && svg.trim_end().ends_with("</svg>")
    );
    assert!(svg.contains("sans-serif\""));
    assert!(!svg.contains("NaN") && !svg.contains("inf\""));
    assert_eq!(folder.files(), ["curve.SVG"]);
}

#[test]
fn a_refusal_has_its_reason_and_no_line() {
    let svg = svg_of(&refused(sweep(100, 1e-7, 10.0)));
    assert!(svg.contains(
        "No suggestion by the curve: the loss never falls; use more steps &amp; a &lt;larger&gt; batch"
    ));
    assert!(!svg.contains("suggested") && !svg.contains("interval"));
    let case = refused(sweep(100, 1e-7, 10.0));
    let shapes = page(&case.figure(), &Layout::WIDE).shapes;
    assert!(!shapes.iter().any(|s| matches!(s, Shape::Line { colour: CHOSEN, .. })));
}

#[test]
fn every_held_out_loss_has_a_square_in_the_frame() {
    let case = digits();
    let is_square = |s: &&Shape| matches!(s, Shape::Box { colour: super::colour::HELD_OUT, .. });
    let squares = |case: &Case| page(&case.figure(), &Layout::WIDE).shapes.iter().filter(is_square).count();
    let finite = case.held_out.iter().filter(|p| p.loss.is_finite()).count();
    // One in the legend. The lowest, 0.8 below the losses, would be out of an axis made for these alone.
    assert!((finite - 1..=finite + 1).contains(&squares(&case)), "{} of {finite}", squares(&case));
    let low = case.held_out.iter().map(|p| p.loss).fold(f64::INFINITY, f64::min);
    assert!(case.figure().losses().low <= low && Axis::losses(&case.points).low > low);
    assert_eq!(squares(&Case { held_out: Vec::new(), ..digits() }), 0);
}

#[test]
fn a_png_has_its_size_and_every_row() {
    let folder = Folder::new("png");
    let path = folder.0.join("curve.png");
    plot(&digits().figure(), &path).expect("written");
    let file = std::fs::read(&path).expect("readable");
    assert_eq!(&file[..16], b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR");
    let (width, height) = page(&digits().figure(), &Layout::WIDE).size;
    assert_eq!(file[16..24], [(2 * width).to_be_bytes(), (2 * height).to_be_bytes()].concat());
    let data = file.windows(4).position(|w| w == b"IDAT").expect("it has data") + 4;
    let mut rows = Vec::new();
    flate2::read::ZlibDecoder::new(&file[data..]).read_to_end(&mut rows).expect("zlib");
    assert_eq!(rows.len(), (2 * width as usize * 3 + 1) * 2 * height as usize);
    assert_eq!(rows[..4], [2, 255, 255, 255]);
}

#[test]
fn other_extensions_are_refused() {
    let case = digits();
    for (name, extension) in [("curve.pdf", "`.pdf`"), ("curve", "no extension"), ("", "no extension")] {
        let error = plot(&case.figure(), Path::new(name)).expect_err("no such kind").to_string();
        assert!(
            error.contains(extension) && error.contains(".svg or .png") && !error.contains('\n'),
            "{error}"
        );
    }
}

#[test]
fn what_cannot_be_written_leaves_nothing() {
    let folder = Folder::new("failed");
    let taken = folder.0.join("taken.svg");
    std::fs::create_dir_all(taken.join("inside")).expect("a folder");
    let under_a_file = folder.0.join("file");
    std::fs::write(&under_a_file, "x").expect("a file");
    let paths = [folder.0.join("missing/curve.svg"), under_a_file.join("curve.svg"), taken];
    for path in paths {
        match plot(&digits().figure(), &path) {
            Err(Error::Io { path: named, .. }) => assert_eq!(named, path),
            other => panic!("{other:?}"),
        }
    }
    let mut left = folder.files();
    left.sort();
    assert_eq!(left, ["file", "taken.svg"]);
}

/// Left, top, right, bottom.
type Area = (f64, f64, f64, f64);

fn area(label: &Label) -> Area {
    let width = measure(&label.text, label.size);
    let start = match label.anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => -width / 2.0,
        Anchor::End => -width,
    };
    let (x, y) = label.at;
    let (above, below) = (0.76 * label.size, 0.22 * label.size);
    match label.upward {
        false => (x + start, y - above, x + start + width, y + below),
        true => (x - above, y - start - width, x + below, y - start),
    }
}

/// On a paper and on a phone, every coordinate is finite, and no text touches another, the edge of the page or a vertical
/// line of the suggestion, the curvature or the stop.
fn check(case: &Case) {
    for layout in [Layout::WIDE, Layout::NARROW] {
        check_picture(&page(&case.figure(), &layout));
    }
}

fn check_picture(picture: &Picture) {
    let (width, height) = (f64::from(picture.size.0), f64::from(picture.size.1));
    let mut texts: Vec<(Area, &str)> = Vec::new();
    let mut lines = Vec::new();
    for shape in &picture.shapes {
        let spots = match shape {
            Shape::Text(label) => {
                texts.push((area(label), &label.text));
                vec![label.at]
            }
            // Pieces of what stands upright; ticks and strokes of a row are shorter.
            Shape::Line { points, colour: CHOSEN | INK | GREY, width } if *width > 1.1 => {
                if points[0].0 == points[1].0 {
                    lines.push((points[0], points[1]));
                }
                points.clone()
            }
            Shape::Box { from, to, .. } => vec![*from, *to],
            Shape::Dot { at, .. } => vec![*at],
            Shape::Line { points, .. } | Shape::Area { points, .. } => points.clone(),
        };
        assert!(spots.iter().all(|s| s.0.is_finite() && s.1.is_finite()), "{shape:?}");
        let inside = |s: &Spot| (0.0..=width).contains(&s.0) && (0.0..=height).contains(&s.1);
        assert!(spots.iter().all(inside), "{shape:?} {:?}", picture.size);
    }
    for (i, (a, text)) in texts.iter().enumerate() {
        assert!(a.0 >= 0.0 && a.1 >= 0.0 && a.2 <= width && a.3 <= height, "{text} {a:?}");
        let other = texts[..i].iter().find(|(b, _)| a.0 < b.2 && b.0 < a.2 && a.1 < b.3 && b.1 < a.3);
        assert!(other.is_none(), "{text} {a:?} {other:?}");
        let crossed = lines.iter().find(|(s, e)| a.0 < s.0 && s.0 < a.2 && a.1 < e.1 && s.1 < a.3);
        assert!(crossed.is_none(), "{text} {a:?} {crossed:?}");
    }
}

#[test]
fn no_text_covers_another() {
    for rate in [1e-7, 3e-6, 1e-2, 0.011, 0.5, 9.0, 1e3] {
        for near in [1e-9, 0.3, 0.9, 1.0, 1.2, 5.0] {
            let mut case = digits();
            case.suggestion = Ok(chosen(rate));
            case.verified = Some(GoodRates { low: rate * near, high: rate * near * 3.0 });
            case.rules.fastai_valley = Some(rate * near);
            case.rules.fastai_steep = Some(rate * near * 1.01);
            case.rules.fastai_slide = Some(rate / near);
            case.smith = Some(Smith { base_lr: rate * near, max_lr: 5.0 });
            for limit in [rate, rate * near, 5.0, 9.0, 1e4, 1e-9] {
                case.limit = Some(limit);
                check(&case);
            }
        }
    }
}

#[test]
fn odd_sweeps_are_drawn() {
    let flat = |loss: f64| {
        let mut points = sweep(50, 1e-3, 1.0);
        points.iter_mut().for_each(|p| (p.loss, p.smoothed, p.accuracy) = (loss, loss, None));
        points
    };
    let mut linear = sweep(50, 1e-3, 9e-3);
    linear[0].lr = 0.0;
    let mut broken = sweep(3, 1e-3, 1.0);
    (broken[0].lr, broken[1].loss, broken[2].accuracy) = (f64::NAN, f64::INFINITY, Some(f64::NAN));
    let all = [sweep(0, 1e-3, 1.0), sweep(1, 1e-3, 1.0), sweep(2, 1e-3, 1.0), sweep(60, 1e-3, 3e-2)];
    let all = all.into_iter().chain([flat(0.0), flat(2.0), flat(-1e25), flat(f64::NAN), linear, broken]);
    for points in all {
        let mut case = Case { points: points.clone(), ..digits() };
        case.stopped = Some((
            7,
            "of a reason that is far too long to be written at the side of any frame, however tall",
        ));
        check(&case);
        let case = refused(points);
        check(&case);
        let svg = svg_of(&case);
        assert!(!svg.contains("NaN"), "{:?}", svg.lines().find(|line| line.contains("NaN")));
    }
}

#[test]
fn a_limit_is_drawn_or_said() {
    let dotted = |case: &Case| {
        let shapes = page(&case.figure(), &Layout::WIDE).shapes;
        let piece = |s: &&Shape| matches!(s, Shape::Line { points, width, colour: INK } if *width == 1.8 && points[0].1 > 300.0);
        shapes.iter().filter(piece).count()
    };
    let mut case = digits();
    case.limit = Some(0.7);
    assert!(dotted(&case) > 30);
    case.limit = Some(400.0);
    assert_eq!(dotted(&case), 0);
    let svg = svg_of(&case);
    assert!(svg.contains(">stable below 2(1+β)/λ = 400: off the axis</text>"), "{svg}");
    assert!(!svg.contains("curvature limit"));
    case.limit = None;
    assert!(!svg_of(&case).contains("stable below"));
}

#[test]
fn several_curves_are_drawn() {
    let (points, found, held) = (sweep(80, 1e-6, 1.0), chosen(0.02), held_out(9));
    let names =
        ["sweep", "a name that is far too long for the margin in which it is to stand", "frozen", "x"];
    for rate in [1e-9, 1e-4, 0.02, 0.9, 50.0] {
        let layer = |(i, name): (usize, &'static str)| Layer {
            name,
            points: if i == 2 { &[] } else { &points },
            held_out: if i == 3 { &held } else { &[] },
            suggestion: Some(&found).filter(|_| i != 1),
            verified: Some(rate).filter(|_| i != 0),
        };
        let layers: Vec<Layer> = names.into_iter().enumerate().map(layer).collect();
        let limit = Some(Limit { rate, formula: "2/λ" });
        let overlay = Overlay { title: "A & B", subtitle: "five modes", layers: &layers, limit };
        let pictures = overlay.pictures();
        check_picture(&pictures.wide);
        check_picture(&pictures.narrow);
        let svg = svg::document(&pictures.wide);
        assert!(svg.contains(">no suggestion</text>") && svg.contains("<title>A &amp; B</title>"));
    }
}

/// Written as light, and put to dark by the style sheet alone: every colour that is used has its rule.
#[test]
fn an_svg_follows_the_page_to_the_dark() {
    let svg = svg_of(&digits());
    let style =
        svg.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).expect("a style sheet");
    assert!(style.starts_with("@media screen and (prefers-color-scheme:dark){"));
    let mut classes: Vec<&str> =
        svg.split("class=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    classes.sort_unstable();
    classes.dedup();
    assert!(classes.len() > 8, "{classes:?}");
    for class in classes {
        assert_eq!(style.matches(&format!(".{class}{{")).count(), 1, "{class}");
    }
    assert!(
        !svg.contains("http://") || svg.matches("http://").count() == 1,
        "only the name of the namespace"
    );
}
