//! A chat and a replicated register under faults, in virtual time. `cargo run --release --example simulate -- --help` says how.
//!
//! The applications and their rules are in `sansock_tests::apps`; their hosts in `sansock_tests::apps::worlds`.

mod args;
mod report;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use sansock::Service;
use sansock_memory::campaign::{Campaign, Failure, Tally, hash_in};
use sansock_memory::scenario::Scenario;
use sansock_tests::apps::worlds::{self, CHAT_HOSTS, REGISTER_HOSTS};

use args::{Application, Command};
use report::Report;

/// What a scenario's world is called when the application has its bug.
const BUG: &str = "with the planted bug";

fn main() -> ExitCode {
    let done = match args::parse(std::env::args_os().skip(1)) {
        Ok(Command::Help) => {
            println!("{}", args::USAGE);
            Ok(ExitCode::SUCCESS)
        }
        Ok(Command::Campaign(options)) => simulate(&options),
        Ok(Command::Replay { file, out }) => replay(&file, out.as_deref()),
        Err(problem) => Err(problem),
    };
    done.unwrap_or_else(|problem| {
        eprintln!("simulate: {problem}");
        ExitCode::from(2)
    })
}

/// One campaign after the other, until one fails.
fn simulate(options: &args::Campaign) -> Result<ExitCode, String> {
    let mut reports = Vec::new();
    for application in &options.apps {
        let report = match application {
            Application::Chat => run(&chat(options.bug), *application, options),
            Application::Register => run(&register(options.bug), *application, options),
        }?;
        if !options.json {
            report.print();
        }
        let failed = report.tally.failure.is_some();
        reports.push(report);
        if failed {
            break;
        }
    }
    if options.json {
        println!("{}", report::json(&reports));
    }
    let failed = reports.iter().any(|report| report.tally.failure.is_some());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn run<S: Service + 'static>(
    campaign: &Campaign<S>,
    application: Application,
    options: &args::Campaign,
) -> Result<Report, String> {
    let bar = progress_bar(options.seeds.end - options.seeds.start, application);
    let start = Instant::now();
    let mut tally = campaign.run(options.seeds.clone(), |tally: &Tally| bar.set_position(tally.runs));
    let took = start.elapsed();
    bar.finish_and_clear();
    let mut saved = None;
    if let Some(failure) = &tally.failure {
        let original = failure.scenario.clone();
        let mut small = campaign.shrink(failure);
        small.outcome.recording = campaign.record(&small.scenario).recording;
        saved = Some((save(&small, &options.out)?, original));
        tally.failure = Some(small);
    }
    Ok(Report { application, seeds: options.seeds.clone(), took, tally, saved })
}

/// Hidden where standard error is no terminal.
fn progress_bar(runs: u64, application: Application) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} runs, {per_sec}, {eta} left");
    let bar = ProgressBar::new(runs).with_message(application.name());
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn save(failure: &Failure, directory: &Path) -> Result<sansock_memory::campaign::Saved, String> {
    failure.save(directory).map_err(|error| format!("the failure could not be saved in {}: {error}", directory.display()))
}

/// Runs a saved scenario again.
fn replay(file: &Path, out: Option<&Path>) -> Result<ExitCode, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    let scenario = Scenario::parse(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    let (name, rest) = scenario.world.split_once(' ').unwrap_or((&scenario.world, ""));
    let bug = match rest {
        "" => false,
        BUG => true,
        _ => return Err(format!("{}: 'world {}' is not understood; '{rest}' is not '{BUG}'", file.display(), scenario.world)),
    };
    let application = Application::parse(name).map_err(|problem| format!("{}: world: {problem}", file.display()))?;
    let outcome = match application {
        Application::Chat => chat(bug).record(&scenario),
        Application::Register => register(bug).record(&scenario),
    };
    let failure = Failure { scenario, outcome, runs: 1 };
    print!("{}", failure.text());
    for (line, _) in failure.scenario.lines.iter().zip(&failure.outcome.lines).filter(|(_, hits)| **hits == 0) {
        println!("never fired: {line}");
    }
    if let Some(directory) = out {
        report::print_files(&save(&failure, directory)?);
    }
    match hash_in(&text) {
        Some(hash) if hash != failure.outcome.hash => {
            Err(format!("the run is another one than that of the file, which has hash {hash:016x}; is the program the same?"))
        }
        _ if failure.outcome.violation.is_some() => Ok(ExitCode::FAILURE),
        _ => {
            println!("no rule was violated");
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn chat(bug: bool) -> Campaign<sansock_tests::apps::chat::ChatService> {
    let scenario = move |seed| worlds::scenario(seed, &CHAT_HOSTS).of_world(&world(Application::Chat, bug));
    Campaign::new(scenario, move |scenario| worlds::chat(scenario, bug))
}

fn register(bug: bool) -> Campaign<sansock_tests::apps::register::RegisterService> {
    let scenario = move |seed| worlds::scenario(seed, &REGISTER_HOSTS).of_world(&world(Application::Register, bug));
    Campaign::new(scenario, move |scenario| worlds::register(scenario, bug))
}

fn world(application: Application, bug: bool) -> String {
    if bug { format!("{} {BUG}", application.name()) } else { application.name().to_owned() }
}
