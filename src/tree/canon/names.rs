//! Words of a platform, by tables that its adapter gives.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// Words that mean one another, case aside: each spelling has one canonical word. What is in no table stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    canonical: BTreeMap<String, String>,
}

impl Words {
    /// A table of `canonical word -> its other spellings`.
    ///
    /// # Errors
    /// One spelling would have two meanings.
    pub fn new(table: &BTreeMap<String, Vec<String>>) -> Result<Self, String> {
        let mut canonical: BTreeMap<String, String> = BTreeMap::new();
        for (word, others) in table {
            for spelling in std::iter::once(word).chain(others) {
                let known = canonical.insert(spelling.to_ascii_lowercase(), word.clone());
                if let Some(other) = known.filter(|other| other != word) {
                    return Err(format!("{spelling} would mean both {other} and {word}"));
                }
            }
        }
        Ok(Self { canonical })
    }

    /// The canonical word.
    pub fn of<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.canonical.get(&text.to_ascii_lowercase()) {
            Some(word) if word != text => Cow::Owned(word.clone()),
            _ => Cow::Borrowed(text),
        }
    }
}

/// Names that begin with a word and go on with a place, as interfaces do: `Gi0/0/0/1`, `GigabitEthernet 0/0/0/1`,
/// `gigabitethernet0/0/0/1`. The word is taken from the table, case aside; the place is kept as it is. A name whose word is
/// in no table stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prefixes {
    words: Words,
    /// The canonical words in small letters, with how they are written.
    long: Vec<(String, String)>,
    /// Whether the beginning of a word, as far as it is no other's, means the word.
    abbreviate: bool,
}

impl Prefixes {
    /// A table of `canonical word -> its short forms`. With `abbreviate`, every beginning of a word that fits one word
    /// only means it too (`GigabitE0/1`), two letters at least.
    ///
    /// # Errors
    /// One spelling would have two meanings, or a word holds a digit.
    pub fn new(table: &BTreeMap<String, Vec<String>>, abbreviate: bool) -> Result<Self, String> {
        let words = Words::new(table)?;
        if let Some(word) = table
            .iter()
            .flat_map(|(word, others)| std::iter::once(word).chain(others))
            .find(|word| word.is_empty() || word.contains(|c: char| !is_letter(c)))
        {
            return Err(format!("'{word}' is not made of letters and - alone"));
        }
        let long = table.keys().map(|word| (word.to_ascii_lowercase(), word.clone())).collect();
        Ok(Self { words, long, abbreviate })
    }

    /// The canonical name.
    pub fn of<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let end = text.find(|c| !is_letter(c)).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        let place = rest.trim_start_matches(' ');
        // A name without a place is no name of an interface (`Null` alone is, `Null0` is what elements print).
        let Some(long) = self.word(word).filter(|_| place.starts_with(|c: char| c.is_ascii_digit())) else {
            return Cow::Borrowed(text);
        };
        let made = format!("{long}{place}");
        if made == text { Cow::Borrowed(text) } else { Cow::Owned(made) }
    }

    fn word(&self, word: &str) -> Option<&str> {
        let small = word.to_ascii_lowercase();
        if let Some(found) = self.words.canonical.get(&small) {
            return Some(found);
        }
        if !self.abbreviate || small.len() < 2 {
            return None;
        }
        let mut fits = self.long.iter().filter(|(long, _)| long.starts_with(&small));
        match (fits.next(), fits.next()) {
            (Some((_, word)), None) => Some(word),
            _ => None,
        }
    }
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '-'
}
