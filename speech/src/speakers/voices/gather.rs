//! All sounds that are remembered are clustered anew, and the clusters keep the labels that most of their speech had.

use std::collections::BTreeMap;

use super::super::cluster::{self, Point, cosine};
use super::super::embedding::{EMBEDDING_SIZE, unit};
use super::{
    DISTINCT_KNOWN_MS, FOUNDING_MS, KNOWN_MS, KNOWN_SHARE, LABEL_LAST, LABELS_MAX, LATE_KNOWN_MS,
    LIKE_NOBODY, Voice, VoiceEvent, VoiceLabel, Voices, WEIGHT_MAX, add,
};

impl Voices {
    /// Clusters everything that is long enough, and gives the clusters their labels.
    pub(super) fn gather(&mut self, events: &mut Vec<VoiceEvent>) {
        let mut points = Vec::new();
        let mut owners = Vec::new();
        for (label, voice) in self
            .voices
            .iter()
            .filter(|(_, voice)| voice.weight > 0.0 && !voice.is_gone)
        {
            let mut direction = voice.sum;
            direction.iter_mut().for_each(|value| *value /= voice.weight);
            points.push(Point {
                direction,
                weight: voice.weight.min(WEIGHT_MAX),
                heard: None,
                person: voice.person,
            });
            owners.push(Owner::Voice(*label));
        }
        for (place, sound) in self.sounds.iter().enumerate() {
            if sound.heard_ms >= FOUNDING_MS {
                points.push(sound.point.clone());
                owners.push(Owner::Sound(place));
            }
        }
        for (person, direction) in &self.people {
            points.push(Point {
                direction: *direction,
                weight: WEIGHT_MAX / 4.0,
                heard: None,
                person: Some(*person),
            });
            owners.push(Owner::Person(*person));
        }
        let groups = cluster::groups(&points);
        let count = groups.iter().max().map_or(0, |last| last + 1);
        let mut clusters = vec![Cluster::new(); count];
        for ((group, owner), point) in groups.iter().zip(&owners).zip(&points) {
            clusters[*group].add(owner, point, self);
        }
        self.label(&clusters, events);
    }

    /// Each cluster keeps the label that most of its speech had; the largest claims first.
    fn label(&mut self, clusters: &[Cluster], events: &mut Vec<VoiceEvent>) {
        let mut claims: Vec<(f32, usize, VoiceLabel)> = Vec::new();
        for (number, cluster) in clusters.iter().enumerate() {
            claims.extend(
                cluster
                    .had
                    .iter()
                    .map(|(label, weight)| (*weight, number, *label)),
            );
        }
        claims.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.2.cmp(&b.2)).then(a.1.cmp(&b.1)));
        let mut label_of: Vec<Option<VoiceLabel>> = vec![None; clusters.len()];
        let mut taken: BTreeMap<VoiceLabel, usize> = BTreeMap::new();
        for (_, cluster, label) in claims {
            if label_of[cluster].is_none() && !taken.contains_key(&label) {
                label_of[cluster] = Some(label);
                taken.insert(label, cluster);
            }
        }
        let heard_ms: f32 = clusters.iter().map(|cluster| cluster.heard_ms).sum();
        let late_ms = (heard_ms * KNOWN_SHARE).min(LATE_KNOWN_MS);
        for (number, cluster) in clusters.iter().enumerate() {
            let known_ms = if self.is_like_nobody(cluster, &label_of, clusters) {
                DISTINCT_KNOWN_MS
            } else {
                KNOWN_MS
            };
            if label_of[number].is_none() && cluster.heard_ms >= known_ms.max(late_ms) {
                label_of[number] = self.fresh_label();
            }
        }
        self.merge(clusters, &label_of, &taken, events);
        for (cluster, label) in clusters.iter().zip(&label_of) {
            for place in &cluster.sounds {
                self.sounds[*place].label = *label;
            }
            if let (Some(person), Some(label)) = (cluster.person, label)
                && let Some(voice) = self.voices.get_mut(label)
                && voice.person.is_none()
                && cluster.heard_ms >= KNOWN_MS
            {
                voice.person = Some(person);
                events.push(VoiceEvent::Recognised {
                    label: *label,
                    person,
                });
            }
        }
    }

    /// Whether none of the clusters that have a label sounds like this one.
    fn is_like_nobody(
        &self,
        cluster: &Cluster,
        label_of: &[Option<VoiceLabel>],
        clusters: &[Cluster],
    ) -> bool {
        let Some(own) = unit(&cluster.sum) else {
            return false;
        };
        let labelled = clusters.iter().zip(label_of).filter(|(_, label)| label.is_some());
        labelled
            .filter_map(|(other, _)| unit(&other.sum))
            .all(|other| cosine(&own, &other) < LIKE_NOBODY)
    }

    fn fresh_label(&mut self) -> Option<VoiceLabel> {
        let last = self.voices.last_key_value().map_or(0, |(last, _)| *last);
        let label = last.max(self.taken).saturating_add(1);
        let in_use = self.labels().count();
        if in_use >= LABELS_MAX as usize || label > LABEL_LAST {
            return None;
        }
        self.voices.insert(label, Voice::new());
        Some(label)
    }

    /// A label that no cluster kept has become part of the one that most of its speech went to.
    fn merge(
        &mut self,
        clusters: &[Cluster],
        label_of: &[Option<VoiceLabel>],
        taken: &BTreeMap<VoiceLabel, usize>,
        events: &mut Vec<VoiceEvent>,
    ) {
        let lost: Vec<VoiceLabel> = self.labels().filter(|label| !taken.contains_key(label)).collect();
        for from in lost {
            let share = |(number, cluster): (usize, &Cluster)| {
                let weight = cluster.had.get(&from)?;
                Some((*weight, label_of[number]?))
            };
            let into = clusters
                .iter()
                .enumerate()
                .filter_map(share)
                .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
            let Some((_, into)) = into.filter(|(_, into)| *into != from) else {
                continue;
            };
            let Some(gone) = self.voices.get_mut(&from) else {
                continue;
            };
            gone.is_gone = true;
            let (sum, weight, person) = (gone.sum, gone.weight, gone.person);
            if let Some(voice) = self.voices.get_mut(&into) {
                add(&mut voice.sum, &sum, 1.0);
                voice.weight += weight;
                voice.person = voice.person.or(person);
            }
            // Sounds that were too short to be clustered go with it, and turns that are not remembered by their sound.
            self.sounds
                .iter_mut()
                .filter(|sound| sound.label == Some(from))
                .for_each(|sound| sound.label = Some(into));
            self.said
                .values_mut()
                .filter(|said| **said == Some(from))
                .for_each(|said| *said = Some(into));
            events.push(VoiceEvent::Merged { from, into });
        }
    }
}

enum Owner {
    Voice(VoiceLabel),
    Sound(usize),
    Person(u64),
}

#[derive(Clone, Debug)]
struct Cluster {
    sounds: Vec<usize>,
    person: Option<u64>,
    /// How much of its speech had which label.
    had: BTreeMap<VoiceLabel, f32>,
    heard_ms: f32,
    /// The weighted sum of its directions.
    sum: [f32; EMBEDDING_SIZE],
}

impl Cluster {
    fn new() -> Self {
        Self {
            sounds: Vec::new(),
            person: None,
            had: BTreeMap::new(),
            heard_ms: 0.0,
            sum: [0.0; EMBEDDING_SIZE],
        }
    }

    fn add(&mut self, owner: &Owner, point: &Point, voices: &Voices) {
        let label = match owner {
            Owner::Voice(label) => Some(*label),
            Owner::Sound(place) => {
                self.sounds.push(*place);
                voices.sounds[*place].label
            }
            Owner::Person(person) => {
                self.person = Some(*person);
                return;
            }
        };
        self.heard_ms += point.weight;
        super::add(&mut self.sum, &point.direction, point.weight);
        if let Some(label) = label {
            *self.had.entry(label).or_default() += point.weight;
        }
    }
}
