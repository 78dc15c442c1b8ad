//! Where somebody looked or pointed, over time, as points.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{PointLabel, PromptPoint};
use crate::geometry::{FramePoint, FrameSize};

/// Where the gaze or the pointer was at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GazeSample {
    /// When, in milliseconds from whatever beginning.
    pub t_ms: f64,
    /// Where, in frame pixels; not finite where it was lost, as in a blink.
    pub position: FramePoint,
}

/// A place that was looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fixation {
    /// When it began.
    pub t_ms: f64,
    /// How long it lasted.
    pub duration_ms: f64,
    /// The mean of its samples.
    pub centre: FramePoint,
}

/// Why a recording can't be read.
#[derive(Debug, thiserror::Error)]
pub enum GazeError {
    /// The file can't be read.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no recording.
    #[error("{path}: {reason}", path = .path.display())]
    Format {
        /// Which.
        path: PathBuf,
        /// What is wrong, with the line or the entry.
        reason: String,
    },
    /// Nothing was looked at for long enough.
    #[error("{path}: no fixation of {} ms on the frame among its {samples} samples", MIN_DURATION_MS, path = .path.display())]
    NoFixation {
        /// Which.
        path: PathBuf,
        /// The number of samples.
        samples: usize,
    },
}

/// The shortest fixation, in milliseconds (Salvucci and Goldberg: 100 to 200).
pub const MIN_DURATION_MS: f64 = 100.0;

/// The greatest dispersion of a fixation as a share of the frame's longest side. Salvucci and
/// Goldberg take half a degree to one; a picture that fills 20° of the field of view has one
/// degree in a 20th of it.
pub const DISPERSION: f32 = 0.05;

/// The most fixations that become points.
pub const MAX_FIXATIONS: usize = 10;

/// The largest file read, in bytes.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// Reads a recording and makes positive points of the places that were looked at on a frame of
/// `size`: of the [`MAX_FIXATIONS`] longest, in the order of time.
///
/// # Errors
/// [`GazeError`] where it can't be read or holds no fixation.
pub fn gaze_points(path: &Path, size: FrameSize) -> Result<Vec<PromptPoint>, GazeError> {
    let samples = read_samples(path)?;
    let dispersion = size.longest_side() as f32 * DISPERSION;
    let mut fixations = fixations(&samples, size, dispersion, MIN_DURATION_MS);
    if fixations.is_empty() {
        return Err(GazeError::NoFixation { path: path.into(), samples: samples.len() });
    }
    fixations.sort_by(|a, b| b.duration_ms.total_cmp(&a.duration_ms));
    fixations.truncate(MAX_FIXATIONS);
    fixations.sort_by(|a, b| a.t_ms.total_cmp(&b.t_ms));
    let point = |f: &Fixation| PromptPoint { position: f.centre, label: PointLabel::Positive };
    Ok(fixations.iter().map(point).collect())
}

/// The fixations among samples in the order of time: I-DT, the dispersion-threshold identification
/// of D. Salvucci and J. Goldberg, *Identifying fixations and saccades in eye-tracking protocols*
/// (ETRA 2000). The dispersion is the extent in x plus that in y, in pixels.
///
/// In addition samples that are lost or off the frame end a fixation.
pub fn fixations(
    samples: &[GazeSample],
    size: FrameSize,
    dispersion_px: f32,
    min_duration_ms: f64,
) -> Vec<Fixation> {
    let on_frame = |sample: &GazeSample| sample.position.is_inside(size);
    let runs = samples.chunk_by(|a, b| on_frame(a) == on_frame(b));
    let runs = runs.filter(|run| on_frame(&run[0]));
    let mut found = Vec::new();
    for mut run in runs {
        while let Some(first) = run.first() {
            // As long as the dispersion allows.
            let mut extent = [first.position, first.position];
            let together = run.iter().take_while(|sample| {
                let (p, [low, high]) = (sample.position, &mut extent);
                *low = FramePoint::new(low.x.min(p.x), low.y.min(p.y));
                *high = FramePoint::new(high.x.max(p.x), high.y.max(p.y));
                high.x - low.x + high.y - low.y <= dispersion_px
            });
            let count = together.count().max(1);
            let duration_ms = run[count - 1].t_ms - first.t_ms;
            if duration_ms < min_duration_ms {
                run = &run[1..];
                continue;
            }
            let mean = |axis: fn(&GazeSample) -> f32| {
                let sum: f64 = run[..count].iter().map(|s| f64::from(axis(s))).sum();
                (sum / count as f64) as f32
            };
            let centre = FramePoint::new(mean(|s| s.position.x), mean(|s| s.position.y));
            found.push(Fixation { t_ms: first.t_ms, duration_ms, centre });
            run = &run[count..];
        }
    }
    found
}

/// Reads a recording: JSON, a list of `{"t_ms": 0, "x": 310.5, "y": 222}`, or CSV whose first line
/// names the columns `t_ms`, `x` and `y` among others. A position that is null, empty or no number
/// was lost.
///
/// # Errors
/// [`GazeError::Io`] and [`GazeError::Format`], also where times run backwards.
pub fn read_samples(path: &Path) -> Result<Vec<GazeSample>, GazeError> {
    let io = |source| GazeError::Io { path: path.into(), source };
    let bad = |reason: String| GazeError::Format { path: path.into(), reason };
    if path.metadata().map_err(io)?.len() > MAX_FILE_BYTES {
        return Err(bad("larger than 64 MiB: cut the recording".into()));
    }
    let text = String::from_utf8(std::fs::read(path).map_err(io)?);
    let text = text.map_err(|_| bad("is not text".into()))?;
    let samples = match text.trim_start().starts_with('[') {
        true => from_json(&text),
        false => from_csv(&text),
    };
    let samples = samples.map_err(bad)?;
    let backwards = samples.windows(2).position(|pair| pair[1].t_ms < pair[0].t_ms);
    match backwards {
        Some(at) => Err(bad(format!("sample {}: its time runs backwards", at + 2))),
        None => Ok(samples),
    }
}

fn from_json(text: &str) -> Result<Vec<GazeSample>, String> {
    #[derive(Deserialize)]
    struct Entry {
        t_ms: f64,
        x: Option<f32>,
        y: Option<f32>,
    }
    let entries: Vec<Entry> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let or_lost = |value: Option<f32>| value.unwrap_or(f32::NAN);
    let sample = |e: Entry| GazeSample {
        t_ms: e.t_ms,
        position: FramePoint::new(or_lost(e.x), or_lost(e.y)),
    };
    Ok(entries.into_iter().map(sample).collect())
}

fn from_csv(text: &str) -> Result<Vec<GazeSample>, String> {
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split(',').map(str::trim).collect();
    let column = |name: &str| {
        let found = names.iter().position(|n| n.eq_ignore_ascii_case(name));
        found.ok_or_else(|| format!("no column {name}: the first line is to name t_ms, x and y"))
    };
    let (t, x, y) = (column("t_ms")?, column("x")?, column("y")?);
    let rows = lines.enumerate().filter(|(_, line)| !line.trim().is_empty());
    rows.map(|(index, line)| {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let cell = |column: usize| cells.get(column).copied().unwrap_or_default();
        let or_lost = |text: &str| text.parse().unwrap_or(f32::NAN);
        let t_ms = cell(t).parse::<f64>().ok().filter(|t| t.is_finite());
        let t_ms = t_ms.ok_or_else(|| format!("line {}: {:?} is no time", index + 2, cell(t)))?;
        Ok(GazeSample { t_ms, position: FramePoint::new(or_lost(cell(x)), or_lost(cell(y))) })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: FrameSize = FrameSize::new(200, 100);

    /// 60 Hz: 12 samples trembling at one place, 3 of a saccade, 12 at another, a blink, 3 there.
    fn csv() -> String {
        let mut places: Vec<Option<(f32, f32)>> = Vec::new();
        let tremble = |i: usize| (i % 3) as f32 - 1.0;
        places.extend((0..12).map(|i| Some((50.0 + tremble(i), 40.0 - tremble(i)))));
        places.extend([Some((75.0, 45.0)), Some((100.0, 50.0)), Some((125.0, 55.0))]);
        places.extend((0..12).map(|i| Some((150.0 + tremble(i), 60.0))));
        places.push(None);
        places.extend([Some((150.0, 60.0)); 3]);
        let mut text = "frame,t_ms,x,y\n".to_string();
        for (i, place) in places.iter().enumerate() {
            let t = i as f64 * 1000.0 / 60.0;
            let place = place.map_or(",".into(), |(x, y)| format!("{x},{y}"));
            text += &format!("{i},{t},{place}\n");
        }
        text
    }

    #[test]
    fn what_was_looked_at_is_told_from_what_was_passed_over() {
        let samples = from_csv(&csv()).unwrap();
        assert_eq!(samples.len(), 31);
        let found = fixations(&samples, SIZE, 10.0, MIN_DURATION_MS);
        let near = |f: &Fixation, x: f32, y: f32| {
            (f.centre.x - x).abs() < 0.01 && (f.centre.y - y).abs() < 0.01
        };
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(near(&found[0], 50.0, 40.0) && near(&found[1], 150.0, 60.0), "{found:?}");
        assert!((found[0].duration_ms - 11_000.0 / 60.0).abs() < 1e-6);
        // Neither trembling within a tighter threshold nor short looks count.
        assert_eq!(fixations(&samples, SIZE, 1.5, MIN_DURATION_MS), []);
        assert_eq!(fixations(&samples, SIZE, 10.0, 500.0), []);
        // Off the frame nothing is looked at.
        assert_eq!(fixations(&samples, FrameSize::new(100, 100), 10.0, 100.0).len(), 1);
    }

    #[test]
    fn recordings_are_csv_or_json_and_slips_are_told_with_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gaze");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read_samples(&path).map_err(|error| error.to_string())
        };
        let json = r#"[{"t_ms": 0, "x": 1.5, "y": 2}, {"t_ms": 8, "x": null, "y": null}]"#;
        let samples = read(json).unwrap();
        assert_eq!(samples[0], GazeSample { t_ms: 0.0, position: FramePoint::new(1.5, 2.0) });
        assert!(samples[1].position.x.is_nan());
        for (text, expected) in [
            ("", "no column t_ms"),
            ("t_ms,x\n1,2\n", "no column y"),
            ("t_ms,x,y\n0,1,1\nsoon,1,1\n", "line 3: \"soon\" is no time"),
            ("t_ms,x,y\n5,1,1\n4,1,1\n", "sample 2: its time runs backwards"),
            ("[{\"x\": 1}]", "t_ms"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        std::fs::write(&path, csv()).unwrap();
        assert_eq!(gaze_points(&path, SIZE).unwrap().len(), 2);
        std::fs::write(&path, "t_ms,x,y\n0,1,1\n").unwrap();
        let error = gaze_points(&path, SIZE).unwrap_err().to_string();
        assert!(error.contains("no fixation of 100 ms") && error.contains("1 samples"), "{error}");
    }
}
