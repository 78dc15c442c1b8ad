//! An evaluation for people: every case as [`csv`], and as one HTML file that needs nothing else,
//! with tables, plots, and the best and worst answers as pictures.

mod pictures;
mod plots;
mod table;

use std::fmt::{self, Display, Write};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::dataset::count_problems;
use super::protocol::Setting;
use super::statistics::{Correlation, Estimate};
use super::summary::{Evaluation, METRICS};

pub use pictures::{Shown, best_and_worst};
pub use table::csv;

const STYLE: &str = "
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 1040px; padding: 0 1em; color: #1b1f24; }
h1 { font-size: 1.5em; } h2 { font-size: 1.2em; margin-top: 2em; }
table { border-collapse: collapse; margin: .6em 0; font-variant-numeric: tabular-nums; }
th, td { padding: .2em .7em; border-bottom: 1px solid #d8dce1; text-align: right; vertical-align: top; }
th { background: #f3f5f7; } .text { text-align: left; }
small { color: #5a636e; white-space: nowrap; } .wide { overflow-x: auto; }
.pictures { display: flex; flex-wrap: wrap; gap: 10px; }
figure { margin: 0; width: 330px; } figure img { width: 100%; display: block; }
figcaption { font-size: .85em; overflow-wrap: anywhere; }
svg { max-width: 100%; height: auto; }
.found { color: #2e8fc7; } .true { color: #b87c00; }";

/// How many problems are listed by name.
const LISTED: usize = 200;

/// The report, with `shown` as [`best_and_worst`] drew them.
pub fn html(evaluation: &Evaluation, shown: &[Shown]) -> String {
    let mut page = String::new();
    // Writing to a string doesn't fail.
    let _ = write(&mut page, evaluation, shown);
    page
}

fn write(page: &mut String, evaluation: &Evaluation, shown: &[Shown]) -> fmt::Result {
    let e = evaluation;
    let title = format!("tapseg eval: {}", Escaped(&e.dataset));
    writeln!(page, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")?;
    writeln!(
        page,
        "<meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>"
    )?;
    writeln!(page, "<style>{STYLE}</style></head><body><h1>{title}</h1>")?;
    writeln!(
        page,
        "<p>{} structures on {} pictures ({}), seed {}, tapseg {}. Means over prompts with 95 % \
         bootstrap intervals over pictures. NSD is the normalised surface Dice as the program \
         surface-distance defines it.</p>",
        e.structures,
        e.pictures,
        e.layout.name(),
        e.seed,
        e.tapseg
    )?;
    let on_boxes: Vec<_> = e.models.iter().filter(|m| !m.trained_on_points).collect();
    if !on_boxes.is_empty() {
        let names: Vec<_> = on_boxes.iter().map(|m| Escaped(&m.name).to_string()).collect();
        writeln!(
            page,
            "<p>Trained on boxes alone, so that points are answered through boxes, and no prompt \
             means the box of the whole picture: {}.</p>",
            names.join(", ")
        )?;
    }
    problems(page, e)?;
    results(page, e)?;
    volumes(page, e)?;
    writeln!(page, "<h2>Dice of every prompt</h2>\n{}", plots::distributions(e))?;
    if let Some(plot) = plots::clicks(e) {
        writeln!(page, "<h2>Mean Dice by click</h2>\n{plot}")?;
    }
    comparisons(page, e)?;
    factors(page, e)?;
    pictures(page, shown)?;
    writeln!(page, "</body></html>")
}

fn problems(page: &mut String, e: &Evaluation) -> fmt::Result {
    if e.problems.is_empty() {
        return Ok(());
    }
    writeln!(page, "<h2>Not as it should be</h2><ul>")?;
    for (kind, count) in count_problems(&e.problems) {
        writeln!(page, "<li>{count} {}<details><summary>files</summary>", kind.name())?;
        for problem in e.problems.iter().filter(|problem| problem.kind == kind).take(LISTED) {
            writeln!(page, "{}<br>", Escaped(&problem.what))?;
        }
        if count > LISTED {
            writeln!(page, "and {} more, which --json lists", count - LISTED)?;
        }
        writeln!(page, "</details></li>")?;
    }
    writeln!(page, "</ul>")
}

fn results(page: &mut String, e: &Evaluation) -> fmt::Result {
    let used = METRICS.iter().map(|(name, _)| *name);
    let used: Vec<_> =
        used.filter(|name| e.results.iter().any(|row| row.metrics.contains_key(name))).collect();
    write!(page, "<h2>Results</h2><div class=\"wide\"><table><tr><th class=\"text\">setting</th>")?;
    write!(page, "<th class=\"text\">model</th><th class=\"text\">class</th><th>n</th>")?;
    used.iter().try_for_each(|name| write!(page, "<th>{}</th>", label(name)))?;
    for row in &e.results {
        let n = row.metrics.get("dice").map_or(0, |dice| dice.n);
        write!(
            page,
            "</tr>\n<tr><td class=\"text\">{}</td><td class=\"text\">{}</td>\
             <td class=\"text\">{}</td><td>{n}</td>",
            Escaped(row.setting.name()),
            Escaped(&row.model),
            Escaped(row.class.as_deref().unwrap_or("all"))
        )?;
        for name in &used {
            match row.metrics.get(name) {
                None => write!(page, "<td></td>")?,
                Some(estimate) => {
                    let digits = if name.starts_with("noc") { 1 } else { 3 };
                    write!(page, "<td>{}</td>", with_interval(estimate, digits))?;
                }
            }
        }
    }
    writeln!(page, "</tr></table></div>")
}

/// A metric's name as people write it.
pub fn label(metric: &str) -> &str {
    match metric {
        "dice" => "Dice",
        "iou" => "IoU",
        "nsd_2px" => "NSD 2 px",
        "nsd_2mm" => "NSD 2 mm",
        "pixel_accuracy" => "accuracy",
        "oracle_dice" => "oracle Dice",
        "noc85" => "NoC@85",
        "noc90" => "NoC@90",
        other => other,
    }
}

fn comparisons(page: &mut String, e: &Evaluation) -> fmt::Result {
    if e.comparisons.is_empty() {
        return Ok(());
    }
    writeln!(
        page,
        "<h2>Models against each other</h2><p>Dice by picture; Wilcoxon's signed-rank test, two-sided; \
         of several pairs of models in a setting also after Holm's correction for making several.</p><table><tr><th class=\"text\">setting</th>\
         <th class=\"text\">models</th><th>pictures</th><th>difference</th><th>p</th><th>p (Holm)</th></tr>"
    )?;
    for c in &e.comparisons {
        writeln!(
            page,
            "<tr><td class=\"text\">{}</td><td class=\"text\">{} − {}</td><td>{}</td>\
             <td>{:+.4}</td><td>{}</td><td>{}</td></tr>",
            c.setting.name(),
            Escaped(&c.models[1]),
            Escaped(&c.models[0]),
            c.pictures,
            c.dice_difference,
            probability(c.p),
            c.p_holm.map_or(String::new(), probability)
        )?;
    }
    writeln!(page, "</table>")
}

fn volumes(page: &mut String, e: &Evaluation) -> fmt::Result {
    if e.volumes.is_empty() {
        return Ok(());
    }
    writeln!(
        page,
        "<h2>Whole volumes</h2><p>Dice in three dimensions, of all voxels of a structure on the slices \
         on which it is outlined; 95 % bootstrap intervals over volumes.</p><table><tr>\
         <th class=\"text\">setting</th><th class=\"text\">model</th><th>n</th><th>Dice</th></tr>"
    )?;
    for row in &e.volumes {
        writeln!(
            page,
            "<tr><td class=\"text\">{}</td><td class=\"text\">{}</td><td>{}</td>\
             <td>{}</td></tr>",
            row.setting.name(),
            Escaped(&row.model),
            row.dice.n,
            with_interval(&row.dice, 3)
        )?;
    }
    writeln!(page, "</table>")
}

fn factors(page: &mut String, e: &Evaluation) -> fmt::Result {
    writeln!(
        page,
        "<h2>What goes with Dice</h2><p>Size: share of the picture. Contrast: of mean grey inside and \
         in a rim outside, difference over sum. Aspect ratio: height over width of the tight box. \
         Boundary complexity: squared perimeter of all pieces over 4π times the area within it, holes \
         included. Each structure counts once, by its mean Dice over all prompts; p is told of ten \
         structures or more, r of four.</p>\
         <table><tr><th class=\"text\">setting</th><th class=\"text\">model</th>\
         <th class=\"text\">factor</th><th>n</th><th>Pearson r</th><th>p</th><th>Spearman r</th>\
         <th>p</th></tr>"
    )?;
    for row in &e.factors {
        write!(
            page,
            "<tr><td class=\"text\">{}</td><td class=\"text\">{}</td><td class=\"text\">{}</td>\
             <td>{}</td>",
            row.setting.name(),
            Escaped(&row.model),
            row.factor.replace('_', " "),
            row.n
        )?;
        for correlation in [row.pearson, row.spearman] {
            match correlation {
                None => write!(page, "<td>–</td><td>–</td>")?,
                Some(Correlation { r, p }) => {
                    write!(page, "<td>{r:+.2}</td><td>{}</td>", p.map_or("–".into(), probability))?;
                }
            }
        }
        writeln!(page, "</tr>")?;
    }
    writeln!(page, "</table>")?;
    for setting in settings(e) {
        writeln!(page, "<h3>{}</h3>{}", setting.name(), plots::factors(e, setting))?;
    }
    Ok(())
}

/// The settings there are, in order.
fn settings(e: &Evaluation) -> Vec<Setting> {
    let mut settings: Vec<_> = e.results.iter().map(|row| row.setting).collect();
    settings.dedup();
    settings
}

fn pictures(page: &mut String, shown: &[Shown]) -> fmt::Result {
    writeln!(
        page,
        "<h2>Worst and best</h2><p><span class=\"found\">Blue</span>: what the model found, \
         <span class=\"true\">orange</span>: the true outline.</p>"
    )?;
    let same = |a: &Shown, b: &Shown| (&a.model, a.setting) == (&b.model, b.setting);
    for group in shown.chunk_by(same) {
        let (setting, model) = (group[0].setting.name(), Escaped(&group[0].model));
        writeln!(page, "<h3>{setting}, {model}</h3><div class=\"pictures\">")?;
        for shown in group {
            writeln!(
                page,
                "<figure><img alt=\"\" src=\"data:image/png;base64,{}\"><figcaption>{} {:.3}: \
                 {}</figcaption></figure>",
                BASE64_STANDARD.encode(&shown.png),
                if shown.is_best { "best" } else { "worst" },
                shown.dice,
                Escaped(&shown.name)
            )?;
        }
        writeln!(page, "</div>")?;
    }
    Ok(())
}

/// A mean and below it its interval.
fn with_interval(estimate: &Estimate, digits: usize) -> String {
    let interval = match estimate.ci95 {
        Some([low, high]) => format!("{low:.digits$}–{high:.digits$}"),
        None => "–".into(),
    };
    format!("{:.digits$}<br><small>{interval}</small>", estimate.mean)
}

/// A probability as short as it can be said.
fn probability(p: f64) -> String {
    if p < 0.001 { "&lt;0.001".into() } else { format!("{p:.3}") }
}

/// Text in HTML.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            c => f.write_char(c),
        })
    }
}
