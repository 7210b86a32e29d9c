//! Archives that reuse what an interrupted run left.

use fm_archive::{ArchiveWriter, Metadata, Record};

use crate::{archive, metadata, open, options, records, verdict};

const LEVEL: i32 = 3;

/// Writes the archive of these records with a writer that finds `earlier`.
fn resumed(records: &[Record], metadata: &Metadata, earlier: &[u8]) -> Vec<u8> {
    let writer = ArchiveWriter::new(Vec::new(), metadata, options(LEVEL, 0, 400)).unwrap();
    let mut writer = writer.resuming(Box::new(std::io::Cursor::new(earlier.to_vec())));
    for (key, value) in records {
        writer.push(key, value).unwrap();
    }
    writer.finish().unwrap().0
}

fn fresh(level: i32, records: &[Record]) -> Vec<u8> {
    archive(records, options(level, 0, 400)).0
}

/// Returns where the data frames begin and end.
fn bounds(archive: &[u8]) -> Vec<usize> {
    let reader = open(archive).unwrap();
    let frames = reader.frames();
    let ends = frames.iter().map(|frame| frame.offset + frame.compressed);
    let start = frames[0].offset;
    std::iter::once(start).chain(ends).map(|place| usize::try_from(place).unwrap()).collect()
}

/// Makes an archive whose frame 0 has one level and the others another: the result of a writer shows which
/// frames it reused.
fn of_two_levels(records: &[Record]) -> (Vec<u8>, Vec<usize>) {
    let (ours, other) = (fresh(LEVEL, records), fresh(19, records));
    let (ours_at, other_at) = (bounds(&ours), bounds(&other));
    let frames = &other[other_at[1]..*other_at.last().unwrap()];
    assert_ne!(frames, &ours[ours_at[1]..*ours_at.last().unwrap()], "the levels differ");
    let shift = |end: &usize| end - other_at[1] + ours_at[1];
    ([&ours[..ours_at[1]], frames].concat(), other_at[1..].iter().map(shift).collect())
}

#[test]
fn whole_frames_are_taken_over() {
    let records = records(200);
    let (earlier, ends) = of_two_levels(&records);
    assert!(ends.len() > 5);
    let again = resumed(&records, &metadata(), &earlier);
    assert!(again.starts_with(&earlier));
    verdict(&again).unwrap();
    for (number, end) in ends.iter().enumerate() {
        // A frame that is not whole is compressed again, and so are those after it.
        let cut = &earlier[..ends.get(number + 1).map_or(*end, |next| next - 1)];
        let again = resumed(&records, &metadata(), cut);
        assert!(again.starts_with(&earlier[..*end]), "{number}");
        assert!(number + 1 == ends.len() || !again.starts_with(&earlier[..ends[number + 1]]), "{number}");
        verdict(&again).unwrap();
    }
}

#[test]
fn what_was_left_changes_no_record() {
    let records = records(60);
    let whole = fresh(LEVEL, &records);
    let (identity, mut same) = (verdict(&whole).unwrap().identity, 0);
    for length in 0..=whole.len() {
        assert!(resumed(&records, &metadata(), &whole[..length]) == whole, "cut at {length}");
    }
    for place in 0..whole.len() {
        let mut broken = whole.clone();
        broken[place] ^= 1;
        let again = resumed(&records, &metadata(), &broken);
        // A flipped bit may yield another valid encoding of the same contents; then the frame is as good as
        // the others.
        assert_eq!(verdict(&again).unwrap().identity, identity, "flipped at {place}");
        same += usize::from(again == whole);
    }
    assert!(same > whole.len() - whole.len() / 50, "{same} of {}", whole.len());
    assert!(resumed(&records, &metadata(), &fresh(19, &records)) == whole, "another level");
}

#[test]
fn frames_of_other_records_are_not_taken_over() {
    let records = records(100);
    let whole = fresh(LEVEL, &records);
    for changed in [0, 50, 99] {
        let mut other = records.clone();
        other[changed].1.push(0);
        assert!(resumed(&records, &metadata(), &fresh(LEVEL, &other)) == whole, "{changed}");
        other.remove(changed);
        assert!(resumed(&records, &metadata(), &fresh(LEVEL, &other)) == whole, "without {changed}");
    }
    let elsewhere: Metadata = [("kind", "other")].into_iter().collect();
    let (earlier, _) = of_two_levels(&records);
    let again = resumed(&records, &elsewhere, &earlier);
    let (theirs, ours) = (bounds(&again), bounds(&whole));
    assert!(again[theirs[0]..*theirs.last().unwrap()] == whole[ours[0]..*ours.last().unwrap()]);
}
