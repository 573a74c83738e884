//! `tunerd-lab`: makes the project's figures again, each on a loop device of its own.

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    program::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!(
        "tunerd-lab measures Linux' block layer and does nothing elsewhere; try `tunerd run --fake-kernel`"
    );
    std::process::ExitCode::from(3)
}

#[cfg(target_os = "linux")]
mod program {
    use anyhow::Result;
    use clap::{Parser, Subcommand};
    use std::path::PathBuf;
    use std::process::ExitCode;
    use tunerd_lab::bench::host::Host;
    use tunerd_lab::bench::interrupt::Interrupt;
    use tunerd_lab::bench::report::Report;
    use tunerd_lab::emulation::{cost, fidelity, sensitivity, workloads};
    use tunerd_lab::trials::{aa, guard, power};
    use tunerd_lab::{
        Context, Recording, classify, constant, convergence, crash, demo, exact, latency, overhead, reaction,
        replay, traces,
    };

    /// Makes tunerd's figures again, each on a loop device of its own. Touches no other device.
    ///
    /// Exit status: 0 every bound is met, 1 one is not or something failed, 2 wrong usage, 3 not root.
    #[derive(Debug, Parser)]
    #[command(name = "tunerd-lab", version, max_term_width = 100)]
    struct Cli {
        /// The tunerd to measure [default: the one beside this program]
        #[arg(long, global = true, value_name = "PROGRAM")]
        tunerd: Option<PathBuf>,
        /// Print one JSON object instead of tables
        #[arg(long, global = true)]
        json: bool,
        /// Record the run under this directory: README, tables, charts as SVG and PNG, and all facts as JSON lines
        #[arg(long, global = true, value_name = "DIRECTORY")]
        record: Option<PathBuf>,
        /// What to measure.
        #[command(subcommand)]
        experiment: Experiment,
    }

    #[derive(Debug, Subcommand)]
    enum Experiment {
        /// Tune a loop device for about 90 s and show what came of it; without root, simulated
        Demo(demo::Options),
        /// How many windows inside one workload get the right fingerprint
        Classify(classify::Options),
        /// How soon a new workload is recognised and its stored genes are in force
        Reaction(reaction::Options),
        /// Whether the sampled latency is what a program feels
        Latency(latency::Options),
        /// What sampling costs
        Overhead(overhead::Options),
        /// Whether continuous sampling counts exactly what the kernel counts
        Exact(exact::Options),
        /// Whether tunerd takes its own settings for a change of workload
        Constant(constant::Options),
        /// How long the search takes to converge, on workloads that it does not know and on those that come back
        Convergence(convergence::Options),
        /// Whether everything is brought back after tunerd was killed at random moments
        Crash(crash::Options),
        /// What emulated disks do, beside what their models foretell
        Fidelity(fidelity::Options),
        /// What the emulation of a disk costs
        Emulation(cost::Options),
        /// How much a scheduler's settings matter to readers beside a writer
        Sensitivity(sensitivity::Options),
        /// Recorded traces: counts, speed, memory and loss beside blkparse and btt, and what recording costs
        Traces(traces::Options),
        /// How far the simulated block layer can be trusted: its results beside the kernel's under the same settings
        ReplayFidelity(replay::fidelity::Options),
        /// Whether settings that a replay found in a trace serve the disk that it is of
        ReplayTune(replay::tune::Options),
        /// How soon the guard takes a catastrophic setting back, and how often an identical one
        Guard(guard::Options),
        /// How often a campaign promotes a setting that is the incumbent in effect
        Aa(aa::Options),
        /// All shipped FFSB profiles, counted by the generator and by the kernel
        Workloads(workloads::Options),
        /// What trials find, and what they take for a gain that is none: simulated
        Power(power::Options),
    }

    impl Experiment {
        /// Its name on the command line.
        const fn name(&self) -> &'static str {
            match self {
                Self::Demo(_) => "demo",
                Self::Classify(_) => "classify",
                Self::Reaction(_) => "reaction",
                Self::Latency(_) => "latency",
                Self::Overhead(_) => "overhead",
                Self::Exact(_) => "exact",
                Self::Constant(_) => "constant",
                Self::Convergence(_) => "convergence",
                Self::Crash(_) => "crash",
                Self::Fidelity(_) => "fidelity",
                Self::Emulation(_) => "emulation",
                Self::Sensitivity(_) => "sensitivity",
                Self::Traces(_) => "traces",
                Self::ReplayFidelity(_) => "replay-fidelity",
                Self::ReplayTune(_) => "replay-tune",
                Self::Guard(_) => "guard",
                Self::Aa(_) => "aa",
                Self::Workloads(_) => "workloads",
                Self::Power(_) => "power",
            }
        }

        fn run(&self, context: &Context) -> Result<Report> {
            match self {
                Self::Demo(options) => demo::run(context, options),
                Self::Classify(options) => classify::run(context, options),
                Self::Reaction(options) => reaction::run(context, options),
                Self::Latency(options) => latency::run(context, options),
                Self::Overhead(options) => overhead::run(context, options),
                Self::Exact(options) => exact::run(context, options),
                Self::Constant(options) => constant::run(context, options),
                Self::Convergence(options) => convergence::run(context, options),
                Self::Crash(options) => crash::run(context, options),
                Self::Fidelity(options) => fidelity::run(context, options),
                Self::Emulation(options) => cost::run(context, options),
                Self::Sensitivity(options) => sensitivity::run(context, options),
                Self::Traces(options) => traces::run(context, options),
                Self::ReplayFidelity(options) => replay::fidelity::run(context, options),
                Self::ReplayTune(options) => replay::tune::run(context, options),
                Self::Guard(options) => guard::run(context, options),
                Self::Aa(options) => aa::run(context, options),
                Self::Workloads(options) => workloads::run(context, options),
                Self::Power(options) => power::run(context, options),
            }
        }
    }

    /// As it can be given again: where this program and the record happen to be is not part of it.
    fn command() -> Vec<String> {
        let mut words = vec!["tunerd-lab".to_owned()];
        let mut given = std::env::args().skip(1);
        while let Some(word) = given.next() {
            if word == "--record" {
                given.next();
            } else if !word.starts_with("--record=") {
                words.push(word);
            }
        }
        words
    }

    pub(crate) fn main() -> ExitCode {
        let cli = Cli::parse();
        let needs_root = match &cli.experiment {
            Experiment::Demo(_) | Experiment::Power(_) => false,
            Experiment::Convergence(options) => options.report.is_none() && options.backend.needs_root(),
            _ => true,
        };
        if needs_root && !rustix::process::geteuid().is_root() {
            eprintln!("tunerd-lab: this needs root, for a loop device of its own; try sudo");
            return ExitCode::from(3);
        }
        match measure(&cli) {
            Ok(report) => {
                if cli.json {
                    println!("{}", report.json());
                } else {
                    println!("{}", report.text());
                }
                if report.is_met() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
            }
            Err(error) => {
                eprintln!("tunerd-lab: {error:#}");
                ExitCode::FAILURE
            }
        }
    }

    fn measure(cli: &Cli) -> Result<Report> {
        let host = Host::now();
        let record = cli.record.clone();
        let context = Context {
            interrupt: Interrupt::listen()?,
            tunerd: cli.tunerd.clone(),
            quiet: false,
            record: record.map(|root| Recording { root, command: command(), host: host.clone() }),
        };
        let mut report = cli.experiment.run(&context)?;
        report.note(host.line());
        if let Some(directory) = report.recorded() {
            eprintln!("recorded: {}", directory.display());
        } else if let Some(root) = &cli.record {
            let directory = report.record(root, cli.experiment.name(), command(), &host)?;
            eprintln!("recorded: {}", directory.display());
        }
        report.fact("host", host);
        Ok(report)
    }
}
