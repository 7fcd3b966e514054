//! Several people at one microphone: whose words are whose, what they are called, and how somebody gives a voice a name.
//! The API and the page for reviewers both come here.

mod attribution;
#[cfg(test)]
mod testing;

use store::Segment;
use uuid::Uuid;

use crate::App;
use crate::http::{Problem, ProblemKind};

pub use attribution::{Part, parts};

/// Under which name a voice is shown: its own; else the participant's with the label's number, or without it where nobody
/// is sure.
pub fn speaker(participant: &str, label: Option<i32>, name: Option<&str>) -> String {
    match (name, label) {
        (Some(name), _) => name.to_owned(),
        (None, Some(label)) => format!("{participant} · speaker {label}"),
        (None, None) => participant.to_owned(),
    }
}

/// What somebody says about a voice that is heard in a segment.
#[derive(Clone, Debug)]
pub struct Naming {
    /// The segment.
    pub segment: Uuid,
    /// Which voice; the one that has most of the segment's words unless given.
    pub label: Option<i32>,
    /// Its name; none takes the name back.
    pub name: Option<String>,
    /// Who says so.
    pub author: String,
    /// Who said that the person agreed that the voice is kept for the organisation's next meetings, if it is to be.
    pub kept_with_consent_by: Option<String>,
}

/// A voice that was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Whose microphone.
    pub identity: String,
    /// Which voice there.
    pub label: i32,
    /// Under whom it is kept, if it is.
    pub person: Option<Uuid>,
}

/// Names a voice from a segment in which it is heard.
///
/// # Errors
/// There is no such segment, nobody is told apart in it, the voice is not in it, it cannot be kept, or the database is away.
pub async fn name(app: &App, organisation: Uuid, room: Uuid, naming: &Naming) -> Result<Named, Problem> {
    let segment = app.store.segment(organisation, room, naming.segment).await?;
    let label = label_of(&segment, naming.label)?;
    let identity = segment.identity;
    let store = &app.store;
    let person = match (&naming.name, &naming.kept_with_consent_by) {
        (Some(name), Some(consent_by)) => {
            let kept = store
                .enrol_voice(organisation, room, &identity, label, name, consent_by)
                .await?;
            tracing::info!(%organisation, %room, person = %kept.id, "a voice is kept");
            Some(kept.id)
        }
        (name, _) => {
            let (name, author) = (name.as_deref(), &naming.author);
            store
                .name_voice(organisation, room, &identity, label, name, author)
                .await?;
            None
        }
    };
    Ok(Named {
        identity,
        label,
        person,
    })
}

/// The voice that is meant.
fn label_of(segment: &Segment, asked: Option<i32>) -> Result<i32, Problem> {
    let parts = parts(segment).unwrap_or_default();
    if let Some(label) = asked {
        return if parts.iter().any(|part| part.label == asked) {
            Ok(label)
        } else {
            Err(Problem::field("label", "one of the segment's voices"))
        };
    }
    main_label(&parts).ok_or_else(|| {
        let detail = "nobody is told apart in this segment";
        Problem::new(ProblemKind::Conflict, detail)
    })
}

/// The voice that has most of the words; of equals the one that begins.
fn main_label(parts: &[Part]) -> Option<i32> {
    let words_of = |label: i32| -> usize {
        let of_label = parts.iter().filter(|part| part.label == Some(label));
        of_label.map(|part| part.text.split_whitespace().count()).sum()
    };
    // Of equals the last one is taken.
    let labels = parts.iter().rev().filter_map(|part| part.label);
    labels.max_by_key(|label| words_of(*label))
}

#[cfg(test)]
mod tests {
    use super::testing::{segment, turn};
    use super::*;

    #[test]
    fn a_voice_is_called_by_its_name_or_by_its_number_or_as_the_participant() {
        assert_eq!(speaker("Room 2", Some(2), Some("Ben")), "Ben");
        assert_eq!(speaker("Room 2", Some(2), None), "Room 2 · speaker 2");
        assert_eq!(speaker("Room 2", None, None), "Room 2");
    }

    #[test]
    fn the_voice_of_most_words_is_meant_unless_one_is_chosen() {
        let turns = vec![
            turn(0, 1_000, Some(1)),
            turn(1_000, 4_000, Some(2)),
            turn(4_000, 5_000, Some(1)),
            turn(5_000, 6_000, None),
        ];
        let said = segment(0, 6_000, "a b c d e f", turns);
        assert_eq!(label_of(&said, None).unwrap(), 2);
        assert_eq!(label_of(&said, Some(1)).unwrap(), 1);
        assert_eq!(label_of(&said, Some(3)).unwrap_err().errors[0].field, "label");
        let even = segment(
            0,
            2_000,
            "a b",
            vec![turn(0, 1_000, Some(2)), turn(1_000, 2_000, Some(1))],
        );
        assert_eq!(label_of(&even, None).unwrap(), 2);
        let nobody = segment(0, 2_000, "a b", vec![turn(0, 2_000, None)]);
        assert_eq!(label_of(&nobody, None).unwrap_err().status, 409);
    }
}
