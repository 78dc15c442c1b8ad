//! Which cores of the processor are used.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Which cores a profile asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoreChoice {
    /// All that the system gives.
    All,
    /// The fastest kind, where there are several kinds.
    Big,
    /// These.
    Listed(CoreList),
}

/// Numbers of cores, as Linux counts them from 0; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreList(BTreeSet<usize>);

impl CoreChoice {
    /// Reads `all`, `big`, or a list as [`CoreList::parse`] does.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "all" => Some(Self::All),
            "big" => Some(Self::Big),
            _ => CoreList::parse(text).map(Self::Listed),
        }
    }

    /// The cores to keep to on the machine whose files are below `root`; none where all are meant, or
    /// where the system doesn't tell big cores from little ones.
    pub fn resolve(&self, root: &Path) -> Option<CoreList> {
        match self {
            Self::All => None,
            Self::Big => big_cores(root),
            Self::Listed(list) => Some(list.clone()),
        }
    }
}

impl CoreList {
    /// Highest number of a core that is believed.
    const MAX: usize = 1023;

    /// Reads numbers and ranges, as in `0-3,6`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut cores = BTreeSet::new();
        for part in text.trim().split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let first: usize = first.trim().parse().ok()?;
            let last: usize = last.trim().parse().ok()?;
            if first > last || last > Self::MAX {
                return None;
            }
            cores.extend(first..=last);
        }
        Some(Self(cores))
    }

    /// The numbers, rising.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().copied()
    }
}

/// The cores of the largest capacity, which the kernel states where cores differ.
fn big_cores(root: &Path) -> Option<CoreList> {
    let folder = fs::read_dir(root.join("sys/devices/system/cpu")).ok()?;
    let capacities: Vec<(usize, u32)> = folder
        .flatten()
        .filter_map(|entry| {
            let core = entry.file_name().to_str()?.strip_prefix("cpu")?.parse().ok()?;
            let capacity = fs::read_to_string(entry.path().join("cpu_capacity")).ok()?;
            Some((core, capacity.trim().parse().ok()?))
        })
        .collect();
    let largest = capacities.iter().map(|c| c.1).max()?;
    let big = capacities.into_iter().filter(|c| c.1 == largest).map(|c| c.0);
    Some(CoreList(big.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_words_are_read() {
        let list = CoreList::parse("0-2,6").unwrap();
        assert_eq!(list.iter().collect::<Vec<_>>(), [0, 1, 2, 6]);
        assert_eq!(CoreChoice::parse("big"), Some(CoreChoice::Big));
        for bad in ["", "a", "3-1", "0-99999", "1,,2"] {
            assert_eq!(CoreChoice::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn big_cores_are_those_of_the_largest_capacity() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(CoreChoice::Big.resolve(root.path()), None, "nothing is stated");
        for (core, capacity) in [(0, 446), (1, 446), (2, 1024), (3, 1024)] {
            let folder = root.path().join(format!("sys/devices/system/cpu/cpu{core}"));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("cpu_capacity"), format!("{capacity}\n")).unwrap();
        }
        let big = CoreChoice::Big.resolve(root.path()).unwrap();
        assert_eq!(big.iter().collect::<Vec<_>>(), [2, 3]);
        assert_eq!(CoreChoice::All.resolve(root.path()), None);
    }
}
