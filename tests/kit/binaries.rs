//! Where the programs are, and that they are those of this source tree.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

const HELP: &str = "run `cargo build --release --workspace` first (or set FM_BIN_DIR to where the programs are)";
const PROGRAMS: [&str; 3] = ["fm-migrate", "fm-verify", "fm-forge"];

/// The path of a program.
///
/// `FM_BIN_DIR` names the directory; without it that is the one that cargo built this test in, and a program
/// older than the source is refused.
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
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let newest = newest(&tree.join("crates")).max(newest(&tree.join("tools")));
    for program in PROGRAMS {
        let path = directory.join(program);
        let built = fs::metadata(&path).and_then(|metadata| metadata.modified());
        let Ok(built) = built else { panic!("{} is missing: {HELP}", path.display()) };
        assert!(built >= newest, "{} is older than the source: {HELP}", path.display());
    }
    directory.to_owned()
}

/// When the newest source of a program below a directory was written; tests and benchmarks are not part of one.
fn newest(directory: &Path) -> SystemTime {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(directory).expect("the source tree can be read") {
        let path = entry.expect("the source tree can be read").path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() && name != "tests" && name != "benches" {
            newest = newest.max(self::newest(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let written = fs::metadata(&path).and_then(|metadata| metadata.modified());
            newest = newest.max(written.expect("the source tree can be read"));
        }
    }
    newest
}
