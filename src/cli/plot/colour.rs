//! The colours by what they stand for, on light and on dark paper.
//!
//! Text has at least 4.5 times the contrast of its paper and a line or a point 3 times (WCAG 2.2, 1.4.3 and 1.4.11), and no
//! two of the curves' colours look alike to a colour-blind reader: tests compute both.

/// Red, green, blue.
pub(super) type Rgb = (u8, u8, u8);

/// What is drawn on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Theme {
    Light,
    Dark,
}

/// What a colour stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Ink {
    Paper,
    Text,
    Muted,
    Rule,
    Loss,
    Accuracy,
    Chosen,
    Smith,
    Gold,
    Slate,
}

impl Ink {
    /// Its name in the SVG's style sheet.
    fn name(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Text => "text",
            Self::Muted => "muted",
            Self::Rule => "rule",
            Self::Loss => "loss",
            Self::Accuracy => "accuracy",
            Self::Chosen => "chosen",
            Self::Smith => "smith",
            Self::Gold => "gold",
            Self::Slate => "slate",
        }
    }

    const ALL: [Self; 10] = [
        Self::Paper,
        Self::Text,
        Self::Muted,
        Self::Rule,
        Self::Loss,
        Self::Accuracy,
        Self::Chosen,
        Self::Smith,
        Self::Gold,
        Self::Slate,
    ];

    fn on(self, theme: Theme) -> Rgb {
        let (light, dark) = match self {
            Self::Paper => ((255, 255, 255), (22, 24, 29)),
            Self::Text => ((34, 34, 34), (230, 232, 235)),
            Self::Muted => ((95, 95, 95), (163, 169, 177)),
            Self::Rule => ((232, 232, 232), (46, 50, 58)),
            Self::Loss => ((0, 95, 204), (75, 143, 240)),
            Self::Accuracy => ((0, 132, 88), (79, 230, 160)),
            Self::Chosen => ((184, 79, 0), (232, 112, 58)),
            Self::Smith => ((194, 37, 159), (224, 112, 184)),
            Self::Gold => ((77, 61, 0), (240, 220, 80)),
            Self::Slate => ((38, 50, 60), (207, 228, 245)),
        };
        if theme == Theme::Light { light } else { dark }
    }
}

/// `#1f2e3d`.
pub(super) fn hex((r, g, b): Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Every ink by name, on light and on dark paper, for a page around the pictures.
pub(crate) fn palette() -> Vec<(&'static str, [String; 2])> {
    Ink::ALL.map(|ink| (ink.name(), [Theme::Light, Theme::Dark].map(|theme| hex(ink.on(theme))))).into()
}

/// An ink, or as much of it as shows through paper: colours are opaque, since overlaps of translucent strokes would show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Colour {
    ink: Ink,
    /// Of a hundred.
    share: u8,
}

impl Colour {
    const fn full(ink: Ink) -> Self {
        Self { ink, share: 100 }
    }

    pub fn on(self, theme: Theme) -> Rgb {
        let (ink, paper) = (self.ink.on(theme), Ink::Paper.on(theme));
        let share = f64::from(self.share) / 100.0;
        let mix = |ink: u8, paper: u8| {
            (f64::from(paper) + share * (f64::from(ink) - f64::from(paper))).round() as u8
        };
        (mix(ink.0, paper.0), mix(ink.1, paper.1), mix(ink.2, paper.2))
    }

    /// Its name in the SVG's style sheet: the same in every picture, so that several may stand in one page.
    pub fn name(self) -> String {
        match self.share {
            100 => self.ink.name().to_string(),
            share => format!("{}-{share}", self.ink.name()),
        }
    }
}

pub(super) const LOSS: Colour = Colour::full(Ink::Loss);
pub(super) const ACCURACY: Colour = Colour::full(Ink::Accuracy);
pub(super) const CHOSEN: Colour = Colour::full(Ink::Chosen);
pub(super) const SMITH: Colour = Colour::full(Ink::Smith);
pub(super) const HELD_OUT: Colour = Colour::full(Ink::Gold);
pub(super) const INK: Colour = Colour::full(Ink::Text);
pub(super) const GREY: Colour = Colour::full(Ink::Muted);
pub(super) const RULE: Colour = Colour::full(Ink::Rule);
pub(super) const WHITE: Colour = Colour::full(Ink::Paper);

/// Of several curves, in an order that sets neighbours apart.
pub(super) const CURVES: [Colour; 6] = [LOSS, CHOSEN, ACCURACY, SMITH, HELD_OUT, Colour::full(Ink::Slate)];

/// How much of a colour measured points have, between which the line stands out.
pub(super) const POINT: f64 = 0.75;
/// And an area behind everything.
pub(super) const AREA: f64 = 0.16;

/// A colour as it looks through that much of it.
pub(super) fn pale(colour: Colour, share: f64) -> Colour {
    Colour { share: (share * f64::from(colour.share)).round() as u8, ..colour }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEMES: [Theme; 2] = [Theme::Light, Theme::Dark];

    /// The three channels as light (IEC 61966-2-1).
    fn linear((r, g, b): Rgb) -> [f64; 3] {
        [r, g, b].map(|c| {
            let c = f64::from(c) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        })
    }

    /// WCAG's contrast ratio, from 1 to 21.
    fn contrast(a: Rgb, b: Rgb) -> f64 {
        let luminance = |rgb| {
            let [r, g, b] = linear(rgb);
            0.2126 * r + 0.7152 * g + 0.0722 * b
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn the_formula_is_the_published_one() {
        assert!((contrast((0, 0, 0), (255, 255, 255)) - 21.0).abs() < 1e-9);
        // The grey that WCAG's own examples give as just enough on white.
        assert!((contrast((0x76, 0x76, 0x76), (255, 255, 255)) - 4.54).abs() < 0.01);
    }

    /// Also where an area or a tinted row lies behind it.
    #[test]
    fn texts_are_legible_on_every_paper() {
        let behind = [WHITE, pale(INK, 0.045), pale(CHOSEN, AREA), pale(LOSS, AREA)];
        for theme in THEMES {
            for paper in behind {
                for text in [INK, GREY] {
                    let ratio = contrast(text.on(theme), paper.on(theme));
                    assert!(ratio >= 4.5, "{text:?} on {paper:?}, {theme:?}: {ratio:.2}");
                }
            }
            for text in CURVES {
                let ratio = contrast(text.on(theme), WHITE.on(theme));
                assert!(ratio >= 4.5, "{text:?}, {theme:?}: {ratio:.2}");
            }
        }
    }

    #[test]
    fn marks_are_visible_on_every_paper() {
        for theme in THEMES {
            for mark in CURVES.into_iter().chain(CURVES.map(|c| pale(c, POINT))).chain([INK, GREY]) {
                let ratio = contrast(mark.on(theme), WHITE.on(theme));
                assert!(ratio >= 3.0, "{mark:?}, {theme:?}: {ratio:.2}");
            }
            for line in CURVES {
                for area in [pale(CHOSEN, AREA), pale(LOSS, AREA)] {
                    let ratio = contrast(line.on(theme), area.on(theme));
                    assert!(ratio >= 3.0, "{line:?} on {area:?}, {theme:?}: {ratio:.2}");
                }
            }
        }
    }

    /// How a colour looks without one kind of cones (Machado, Oliveira, Fernandes 2009, severity 1), in CIE Lab.
    fn seen(rgb: Rgb, by: &[[f64; 3]; 3]) -> [f64; 3] {
        let light = linear(rgb);
        let times =
            |m: &[[f64; 3]; 3], v: [f64; 3]| m.map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum::<f64>());
        let light = times(by, light).map(|c| c.clamp(0.0, 1.0));
        let xyz =
            times(&[[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], light);
        let root = |t: f64| if t > 0.008856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
        let [x, y, z] = [root(xyz[0] / 0.9505), root(xyz[1]), root(xyz[2] / 1.089)];
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    const EYES: [(&str, [[f64; 3]; 3]); 4] = [
        ("all cones", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        (
            "protanopia",
            [
                [0.152286, 1.052583, -0.204868],
                [0.114503, 0.786281, 0.099216],
                [-0.003882, -0.048116, 1.051998],
            ],
        ),
        (
            "deuteranopia",
            [
                [0.367322, 0.860646, -0.227968],
                [0.280085, 0.672501, 0.047413],
                [-0.011820, 0.042940, 0.968881],
            ],
        ),
        (
            "tritanopia",
            [
                [1.255528, -0.076749, -0.178779],
                [-0.078411, 0.930809, 0.147602],
                [0.004733, 0.691367, 0.303900],
            ],
        ),
    ];

    /// A difference of 2 can just be seen side by side; Okabe's and Ito's palette comes down to 16.
    #[test]
    fn curves_can_be_told_apart_by_all_eyes() {
        for theme in THEMES {
            for (name, eye) in &EYES {
                for (i, a) in CURVES.iter().enumerate() {
                    for b in &CURVES[..i] {
                        let (p, q) = (seen(a.on(theme), eye), seen(b.on(theme), eye));
                        let apart = p.iter().zip(q).map(|(p, q)| (p - q).powi(2)).sum::<f64>().sqrt();
                        assert!(apart >= 18.0, "{a:?}, {b:?}, {theme:?}, {name}: {apart:.1}");
                    }
                }
            }
        }
    }
}
