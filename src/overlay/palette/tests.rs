//! Whether colours can be told apart: by their luminance (Web Content Accessibility Guidelines 2.2, 1.4.3
//! and 1.4.11), and with colour vision that lacks one kind of cone (Machado, Oliveira and Fernandes,
//! "A Physiologically-based Model for Simulation of Color Vision Deficiency", 2009, severity 1).

use embedded_graphics::pixelcolor::RgbColor;

use super::*;

/// Red, green and blue as shares of the light, undone from sRGB.
fn linear(colour: Rgb888) -> [f64; 3] {
    [colour.r(), colour.g(), colour.b()].map(|value| {
        let value = f64::from(value) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    })
}

fn product(rows: [[f64; 3]; 3], v: [f64; 3]) -> [f64; 3] {
    rows.map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum())
}

/// From linear sRGB to CIE XYZ with white at D65; its middle row is the relative luminance.
const XYZ: [[f64; 3]; 3] = [
    [0.4124564, 0.3575761, 0.1804375],
    [0.2126729, 0.7151522, 0.0721750],
    [0.0193339, 0.1191920, 0.9503041],
];

fn contrast(a: Rgb888, b: Rgb888) -> f64 {
    let [a, b] = [a, b].map(|colour| product(XYZ, linear(colour))[1] + 0.05);
    a.max(b) / a.min(b)
}

/// What eyes see that have all cones, or lack those for long, middle or short waves.
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

/// CIE L*a*b* of what these eyes see.
fn lab(colour: Rgb888, eyes: [[f64; 3]; 3]) -> [f64; 3] {
    let seen = product(eyes, linear(colour)).map(|v| v.clamp(0.0, 1.0));
    let white = product(XYZ, [1.0; 3]);
    let xyz = product(XYZ, seen);
    let [x, y, z] = std::array::from_fn(|i| {
        let t = xyz[i] / white[i];
        if t > 216.0 / 24389.0 { t.cbrt() } else { (24389.0 / 27.0 * t + 16.0) / 116.0 }
    });
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

#[test]
fn contrasts_are_those_of_the_guidelines() {
    assert!((contrast(BLACK, WHITE) - 21.0).abs() < 1e-3);
    // The guidelines' own example of a grey that just fails, and one that just passes.
    assert!(contrast(Rgb888::new(0x77, 0x77, 0x77), WHITE) < 4.5);
    assert!(contrast(Rgb888::new(0x76, 0x76, 0x76), WHITE) > 4.5);
}

#[test]
fn text_and_buttons_stand_out_in_each_theme() {
    for theme in [Theme::Dark, Theme::Day] {
        let c = theme.chrome();
        let cases = [
            ("text", c.text, c.background, 4.5),
            ("figures", c.text_dim, c.background, 4.5),
            ("labels", c.text, c.button, 4.5),
            ("notes", c.text_dim, c.button, 4.5),
            ("labels of the tool", c.active_text, c.active, 4.5),
            ("edges of buttons", c.edge, c.background, 3.0),
            ("edges of buttons, black picture", c.edge, BLACK, 3.0),
            ("the tool", c.active, c.button, 3.0),
            // What can't be pressed is excepted; it is still to be read.
            ("labels of others", c.text_disabled, c.disabled, 3.0),
        ];
        for (name, a, b, least) in cases {
            let found = contrast(a, b);
            assert!(found >= least, "{theme:?}: {name}: {found:.2} of {least}");
        }
    }
}

#[test]
fn outlines_stand_out_from_every_grey() {
    for (i, colour) in OBJECT_COLOURS.into_iter().enumerate() {
        // The line against its own dark rim, which goes along with it wherever it is.
        assert!(contrast(colour, BLACK) >= 3.0, "{i}: {}", contrast(colour, BLACK));
        // And the better of line and rim against the picture round it.
        for level in 0..=255 {
            let grey = Rgb888::new(level, level, level);
            let best = contrast(colour, grey).max(contrast(BLACK, grey));
            assert!(best >= 2.0, "{i} on {level}: {best:.2}");
        }
        assert!(contrast(colour, PLATE) >= 3.0, "{i} in the list");
    }
}

#[test]
fn objects_are_told_apart_with_any_colour_vision() {
    let smallest = |eyes| {
        let pairs =
            (0..7).flat_map(|i| (0..i).map(move |j| (OBJECT_COLOURS[i], OBJECT_COLOURS[j])));
        let apart = pairs.map(|(a, b)| {
            let (a, b) = (lab(a, eyes), lab(b, eyes));
            a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
        });
        apart.fold(f64::INFINITY, f64::min)
    };
    // A difference of 2.3 is just seen side by side, one of 10 at a glance.
    let expected = [26.4, 20.7, 17.0, 16.1];
    for ((name, eyes), expected) in EYES.into_iter().zip(expected) {
        let found = smallest(eyes);
        assert!((found - expected).abs() < 0.1, "{name}: {found:.1}");
    }
}
