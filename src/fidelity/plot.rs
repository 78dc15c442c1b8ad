//! The layers' noise as a picture.

use plotters::prelude::*;

use super::Fidelity;

const BAR: u32 = 14;
const TOP: u32 = 64;
/// Room for the names, which are cut at so many characters.
const NAMES: u32 = 330;
const LONGEST_NAME: usize = 46;
const WIDTH: u32 = 980;
/// Signal-to-noise ratios beyond this are drawn as this.
const MAX_DB: f64 = 80.0;

/// A drawing (SVG) of the signal-to-noise ratio of each layer, a bar a layer, coloured by how its
/// weights are stored; the mask IoU over it.
pub fn plot_svg(fidelity: &Fidelity) -> String {
    let mut svg = String::new();
    {
        let height = TOP + BAR * fidelity.layers.len() as u32 + 40;
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        // A drawing in memory has nothing that could fail.
        let _ = draw(&area, fidelity);
    }
    svg
}

type Failure = DrawingAreaErrorKind<std::io::Error>;

fn draw(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    fidelity: &Fidelity,
) -> Result<(), Failure> {
    area.fill(&WHITE)?;
    let text = |size: u32| ("sans-serif", size).into_font().color(&BLACK);
    let title = format!("{}: linear layers, {} against f32", fidelity.model, fidelity.weights);
    area.draw(&Text::new(title, (10, 10), text(18)))?;
    let (b, p) = (fidelity.box_mask_iou, fidelity.point_mask_iou);
    let masks = format!(
        "mask IoU of boxes {:.4} (5th percentile {:.4}, least {:.4}), of points {:.4} ({:.4}, {:.4}), on {} pictures",
        b.mean, b.p5, b.min, p.mean, p.p5, p.min, fidelity.images
    );
    area.draw(&Text::new(masks, (10, 36), text(13)))?;
    let room = f64::from(WIDTH - NAMES - 60);
    let x = |db: f64| NAMES as i32 + (db.clamp(0.0, MAX_DB) / MAX_DB * room) as i32;
    let bottom = (TOP + BAR * fidelity.layers.len() as u32) as i32;
    for db in (0..=MAX_DB as i32).step_by(10) {
        let at = x(f64::from(db));
        area.draw(&PathElement::new(vec![(at, TOP as i32), (at, bottom)], BLACK.mix(0.15)))?;
        area.draw(&Text::new(format!("{db} dB"), (at - 12, bottom + 8), text(12)))?;
    }
    for (index, layer) in fidelity.layers.iter().enumerate() {
        let top = (TOP + BAR * index as u32) as i32;
        let skipped = layer.name.chars().count().saturating_sub(LONGEST_NAME);
        let name: String = layer.name.chars().skip(skipped).collect();
        // Blue and orange can be told apart by everybody.
        let colour =
            if layer.weights == "int8" { RGBColor(0, 114, 178) } else { RGBColor(230, 159, 0) };
        let corners = [(x(0.0), top + 2), (x(layer.snr_db), top + BAR as i32 - 1)];
        area.draw(&Text::new(name, (10, top + 2), text(11)))?;
        area.draw(&Rectangle::new(corners, colour.filled()))?;
        let figure = format!("{:.1} {}", layer.snr_db, layer.weights);
        area.draw(&Text::new(figure, (x(layer.snr_db) + 4, top + 2), text(11)))?;
    }
    area.present()
}
