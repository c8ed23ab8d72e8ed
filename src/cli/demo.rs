//! `bailiff demo`: a development issuer, a sample app, a sample membership, and the real gate in front, in one process.
//!
//! The gate is set up by the same code as in `serve`, from a config file and a membership file. Only its environment is not the
//! user's: a key or a setting from there would change what the demo shows.

mod block;
mod fixtures;
mod folder;
mod screen;

use std::io::IsTerminal as _;
use std::net::IpAddr;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::exit::{CommandError, Exit, FAILED, print, print_json, talk};
use super::{health, logging};
use crate::config::interpolate::FakeEnv;
use crate::config::load::{Overrides, load};
use crate::dev::issuer::{DevIssuer, INSTANCE_ID};
use crate::dev::key::SigningKey;
use crate::dev::sample_app::SampleApp;
use crate::dev::webhook::{WebhookSigner, generate_secret};
use crate::listen;
use crate::server::Server;
use block::Block;
use folder::Folder;
use screen::Addresses;

/// How long the gate may take to get its keys from the issuer beside it.
const READY_WITHIN: Duration = Duration::from_secs(10);
const READY_LOOK: Duration = Duration::from_millis(20);

#[derive(clap::Args, Debug)]
pub(crate) struct DemoArgs {
    /// The address to listen on. Whoever reaches it can get a token for anybody
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    bind: IpAddr,
    /// The first of four ports in a row: gate, admin, issuer, app. 0 takes free ones [default: 8484, or the next free block]
    #[arg(long, value_parser = clap::value_parser!(u16).range(..=65532))]
    port: Option<u16>,
    /// Print the addresses as one JSON object
    #[arg(long)]
    json: bool,
}

/// A demo that is ready to run: everything is bound and read.
struct Stage {
    server: Server,
    issuer: DevIssuer,
    block: Block,
    addresses: Addresses,
    folder: Folder,
}

pub(crate) fn run(args: &DemoArgs) -> Exit {
    refuse_production(
        std::env::vars_os().map(|(k, v)| (k.to_string_lossy().into(), v.to_string_lossy().into())),
    )?;
    if !args.bind.is_loopback() {
        talk(
            "warning: whoever reaches these ports can get a token for anybody; never do this where strangers are\n",
        );
    }
    let block = block::take(args.bind, args.port)?;
    let stage = set_up(block)?;
    let log = if std::io::stderr().is_terminal() {
        logging::lines()
    } else {
        logging::json()
    };
    stage.server.metrics().watch_log(log.lost_lines());
    let ended = play(stage, args.json);
    // The log ends first, so that the result is the last line.
    drop(log);
    ended?;
    talk("\nThe demo has ended, and nothing of it is left.\n");
    Ok(0)
}

/// Refuses to run with a live key or in a cluster (attack A-134): there the operator wants the real gate, and must not get this one
/// by mistake.
fn refuse_production(
    environment: impl Iterator<Item = (String, String)>,
) -> Result<(), CommandError> {
    for (name, value) in environment {
        if name == "KUBERNETES_SERVICE_HOST" {
            return Err(CommandError::failed(
                "the demo does not run in a Kubernetes cluster: it gives a token to whoever asks",
            )
            .saw("KUBERNETES_SERVICE_HOST is set")
            .fix("run `bailiff serve` here, and the demo on your own machine"));
        }
        if name.contains("CLERK") && (value.contains("sk_live_") || value.contains("pk_live_")) {
            return Err(CommandError::failed(
                "the demo does not run beside a live Clerk key: it gives a token to whoever asks",
            )
            .saw(format!("the environment variable {name} holds a live key"))
            .fix(format!(
                "env -u {name} bailiff demo      or, for the real gate, `bailiff serve`"
            )));
        }
    }
    Ok(())
}

/// Writes config and membership, reads them back as `serve` does, and binds the gate.
fn set_up(mut block: Block) -> Result<Stage, CommandError> {
    let issuer_url = block.url(&block.issuer)?;
    let app_url = block.url(&block.app)?;
    let key = SigningKey::generate("ins_bailiff_demo")
        .map_err(|e| CommandError::failed(e.to_string()))?;
    let secret = generate_secret();
    let signer = WebhookSigner::new(&secret).map_err(|e| CommandError::failed(e.to_string()))?;

    let folder = Folder::new()?;
    let members = folder.write("membership.yaml", &fixtures::membership())?;
    let secret_file = folder.write("webhook-secret", &secret)?;
    let (gate, admin) = block.release();
    let text = fixtures::config(&fixtures::Places {
        gate,
        admin,
        issuer: &issuer_url,
        app: &app_url,
        members: &members,
        store: &folder.path("bailiff.store"),
        secret_file: &secret_file,
    });
    let config = folder.write("bailiff.yaml", &text)?;

    let mut env = FakeEnv::new();
    for (file, text) in [(&config, &text), (&secret_file, &secret)] {
        env = env.with_file(&file.to_string_lossy(), text.as_bytes(), 0o600);
    }
    let mut loaded = load(Some(&config), &Overrides::default(), &env)?;
    // A reload would read the user's environment, so only the membership is followed.
    loaded.files.clear();
    let server = Server::prepare(loaded, Some(config.clone()), Overrides::default())?;

    let gate_url = block.url_of(server.gate_addresses().first().map_or("", String::as_str));
    let admin_url = block.url_of(&server.admin_address());
    let issuer = DevIssuer::new(issuer_url.clone(), vec![key]);
    issuer.set_people(fixtures::people());
    issuer.set_azp(Some(fixtures::ORIGIN.to_owned()));
    issuer.set_instance_id(INSTANCE_ID.to_owned());
    issuer.set_webhook(format!("{gate_url}{}", fixtures::WEBHOOK_PATH), signer);
    let addresses = Addresses {
        gate: gate_url,
        admin: admin_url,
        admin_socket: server.admin_address(),
        issuer: issuer_url,
        app: app_url,
        config,
        membership: folder.path("membership.yaml"),
    };
    Ok(Stage {
        server,
        issuer,
        block,
        addresses,
        folder,
    })
}

/// Runs everything until Ctrl-C.
fn play(stage: Stage, json: bool) -> Result<(), CommandError> {
    let Stage {
        server,
        issuer,
        block,
        addresses,
        folder,
    } = stage;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("bailiff")
        .build();
    let runtime = runtime
        .map_err(|e| CommandError::failed("the runtime could not be started").saw(e.to_string()))?;
    let served = runtime.block_on(async {
        let (stop, stopped) = watch::channel(false);
        let issuer = listen::spawn("issuer", issuer, block.issuer, stopped.clone());
        let app = listen::spawn("app", SampleApp, block.app, stopped);
        tokio::spawn(announce(addresses, json));
        tokio::spawn(clean_up(folder));
        let served = server.serve().await;
        // The shutdown is signalled and awaited, because Pingora treats a closed channel as an error.
        let _ = stop.send(true);
        let _ = tokio::join!(issuer, app);
        served
    });
    runtime.shutdown_timeout(Duration::from_millis(100));
    served.map_err(|error| CommandError::failed("the demo could not run").saw(error.to_string()))
}

/// Removes the folder as soon as the end is requested, because a second signal ends the process at once and no later code runs. The
/// gate does not need the files while it drains.
async fn clean_up(folder: Folder) {
    let Ok(mut term) = signal(SignalKind::terminate()) else {
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = term.recv() => {}
    }
    drop(folder);
}

/// Shows the addresses as soon as the lines to paste will work.
async fn announce(addresses: Addresses, json: bool) {
    let admin = addresses.admin_socket.clone();
    let ready = async {
        loop {
            let admin = admin.clone();
            let asked = tokio::task::spawn_blocking(move || health::ready(&admin)).await;
            if matches!(asked, Ok(Ok((200, _)))) {
                return;
            }
            tokio::time::sleep(READY_LOOK).await;
        }
    };
    if tokio::time::timeout(READY_WITHIN, ready).await.is_err() {
        talk("warning: the gate is not ready yet; its log says why\n");
    }
    let shown = if json {
        print_json(&addresses.json())
    } else {
        print(&addresses.screen())
    };
    if let Err(stop) = shown {
        talk(&stop.text);
        std::process::exit(i32::from(FAILED));
    }
}

#[cfg(test)]
mod tests {
    use super::refuse_production;

    fn refused(name: &str, value: &str) -> Option<String> {
        let environment =
            [("HOME", "/root"), (name, value)].map(|(k, v)| (k.to_owned(), v.to_owned()));
        refuse_production(environment.into_iter())
            .err()
            .map(|stop| stop.text)
    }

    #[test]
    fn a_134_a_live_key_or_a_cluster_is_refused_and_the_key_is_not_shown() {
        for (name, value) in [
            ("CLERK_SECRET_KEY", "sk_live_abcdef"),
            ("NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY", "\"pk_live_abcdef\""),
            ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
        ] {
            let text = refused(name, value).expect(name);
            assert!(text.contains(name) && text.contains("fix"), "{text}");
            assert!(!text.contains("abcdef"), "{text}");
        }
    }

    #[test]
    fn keys_of_development_instances_and_of_others_do_not_disturb() {
        assert_eq!(refused("CLERK_SECRET_KEY", "sk_test_abc"), None);
        assert_eq!(refused("STRIPE_SECRET_KEY", "sk_live_abc"), None);
    }
}
