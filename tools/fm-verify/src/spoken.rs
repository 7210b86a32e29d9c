//! Bytes in a form to read over the telephone: hex in groups of four, and a word for each byte.
//!
//! The words are the PGP word list (Juola and Zimmermann, 1996): two lists of 256, chosen for words that are
//! not mistaken for each other. Bytes at even places have words of two syllables, those at odd places words
//! of three, so a listener notices a word that is left out, repeated or swapped. It takes half as many words
//! as a spelling alphabet.

/// The words of a byte at an even place, then at an odd one; one byte a line.
const WORDS: &str = include_str!("words.txt");

/// Formats hex digits in groups of four.
pub(crate) fn groups(bytes: &[u8]) -> String {
    let groups: Vec<String> = bytes.chunks(2).map(hex::encode).collect();
    groups.join(" ")
}

/// Returns a word for each byte.
pub(crate) fn words(bytes: &[u8]) -> String {
    let list: Vec<&str> = WORDS.split_ascii_whitespace().collect();
    let word = |(place, byte): (usize, &u8)| list.get(2 * usize::from(*byte) + place % 2).copied();
    let words: Vec<&str> = bytes.iter().enumerate().filter_map(word).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_example() {
        let bytes = hex::decode("e58294f2e9a227486e8b061b31cc528fd7fa3f19").expect("hex");
        assert_eq!(groups(&bytes), "e582 94f2 e9a2 2748 6e8b 061b 31cc 528f d7fa 3f19");
        let expected = "topmost Istanbul Pluto vagabond treadmill Pacific brackish dictator goldfish Medusa \
                        afflict bravado chatter revolver Dupont midsummer stopwatch whimsical cowbell bottomless";
        assert_eq!(words(&bytes), expected);
        assert_eq!((groups(&[]), words(&[])), (String::new(), String::new()));
        assert_eq!(
            (groups(&[1, 2, 255]), words(&[0, 0]).as_str()),
            ("0102 ff".to_owned(), "aardvark adroitness")
        );
    }

    #[test]
    fn no_word_is_there_twice() {
        let list: std::collections::BTreeSet<String> =
            WORDS.split_ascii_whitespace().map(str::to_lowercase).collect();
        assert_eq!((list.len(), WORDS.lines().count()), (512, 256));
    }
}
