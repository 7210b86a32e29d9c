//! A program of its own: a child process holds this process's locks for a moment while it starts, and the
//! other test programs test locks.

use std::path::Path;
use std::process::Command;

use fm_store::quoted;

#[test]
fn paths_come_back_from_a_shell_as_they_were() {
    for (path, shown) in [
        ("/srv/guardian-0", "/srv/guardian-0"),
        ("s3://bucket/key", "s3://bucket/key"),
        ("/srv/my guardian", "'/srv/my guardian'"),
        ("it's $HOME", r"'it'\''s $HOME'"),
        ("-rf", "'-rf'"),
        ("", "''"),
    ] {
        assert_eq!(quoted(Path::new(path)), shown);
        let printed = Command::new("sh").arg("-c").arg(format!("printf %s {shown}")).output();
        assert_eq!(printed.expect("a shell").stdout, path.as_bytes(), "{shown}");
    }
}
