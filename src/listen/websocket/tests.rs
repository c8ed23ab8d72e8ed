use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;

const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";

/// The bytes that the app of a test sends, and when.
struct App {
    sends: Vec<(Duration, &'static [u8])>,
    end: Notify,
    /// The bytes that it has read from the client.
    read: Mutex<Vec<u8>>,
}

/// Takes the place of Pingora and [`super::super::limits`]: it sends and reads, and the test closes it.
#[async_trait]
impl ServerApp for App {
    async fn process_new(self: &Arc<Self>, stream: Stream, _: &ShutdownWatch) -> Option<Stream> {
        begins();
        let (mut from, mut to) = tokio::io::split(stream);
        let app = self.clone();
        let mut request = Box::pin(async move {
            let send = async {
                for (pause, bytes) in &app.sends {
                    tokio::time::sleep(*pause).await;
                    let _ = to.write_all(bytes).await;
                    let _ = to.flush().await;
                }
                std::future::pending::<()>().await;
            };
            let read = async {
                while let Ok(byte) = from.read_u8().await {
                    app.read.lock().push(byte);
                }
            };
            tokio::join!(send, read);
        });
        tokio::select! {
            () = &mut request => {}
            () = self.end.notified() => close(request).await,
        }
        None
    }
}

/// A client of an app that sends this. The socket in between holds `room` bytes.
fn client(room: usize, sends: &[(u64, &'static [u8])]) -> (DuplexStream, Arc<App>, JoinHandle<()>) {
    let sends = sends
        .iter()
        .map(|(ms, bytes)| (Duration::from_millis(*ms), *bytes))
        .collect();
    let closer = Arc::new(WebSocketCloser::new(App {
        sends,
        end: Notify::new(),
        read: Mutex::default(),
    }));
    let (client, server) = tokio::io::duplex(room);
    let app = closer.app.clone();
    let serving = tokio::spawn(async move {
        let (_stop, shutdown) = watch::channel(false);
        closer.process_new(Box::new(server), &shutdown).await;
    });
    (client, app, serving)
}

async fn rest(client: &mut DuplexStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).await.unwrap();
    bytes
}

async fn reads(client: &mut DuplexStream, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    client.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes, expected);
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_ends_in_time_is_sent_whole_and_the_next_not_at_all() {
    let sends: &[(u64, &[u8])] = &[(0, SWITCHING), (0, b"\x82\x04ab"), (100, b"cd\x82\x04next")];
    let (mut client, app, serving) = client(1024, sends);
    reads(&mut client, &[SWITCHING, b"\x82\x04ab"].concat()).await;
    tokio::time::sleep(Duration::from_millis(80)).await;
    app.end.notify_one();
    assert_eq!(rest(&mut client).await, [&b"cd"[..], CLOSE_FRAME].concat());
    drop(client);
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_does_not_end_in_time_is_not_waited_for() {
    let sends: &[(u64, &[u8])] = &[(0, SWITCHING), (0, b"\x82\x04ab"), (1000, b"cd")];
    let (mut client, app, serving) = client(1024, sends);
    reads(&mut client, &[SWITCHING, b"\x82\x04ab"].concat()).await;
    let ended = Instant::now();
    app.end.notify_one();
    assert_eq!(rest(&mut client).await, b"");
    assert_eq!(ended.elapsed(), CLOSE_WITHIN);
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_waited_for_no_longer() {
    // The client's socket has room for the answer and for half of a frame.
    let sends: &[(u64, &[u8])] = &[(0, SWITCHING), (0, b"\x82\x10halfhalfhalfhalf")];
    let (client, app, serving) = client(SWITCHING.len() + 10, sends);
    tokio::time::sleep(Duration::from_millis(10)).await;
    let ended = Instant::now();
    app.end.notify_one();
    serving.await.unwrap();
    assert_eq!(ended.elapsed(), CLOSE_WITHIN);
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_close_its_side_is_closed_all_the_same() {
    let (mut client, app, serving) = client(1024, &[(0, SWITCHING)]);
    reads(&mut client, SWITCHING).await;
    let ended = Instant::now();
    app.end.notify_one();
    assert_eq!(rest(&mut client).await, CLOSE_FRAME);
    assert_eq!(
        ended.elapsed(),
        Duration::ZERO,
        "the client is told at once"
    );
    serving.await.unwrap();
    assert_eq!(ended.elapsed(), LINGER);
}

#[tokio::test(start_paused = true)]
async fn what_a_client_still_sends_is_taken_within_bounds_and_goes_nowhere() {
    let sends: &[(u64, &[u8])] = &[(0, SWITCHING), (0, b"\x82\x04ab"), (20, b"cd")];
    let (mut client, app, serving) = client(1024, sends);
    reads(&mut client, &[SWITCHING, b"\x82\x04ab"].concat()).await;
    client.write_all(b"before").await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    app.end.notify_one();
    // Access has ended, and the app's frame is not complete yet.
    tokio::time::sleep(Duration::from_millis(1)).await;
    let flood = vec![b'x'; 2 * usize::try_from(LINGER_BYTES).unwrap()];
    let broken = client.write_all(&flood).await;
    assert!(broken.is_err(), "there is an end to it");
    serving.await.unwrap();
    assert_eq!(*app.read.lock(), b"before");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_no_web_socket_is_just_dropped() {
    let (mut client, server) = tokio::io::duplex(1024);
    let followed = Arc::<Followed>::default();
    let mut stream = WatchedConnection {
        stream: Box::new(server),
        followed: followed.clone(),
    };
    CLIENT
        .scope(followed, async move {
            stream.write_all(b"\x81\x00").await.unwrap();
            close(Box::pin(async move {
                std::future::pending::<()>().await;
                drop(stream)
            }))
            .await;
        })
        .await;
    assert_eq!(rest(&mut client).await, b"\x81\x00");
}
