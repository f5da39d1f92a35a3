//! A PostgreSQL server of our own: started with the first test that needs one, shared by all, a
//! database for each, gone with this process however that ends.
//!
//! `TRIPLINE_TEST_POSTGRES` names a server to use instead, as a URL whose user may make databases.

use std::fs;
use std::io::{Read, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tripline::store::Store;
use tripline::store::postgres::PostgresStore;
use url::Url;

use super::port;

const GIVEN: &str = "TRIPLINE_TEST_POSTGRES";

/// What to do where there is no server.
const MISSING: &str = "PostgreSQL is needed for the tests: install it (Debian: `apt-get install \
     postgresql`), or name a server in TRIPLINE_TEST_POSTGRES, such as \
     postgres://user:password@host/postgres";

/// The superuser of the server that is started here.
const USER: &str = "tripline";

/// A server.
#[derive(Debug)]
struct Server {
    /// A database of it that is always there.
    url: Url,
    /// None when the server is not ours. It ends the server when this process does, because then its input ends.
    keeper: Option<Child>,
}

static SERVER: OnceLock<Server> = OnceLock::new();
/// The database that stores are copied from.
static TEMPLATE: tokio::sync::OnceCell<String> = tokio::sync::OnceCell::const_new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

fn is_given() -> bool {
    std::env::var_os(GIVEN).is_some_and(|it| !it.is_empty())
}

fn server() -> &'static Server {
    SERVER.get_or_init(|| match std::env::var_os(GIVEN).filter(|it| !it.is_empty()) {
        Some(given) => {
            let given = given.into_string().expect("a URL is text");
            let url = Url::parse(&given).expect("TRIPLINE_TEST_POSTGRES is a URL");
            Server { url, keeper: None }
        }
        None => start(&Place::here()),
    })
}

/// A database of its own. Its name is in its URL; [`Database::discard`] removes it, and where that
/// does not happen, the end of the server does.
#[derive(Debug)]
pub(crate) struct Database {
    url: Url,
    name: String,
    /// The server, where nobody else uses it.
    own: Option<Server>,
}

impl Database {
    /// An empty one.
    pub(crate) async fn empty() -> Self {
        Self::with("").await
    }

    /// An empty one that holds text in another encoding.
    pub(crate) async fn with_encoding(encoding: &str) -> Self {
        let how = format!("ENCODING {encoding} LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
        Self::with(&how).await
    }

    /// One in which a store was opened and closed: a copy, which takes a moment only. On a server
    /// that is not ours, where what is copied would be left behind, it is made each time.
    pub(crate) async fn with_store() -> Self {
        if is_given() {
            let database = Self::empty().await;
            PostgresStore::open(database.url()).await.expect("a new store").close().await;
            return database;
        }
        let template = TEMPLATE.get_or_init(async || {
            let database = Self::empty().await;
            let store = PostgresStore::open(database.url()).await.expect("a new store");
            store.close().await;
            database.name
        });
        Self::with(&format!("TEMPLATE {}", template.await)).await
    }

    async fn with(how: &str) -> Self {
        // Starting a server takes a second or two, in which other tests go on.
        let server = tokio::task::spawn_blocking(server).await;
        let server = server.unwrap_or_else(|failed| resume_unwind(failed.into_panic()));
        Self::of(server, how).await
    }

    /// An empty one on a server that may be made to crash. Where a server was named for the tests,
    /// it is that one, and only its sessions are ended.
    pub(crate) async fn to_crash() -> Self {
        if is_given() {
            return Self::empty().await;
        }
        Self::on(Place::here()).await
    }

    /// An empty one on a server of its own, which listens at `address`; `words` before a command make
    /// it run there.
    pub(crate) async fn elsewhere(words: Vec<String>, address: Ipv4Addr) -> Self {
        Self::on(Place { words, address, ..Place::here() }).await
    }

    /// An empty one on a server of its own, whose environment has these variables besides.
    pub(crate) async fn in_environment(environment: Vec<(String, String)>) -> Self {
        Self::on(Place { environment, ..Place::here() }).await
    }

    async fn on(place: Place) -> Self {
        let started = tokio::task::spawn_blocking(move || start(&place)).await;
        let own = started.unwrap_or_else(|failed| resume_unwind(failed.into_panic()));
        let database = Self::of(&own, "").await;
        Self { own: Some(own), ..database }
    }

    /// Stops the server, which must be its own, and with it all sessions.
    pub(crate) fn stop_server(&mut self) {
        self.tell_keeper("stop");
    }

    /// Starts it again.
    pub(crate) fn start_server(&mut self) {
        self.tell_keeper("start");
    }

    fn tell_keeper(&mut self, word: &str) {
        let keeper = self.own.as_mut().and_then(|server| server.keeper.as_mut());
        let keeper = keeper.expect("the server is its own");
        let mut ear = keeper.stdin.as_ref().expect("it is piped");
        writeln!(ear, "{word}").expect("the keeper listens");
        let mouth = keeper.stdout.as_mut().expect("it is piped");
        let mut done = [0; 6];
        mouth.read_exact(&mut done).expect("the keeper answers");
        assert_eq!(&done, b"ready\n");
    }

    async fn of(server: &Server, how: &str) -> Self {
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let name = format!("tripline_test_{}_{number}", std::process::id());
        execute(&server.url, &format!("CREATE DATABASE {name} {how}")).await;
        let mut url = server.url.clone();
        url.set_path(&name);
        Self { url, name, own: None }
    }

    /// Its address.
    pub(crate) fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Its address where another port of this machine leads to the same server.
    pub(crate) fn url_through(&self, port: u16) -> String {
        let mut url = self.url.clone();
        url.set_host(Some("127.0.0.1")).expect("the URL has a host");
        url.set_port(Some(port)).expect("the URL has a host");
        url.into()
    }

    /// Whether the server asks the user `guarded` for a password.
    pub(crate) fn asks_for_passwords() -> bool {
        SERVER.get().is_some_and(|server| server.keeper.is_some())
    }

    /// Where the server listens.
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        let found = self.url.socket_addrs(|| Some(5432)).expect("the server has an address");
        *found.first().expect("the server has an address")
    }

    /// Runs statements behind the store's back.
    pub(crate) async fn execute(&self, statements: &str) {
        execute(&self.url, statements).await;
    }

    /// A connection of its own.
    pub(crate) async fn connect(&self) -> PgConnection {
        connect(&self.url).await
    }

    /// Kills a session of it without warning, upon which the server ends all others and recovers.
    pub(crate) async fn crash(&self) {
        const OTHERS: &str = "SELECT pid FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let mut connection = self.connect().await;
        let sessions: Vec<i32> =
            sqlx::query_scalar(OTHERS).fetch_all(&mut connection).await.expect("read");
        if self.own.is_some() {
            // The crash before this may only now have ended them all.
            let Some(first) = sessions.first() else { return };
            let victim = Pid::from_raw(*first).expect("a session");
            kill_process(victim, Signal::KILL).expect("the server runs here");
        } else {
            for session in sessions {
                let end = sqlx::query("SELECT pg_terminate_backend($1)").bind(session);
                end.execute(&mut connection).await.expect("ended");
            }
        }
    }

    /// Removes it, whoever is connected.
    pub(crate) async fn discard(self) {
        let server = self.own.as_ref().or(SERVER.get()).expect("it was made there");
        execute(&server.url, &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}

async fn connect(url: &Url) -> PgConnection {
    let options: PgConnectOptions = url.as_str().parse().expect("a good URL");
    let options = options.disable_statement_logging();
    for _ in 0..CUT_OFF {
        match PgConnection::connect_with(&options).await {
            Err(sqlx::Error::Io(_)) => tokio::time::sleep(BETWEEN).await,
            Err(error) if is_recovering(&error) => tokio::time::sleep(BETWEEN).await,
            connected => return connected.expect("the server answers"),
        }
    }
    PgConnection::connect_with(&options).await.expect("the server answers")
}

/// Whether a server says that it does not let anybody in yet (`57P03`,
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn is_recovering(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(DatabaseError::code).is_some_and(|code| code == "57P03")
}

/// So often, and at this distance, it is tried again: a server that recovers from a crash cuts off
/// whoever comes.
const CUT_OFF: u32 = 100;
const BETWEEN: Duration = Duration::from_millis(100);

async fn execute(url: &Url, statements: &str) {
    let mut connection = connect(url).await;
    let statements = AssertSqlSafe(statements.to_owned());
    sqlx::raw_sql(statements).execute(&mut connection).await.expect("executed");
    connection.close().await.expect("closed");
}

/// Where a server runs.
#[derive(Debug)]
struct Place {
    /// What goes before a command so that it runs there.
    words: Vec<String>,
    /// Where it listens.
    address: Ipv4Addr,
    /// Variables of its environment.
    environment: Vec<(String, String)>,
}

impl Place {
    fn here() -> Self {
        Self { words: Vec::new(), address: Ipv4Addr::LOCALHOST, environment: Vec::new() }
    }
}

/// Starts a server under a keeper.
fn start(place: &Place) -> Server {
    let programs = programs();
    let folder = tempfile::Builder::new().prefix("tripline-postgres-").tempdir();
    // The keeper removes it.
    let folder = folder.expect("a temporary folder").keep();
    let port = port::free();
    let owner = Owner::of_server();
    owner.give(&folder);
    let data = folder.join("data");
    let made = owner
        .command(&programs.join("initdb"))
        .args(["--username", USER, "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"])
        .arg(&data)
        .current_dir(&folder)
        .output()
        .expect("initdb can be started");
    assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
    // Passwords are asked of one user, so that tests can have one refused.
    let network = format!("{}/24", place.address);
    let access =
        format!("host all guarded {network} scram-sha-256\nhost all all {network} trust\n");
    fs::write(data.join("pg_hba.conf"), access).expect("the folder can be written");
    // Nothing here has to survive a power cut. In a file, so that a measurement can set it back.
    let hasty = "fsync = off\nfull_page_writes = off\n";
    fs::write(data.join("postgresql.auto.conf"), hasty).expect("the folder can be written");
    let keeper = keep(place, &owner, &programs, &folder, port);
    let url = format!("postgres://{USER}@{}:{port}/postgres", place.address);
    Server { url: Url::parse(&url).expect("a good URL"), keeper: Some(keeper) }
}

/// Starts the server and waits until it answers; stops and starts it when told so; and ends it when
/// the input ends, which happens when this process does, even if it is killed. Says `ready` each time.
const KEEPER: &str = r#"
folder=$1; shift
trap '' INT TERM HUP
start() {
  "$@" >>"$folder/log" 2>&1 &
  server=$!
  until "$READY" -q -h "$HOST" -p "$PORT"; do
    kill -0 $server 2>/dev/null || { cat "$folder/log"; exit 1; }
    sleep 0.05
  done
}
start "$@"
echo ready
while read -r word; do
  case $word in
    stop) kill -INT $server; wait $server ;;
    start) start "$@" ;;
  esac
  echo ready
done
kill -QUIT $server 2>/dev/null
wait $server
rm -rf "$folder"
"#;

fn keep(place: &Place, owner: &Owner, programs: &Path, folder: &Path, port: u16) -> Child {
    let mut server = place.words.clone();
    server.extend(owner.words());
    // Only the server itself: what makes it another user's process is not to see them.
    server.push("env".into());
    server.extend(place.environment.iter().map(|(name, value)| format!("{name}={value}")));
    server.push(programs.join("postgres").display().to_string());
    server.push("-D".into());
    server.push(folder.join("data").display().to_string());
    let settings = [
        format!("port={port}"),
        format!("listen_addresses={}", place.address),
        "unix_socket_directories=".into(),
        "max_connections=200".into(),
    ];
    server.extend(settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]));
    let mut command = Command::new("sh");
    command.args(["-c", KEEPER, "sh"]).arg(folder).args(server);
    command.env("READY", programs.join("pg_isready")).env("PORT", port.to_string());
    command.env("HOST", place.address.to_string());
    // In a group of its own, so that Ctrl-C reaches the tests and not the server before them.
    command.current_dir(folder).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut keeper = command.spawn().expect("sh can be started");
    let said = keeper.stdout.as_mut().expect("it is piped");
    let mut first = [0; 6];
    let heard = said.read_exact(&mut first);
    if heard.is_err() || &first != b"ready\n" {
        let mut rest = String::from_utf8_lossy(&first).into_owned();
        let _ = said.read_to_string(&mut rest);
        panic!("PostgreSQL did not start: {rest}");
    }
    keeper
}

/// The folder of the server's programs.
fn programs() -> PathBuf {
    let asked = Command::new("pg_config").arg("--bindir").stderr(Stdio::null()).output();
    let asked = asked.ok().filter(|it| it.status.success()).map(|it| it.stdout);
    let named = asked.and_then(|it| String::from_utf8(it).ok()).map(|it| it.trim().into());
    // Debian keeps each version in a folder of its own; the latest is best.
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    versions.sort_by_key(|path| {
        let version = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        std::cmp::Reverse(version.and_then(|it| it.parse::<u32>().ok()))
    });
    let mut places = named.into_iter().chain(versions);
    places.find(|place: &PathBuf| place.join("initdb").exists()).expect(MISSING)
}

/// Who runs the server: it refuses to be run by root.
#[derive(Debug)]
struct Owner(Option<&'static str>);

impl Owner {
    fn of_server() -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self(None);
        }
        let known = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let there = |name: &&str| known.lines().any(|line| line.starts_with(&format!("{name}:")));
        let found = ["postgres", "nobody"].into_iter().find(there);
        Self(Some(found.expect("there is a user who is not root: postgres or nobody")))
    }

    /// What goes before a command so that this user runs it.
    fn words(&self) -> Vec<String> {
        let Some(user) = self.0 else { return Vec::new() };
        ["setpriv", "--reuid", user, "--regid", &group_of(user), "--clear-groups", "--"]
            .map(str::to_owned)
            .into()
    }

    fn command(&self, program: &Path) -> Command {
        let mut words = self.words();
        words.push(program.display().to_string());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command
    }

    fn give(&self, folder: &Path) {
        if let Some(user) = self.0 {
            let given = Command::new("chown").arg(user).arg(folder).status();
            assert!(given.expect("chown can be started").success(), "a folder can be given away");
        }
    }
}

fn group_of(user: &str) -> String {
    let asked = Command::new("id").args(["-g", user]).output().expect("id can be started");
    String::from_utf8_lossy(&asked.stdout).trim().to_owned()
}
