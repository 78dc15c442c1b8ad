//! Why a model can't be loaded or run.

use crate::prompt::PromptError;
use crate::region::RegionError;

use super::package::PackageError;

/// Why a model can't be loaded or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The package can't be read.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// A network can't be loaded or has the wrong shape.
    #[error("{network} of {package}: {reason}")]
    Network {
        /// `encoder` or `decoder`.
        network: &'static str,
        /// Where the package is.
        package: String,
        /// What is wrong, and what was expected.
        reason: String,
    },
    /// A network failed while running.
    #[error("{network}: {reason}")]
    Run {
        /// `encoder` or `decoder`.
        network: &'static str,
        /// What the engine said.
        reason: String,
    },
    /// The prompt can't be answered on this frame.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// The region that the network is to be shown isn't on this frame.
    #[error(transparent)]
    Region(#[from] RegionError),
}
