//! The choice of feed, and the list of capture devices.

use anyhow::{Result, bail, ensure};
use tapseg::feed::capture::CaptureSpec;
use tapseg::feed::{Feed, Playback, Player, Rate};

use super::arguments::VolumeArguments;

/// Opens what `--feed` names, and tells whether it never ends.
pub fn open(
    specs: &[String],
    volume: &VolumeArguments,
    fps: Option<Rate>,
    looping: bool,
) -> Result<(Box<dyn Feed>, bool)> {
    if let [one] = specs
        && let Some(spec) = CaptureSpec::parse(one)?
    {
        ensure!(
            fps.is_none() && !looping,
            "--fps and --loop are for recordings; a capture device's rate is asked for as --feed {one},fps=30"
        );
        ensure!(!volume.is_given(), "--axis and --window are for NIfTI volumes, not {one}");
        return Ok((capture::open(spec)?, true));
    }
    if let Some(device) = specs.iter().find(|spec| matches!(CaptureSpec::parse(spec), Ok(Some(_))))
    {
        bail!("--feed: a capture device ({device}) among several inputs: give it alone");
    }
    let clip = volume.open(specs)?.into_clip();
    let endless = clip.frame_count().is_none() || looping;
    let playback = Playback { rate: fps.unwrap_or(Rate::Native), looping };
    Ok((Box::new(Player::new(clip, playback)?), endless))
}

pub use capture::{findings, list};

#[cfg(feature = "v4l")]
mod capture {
    use anyhow::Result;
    use tapseg::board::doctor::Finding;
    use tapseg::feed::capture::{CaptureSpec, Interval, Mode};
    use tapseg::feed::pixels::Converter;
    use tapseg::feed::{Feed, v4l};

    use crate::cli::output;

    pub fn open(spec: CaptureSpec) -> Result<Box<dyn Feed>> {
        Ok(Box::new(v4l::open_feed(spec, Converter::new()?)))
    }

    /// Prints the capture devices with all that they deliver.
    pub fn list(json: bool) -> Result<()> {
        let devices = v4l::list();
        if json {
            return output::json(&devices);
        }
        if devices.is_empty() {
            output::line(
                "no capture device: plug one in; `dmesg | tail` tells whether the kernel knows it",
            )?;
        }
        for device in &devices {
            output::line(format_args!("{}  {}", device.path.display(), device.name))?;
            if let Some(stable) = &device.stable {
                output::line(format_args!("    also as {stable}"))?;
            }
            match &device.modes {
                Ok(modes) => print_modes(modes)?,
                Err(fault) => output::line(format_args!("    {fault}"))?,
            }
            if let Some(best) = device.best() {
                output::line(format_args!("    shown as {best}"))?;
            }
        }
        Ok(())
    }

    /// A line for each format and size, with the rates.
    fn print_modes(modes: &[Mode]) -> Result<()> {
        for like in modes.chunk_by(|a, b| (a.format, a.size) == (b.format, b.size)) {
            let rates = like.iter().filter_map(|mode| mode.interval.and_then(Interval::fps));
            let rates: Vec<_> =
                rates.map(|fps| ((fps * 100.0).round() / 100.0).to_string()).collect();
            let rates = match rates.is_empty() {
                true => String::new(),
                false => format!("at {} fps", rates.join(", ")),
            };
            let Mode { format, size, .. } = like[0];
            output::line(format_args!("    {format:<7}{:<10} {rates}", size.to_string()))?;
        }
        Ok(())
    }

    /// What `doctor` says of each.
    pub fn findings() -> Vec<Finding> {
        const PART: &str = "capture";
        let finding = |device: v4l::Listed| {
            let called = format!("{} ({})", device.path.display(), device.name);
            match (device.best(), &device.modes) {
                (Some(best), _) => Finding::ok(PART, format!("{called}: {best}")),
                (None, Err(fault)) => {
                    let told = fault.to_string();
                    let (what, remedy) =
                        told.split_once(": ").unwrap_or((&told, "use another one"));
                    Finding::fault(PART, format!("{called}: {what}"), remedy)
                }
                (None, Ok(_)) => {
                    Finding::fault(PART, format!("{called}: no format"), "use another one")
                }
            }
        };
        v4l::list().into_iter().map(finding).collect()
    }
}

#[cfg(not(feature = "v4l"))]
mod capture {
    use anyhow::{Result, bail};
    use tapseg::board::doctor::Finding;
    use tapseg::feed::Feed;
    use tapseg::feed::capture::CaptureSpec;

    const REMEDY: &str = "this program was built without capture devices: run boards/setup, then build \
                          it with --features v4l";

    pub fn open(spec: CaptureSpec) -> Result<Box<dyn Feed>> {
        bail!("{}: {REMEDY}", spec.place)
    }

    pub fn list(_json: bool) -> Result<()> {
        bail!(REMEDY)
    }

    /// Without the drivers nothing more is known than that devices are there.
    pub fn findings() -> Vec<Finding> {
        Vec::new()
    }
}
