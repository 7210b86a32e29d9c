//! A store of objects that speaks S3 on this machine, while a test runs: signatures are checked, objects are
//! files.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::manners::Mannered;
use crate::{Manners, Run, binary, command, file_list};

/// The key that the store knows.
const KEY: (&str, &str) = ("night-job", "a-secret-that-nobody-prints");

/// The difference between the dates of an object and of its replacement.
const OTHER_DATE: Duration = Duration::from_secs(5);

/// The store, with one bucket.
pub struct Store {
    home: TempDir,
    address: SocketAddr,
    manners: Arc<Manners>,
    // The server runs on its threads.
    _runtime: Runtime,
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

impl Store {
    /// Starts a store with the bucket `archives`.
    pub fn new() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(home.path().join("objects/archives")).expect("a bucket");
        fs::create_dir_all(home.path().join("home")).expect("a home without settings");
        let runtime = Runtime::new().expect("a runtime");
        let inner = FileSystem::new(home.path().join("objects")).expect("the store can be opened");
        let manners = Arc::new(Manners::default());
        let objects = home.path().join("objects");
        let mannered =
            Mannered { inner, objects, manners: Arc::clone(&manners), writing: Default::default() };
        let mut service = S3ServiceBuilder::new(mannered);
        service.set_auth(SimpleAuth::from_single(KEY.0, KEY.1));
        let service = service.build().into_shared();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port for the store");
        let address = listener.local_addr().expect("it has an address");
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let server = Builder::new(TokioExecutor::new());
                    // A broken connection is the client's affair.
                    let _ = server.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { home, address, manners, _runtime: runtime }
    }

    /// Returns the address at which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns its behaviour.
    pub fn manners(&self) -> &Manners {
        &self.manners
    }

    /// Returns the secret that requests are signed with.
    pub fn secret(&self) -> &'static str {
        KEY.1
    }

    /// Returns the file that holds an object.
    pub fn object(&self, key: &str) -> PathBuf {
        self.home.path().join("objects/archives").join(key)
    }

    /// Replaces an object, as another client would: with other bytes, and with another tag and date, or only
    /// another date as on a store without tags.
    pub fn replace(&self, key: &str, bytes: &[u8], with_tag: bool) {
        let (object, new) = (self.object(key), self.path("new"));
        fs::write(&new, bytes).expect("the new object can be written");
        let date = fs::metadata(&object).and_then(|old| old.modified()).expect("a date") + OTHER_DATE;
        File::options().write(true).open(&new).and_then(|new| new.set_modified(date)).expect("it has a date");
        if with_tag {
            // The store hashes the bytes of an object whose tag it has not noted.
            let objects = self.home.path().join("objects");
            let notes = file_list(&objects).into_iter().map(|path| objects.join(path));
            for note in notes.filter(|path| path.to_string_lossy().ends_with(".internal.json")) {
                fs::remove_file(note).expect("the store's note goes");
            }
        }
        fs::rename(new, object).expect("it takes the place");
    }

    /// Returns the names of all files of the store except its own notes on objects: objects, and unfinished
    /// uploads with their parts.
    ///
    /// Parts of an upload that the store itself has forgotten are its own litter: it leaves them if a client
    /// goes away while it joins them. The same holds for what it had received of an object when the client
    /// went away.
    pub fn files(&self) -> Vec<String> {
        let root = self.home.path().join("objects");
        let files = file_list(&root).into_iter().filter(|path| root.join(path).is_file());
        let is_known =
            |name: &str| match name.strip_prefix(".upload_id-").and_then(|part| part.split_once(".part-")) {
                Some((id, _)) => root.join(format!(".upload-{id}.json")).exists(),
                None => !(name.starts_with(".tmp.") && name.ends_with(".internal.part")),
            };
        files
            .map(|path| path.to_string_lossy().into_owned())
            .filter(|name| !name.contains(".internal.json") && !name.contains(".metadata.json"))
            .filter(|name| is_known(name))
            .collect()
    }

    /// Returns a command for the program with the settings of this store, reached at `address`.
    pub fn command(&self, address: SocketAddr, words: &[OsString]) -> Command {
        let mut command = command(binary("fm-checkpoint"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("AWS_") {
                command.env_remove(name);
            }
        }
        let settings = [
            ("AWS_ACCESS_KEY_ID", KEY.0.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", KEY.1.to_owned()),
            ("AWS_REGION", "eu-central-1".to_owned()),
            ("AWS_ENDPOINT_URL", format!("http://{address}")),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
        ];
        command.env("HOME", self.home.path().join("home")).envs(settings).args(words);
        command
    }

    /// Runs the program against the store, reached at `address`, to its end.
    pub fn run_at(&self, address: SocketAddr, words: &[OsString]) -> Run {
        let output = self.command(address, words).output().expect("the program can be started");
        let run = Run::from_output(format!("fm-checkpoint {words:?}"), output);
        assert!(!run.stderr.contains(KEY.1) && !run.stdout.contains(KEY.1), "the secret is printed");
        run
    }

    /// Runs the program against the store to its end.
    pub fn run(&self, words: &[OsString]) -> Run {
        self.run_at(self.address, words)
    }

    /// Returns a directory of the test's own.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Returns the directory where the store keeps its files.
    pub fn root(&self) -> &Path {
        self.home.path()
    }
}
