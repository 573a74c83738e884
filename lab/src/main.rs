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
    use tunerd_lab::{Context, classify, constant, crash, demo, exact, latency, overhead, reaction};

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
        /// Write the charts of what was measured into this directory, as SVG and PNG
        #[arg(long, global = true, value_name = "DIRECTORY")]
        charts: Option<PathBuf>,
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
        /// Whether everything is brought back after tunerd was killed at random moments
        Crash(crash::Options),
        /// What emulated disks do, beside what their models foretell
        Fidelity(fidelity::Options),
        /// What the emulation of a disk costs
        Emulation(cost::Options),
        /// How much a scheduler's settings matter to readers beside a writer
        Sensitivity(sensitivity::Options),
        /// All shipped FFSB profiles, counted by the generator and by the kernel
        Workloads(workloads::Options),
    }

    impl Experiment {
        fn run(&self, context: &Context) -> Result<Report> {
            match self {
                Self::Demo(options) => demo::run(context, options),
                Self::Classify(options) => classify::run(context, options),
                Self::Reaction(options) => reaction::run(context, options),
                Self::Latency(options) => latency::run(context, options),
                Self::Overhead(options) => overhead::run(context, options),
                Self::Exact(options) => exact::run(context, options),
                Self::Constant(options) => constant::run(context, options),
                Self::Crash(options) => crash::run(context, options),
                Self::Fidelity(options) => fidelity::run(context, options),
                Self::Emulation(options) => cost::run(context, options),
                Self::Sensitivity(options) => sensitivity::run(context, options),
                Self::Workloads(options) => workloads::run(context, options),
            }
        }
    }

    pub(crate) fn main() -> ExitCode {
        let cli = Cli::parse();
        let needs_root = !matches!(cli.experiment, Experiment::Demo(_));
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
        let context = Context { interrupt: Interrupt::listen()?, tunerd: cli.tunerd.clone(), quiet: false };
        let host = Host::now();
        let mut report = cli.experiment.run(&context)?;
        report.note(host.line());
        report.fact("host", host);
        if let Some(directory) = &cli.charts {
            for file in report.write_figures(directory)? {
                eprintln!("{}", file.display());
            }
        }
        Ok(report)
    }
}
