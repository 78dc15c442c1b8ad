//! The `tapseg` program: one verb a task, see `tapseg --help`.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", cli::told_once(&error));
            ExitCode::FAILURE
        }
    }
}
