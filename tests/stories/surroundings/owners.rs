//! What root writes in a guardian's directory belongs to the node's user, with the modes that were there.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::Path;

use fm_tests::{
    OLD_PASSWORD, Restorable, carry_over, converted, copy_dir, file_list, hash_to_confirm, hbbft,
    with_own_mounts,
};
use fm_tests::{attest, checkpoint, seal, sealed_guardians};

const NODE: (u32, u32) = (1234, 2345);

/// Makes the node's user the owner of a directory and all in it, which nobody else may read.
fn hand_over(directory: &Path) {
    let own = |path: &Path| {
        let mode = if path.is_dir() { 0o700 } else { 0o600 };
        lchown(path, Some(NODE.0), Some(NODE.1)).expect("root may give files away");
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the mode can be set");
    };
    file_list(directory).iter().for_each(|name| own(&directory.join(name)));
    own(directory);
}

/// Checks that everything in the directory still belongs to the node's user, and that nobody else may read
/// it.
#[track_caller]
fn is_the_nodes(directory: &Path, context: &str) {
    for name in file_list(directory) {
        let found = fs::symlink_metadata(directory.join(&name)).expect("an entry");
        let mode = if found.is_dir() { 0o700 } else { 0o600 };
        let (owner, name) = ((found.uid(), found.gid()), name.display());
        assert_eq!((owner, found.mode() & 0o7777), (NODE, mode), "{context}: {name}: {:o}", found.mode());
    }
}

#[test]
fn a_restore_and_its_way_back() {
    with_own_mounts("owners::a_restore_and_its_way_back", || {
        let guardian = Restorable::new(0);
        hand_over(&guardian.path());
        let run = guardian.restore(24, &[]).exits(0);
        assert_eq!(run.stderr, "");
        assert!(guardian.guard().is_some());
        is_the_nodes(&guardian.path(), "restored");
        let run = guardian.run("undo", &["--yes"]).exits(0);
        assert_eq!(run.stderr, "");
        is_the_nodes(&guardian.path(), "undone");
        // If there is no database, the data directory decides who owns the new one.
        fs::remove_dir_all(guardian.database()).expect("the database");
        guardian.restore(24, &["--guard-until", "30"]).exits(0);
        is_the_nodes(&guardian.path(), "restored where there was none");
    });
}

/// A file system that does not support owners: the job is done, with a warning.
#[test]
fn what_cannot_be_given_is_said() {
    with_own_mounts("owners::what_cannot_be_given_is_said", || {
        let guardian = Restorable::new(0);
        hand_over(&guardian.path());
        let mut run = fm_tests::command("setpriv");
        // Root without the right to change owners.
        run.args(["--bounding-set", "-chown,-fowner", "--inh-caps", "-chown,-fowner"]);
        run.arg(fm_tests::binary("fm-checkpoint"));
        let output = run.args(guardian.words("restore", &["--checkpoint", "24", "--yes"])).output();
        let run =
            fm_tests::Run::from_output("restore".to_owned(), output.expect("setpriv is there")).exits(0);
        let said =
            "belongs to user 0 and group 0 with mode 0700, and should belong to 1234 and 2345 with mode 0700";
        assert!(
            run.stderr.contains("fm-checkpoint: warning: ") && run.stderr.contains(said),
            "{}",
            run.stderr
        );
    });
}

#[test]
fn a_checkpoint_copied_or_linked() {
    with_own_mounts("owners::a_checkpoint_copied_or_linked", || {
        let guardian = Restorable::new(0);
        fs::remove_dir_all(guardian.path().join("db_checkpoints")).expect("the checkpoints");
        hand_over(&guardian.path());
        for more in [&["--json"][..], &["--json", "--link"]] {
            let run = guardian.run("create", more).exits(0);
            let made = run.verdict()["path"].as_str().expect("a path").to_owned();
            is_the_nodes(&guardian.path(), "created");
            fs::remove_dir_all(made).expect("the checkpoint");
        }
    });
}

#[test]
fn an_import_where_the_node_is_at_home() {
    with_own_mounts("owners::an_import_where_the_node_is_at_home", || {
        let home = tempfile::tempdir().expect("a directory");
        lchown(home.path(), Some(NODE.0), Some(NODE.1)).expect("root may give files away");
        let (archive, target) = (home.path().join("archive"), home.path().join("new"));
        let source = fm_tests::fixture("session-v0.5.0/peer-0");
        checkpoint!("export", source.join("db_checkpoints/24"), "--config", source, "--to", archive).exits(0);
        checkpoint!("import", archive, "--config", source, "--to", target).exits(0);
        for name in ["new", "new/database", "new/database/CURRENT"] {
            let found = fs::symlink_metadata(home.path().join(name)).expect("an entry");
            assert_eq!((found.uid(), found.gid()), NODE, "{name}");
        }
    });
}

#[test]
fn a_sealed_directory() {
    with_own_mounts("owners::a_sealed_directory", || {
        let home = tempfile::tempdir().expect("a directory");
        let migrated = home.path().join("migrated");
        converted(&hbbft("peer-0"), &migrated);
        let files: Vec<_> = (0..3).map(|peer| home.path().join(format!("of-{peer}"))).collect();
        for (peer, file) in files.iter().enumerate() {
            let of = home.path().join(format!("of-guardian-{peer}"));
            converted(&hbbft(&format!("peer-{peer}")), &of);
            attest(&of, &hbbft(&format!("peer-{peer}")), file, OLD_PASSWORD).exits(0);
        }
        hand_over(&migrated);
        seal(&migrated, &hbbft("peer-0"), &files).exits(0);
        is_the_nodes(&migrated, "sealed");
    });
}

#[test]
fn a_guardian_that_is_carried_over() {
    with_own_mounts("owners::a_guardian_that_is_carried_over", || {
        let home = tempfile::tempdir().expect("a directory");
        let old = sealed_guardians(home.path());
        let directory = home.path().join("carried");
        copy_dir(&home.path().join("0"), &directory);
        hand_over(&directory);
        let hash = hash_to_confirm(carry_over(&directory, &old[0], &[]));
        carry_over(&directory, &old[0], &["--confirm", &hash]).exits(0);
        is_the_nodes(&directory, "carried over");
    });
}

/// What a node that runs as root makes belongs to root, file by file: it says so.
#[test]
fn a_node_as_root_in_anothers_directory_says_so() {
    with_own_mounts("owners::a_node_as_root_in_anothers_directory_says_so", || {
        let guardian = Restorable::new(0);
        // All sessions that this guardian has finished, so it ends at once.
        let run = || {
            let mut node = fm_tests::command(fm_tests::binary("fm-node"));
            node.args(["run", "--bind-p2p", "127.0.0.1:0", "--bind-api", "127.0.0.1:0", "--sessions", "1"]);
            node.args(["--guard-until", "none"]).env("FM_PASSWORD", "fixture");
            let output = node.arg("--data-dir").arg(guardian.path()).output().expect("it can be started");
            fm_tests::Run::from_output("fm-node run".to_owned(), output).exits(0).stderr
        };
        assert!(!run().contains("this runs as root"), "the directory is root's");
        hand_over(&guardian.path());
        let said = run();
        assert!(said.contains("belongs to user 1234") && said.contains("`chown -R 1234:2345`"), "{said}");
    });
}
