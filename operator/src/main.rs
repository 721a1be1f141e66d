//! **ivs-apply-operator**: runs `ivs-apply` for each Target of a Kubernetes cluster.
//!
//! It decides when and as whom, starts a child process for each run and writes what it came to into the status. Everything
//! about AWS is the child's. `docs/operator.md` says how it is used.

mod answer;
mod archive;
mod child;
mod credentials;
mod errors;
mod gate;
mod leader;
mod lease;
mod metrics;
mod queues;
mod reason;
mod reconcile;
mod secrets;
mod source;
mod status;
mod target;
mod verdict;
mod writes;

use crate::archive::Limits;
use crate::child::{Children, Phase};
use crate::errors::Errors;
use crate::leader::{Election, Over};
use crate::lease::Times;
use crate::metrics::Metrics;
use crate::queues::Queues;
use crate::reconcile::Context;
use crate::target::Target;
use clap::{Parser, Subcommand};
use futures_util::StreamExt as _;
use kube::Client;
use kube::api::{Api, DynamicObject};
use kube::runtime::controller::Error as Failed;
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::Store;
use kube::runtime::{Controller, watcher};
use std::ffi::OsString;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};

/// Run ivs-apply for each Target of a Kubernetes cluster
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch Targets and run ivs-apply for them, where this operator leads
    Run(Box<RunArgs>),
    /// Print the `CustomResourceDefinition` of Target
    Crd,
    /// Become a child of the operator
    #[command(hide = true)]
    Child {
        /// The process of the operator
        operator: u32,
        /// The program and its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        line: Vec<OsString>,
    },
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    /// The program ivs-apply
    #[arg(
        long,
        value_name = "FILE",
        default_value = "ivs-apply",
        env = "IVS_APPLY_OPERATOR_PROGRAM"
    )]
    program: PathBuf,
    /// Namespace of the Lease
    #[arg(
        long,
        value_name = "NAMESPACE",
        default_value = "ivs-apply",
        env = "IVS_APPLY_OPERATOR_NAMESPACE"
    )]
    namespace: String,
    /// Name in the election; the name of the machine if absent
    #[arg(long, value_name = "NAME", env = "IVS_APPLY_OPERATOR_IDENTITY")]
    identity: Option<String>,
    /// Namespaces whose Targets may use the operator's own AWS credentials; `*` is all
    #[arg(
        long,
        value_name = "NAMESPACE",
        value_delimiter = ',',
        env = "IVS_APPLY_OPERATOR_OWN_CREDENTIALS"
    )]
    own_credentials: Vec<String>,
    /// Let sources be in another namespace than their Target
    #[arg(long, env = "IVS_APPLY_OPERATOR_ALLOW_OTHER_NAMESPACES")]
    allow_other_namespaces: bool,
    /// Runs at the same time, each for another account and region
    #[arg(long, value_name = "COUNT", default_value_t = 16, value_parser = parallel, env = "IVS_APPLY_OPERATOR_PARALLEL")]
    parallel: usize,
    /// How often sources are looked at, which costs no call to AWS
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time, env = "IVS_APPLY_OPERATOR_LOOK")]
    look: Duration,
    /// How long a run may take
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = time, env = "IVS_APPLY_OPERATOR_CHILD_TIMEOUT")]
    child_timeout: Duration,
    /// How long after its last renewal the Lease of a leader that is gone is taken
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = time, env = "IVS_APPLY_OPERATOR_LEASE")]
    lease: Duration,
    /// Most bytes of an artifact as it is fetched
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().fetched, env = "IVS_APPLY_OPERATOR_ARTIFACT_BYTES")]
    artifact_bytes: u64,
    /// Address of /metrics and /healthz
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "0.0.0.0:8080",
        env = "IVS_APPLY_OPERATOR_LISTEN"
    )]
    listen: SocketAddr,
    /// Folder for the files of children
    #[arg(long, value_name = "FOLDER", env = "IVS_APPLY_OPERATOR_WORK")]
    work: Option<PathBuf>,
    /// Endpoint URL of both services, for tests
    #[arg(long, value_name = "URL", env = "IVS_APPLY_OPERATOR_ENDPOINT_URL")]
    endpoint_url: Option<String>,
}

fn time(text: &str) -> Result<Duration, String> {
    status::interval(text)
        .ok_or_else(|| "write it in hours, minutes and seconds, such as 1h30m".to_owned())
}

fn parallel(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|it| (1..=1024).contains(it));
    count.ok_or_else(|| "a number from 1 to 1024".to_owned())
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("IVS_APPLY_OPERATOR_LOG")
        .unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    let args = match Args::parse().command {
        Command::Child { operator, line } => return child::become_program(operator, &line),
        Command::Crd => return print_definition(),
        Command::Run(args) => args,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = runtime.map_err(Into::into).and_then(|it| it.block_on(run(*args)));
    match result {
        Ok(Over::Ended) => ExitCode::SUCCESS,
        Ok(Over::Lost) => ExitCode::FAILURE,
        Err(error) => {
            tracing::error!(%error, "the operator ends");
            ExitCode::FAILURE
        }
    }
}

fn print_definition() -> ExitCode {
    let text = serde_yaml::to_string(&target::definition()).unwrap_or_default();
    let head =
        "# Made from the type: cargo run -p ivs-apply-operator -- crd > deploy/operator/crd.yaml\n";
    match std::io::stdout().write_all(format!("{head}{text}").as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Looks at sources at the same time.
const LOOKS: usize = 32;

type Stores = Arc<Mutex<Option<Store<DynamicObject>>>>;

async fn run(args: RunArgs) -> Result<Over, Box<dyn std::error::Error>> {
    let client = Client::try_default().await?;
    let listener = TcpListener::bind(args.listen).await?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    let metrics = Arc::new(Metrics::default());
    let store = Stores::default();
    let of_metrics = Arc::clone(&store);
    tokio::spawn(metrics::serve(listener, Arc::clone(&metrics), move || {
        let store = of_metrics.lock().unwrap_or_else(PoisonError::into_inner).clone();
        store.map_or_else(Vec::new, |it| it.state().iter().map(|it| Target::of(it)).collect())
    }));

    let (end, ended) = watch::channel(false);
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        end.send_replace(true);
    });

    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let me = format!("{}_{}", args.identity.clone().unwrap_or(machine), tempfile_name());
    let mut election =
        Election::new(client.clone(), &args.namespace, me.clone(), Times::of(args.lease));
    if !election.win(ended.clone()).await {
        return Ok(Over::Ended);
    }
    tracing::info!(me, "leads");
    metrics.leads.store(true, Ordering::Relaxed);
    let (phase, phases) = watch::channel(Phase::Run);
    let work = tempfile::Builder::new()
        .prefix("ivs-apply-operator-")
        .tempdir_in(args.work.clone().unwrap_or_else(std::env::temp_dir))?;
    let controller = Controller::new_with(
        Api::<DynamicObject>::all_with(client.clone(), &target::resource()),
        watcher::Config::default(),
        target::resource(),
    );
    *store.lock().unwrap_or_else(PoisonError::into_inner) = Some(controller.store());
    let context = Context {
        store: controller.store(),
        children: Children {
            program: args.program,
            timeout: args.child_timeout,
            endpoint: args.endpoint_url,
            phase: phases,
        },
        queues: Queues::new(args.parallel),
        errors: Errors::default(),
        looks: Semaphore::new(LOOKS),
        metrics: Arc::clone(&metrics),
        events: Recorder::new(
            client.clone(),
            Reporter { controller: reconcile::MANAGER.to_owned(), instance: Some(me) },
        ),
        client,
        look: args.look,
        limits: Limits { fetched: args.artifact_bytes, ..Limits::default() },
        other_namespaces: args.allow_other_namespaces,
        own_credentials: args.own_credentials,
        work: work.path().to_owned(),
    };
    let reconciles = controller
        .run(reconcile::reconcile, reconcile::after_error, Arc::new(context))
        .for_each(|result| async {
            if let Err(error @ Failed::QueueError(_)) = result {
                tracing::warn!(%error, "Targets cannot be watched; it is tried again");
            }
        });
    let reconciles = tokio::spawn(reconciles);
    let over = election.keep(ended, &phase).await;
    reconciles.abort();
    Ok(over)
}

/// Random letters: a process has a name that no other has.
fn tempfile_name() -> String {
    let random = std::collections::hash_map::RandomState::new();
    let hash = std::hash::BuildHasher::hash_one(&random, std::process::id());
    format!("{hash:016x}")
}
