//! A PostgreSQL of our own: a fresh cluster in a temporary folder, reachable through a Unix socket in there and nowhere
//! else, so that it meets no other server and no other test.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::process::{Process, eventually, patiently};
use super::wire::PATIENCE;

/// Runs the server and waits beside it for the end of its own input, which comes when the test process lets go of it or
/// ends in any way, SIGKILL included. (The kernel's own way, PR_SET_PDEATHSIG, watches the thread that started a process;
/// here that thread is one test of many.) `$1` is the folder of the programs.
///
/// The folder is made by the user who runs the server, readable by nobody else but root. Nothing has to outlive a crash.
const KEEPER: &str = r#"
set -eu
dir=$(mktemp -d /tmp/bailiff-postgres.XXXXXXXX)
trap 'rm -rf "$dir"' EXIT
"$1/initdb" -D "$dir/data" --username=postgres --auth=trust --encoding=UTF8 --locale=C --no-sync >/dev/null
programs=$1
shift
start() {
  "$programs/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= -c fsync=off -c max_connections=50 "$@" &
  server=$!
}
# TERM for a server that has only just begun and still ignores QUIT, as all background jobs of sh do at first.
stop() {
  kill -TERM "$server" && kill "-$1" "$server" || :
  wait "$server" || :
}
start "$@"
echo "folder $dir"
while read -r word; do
  case $word in
    stop) stop INT; echo stopped ;;
    start) start "$@" ;;
  esac
done
stop QUIT
"#;

/// Where `initdb`, `postgres` and `psql` are. Debian keeps them off the `PATH`; of several versions the last is taken.
fn programs() -> PathBuf {
    let named = std::env::var_os("BAILIFF_TEST_POSTGRES").map(PathBuf::from);
    let debian = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut debian: Vec<_> = debian.map(|version| version.path().join("bin")).collect();
    debian.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let candidates = named
        .into_iter()
        .chain(debian.into_iter().rev())
        .chain(std::env::split_paths(&path));
    let complete = |folder: &PathBuf| {
        ["initdb", "postgres", "psql"]
            .iter()
            .all(|program| folder.join(program).is_file())
    };
    candidates.into_iter().find(complete).expect(
        "no PostgreSQL: neither /usr/lib/postgresql/*/bin nor the PATH has initdb, postgres and psql. `./run tests` \
         installs the Debian package; or set BAILIFF_TEST_POSTGRES to the folder that has them",
    )
}

/// `initdb` refuses to work for root, so root hands over to the user that the package has made.
fn keeper(programs: &Path, settings: &[String]) -> Command {
    let root = std::fs::metadata("/proc/self").is_ok_and(|us| us.uid() == 0);
    let mut command = match root {
        true => {
            let mut command = Command::new("setpriv");
            command.args([
                "--reuid=postgres",
                "--regid=postgres",
                "--clear-groups",
                "--",
                "sh",
            ]);
            command
        }
        false => Command::new("sh"),
    };
    // The folder of the tests may be closed to that user.
    command
        .args(["-c", KEEPER, "keeper"])
        .arg(programs)
        .args(settings)
        .current_dir("/");
    command
}

/// Dropping it waits until the server is gone: a keeper that is killed would leave it behind.
struct Keeper(Process);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.detach();
        patiently(|| self.0.ended());
    }
}

/// A running server. Dropping it ends it and removes its folder.
pub struct Postgres {
    keeper: Keeper,
    programs: PathBuf,
    folder: PathBuf,
}

impl Postgres {
    /// A server with an empty database.
    #[track_caller]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// A server with an empty database and further settings, each `name=value`.
    #[track_caller]
    pub fn with(settings: &[String]) -> Self {
        let programs = programs();
        let settings: Vec<_> = settings
            .iter()
            .flat_map(|setting| ["-c".to_owned(), setting.clone()])
            .collect();
        let keeper = Keeper(Process::attached(keeper(&programs, &settings), &[]));
        let Process { stdout, stderr, .. } = &keeper.0;
        let folder = stdout.wait(PATIENCE, |line| {
            line.strip_prefix("folder ").map(PathBuf::from)
        });
        let ready = |line: &str| {
            line.contains("database system is ready to accept connections")
                .then_some(())
        };
        match (folder, stderr.wait(PATIENCE, ready)) {
            (Some(folder), Some(())) => Self {
                keeper,
                programs,
                folder,
            },
            _ => panic!(
                "PostgreSQL did not start (for root it runs as the user `postgres`, which must be there):\n{}",
                stderr.all().join("\n"),
            ),
        }
    }

    /// The server with the recipe's tables that all tests share. Statics are never dropped: the keeper ends it.
    #[track_caller]
    pub fn of_the_recipe() -> &'static Self {
        static SERVER: OnceLock<Postgres> = OnceLock::new();
        SERVER.get_or_init(|| {
            let server = Self::start();
            let recipe = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/recipes/postgres-rls.sql");
            let recipe = std::fs::read_to_string(recipe).expect("the recipe is there");
            // Whole or not at all, as the file asks to be run.
            server
                .psql("postgres", &format!("BEGIN;\n{recipe}\nCOMMIT;"))
                .succeeded();
            server
        })
    }

    /// A server with the tables of the recipe for the membership, and what `rows` puts into them.
    #[track_caller]
    pub fn with_members(settings: &[String], rows: &str) -> Self {
        let server = Self::with(settings);
        let recipe = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/docs/recipes/postgres-membership.sql"
        );
        let recipe = std::fs::read_to_string(recipe).expect("the recipe is there");
        server
            .psql("postgres", &format!("BEGIN;\n{recipe}\nCOMMIT;\n{rows}"))
            .succeeded();
        server
    }

    /// Stops it and waits until it is gone; all connections end at once.
    #[track_caller]
    pub fn stop(&mut self) {
        let gone = |lines: &[String]| lines.iter().filter(|line| *line == "stopped").count();
        let before = gone(&self.keeper.0.stdout.all());
        self.keeper.0.say("stop");
        eventually("PostgreSQL stopped", || {
            (gone(&self.keeper.0.stdout.all()) > before).then_some(())
        });
    }

    /// Starts it again, and waits until it answers.
    #[track_caller]
    pub fn start_again(&mut self) {
        self.keeper.0.say("start");
        eventually("PostgreSQL answered", || {
            (self.psql("postgres", "SELECT 1").code == 0).then_some(())
        });
    }

    /// What the server has logged.
    pub fn log(&self) -> Vec<String> {
        self.keeper.0.stderr.all()
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where this user connects to, as a URL.
    pub fn address_for(&self, user: &str) -> String {
        format!(
            "postgres://{user}@{}/postgres",
            self.folder.display().to_string().replace('/', "%2F")
        )
    }

    /// How this user connects, in the words of libpq.
    pub fn url_of(&self, user: &str) -> String {
        format!("host={} user={user} dbname=postgres", self.folder.display())
    }

    /// Runs SQL as this user, up to the first error.
    #[track_caller]
    pub fn psql(&self, user: &str, sql: &str) -> Psql {
        let mut command = Command::new(self.programs.join("psql"));
        let flags = [
            "-X",
            "--quiet",
            "--no-align",
            "--tuples-only",
            "-v",
            "ON_ERROR_STOP=1",
            "-v",
            "VERBOSITY=verbose",
        ];
        command
            .args(flags)
            .args(["-d", &self.url_of(user), "-f", "-"])
            .current_dir("/");
        let finished = Process::start(command, &[], sql.as_bytes()).finish();
        Psql {
            code: finished.code(),
            stdout: finished.stdout,
            stderr: finished.stderr,
        }
    }
}

/// What `psql` made of some SQL.
pub struct Psql {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Psql {
    /// The rows, one a line, fields with `|` between them.
    #[track_caller]
    pub fn succeeded(self) -> String {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self.stdout
    }

    /// Asserts that the database refused with this SQLSTATE.
    #[track_caller]
    pub fn refused(self, sqlstate: &str) {
        assert!(
            self.code != 0 && self.stderr.contains(sqlstate),
            "not {sqlstate}: {}{}",
            self.stdout,
            self.stderr
        );
    }
}
