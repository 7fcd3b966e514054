//! Which sounds are of one voice: average-link clustering of directions, bottom up. The only knowledge it needs of
//! voices in general is how similar two sounds of one voice are at least, on average.

use super::embedding::EMBEDDING_SIZE;

/// Two groups are of one voice when their sounds, of 1.5 to 3 s, are at least so similar on average (cosine). Longer sounds are
/// more alike, and so are voices over one telephone line (docs/decisions/0004-who-speaks.md).
const SAME_VOICE: f32 = 0.44;
/// Where the segmentation network or the recogniser heard one person, or two, they are believed a little.
const HEARD_AS_ONE: f32 = 0.10;
const HEARD_AS_TWO: f32 = -0.10;
/// Never.
const APART: f32 = -10.0;

/// Where voices were told apart by number before they are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A stretch that the segmentation network heard.
    Stretch(u64),
    /// A connection of a recogniser that numbers speakers.
    Connection(u64),
}

/// What is clustered: a sound, or many that are known to be of one voice.
#[derive(Clone, Debug)]
pub(super) struct Point {
    /// The weighted sum of directions, divided by the weight: its length says how much they agree.
    pub(super) direction: [f32; EMBEDDING_SIZE],
    /// Milliseconds heard.
    pub(super) weight: f32,
    /// Who said which of the voices in one place it is, if anybody did.
    pub(super) heard: Option<(Origin, u32)>,
    /// Points of known people are never of one voice with those of others.
    pub(super) person: Option<u64>,
}

pub(super) fn cosine(a: &[f32; EMBEDDING_SIZE], b: &[f32; EMBEDDING_SIZE]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn similarity(a: &Point, b: &Point) -> f32 {
    if let (Some(a), Some(b)) = (a.person, b.person)
        && a != b
    {
        return APART;
    }
    let heard = match (a.heard, b.heard) {
        (Some(a), Some(b)) if a == b => HEARD_AS_ONE,
        (Some(a), Some(b)) if a.0 == b.0 => HEARD_AS_TWO,
        _ => 0.0,
    };
    cosine(&a.direction, &b.direction) + heard
}

/// The group of each point, numbered by first appearance.
pub(super) fn groups(points: &[Point]) -> Vec<usize> {
    let count = points.len();
    let mut similar: Vec<Vec<f32>> = points
        .iter()
        .map(|a| points.iter().map(|b| similarity(a, b)).collect())
        .collect();
    let mut weights: Vec<f32> = points.iter().map(|point| point.weight.max(1.0)).collect();
    let mut group: Vec<usize> = (0..count).collect();
    let mut alive: Vec<usize> = (0..count).collect();
    loop {
        // The most similar pair; of equals the first.
        let mut best = (SAME_VOICE, None);
        for (at, &a) in alive.iter().enumerate() {
            for &b in &alive[at + 1..] {
                if similar[a][b] > best.0 {
                    best = (similar[a][b], Some((a, b)));
                }
            }
        }
        let Some((a, b)) = best.1 else { break };
        let (own, other) = (weights[a], weights[b]);
        for &c in &alive {
            let joined = (similar[a][c] * own + similar[b][c] * other) / (own + other);
            // Who is apart from one of them is apart from both.
            let joined = if similar[a][c].min(similar[b][c]) <= APART {
                APART
            } else {
                joined
            };
            similar[a][c] = joined;
            similar[c][a] = joined;
        }
        weights[a] = own + other;
        alive.retain(|&c| c != b);
        group
            .iter_mut()
            .filter(|group| **group == b)
            .for_each(|group| *group = a);
    }
    let mut order: Vec<usize> = Vec::new();
    for found in &mut group {
        *found = order.iter().position(|known| known == found).unwrap_or_else(|| {
            order.push(*found);
            order.len() - 1
        });
    }
    group
}
