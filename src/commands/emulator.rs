use super::failure::{Failure, chain};
use super::lock::stopped;
use crate::cli::{ExitCode, Global, RatesWord};
use crate::emulator::{Emulator, Reach, Settings, probe};
use crate::ui::Ui;
use jiff::SignedDuration;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Run a local Amazon IVS emulator
///
/// Both services on one loopback port, for any AWS client: set `AWS_ENDPOINT_URL_IVS` and
/// `AWS_ENDPOINT_URL_IVS_REALTIME` to the address it prints, with any credentials. `--rates aws` throttles as
/// AWS does.
#[derive(Debug, clap::Args)]
pub(crate) struct EmulatorArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:4599",
        value_parser = address,
        env = "IVS_APPLY_LISTEN"
    )]
    listen: SocketAddr,
    /// Listen beyond loopback, as in a container
    ///
    /// Everyone who can connect to it reads and changes the account, and no password is asked for. Publish the port of a
    /// container on loopback alone.
    #[arg(long, env = "IVS_APPLY_ALLOW_NON_LOOPBACK", value_parser = clap::builder::BoolishValueParser::new())]
    allow_non_loopback: bool,
    /// Additional host name that requests may use
    ///
    /// Beside addresses and names without a dot, such as `ivs.test.svc`.
    #[arg(
        long,
        value_name = "NAME",
        requires = "allow_non_loopback",
        value_delimiter = ',',
        env = "IVS_APPLY_ALLOW_HOST"
    )]
    allow_host: Vec<String>,
    /// Ask whether an emulator answers there, and end
    ///
    /// At the address of `--listen`, for a health check: exit code 0 if one does, and 1 if none does.
    #[arg(long, env = "IVS_APPLY_PROBE", value_parser = clap::builder::BoolishValueParser::new())]
    probe: bool,
    /// File that keeps the account; without it the account is gone with the process
    #[arg(long, value_name = "FILE", env = "IVS_APPLY_STATE")]
    state: Option<PathBuf>,
    /// Wait this long before every answer, such as 50ms
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = duration, env = "IVS_APPLY_LATENCY")]
    latency: Duration,
    /// Id of the default account, 12 digits; the keys of a role can be of other accounts
    #[arg(long, default_value = "000000000000", env = "IVS_APPLY_ACCOUNT")]
    account: String,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an IP address and a port, such as `127.0.0.1:4599`".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = text.parse::<SignedDuration>().ok().and_then(|it| Duration::try_from(it).ok());
    duration.ok_or_else(|| "write it as 50ms, 2s or 1m30s".to_owned())
}

pub(super) async fn run(args: &EmulatorArgs, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
    if args.probe {
        return match probe(args.listen).await {
            Ok(()) => Ok(ExitCode::Done),
            Err(error) => {
                let message = format!("no emulator answers at {}: {error}", args.listen);
                Err(Failure::error(message).help("`--listen` says where it is asked for"))
            }
        };
    }
    let is_loopback = args.listen.ip().is_loopback();
    if !is_loopback && !args.allow_non_loopback {
        let message =
            format!("the emulator listens on loopback only, and {} is not", args.listen.ip());
        let help = "use 127.0.0.1 or [::1]; in a container, `--allow-non-loopback`";
        return Err(Failure::error(message).help(help));
    }
    let reach = if args.allow_non_loopback {
        Reach::Network { names: args.allow_host.clone() }
    } else {
        Reach::Loopback
    };
    let settings = Settings {
        account: args.account.clone(),
        latency: args.latency,
        rates: global.rates == Some(RatesWord::Aws),
        ..Settings::default()
    };
    let emulator = match &args.state {
        Some(file) => {
            Emulator::open(file, settings).map_err(|error| Failure::error(chain(&error)))?
        }
        None => Emulator::new(settings),
    };
    let listener = tokio::net::TcpListener::bind(args.listen)
        .await
        .map_err(|error| Failure::error(format!("cannot listen on {}: {error}", args.listen)))?;
    let at = listener.local_addr()?;
    if !is_loopback {
        ui.say(&format!(
            "warning: everyone who can connect to {at} reads and changes this account; no password is asked for\n"
        ));
    }
    ui.answer(&format!("listening on http://{at}\n"))?;
    emulator
        .serve(listener, reach, async { _ = stopped().await })
        .await
        .map_err(|error| Failure::error(format!("the emulator stopped serving: {error}")))?;
    emulator.close().map_err(|error| {
        let file = args.state.as_deref().unwrap_or(Path::new(""));
        Failure::error(format!(
            "the emulator's state could not be saved to `{}`: {error}",
            file.display()
        ))
        .help("the file holds the account as it was saved last; what came after that is lost")
    })?;
    Ok(ExitCode::Done)
}
