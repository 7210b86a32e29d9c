//! Finds the programs, and checks that they were built from this source tree.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

const HELP: &str =
    "run `cargo build --release --workspace` first (or set FM_BIN_DIR to where the programs are)";
const PROGRAMS: [&str; 5] = ["fm-checkpoint", "fm-migrate", "fm-node", "fm-verify", "fm-forge"];

/// Returns the path of a program.
///
/// `FM_BIN_DIR` names the directory. Without it, the directory is the one that cargo built this test in, and
/// a program older than the source is refused.
pub fn binary(name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(find).join(name)
}

fn find() -> PathBuf {
    if let Some(directory) = env::var_os("FM_BIN_DIR") {
        let directory = PathBuf::from(directory);
        for program in PROGRAMS {
            assert!(directory.join(program).is_file(), "FM_BIN_DIR has no {program}");
        }
        return directory;
    }
    let test = env::current_exe().expect("a process knows its own program");
    let directory = test.parent().and_then(Path::parent).expect("tests are built in <target>/release/deps");
    for program in PROGRAMS {
        let path = directory.join(program);
        let Some(built) = written(&path) else { panic!("{} is missing: {HELP}", path.display()) };
        let newer = sources(&path).into_iter().find(|source| written(source).is_none_or(|time| time > built));
        if let Some(newer) = newer {
            panic!("{} is older than {}: {HELP}", path.display(), newer.display());
        }
    }
    directory.to_owned()
}

fn written(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// Returns the files that a program was made from, as cargo lists them beside it; a commit alone changes only
/// the output of `--version`.
fn sources(program: &Path) -> Vec<PathBuf> {
    let list = program.with_extension("d");
    let Ok(text) = fs::read_to_string(&list) else { panic!("{} is missing: {HELP}", list.display()) };
    // `program: source source …`; a space inside a path has a backslash before it.
    let sources = text.split_once(": ").map_or("", |(_, sources)| sources).replace("\\ ", "\0");
    let sources = sources.split_whitespace().map(|source| PathBuf::from(source.replace('\0', " ")));
    sources.filter(|source| !source.iter().any(|part| part == ".git")).collect()
}
