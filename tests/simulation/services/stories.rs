//! Named tales.

use super::play::{Planted, word};
use super::simulate;
use super::tale::{Ask, Tale};
use andante::domain::Class;

#[test]
fn a_service_comes_and_goes_on_one_element() {
    for class in [Class::A, Class::B, Class::C, Class::D] {
        let tale = Tale::of(1, &[class], vec![Ask::put(0, 1, &[(0, 1, 100)]), Ask::delete(60_000, 1)]);
        let stage = simulate(&tale, Planted::default()).unwrap_or_else(|broken| panic!("{class:?}\n{broken}"));
        let words: Vec<&str> = stage.answers().values().map(|(.., heard)| word(heard)).collect();
        assert_eq!(words, ["applied", "applied"], "{class:?}: {:?}", stage.answers());
        assert!(stage.told.lock().unwrap().as_ref().unwrap().documents.is_empty());
    }
}
