//! `tapseg label`: a folder of pictures becomes a dataset.

use std::collections::HashSet;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;
use embedded_graphics::geometry::Size;
use serde_json::json;
use tapseg::app::{self, RegionSegmenter, RunOptions};
use tapseg::label::{LabelSet, Origin, Summary};
use tapseg::model::PromptKind;
use tapseg::region::RegionChoice;
use tapseg::screen::window::WindowScreen;
use tapseg::words::Words;

use super::arguments::{ModelArguments, screen_size};
use super::look::check_letters;
use super::output;
use super::service::Attended;

/// Outline what is on the pictures of a folder, for a dataset
///
/// Shows one picture after the other and proposes masks. Tap a proposal to take it, or a structure, or
/// drag a box round it, correct it with further prompts, and accept it: it is on the disk then. Close
/// the window at any time; the next run goes on with the first picture that is not done. The frames of a
/// DICOM clip are shown one after the other; a picture that can't be read is passed over, and told with why.
///
/// Keys: Enter or space accepts, 1 to 9 choose a name and n the next one, + - b are the tools, m the
/// next mask, o a new object, f finds all again, Backspace undoes, and the arrows go to the picture
/// before and, marking this one as done, to the next.
#[derive(Args)]
#[command(
    after_help = "Example:  tapseg label scans --names cyst,nerve,vessel --out scans-labels\n          \
    tapseg eval scans-labels --protocol box\n\n\
    Writes images/NAME.png, masks/NAME_mask0.png, … (0 and 255), annotations.json (COCO), and\n\
    labels.jsonl, which has every mask that was ever accepted."
)]
pub struct Label {
    /// The folder of pictures: PNG, JPEG, BMP, TIFF, DICOM; NAME_mask0.png and the like are left out
    pictures: PathBuf,

    /// The dataset's folder; that of the pictures with -labels behind it where not given
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// What masks can be called; as the last time, or else structure, where not given
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    names: Vec<String>,

    /// Propose nothing until Find all is pressed
    #[arg(long)]
    no_proposals: bool,

    /// The language on the screen: en, zh, or a .toml file of one's own; English where not given
    #[arg(long, value_name = "LANGUAGE", value_parser = Words::find)]
    language: Option<Words>,

    /// The window's size in pixels
    #[arg(long, value_name = "WxH", value_parser = screen_size, default_value = "1280x800")]
    size: Size,

    #[command(flatten)]
    model: ModelArguments,
}

impl Label {
    pub fn run(self, json: bool) -> Result<()> {
        let names: Vec<String> = self.names.iter().map(|name| name.trim().to_owned()).collect();
        let plain = |name: &String| !name.is_empty() && !name.chars().any(char::is_control);
        ensure!(names.iter().all(plain), "--names: a name is empty or can't be shown");
        for name in &names {
            check_letters("name", name).map_err(|error| anyhow!("--names: {error}"))?;
        }
        let mut seen = HashSet::new();
        if let Some(name) = names.iter().find(|name| !seen.insert(*name)) {
            bail!("--names: {name:?} is there twice");
        }
        let beside = || {
            let mut name = self.pictures.components().as_path().as_os_str().to_owned();
            name.push("-labels");
            PathBuf::from(name)
        };
        let out = self.out.clone().unwrap_or_else(beside);
        let set = LabelSet::open(&self.pictures, &out, names)?;
        // The window first: without a display there is no point in loading a model.
        let window = WindowScreen::open(self.size).context("labelling takes a window")?;
        let mut screen = Attended::new(Box::new(window))?;
        let (segmenter, _) = self.model.load()?;
        let options = RunOptions {
            refine_with_mask: segmenter.manifest().was_trained_for(PromptKind::Mask),
            words: self.language.unwrap_or_default(),
            ..RunOptions::default()
        };
        let predictor = RegionSegmenter::new(segmenter, RegionChoice::Auto);
        let (report, summary) =
            app::label(set, !self.no_proposals, predictor, &mut screen, options)?;
        if json {
            output::json(&json!({ "out": out, "labels": summary, "run": report }))?;
        } else {
            print_summary(&summary)?;
            output::line(format_args!("all in {}", out.display()))?;
        }
        let problems = &summary.problems;
        ensure!(problems.is_empty(), "the dataset is not as it should be: {}", problems.join("; "));
        Ok(())
    }
}

/// How many pictures that can't be read are named; --json names all.
const NAMED: usize = 5;

fn print_summary(summary: &Summary) -> Result<()> {
    output::line(format_args!(
        "{} of {} pictures done, {} masks",
        summary.finished, summary.pictures, summary.masks
    ))?;
    let unreadable = &summary.unreadable;
    if !unreadable.is_empty() {
        let named = unreadable[..unreadable.len().min(NAMED)].join(", ");
        let more = if unreadable.len() > NAMED { ", …" } else { "" };
        output::line(format_args!("{} can't be read: {named}{more}", unreadable.len()))?;
    }
    for (name, count) in &summary.names {
        output::line(format_args!("{count:>6} {name}"))?;
    }
    for (origin, count) in &summary.origins {
        let how = match origin {
            Origin::Proposed => "proposals taken as they were",
            Origin::Corrected => "proposals corrected",
            Origin::Pointed => "pointed at",
        };
        output::line(format_args!("{count:>6} {how}"))?;
    }
    if let Some(median) = summary.median_seconds {
        let total = summary.total_seconds;
        output::line(format_args!("{median:.1} s a mask (median), {total:.0} s in all"))?;
    }
    Ok(())
}
