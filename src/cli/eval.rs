//! `tapseg eval`: how well masks fit those of a dataset.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use tapseg::eval::report::{Shown, best_and_worst, csv, html};
use tapseg::eval::{
    Correlation, Dataset, Estimate, Evaluation, FactorRow, Journal, Key, LEAST_FOR_P, ModelCases,
    ModelKey, Problem, Protocol, Setting, count_problems, evaluate,
};
use tapseg::model::{PromptKind, Threads};
use tapseg::region::RegionChoice;
use tapseg::{Package, Segmenter};

use super::arguments::{LibraryArguments, threads};
use super::output;
use super::progress::bar;

/// How many problems of each kind the table names; --json names all.
const NAMED: usize = 5;

/// Tell how well a model's masks fit those of a dataset
///
/// The dataset is a folder: pictures with masks (NAME.png with NAME_mask.png or NAME_mask0.png…, or
/// folders images and masks), what tapseg label wrote, with its names as classes, BUSI, HAM10000, or
/// the .npz files of the CVPR 2024 challenge; or phantom:seed=1,count=20 for simulated ultrasound.
/// Prints a table; confidence intervals are a bootstrap over pictures, and - of a single one. With --csv or --report, an
/// interrupted run goes on where it was when it is started again in the same way; one that asks
/// otherwise is refused until that has ended or its journal is removed.
#[derive(Args)]
#[command(
    after_help = "Example:  tapseg eval BUSI --protocol breastsam,survey --report busi.html --csv busi.csv\n          \
    tapseg eval frames --protocol tap --model litemedsam --model ./sam-vit-b"
)]
pub struct Eval {
    /// A folder, a .npz file, or phantom:seed=1,count=20,size=640x480
    dataset: String,

    /// What to ask about each structure; several with commas
    #[arg(long, value_name = "P,P…", value_delimiter = ',', default_value = "survey")]
    protocol: Vec<ProtocolName>,

    /// A model package: a name that tapseg models lists, or a folder; as often as needed, for a
    /// comparison
    #[arg(long = "model", value_name = "PACKAGE", default_value = Package::EMBEDDED)]
    models: Vec<String>,

    #[command(flatten)]
    library: LibraryArguments,

    /// Show the network the pictures without the scanner's margins, as run does
    #[arg(long)]
    regions: bool,

    /// Decides on points, boxes and the bootstrap
    #[arg(long, value_name = "N", default_value = "1")]
    seed: u64,

    /// Threads for the network; all cores where not given
    #[arg(long, value_name = "N", value_parser = threads)]
    threads: Option<NonZeroUsize>,

    /// Write every prompt's scores here
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    /// Write a report with plots and pictures here, one HTML file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// A protocol on the command line.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum ProtocolName {
    /// A random point with a careless box, as in BreastSAM
    Breastsam,
    /// One point; ten on and ten off; the tight box; all structures by their boxes
    Survey,
    /// Up to 20 clicks where the mask is most wrong: NoC@85, NoC@90, Dice by click
    Interactive,
    /// The dataset's own boxes, or else tight ones
    Box,
    /// Single taps: at the centre, at random places inside, near the rim
    Tap,
    /// No prompt; for a model trained on boxes alone the whole picture's box
    None,
}

impl From<ProtocolName> for Protocol {
    fn from(name: ProtocolName) -> Self {
        match name {
            ProtocolName::Breastsam => Self::Breastsam,
            ProtocolName::Survey => Self::Survey,
            ProtocolName::Interactive => Self::Interactive,
            ProtocolName::Box => Self::Box,
            ProtocolName::Tap => Self::Tap,
            ProtocolName::None => Self::None,
        }
    }
}

impl Eval {
    pub fn run(self, json: bool) -> Result<()> {
        for file in self.csv.iter().chain(&self.report) {
            output::in_a_folder(file)?;
        }
        let dataset = Dataset::open(&self.dataset)?;
        let mut protocols: Vec<Protocol> = Vec::new();
        for protocol in self.protocol.iter().map(|name| Protocol::from(*name)) {
            if !protocols.contains(&protocol) {
                protocols.push(protocol);
            }
        }
        let settings: Vec<Setting> =
            protocols.iter().flat_map(|protocol| protocol.settings()).copied().collect();
        let (evaluation, shown, journal) = self.ask(&dataset, &protocols, &settings)?;
        self.write(&evaluation, &shown)?;
        if json {
            output::json(&evaluation)?;
        } else {
            print(&evaluation)?;
            for file in self.csv.iter().chain(&self.report) {
                output::line(format_args!("written: {}", file.display()))?;
            }
        }
        Ok(journal.map_or(Ok(()), Journal::remove)?)
    }

    /// Asks all models, one after the other, so that one at a time is in memory.
    fn ask(
        &self,
        dataset: &Dataset,
        protocols: &[Protocol],
        settings: &[Setting],
    ) -> Result<(Evaluation, Vec<Shown>, Option<Journal>)> {
        for (at, name) in self.models.iter().enumerate() {
            ensure!(!self.models[..at].contains(name), "--model {name} is given twice");
        }
        let packages: Result<Vec<Package>> =
            self.models.iter().map(|name| self.library.package(name)).collect();
        let packages = packages?;
        let mut journal = self.journal(dataset, protocols, &packages)?;
        let mut problems = dataset.problems.clone();
        let (mut pictures, mut structures) = (0, 0);
        let (mut models, mut shown) = (Vec::new(), Vec::new());
        for (index, (name, package)) in self.models.iter().zip(packages).enumerate() {
            let threads = self.threads.map_or_else(Threads::all_cores, Threads::new);
            let segmenter = Segmenter::load_on(&package, &threads)?;
            let manifest = segmenter.manifest();
            let mut model = ModelCases {
                name: name.clone(),
                weights: manifest.weights.clone(),
                trained_on_points: manifest.was_trained_for(PromptKind::Point),
                cases: Vec::new(),
            };
            let bar = bar(name, "{pos} of {len}", dataset.items.len() as u64);
            for (at, item) in dataset.items.iter().enumerate() {
                let known = journal.as_mut().and_then(|journal| journal.take(index, at));
                let outcome = match (known, &mut journal) {
                    (Some(known), _) => known,
                    (None, None) => evaluate(&segmenter, item, settings, self.seed, self.region())?,
                    (None, Some(journal)) => {
                        let outcome =
                            evaluate(&segmenter, item, settings, self.seed, self.region())?;
                        journal.keep(index, at, outcome)?
                    }
                };
                model.cases.extend(outcome.cases);
                if index == 0 {
                    pictures += outcome.pictures;
                    structures += outcome.structures;
                    problems.extend(outcome.problems);
                }
                bar.inc(1);
            }
            bar.finish_and_clear();
            if self.report.is_some() {
                let cases = &model.cases;
                shown.extend(best_and_worst(
                    &segmenter,
                    name,
                    dataset,
                    cases,
                    self.seed,
                    self.region(),
                )?);
            }
            models.push(model);
        }
        if models.iter().all(|model| model.cases.is_empty()) {
            journal.map_or(Ok(()), Journal::remove)?;
            bail!(
                "{}: nothing is outlined that could be asked about{}",
                dataset.name,
                problems.iter().take(NAMED).map(told).collect::<String>()
            );
        }
        let counts = (pictures, structures);
        let evaluation = Evaluation::new(dataset, counts, problems, self.seed, settings, models);
        Ok((evaluation, shown, journal))
    }

    fn region(&self) -> RegionChoice {
        if self.regions { RegionChoice::Auto } else { RegionChoice::Whole }
    }

    /// The journal beside what is to be written, if anything is.
    fn journal(
        &self,
        dataset: &Dataset,
        protocols: &[Protocol],
        packages: &[Package],
    ) -> Result<Option<Journal>> {
        let Some(beside) = self.report.as_ref().or(self.csv.as_ref()) else { return Ok(None) };
        let mut path = beside.clone().into_os_string();
        path.push(".journal");
        let models = self.models.iter().zip(packages);
        let key = Key {
            tapseg: env!("CARGO_PKG_VERSION").into(),
            dataset: dataset.name.clone(),
            items: dataset.items.iter().map(|item| item.name.clone()).collect(),
            models: models.map(|(name, p)| ModelKey::new(name, p.manifest())).collect(),
            protocols: protocols.to_vec(),
            seed: self.seed,
            regions: self.regions,
        };
        let journal = Journal::open(Path::new(&path), &key)?;
        if journal.known() > 0 {
            eprintln!("going on: {} pictures are done already", journal.known());
        }
        Ok(Some(journal))
    }

    fn write(&self, evaluation: &Evaluation, shown: &[Shown]) -> Result<()> {
        if let Some(path) = &self.csv {
            let mut table = Vec::new();
            csv(evaluation, &mut table)
                .with_context(|| format!("can't write {}", path.display()))?;
            output::file(path, &table)?;
        }
        if let Some(path) = &self.report {
            output::file(path, html(evaluation, shown).as_bytes())?;
        }
        Ok(())
    }
}

fn told(problem: &Problem) -> String {
    format!("; {}: {}", problem.kind.name(), problem.what)
}

fn print(e: &Evaluation) -> Result<()> {
    output::line(format_args!(
        "{}: {} structures on {} pictures ({}), seed {}",
        e.dataset,
        e.structures,
        e.pictures,
        e.layout.name(),
        e.seed
    ))?;
    problems(e)?;
    let width = |names: &mut dyn Iterator<Item = &str>, least: usize| {
        names.map(|name| name.chars().count()).max().unwrap_or(0).max(least)
    };
    let models = width(&mut e.models.iter().map(|model| &*model.name), 5);
    let classes = width(&mut e.results.iter().filter_map(|row| row.class.as_deref()), 5);
    output::line(format_args!(
        "\n{:<33} {:<models$} {:<classes$} {:>6} {:>6} {:^15} {:>6} {:>7} {:>7} {:>8} {:>7}",
        "setting",
        "model",
        "class",
        "n",
        "Dice",
        "95 %",
        "IoU",
        "NSD2px",
        "NSD2mm",
        "accuracy",
        "oracle"
    ))?;
    for row in &e.results {
        let figure = |name: &str| {
            row.metrics.get(name).map_or("-".into(), |estimate| format!("{:.3}", estimate.mean))
        };
        let Some(dice) = row.metrics.get("dice") else { continue };
        output::line(format_args!(
            "{:<33} {:<models$} {:<classes$} {:>6} {:>6.3} {:>15} {:>6} {:>7} {:>7} {:>8} {:>7}",
            row.setting.name(),
            row.model,
            row.class.as_deref().unwrap_or("all"),
            dice.n,
            dice.mean,
            interval(dice),
            figure("iou"),
            figure("nsd_2px"),
            figure("nsd_2mm"),
            figure("pixel_accuracy"),
            figure("oracle_dice"),
        ))?;
    }
    for row in e.results.iter().filter(|row| !row.dice_by_click.is_empty()) {
        let clicks = [("noc85", "NoC@85"), ("noc90", "NoC@90")].map(|(name, label)| {
            row.metrics.get(name).map_or(String::new(), |noc| format!("{label} {:.1}", noc.mean))
        });
        let dice = [1, 2, 3, 5, 10, 20].map(|n| format!("{n}: {:.3}", row.dice_by_click[n - 1]));
        let class = row.class.as_deref().unwrap_or("all");
        let (clicks, dice) = (clicks.join(", "), dice.join(", "));
        output::line(format_args!("clicks, {}, {class}: {clicks}; Dice after {dice}", row.model))?;
    }
    for row in &e.volumes {
        output::line(format_args!(
            "volumes, {}, {}: Dice in 3-D {:.3} ({}) of {} structures",
            row.setting.name(),
            row.model,
            row.dice.mean,
            interval(&row.dice),
            row.dice.n
        ))?;
    }
    for c in &e.comparisons {
        let corrected = c.p_holm.map_or(String::new(), |p| format!(", {p:.2e} after Holm"));
        output::line(format_args!(
            "{}, {} less {}: Dice {:+.4} on {} pictures, p {:.2e} (Wilcoxon){corrected}",
            c.setting.name(),
            c.models[1],
            c.models[0],
            c.dice_difference,
            c.pictures,
            c.p
        ))?;
    }
    factors(e)
}

fn problems(e: &Evaluation) -> Result<()> {
    for (kind, count) in count_problems(&e.problems) {
        output::line(format_args!("{count} {}:", kind.name()))?;
        for problem in e.problems.iter().filter(|problem| problem.kind == kind).take(NAMED) {
            output::line(format_args!("  {}", problem.what))?;
        }
        if count > NAMED {
            output::line(format_args!("  and {} more, which --json names", count - NAMED))?;
        }
    }
    Ok(())
}

/// The interval that a mean lies in; of a single picture or volume there is none.
fn interval(estimate: &Estimate) -> String {
    estimate.ci95.map_or("-".into(), |[low, high]| format!("{low:.3} to {high:.3}"))
}

/// Spearman's correlation of Dice with each factor; what has none is left out.
fn factors(e: &Evaluation) -> Result<()> {
    let has_one = |row: &&FactorRow| row.spearman.is_some();
    let rows: Vec<&FactorRow> = e.factors.iter().filter(has_one).collect();
    if !rows.is_empty() {
        let title = "Spearman's r of a structure's mean Dice with";
        output::line(format_args!("\n{title} (p, of {LEAST_FOR_P} structures or more):"))?;
    }
    for rows in rows.chunk_by(|a, b| (&a.model, a.setting) == (&b.model, b.setting)) {
        let told = rows.iter().filter_map(|row| {
            let Correlation { r, p } = row.spearman?;
            let p = p.map_or(String::new(), |p| format!(" ({p:.3})"));
            Some(format!("{} {r:+.2}{p}", row.factor.replace('_', " ")))
        });
        let told: Vec<_> = told.collect();
        let (setting, model, n) = (rows[0].setting.name(), &rows[0].model, rows[0].n);
        output::line(format_args!("{setting}, {model}, {n} structures: {}", told.join(", ")))?;
    }
    Ok(())
}
