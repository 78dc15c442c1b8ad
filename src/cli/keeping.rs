//! What `run` keeps, and for how long.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tapseg::app::Keeping;
use tapseg::cine::CineLimits;
use tapseg::model::user_data_folder;
use tapseg::record::{Retention, Room};
use tapseg::region::RegionChoice;

/// Records and clips.
#[derive(Args, Debug)]
pub struct KeepingArguments {
    /// Where Save and Clip write to; ~/.local/share/tapseg/records where not given
    #[arg(long, value_name = "DIR")]
    save_dir: Option<PathBuf>,

    /// How many of the last seconds Clip keeps; they take up to 134 MB of memory, and none with 0
    #[arg(long, value_name = "S", default_value_t = 10.0, value_parser = seconds, allow_hyphen_values = true)]
    clip_seconds: f64,

    /// Delete records that are older than N days and were exported to another disk
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep_days: Option<u32>,

    /// Delete the oldest records that were exported to another disk while less room is free: 2GB, 500MB or 10%
    #[arg(long, value_name = "ROOM", value_parser = room)]
    keep_free: Option<Room>,

    /// Let --keep-days and --keep-free delete records too that were never exported
    #[arg(long)]
    delete_unexported: bool,

    /// Where Export copies records to, as the folder of a USB stick
    #[arg(long, value_name = "DIR")]
    export_to: Option<PathBuf>,

    /// Blank everything outside of the picture in what is kept, as names and dates that the scanner
    /// writes there; the picture is where --region says, or else where it is found. Where none is found,
    /// or --region says that it is all of the frame, nothing is blanked, and the screen says so
    #[arg(long)]
    pub blank_text: bool,
}

impl KeepingArguments {
    /// Where records go, and what becomes of them; the picture is where `region` says.
    pub fn keeping(&self, region: RegionChoice) -> Keeping {
        let day = Duration::from_secs(86_400);
        Keeping {
            folder: self.save_dir.clone().or_else(default_save_dir),
            retention: Retention {
                keep: self.keep_days.map(|days| day * days),
                free: self.keep_free,
                unexported: self.delete_unexported,
            },
            export_to: self.export_to.clone(),
            blank: self.blank_text.then_some(region),
        }
    }

    /// How much of the feed is kept for clips.
    pub fn clip(&self) -> Option<CineLimits> {
        let span = Duration::from_secs_f64(self.clip_seconds);
        (!span.is_zero()).then(|| CineLimits::of(span))
    }
}

/// Where records are where nothing else is said.
pub fn default_save_dir() -> Option<PathBuf> {
    Some(user_data_folder(|name| std::env::var_os(name))?.join("records"))
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=600.0).contains(&seconds) => Ok(seconds),
        _ => Err("give seconds from 0 to 600".into()),
    }
}

/// Reads `2GB`, `500MB` or `10%`.
fn room(text: &str) -> Result<Room, String> {
    let number = |digits: &str| digits.trim().parse().ok().filter(|n: &f64| *n > 0.0);
    let bytes = |digits: &str, unit: f64| {
        number(digits).filter(|n| n * unit < 1e18).map(|n| Room::Bytes((n * unit) as u64))
    };
    let read = match (text.strip_suffix('%'), text.strip_suffix("GB"), text.strip_suffix("MB")) {
        (Some(share), ..) => number(share).filter(|n| *n < 100.0).map(|n| Room::Share(n / 100.0)),
        (_, Some(gigabytes), _) => bytes(gigabytes, 1e9),
        (.., Some(megabytes)) => bytes(megabytes, 1e6),
        _ => None,
    };
    read.ok_or_else(|| "give room as 2GB, 500MB or 10%".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_read_with_its_unit() {
        assert_eq!(room("2GB"), Ok(Room::Bytes(2_000_000_000)));
        assert_eq!(room("0.5 MB"), Ok(Room::Bytes(500_000)));
        assert_eq!(room("10%"), Ok(Room::Share(0.1)));
        for bad in ["", "2", "GB", "-1GB", "nanGB", "100%", "0MB", "1e30GB"] {
            assert!(room(bad).is_err(), "{bad}");
        }
        assert!(seconds("-1").is_err() && seconds("inf").is_err() && seconds("0").is_ok());
    }
}
