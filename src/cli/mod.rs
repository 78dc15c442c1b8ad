//! The command line: one file a verb.

mod arguments;
mod bench;
mod board;
mod calibrate;
mod convert;
mod demo;
mod doctor;
mod edges;
mod embed;
mod eval;
mod everything;
mod feeds;
mod fidelity;
mod instances;
mod interrupt;
mod keeping;
mod label;
mod look;
mod man;
mod models;
mod output;
mod progress;
mod prompts;
mod proposals;
mod records;
mod run;
mod scale;
mod screens;
mod segment;
mod service;
mod track;
mod tune;
mod volume;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub use output::told_once;

/// Segment Anything at the bedside: tap a structure on a live ultrasound or endoscope picture and
/// see it outlined, on this machine's own processor.
#[derive(Parser)]
#[command(version, max_term_width = 100, after_help = "Begin with:  tapseg demo")]
struct Cli {
    /// Print the result as JSON on standard output, for scripts
    #[arg(long, global = true)]
    json: bool,

    /// Log what happens to standard error
    #[arg(short, long, global = true)]
    verbose: bool,

    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Demo(demo::Demo),
    Run(Box<run::Run>),
    Records(records::Records),
    Doctor(doctor::Doctor),
    Calibrate(calibrate::Calibrate),
    Segment(segment::Segment),
    Everything(everything::Everything),
    Instances(instances::Instances),
    Proposals(proposals::Proposals),
    Edges(edges::Edges),
    Volume(volume::Volume),
    Track(track::Track),
    Embed(embed::Embed),
    Models(models::Models),
    Convert(convert::Convert),
    Bench(bench::Bench),
    Eval(eval::Eval),
    Label(label::Label),
    Tune(tune::Tune),
    #[command(hide = true)]
    Man(man::Man),
}

/// The command line. A negative number is a value, so that each option refuses it in its own words.
fn parsed() -> Cli {
    let command = Cli::command().mut_subcommands(|verb| {
        verb.mut_args(|argument| match argument.get_action().takes_values() {
            true => argument.allow_negative_numbers(true),
            false => argument,
        })
    });
    Cli::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
}

/// Reads the command line and does what it says.
pub fn run() -> anyhow::Result<()> {
    tapseg::machine::keep_freed_memory();
    let cli = parsed();
    let level = if cli.verbose { "warn,tapseg=info" } else { "error" };
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(level)).init();
    match cli.verb {
        Verb::Demo(verb) => verb.run(cli.json),
        Verb::Run(verb) => verb.run(cli.json),
        Verb::Records(verb) => verb.run(cli.json),
        Verb::Doctor(verb) => verb.run(cli.json),
        Verb::Calibrate(verb) => verb.run(cli.json),
        Verb::Segment(verb) => verb.run(cli.json),
        Verb::Everything(verb) => verb.run(cli.json),
        Verb::Instances(verb) => verb.run(cli.json),
        Verb::Proposals(verb) => verb.run(cli.json),
        Verb::Edges(verb) => verb.run(cli.json),
        Verb::Volume(verb) => verb.run(cli.json),
        Verb::Track(verb) => verb.run(cli.json),
        Verb::Embed(verb) => verb.run(cli.json),
        Verb::Models(verb) => verb.run(cli.json),
        Verb::Convert(verb) => verb.run(cli.json),
        Verb::Bench(verb) => verb.run(cli.json),
        Verb::Eval(verb) => verb.run(cli.json),
        Verb::Label(verb) => verb.run(cli.json),
        Verb::Tune(verb) => verb.run(cli.json),
        Verb::Man(verb) => verb.run(),
    }
}
