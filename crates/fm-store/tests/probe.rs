//! probe
use std::path::Path;
#[test]
fn probe() {
    for p in std::env::var("PROBE").unwrap().split(' ') {
        let mut o = rocksdb::Options::default();
        o.set_max_open_files(100);
        let db = rocksdb::DB::open_for_read_only(&o, p, false).unwrap();
        let mut logs: Vec<String> = std::fs::read_dir(Path::new(p)).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).filter(|n| n.ends_with(".log")).collect();
        logs.sort();
        eprintln!("{p}: min-log {:?} logs {logs:?}", db.property_int_value("rocksdb.min-log-number-to-keep"));
    }
}
