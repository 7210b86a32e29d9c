//! A small disk for a job to fill: a tmpfs in a mount namespace of its own.

/// Mounts a disk with options `$1` at `$2`, runs `"$@"` from the fourth on, prints what it left, and runs it
/// again on the grown disk. Leaves a copy of the result in `$3`.
pub const ON_A_SMALL_DISK: &str = r#"
unshare -rm true || { echo "no private mount namespace: unshare -rm is not permitted here" >&2; exit 99; }
exec unshare -rm sh -c '
    options=$1; disk=$2; copy=$3; shift 3
    mount -t tmpfs -o "$options" tmpfs "$disk" || { echo "a tmpfs cannot be mounted here" >&2; exit 99; }
    "$@"; status=$?
    echo "LEFT $(ls -A "$disk" | tr "\n" " ")"
    mount -o remount,size=256m,nr_inodes=10000 "$disk" || exit 99
    "$@" >&2 || exit 98
    cp -r "$disk/target" "$copy" || exit 97
    exit $status
' sh "$@"
"#;

/// Copies the guardian `$1` to a disk of its own at `$2` with `$3` KiB of room left, runs `"$@"` from the
/// fifth on, prints what is there then, and runs it again with enough room. Leaves a copy of the database in
/// `$4`.
pub const ON_A_NEARLY_FULL_DISK: &str = r#"
unshare -rm true || { echo "no private mount namespace: unshare -rm is not permitted here" >&2; exit 99; }
exec unshare -rm sh -c '
    from=$1; disk=$2; room=$3; copy=$4; shift 4
    mount -t tmpfs -o size=256m tmpfs "$disk" || { echo "a tmpfs cannot be mounted here" >&2; exit 99; }
    cp -rp "$from" "$disk/guardian" || exit 96
    mount -o "remount,size=$(($(du -sk "$disk" | cut -f 1) + room))k" "$disk" || exit 99
    "$@"; status=$?
    echo "LEFT $(ls -A "$disk/guardian" | tr "\n" " ")"
    echo "SAME $(diff -r "$from/database" "$disk/guardian/database" >/dev/null && echo yes || echo no)"
    mount -o remount,size=256m "$disk" || exit 99
    "$@" >&2 || exit 98
    cp -r "$disk/guardian/database" "$copy" || exit 97
    exit $status
' sh "$@"
"#;
