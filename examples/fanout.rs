//! What many readers that wait for one stream cost a Redis or Valkey server, and how late the last of them hears of an event:
//!
//! ```text
//! redis-server --port 7000 --maxclients 11000 --save ''
//! cargo run --release --example fanout -- --store 127.0.0.1:7000 --readers 10,100,1000,10000
//! ```
//!
//! Each reader waits as a gate does, with `XREAD BLOCK`, on a connection of its own. The server's time on its processor is what it says
//! itself (`INFO cpu`), so a slow machine at this end does not spoil that figure. The delays hold what this program needs to read the
//! answers, too, so they are upper bounds. Writes one key, `bailiff:fanout`, and deletes it. Ends by itself.

use std::collections::VecDeque;
use std::io::{Error, Result};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bailiff::clock;
use clap::Parser;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Barrier, mpsc};

const KEY: &str = "bailiff:fanout";
/// Bound: readers of one run, and events of one run.
const MOST: usize = 20_000;

#[derive(Parser)]
struct Args {
    /// The server, which should have nothing else to do.
    #[arg(long)]
    store: String,
    /// How many readers, one run each.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 100, 1000])]
    readers: Vec<usize>,
    /// Events of each run.
    #[arg(long, default_value_t = 50)]
    events: usize,
    /// Bytes of each event.
    #[arg(long, default_value_t = 250)]
    bytes: usize,
    /// How long each reader pauses after an answer before it asks again, in milliseconds.
    #[arg(long, default_value_t = 0)]
    pause: u64,
    /// Milliseconds from one event to the next; 0 waits until every reader has the last one.
    #[arg(long, default_value_t = 0)]
    every: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    println!("readers  server µs/event  of that per reader  delay ms: median  p99  last");
    for &readers in &args.readers {
        run(&args, readers.clamp(1, MOST)).await?;
    }
    Ok(())
}

async fn run(args: &Args, readers: usize) -> Result<()> {
    let events = args.events.clamp(1, MOST);
    let mut writer = Connection::open(&args.store).await?;
    writer.ask(&["DEL", KEY]).await?;
    let ready = Arc::new(Barrier::new(readers + 1));
    let (tell, mut told) = mpsc::unbounded_channel();
    for _ in 0..readers {
        let reader = Connection::open(&args.store).await?;
        tokio::spawn(follow(
            reader,
            events,
            Duration::from_millis(args.pause),
            ready.clone(),
            tell.clone(),
        ));
    }
    drop(tell);
    ready.wait().await;
    // Every reader has sent its question; the server has it when it has answered this.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (body, before) = ("x".repeat(args.bytes), cpu(&mut writer).await?);
    let mut written = VecDeque::new();
    let mut delays = Vec::with_capacity(readers * events);
    let mut take = |(event, at): (usize, Instant), written: &VecDeque<Instant>| {
        delays.extend(
            written
                .get(event)
                .map(|sent| at.saturating_duration_since(*sent).as_secs_f64() * 1000.0),
        );
    };
    for event in 0..events {
        written.push_back(clock::monotonic());
        writer
            .ask(&["XADD", KEY, &format!("{}-0", event + 1), "b", &body])
            .await?;
        if args.every > 0 {
            tokio::time::sleep(Duration::from_millis(args.every)).await;
        } else {
            for _ in 0..readers {
                take(
                    told.recv()
                        .await
                        .ok_or_else(|| Error::other("a reader is gone"))?,
                    &written,
                );
            }
        }
    }
    while let Some(heard) = told.recv().await {
        take(heard, &written);
    }
    let spent = (cpu(&mut writer).await? - before) * 1e6 / events as f64;
    writer.ask(&["DEL", KEY]).await?;
    delays.sort_by(f64::total_cmp);
    let at = |share: f64| {
        delays
            .get((share * (delays.len() - 1) as f64) as usize)
            .copied()
            .unwrap_or(f64::NAN)
    };
    let each = spent / readers as f64;
    println!(
        "{readers:>7}  {spent:>15.0}  {each:>18.2}  {:>16.2}  {:>5.2}  {:>5.2}",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    Ok(())
}

/// One reader, until it has heard of all events.
async fn follow(
    mut store: Connection,
    events: usize,
    pause: Duration,
    ready: Arc<Barrier>,
    tell: mpsc::UnboundedSender<(usize, Instant)>,
) -> Result<()> {
    let (mut heard, mut first) = (0, true);
    while heard < events {
        let last = format!("{heard}-0");
        store
            .send(&[
                "XREAD", "BLOCK", "60000", "COUNT", "500", "STREAMS", KEY, &last,
            ])
            .await?;
        if std::mem::take(&mut first) {
            ready.wait().await;
        }
        let entries = store.answer().await?;
        for _ in 0..entries {
            tell.send((heard, clock::monotonic()))
                .map_err(|_| Error::other("nobody listens"))?;
            heard += 1;
        }
        tokio::time::sleep(pause).await;
    }
    Ok(())
}

/// Seconds that the server has been at work.
async fn cpu(store: &mut Connection) -> Result<f64> {
    store.send(&["INFO", "cpu"]).await?;
    store.answer().await?;
    let text = String::from_utf8_lossy(&store.last).into_owned();
    let seconds = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok())
    };
    let main = seconds("used_cpu_sys_main_thread:").zip(seconds("used_cpu_user_main_thread:"));
    main.map(|(sys, user)| sys + user)
        .ok_or_else(|| Error::other("the server does not say how long it worked"))
}

/// As much of RESP2 as is needed here.
struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
    /// The last text that was in an answer.
    last: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            read: Vec::new(),
            last: Vec::new(),
        })
    }

    async fn ask(&mut self, words: &[&str]) -> Result<usize> {
        self.send(words).await?;
        self.answer().await
    }

    async fn send(&mut self, words: &[&str]) -> Result<()> {
        let mut text = format!("*{}\r\n", words.len());
        words
            .iter()
            .for_each(|word| text.push_str(&format!("${}\r\n{word}\r\n", word.len())));
        self.stream.write_all(text.as_bytes()).await
    }

    /// Reads one whole answer: how many stream entries it has, which are the lists within a list within a list.
    async fn answer(&mut self) -> Result<usize> {
        let (mut open, mut entries) = (vec![1_i64], 0);
        while let Some(left) = open.last_mut() {
            if *left <= 0 {
                open.pop();
                continue;
            }
            *left -= 1;
            let line = self.line().await?;
            let number = || {
                line.get(1..)
                    .and_then(|text| text.parse::<i64>().ok())
                    .unwrap_or(0)
            };
            match line.chars().next() {
                Some('*') => {
                    // Answer, stream, its entries, one entry, its fields: an entry opens the fourth list.
                    entries += usize::from(open.len() == 4);
                    open.push(number());
                }
                Some('$') if number() >= 0 => {
                    let length = usize::try_from(number()).unwrap_or(0);
                    self.last = self.take(length + 2).await?;
                }
                Some('-') => return Err(Error::other(line)),
                _ => {}
            }
        }
        Ok(entries)
    }

    async fn line(&mut self) -> Result<String> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line = self.take(end + 1).await?;
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            self.more().await?;
        }
    }

    async fn take(&mut self, bytes: usize) -> Result<Vec<u8>> {
        while self.read.len() < bytes {
            self.more().await?;
        }
        Ok(self.read.drain(..bytes).collect())
    }

    async fn more(&mut self) -> Result<()> {
        match self.stream.read_buf(&mut self.read).await? {
            0 => Err(Error::other("the server has closed the connection")),
            _ => Ok(()),
        }
    }
}
