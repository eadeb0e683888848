//! The names, titles and remarks of simulated members.

use fastrand::Rng;

use crate::demo::random::skewed_index;

const ADJECTIVES: [&str; 16] = [
    "amber", "bold", "calm", "dusty", "early", "faint", "glad", "hidden", "indigo", "jolly", "keen", "lunar",
    "mellow", "noisy", "quiet", "velvet",
];
const NOUNS: [&str; 16] = [
    "badger", "cedar", "drum", "echo", "falcon", "garden", "harbor", "island", "jackdaw", "kettle",
    "lantern", "meadow", "nebula", "otter", "piano", "river",
];
const OPENINGS: [&str; 8] = [
    "First take of",
    "How I mixed",
    "Feedback on",
    "A question about",
    "Samples from",
    "Late night with",
    "Collaboration:",
    "The making of",
];
const REMARKS: [&str; 10] = [
    "love the low end",
    "the bridge could be shorter",
    "this made my evening",
    "which reverb is that?",
    "saved for the train",
    "more of this, please",
    "the intro is the best part",
    "sounds great on small speakers",
    "would you share the stems?",
    "try it half a tone lower",
];
/// Genres from the most to the least common.
const GENRES: [&str; 14] = [
    "electronic",
    "hip-hop",
    "ambient",
    "rock",
    "house",
    "jazz",
    "folk",
    "techno",
    "soul",
    "classical",
    "metal",
    "reggae",
    "blues",
    "field recordings",
];

/// The topic of a post with this title: one of the genres. It takes no random number.
pub fn topic(title: &str) -> &'static str {
    let sum: usize = title.bytes().map(usize::from).sum();
    GENRES[sum % GENRES.len()]
}

fn one(random: &mut Rng, words: &[&'static str]) -> &'static str {
    words[random.usize(..words.len())]
}

/// Returns a username, which is unique if `number` is.
pub fn username(random: &mut Rng, number: i64) -> String {
    format!("{}_{}_{number}", one(random, &ADJECTIVES), one(random, &NOUNS))
}

pub fn title(random: &mut Rng) -> String {
    format!("{} {} {}", one(random, &OPENINGS), one(random, &ADJECTIVES), one(random, &NOUNS))
}

pub fn remark(random: &mut Rng) -> String {
    format!("{}, {}", one(random, &NOUNS), one(random, &REMARKS))
}

/// Returns the genre of a track; 3 % of the tracks have none.
pub fn genre(random: &mut Rng) -> Option<&'static str> {
    (random.f64() >= 0.03).then(|| GENRES[skewed_index(random, GENRES.len())])
}
