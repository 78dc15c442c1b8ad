//! Plots as SVG.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::super::case::Case;
use super::super::factors::Factors;
use super::super::protocol::{MAX_CLICKS, Setting};
use super::super::summary::Evaluation;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Failure = DrawingAreaErrorKind<std::io::Error>;

/// More points than this say no more, and make files large.
const MOST_POINTS: usize = 1500;
/// The models' colours, told apart with any colour vision (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

fn colour(model: usize) -> RGBColor {
    COLOURS[model % COLOURS.len()]
}

fn svg(size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Result<(), Failure>) -> String {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        // A drawing in memory has nothing that could fail.
        let _ = area.fill(&WHITE).and_then(|()| draw(&area)).and_then(|()| area.present());
    }
    svg
}

fn text(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&BLACK)
}

/// Evenly spread cases, no more than can be told apart.
fn thinned<'a>(cases: impl Iterator<Item = &'a Case>) -> Vec<&'a Case> {
    let all: Vec<_> = cases.collect();
    let step = all.len().div_ceil(MOST_POINTS).max(1);
    all.into_iter().step_by(step).collect()
}

/// Dice of every case, a line a setting and model; a bar for the mean's interval.
pub(super) fn distributions(e: &Evaluation) -> String {
    const ROW: i32 = 26;
    const LEFT: i32 = 400;
    const WIDTH: i32 = 1000;
    let rows: Vec<_> = e.results.iter().filter(|row| row.class.is_none()).collect();
    let bottom = 10 + ROW * rows.len() as i32;
    svg((WIDTH as u32, bottom as u32 + 34), |area| {
        let x = |dice: f64| LEFT + (dice * f64::from(WIDTH - LEFT - 30)) as i32;
        for tenth in 0..=10 {
            let at = x(f64::from(tenth) / 10.0);
            area.draw(&PathElement::new(vec![(at, 6), (at, bottom)], BLACK.mix(0.12)))?;
            let label = format!("{:.1}", f64::from(tenth) / 10.0);
            area.draw(&Text::new(label, (at - 9, bottom + 8), text(13)))?;
        }
        for (at, row) in (0..).zip(&rows) {
            let middle = 10 + ROW * at + ROW / 2;
            let model = e.models.iter().position(|model| model.name == row.model).unwrap_or(0);
            let name = if e.models.len() > 1 {
                format!("{}, {}", row.setting.name(), row.model)
            } else {
                row.setting.name().to_owned()
            };
            let name: String = name.chars().take(56).collect();
            area.draw(&Text::new(name, (6, middle - 7), text(13)))?;
            let cases = e.models[model].cases.iter().filter(|case| case.setting == row.setting);
            for (index, case) in thinned(cases).into_iter().enumerate() {
                // Spread so that equal values are seen.
                let spread = (index as i32 * 7) % 13 - 6;
                let place = (x(case.scores.dice), middle + spread);
                area.draw(&Circle::new(place, 2, colour(model).mix(0.35).filled()))?;
            }
            if let Some(dice) = row.metrics.get("dice") {
                if let Some([low, high]) = dice.ci95 {
                    let corners = [(x(low), middle - 2), (x(high), middle + 2)];
                    area.draw(&Rectangle::new(corners, BLACK.mix(0.6).filled()))?;
                }
                let mean = x(dice.mean);
                let line = vec![(mean, middle - 9), (mean, middle + 9)];
                area.draw(&PathElement::new(line, BLACK.stroke_width(2)))?;
            }
        }
        Ok(())
    })
}

/// The mean Dice after each click, a line a model, where there were clicks.
pub(super) fn clicks(e: &Evaluation) -> Option<String> {
    let clicked =
        |row: &&super::super::summary::Row| row.class.is_none() && !row.dice_by_click.is_empty();
    let rows: Vec<_> = e.results.iter().filter(clicked).collect();
    if rows.is_empty() {
        return None;
    }
    Some(svg((720, 360), |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(10)
            .x_label_area_size(36)
            .y_label_area_size(46)
            .build_cartesian_2d(1f64..MAX_CLICKS as f64, 0f64..1f64)?;
        chart.configure_mesh().x_desc("clicks").y_desc("Dice").light_line_style(WHITE).draw()?;
        for row in rows {
            let model = e.models.iter().position(|model| model.name == row.model).unwrap_or(0);
            let points = row.dice_by_click.iter().enumerate().map(|(at, d)| (at as f64 + 1.0, *d));
            let series = LineSeries::new(points, colour(model).stroke_width(2)).point_size(3);
            chart.draw_series(series)?.label(row.model.clone()).legend(move |(x, y)| {
                PathElement::new(vec![(x, y), (x + 16, y)], colour(model).stroke_width(2))
            });
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .border_style(BLACK.mix(0.3))
            .background_style(WHITE)
            .draw()
    }))
}

/// Dice over each factor.
pub(super) fn factors(e: &Evaluation, setting: Setting) -> String {
    svg((1000, 260), |area| {
        for ((at, name), part) in Factors::NAMES.iter().enumerate().zip(area.split_evenly((1, 4))) {
            let values = |case: &Case| case.factors.values()[at];
            let of_setting = |model: usize| {
                thinned(e.models[model].cases.iter().filter(|c| c.setting == setting))
            };
            let all = (0..e.models.len()).flat_map(of_setting).map(values);
            let (low, high) = all.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
            if low > high {
                continue;
            }
            let more = ((high - low) * 0.05).max(1e-3);
            let mut chart = ChartBuilder::on(&part)
                .margin(8)
                .x_label_area_size(36)
                .y_label_area_size(34)
                .build_cartesian_2d(low - more..high + more, 0f64..1f64)?;
            chart
                .configure_mesh()
                .x_labels(4)
                .y_labels(6)
                .x_desc(name.replace('_', " "))
                .x_label_formatter(&|v| format!("{v:.3}"))
                .light_line_style(WHITE)
                .draw()?;
            for model in 0..e.models.len() {
                let points = of_setting(model);
                let mark = |case: &&Case| {
                    Circle::new(
                        (values(case), case.scores.dice),
                        2,
                        colour(model).mix(0.5).filled(),
                    )
                };
                chart.draw_series(points.iter().map(mark))?;
            }
        }
        Ok(())
    })
}
