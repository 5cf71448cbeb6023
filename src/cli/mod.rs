//! The command line.

mod components;
mod config_updater;
mod demo;
mod doctor;
mod print_config;
mod run;
mod sources;
mod validate;

use clap::{Args, Parser, Subcommand};

/// Exit codes beside 0: a configuration or a start-up that failed. (2 is a wrong command line; the
/// codes of an agent that ran are those of [`crate::agent::Exit`].)
const EXIT_CONFIG: i32 = 1;

const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (commit ",
    env!("KMAGENT_COMMIT"),
    ", ",
    env!("KMAGENT_TARGET"),
    ")"
);

#[derive(Parser)]
#[command(
    name = "kmagent",
    version = VERSION,
    about = "Kubernetes observability agent: runs OpenTelemetry Collector configurations",
    after_help = AFTER_HELP,
    max_term_width = 100,
    args_conflicts_with_subcommands = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    sources: Sources,
}

const AFTER_HELP: &str = "\
Examples:
  kmagent demo                                 see what it does on this machine, no backend needed
  kmagent validate --config agent.yaml         check a configuration; all errors, with their lines
  kmagent run --config agent.yaml              run it until SIGTERM
  kmagent run --config agent.yaml --set processors.batch.timeout=2s
  kmagent print-config --config base.yaml --config cluster.yaml

Without --config the file is /etc/kmagent/agent-daemonset.yaml when DEPLOYMENT_MODE is DAEMONSET,
else /etc/kmagent/agent-deployment.yaml.

Environment:
  KM_API_KEY, KM_COLLECTOR_ENDPOINT   backend, as the default configurations use them
  DEPLOYMENT_MODE                     DAEMONSET, or anything else for the cluster agent
  KM_NODE_NAME or NODE_NAME           the node, KM_CLUSTER_NAME the cluster
  KM_K8S_MONITORED_NAMESPACES         comma-separated; empty is all
  KM_LOG_LEVEL                        debug, info, warn, error

Exit codes:
  0  stopped in order                  3  a component failed while running
  1  the configuration or the start    4  stopped with data undelivered at the deadline
     failed, nothing was started       5  a second signal asked to leave at once
  2  wrong command line";

#[derive(Subcommand)]
enum Command {
    /// Run the agent until it is told to stop (the default)
    Run(Sources),
    /// Check a configuration without starting anything; silent when it is good
    Validate(Sources),
    /// Print the configuration after merging and expansion, secrets masked
    PrintConfig(Sources),
    /// List the component types of this build as YAML
    Components,
    /// Bring configurations from the KloudMate API into the ConfigMaps of the agents
    ConfigUpdater {
        /// Restart the agents after a change, instead of leaving it to them to take it up
        #[arg(long)]
        rollout_restart: bool,
    },
    /// Look for what is missing where the agent runs, and say how to mend it
    Doctor {
        #[command(flatten)]
        sources: Sources,
        /// Findings as JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Show the agent at work on this machine: host metrics and logs into a backend of its own
    Demo {
        /// Print one round and exit
        #[arg(long)]
        once: bool,
    },
}

/// Where the configuration comes from.
#[derive(Args, Clone, Debug, Default)]
pub struct Sources {
    /// A file, env:NAME or yaml:TEXT; may be repeated, later ones are merged over earlier ones
    #[arg(long, value_name = "FILE|env:NAME|yaml:TEXT")]
    pub config: Vec<String>,
    /// One value, over all files: --set service.telemetry.logs.level=debug; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Runs the command line of this process and returns its exit code.
pub fn main() -> i32 {
    let cli = Cli::parse();
    match cli.command.unwrap_or(Command::Run(cli.sources)) {
        Command::Run(sources) => run::run(&sources),
        Command::Validate(sources) => validate::run(&sources),
        Command::PrintConfig(sources) => print_config::run(&sources),
        Command::Components => components::run(),
        Command::ConfigUpdater { rollout_restart } => config_updater::run(rollout_restart),
        Command::Doctor { sources, json } => doctor::run(&sources, json),
        Command::Demo { once } => demo::run(once),
    }
}
