use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use pingora::proxy::{ProxyHttp, Session, http_proxy};
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream as TokioUnixStream;

use super::*;
use crate::dev::sample_app::SampleApp;

/// A directory of its own for each test; removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("bailiff-listen-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("gate.sock")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn bound() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test]
async fn an_app_answers_on_a_port_that_the_system_chose() {
    let (listener, address) = bound();
    let (_stop, shutdown) = watch::channel(false);

    let _serving = spawn("app", SampleApp, listener, shutdown);

    let answer = reqwest::get(format!("http://{address}/")).await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn the_port_is_free_again_after_the_stop() {
    let (listener, address) = bound();
    let (stop, shutdown) = watch::channel(false);
    let serving = spawn("app", SampleApp, listener, shutdown);

    stop.send(true).unwrap();
    serving.await.unwrap();

    assert!(TcpStream::connect(address).is_err());
    TcpListener::bind(address).unwrap();
}

#[tokio::test]
async fn a_sender_that_is_gone_stops_the_service() {
    let (listener, address) = bound();
    let (stop, shutdown) = watch::channel(false);
    let serving = spawn("app", SampleApp, listener, shutdown);

    drop(stop);
    serving.await.unwrap();

    assert!(TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn a_stop_that_was_said_before_the_start_is_heard() {
    let (listener, address) = bound();
    let (stop, mut shutdown) = watch::channel(false);
    stop.send(true).unwrap();
    shutdown.mark_unchanged();

    spawn("app", SampleApp, listener, shutdown).await.unwrap();

    assert!(TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn a_service_that_never_ran_closes_its_socket() {
    let (listener, address) = bound();
    let (_stop, shutdown) = watch::channel(false);

    let serving = spawn("app", SampleApp, listener, shutdown);
    serving.abort();
    assert!(serving.await.unwrap_err().is_cancelled());

    assert!(TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn a_unix_socket_is_for_its_owner_and_group_and_goes_with_the_service() {
    let directory = Directory::new();
    let path = directory.socket();
    let (stop, shutdown) = watch::channel(false);

    let serving = spawn_unix("app", SampleApp, &path, shutdown).unwrap();

    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let mut stream = TokioUnixStream::connect(&path).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stop.send(true).unwrap();
    serving.await.unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn the_socket_of_a_dead_process_is_replaced() {
    let directory = Directory::new();
    let path = directory.socket();
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let (_stop, shutdown) = watch::channel(false);

    let _serving = spawn_unix("app", SampleApp, &path, shutdown).unwrap();

    TokioUnixStream::connect(&path).await.unwrap();
}

#[tokio::test]
async fn the_socket_of_a_live_process_is_left_alone() {
    let directory = Directory::new();
    let path = directory.socket();
    let _other = UnixListener::bind(&path).unwrap();
    let (_stop, shutdown) = watch::channel(false);

    let refused = spawn_unix("app", SampleApp, &path, shutdown);

    assert!(matches!(refused, Err(ListenError::InUse(_))));
    assert!(path.exists());
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let directory = Directory::new();
    let path = directory.socket();
    std::fs::write(&path, "precious").unwrap();
    let (_stop, shutdown) = watch::channel(false);

    let refused = spawn_unix("app", SampleApp, &path, shutdown);

    assert!(matches!(refused, Err(ListenError::NotASocket(_))));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn a_successor_keeps_its_socket_when_the_predecessor_stops() {
    let directory = Directory::new();
    let path = directory.socket();
    let (stop, shutdown) = watch::channel(false);
    let serving = spawn_unix("app", SampleApp, &path, shutdown).unwrap();
    let successor = directory.0.join("successor.sock");
    let _successor = UnixListener::bind(&successor).unwrap();
    std::fs::rename(&successor, &path).unwrap();

    stop.send(true).unwrap();
    serving.await.unwrap();

    assert!(path.exists());
}

/// The smallest proxy: everything goes to one upstream.
struct PassThrough(SocketAddr);

#[async_trait]
impl ProxyHttp for PassThrough {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _ctx: &mut (),
    ) -> pingora::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.0, false, String::new())))
    }
}

#[tokio::test]
async fn a_proxy_is_served_in_the_same_way() {
    let (_stop, shutdown) = watch::channel(false);
    let (listener, upstream) = bound();
    let _upstream = spawn("app", SampleApp, listener, shutdown.clone());
    let (listener, gate) = bound();
    let proxy = http_proxy(&Arc::new(ServerConf::default()), PassThrough(upstream));

    let _gate = spawn("gate", proxy, listener, shutdown);

    let client = reqwest::Client::builder().build().unwrap();
    // The second request finds the connection of the first one reusable, body or not.
    for body in ["{\"a\":1}".to_owned(), "x".repeat(2 << 20), String::new()] {
        let length = body.len().min(1 << 20);
        let answer = client
            .post(format!("http://{gate}/p"))
            .body(body)
            .send()
            .await;
        let echoed = answer.unwrap().text().await.unwrap();
        assert!(
            echoed.contains(&format!("\"body_bytes\": {length},")),
            "{echoed}"
        );
    }
    let head = client
        .head(format!("http://{gate}/p"))
        .send()
        .await
        .unwrap();
    assert_eq!(head.status(), 200);
}
