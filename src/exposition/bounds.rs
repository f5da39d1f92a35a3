//! What may be a series: how its labels are called, and how many and how long they are.
//!
//! Pure. The same for all forms of text, so that no way in is a way round.

use crate::query::{Label, Labels, METRIC_NAME, OWN};

/// The most labels of a series, its name among them.
const MOST: usize = 65;
/// The longest name, in bytes.
const LONGEST_NAME: usize = 500;
/// The longest value, in bytes.
const LONGEST_VALUE: usize = 4_096;
/// The most bytes of all labels together.
const MOST_BYTES: usize = 16 << 10;

/// Says what is wrong with the labels of a series, if anything is.
pub(super) fn fault(labels: &Labels) -> Option<String> {
    let name = labels.metric_name();
    if name.starts_with(OWN) {
        return Some(format!(
            "`{}` begins with `{OWN}`, as only the names of Tripline's own series do; give it another",
            short(name)
        ));
    }
    if labels.len() > MOST {
        return Some(format!("it has {} labels, and {} is the most", labels.len() - 1, MOST - 1));
    }
    let too_long = |label: &&Label| {
        let is_name = &*label.name == METRIC_NAME;
        let most = if is_name { LONGEST_NAME } else { LONGEST_VALUE };
        label.name.len() > LONGEST_NAME || label.value.len() > most
    };
    if let Some(label) = labels.iter().find(too_long) {
        let (called, long) = (short(&label.name), label.value.len());
        return Some(match &*label.name {
            METRIC_NAME => format!("its name has {long} bytes, and {LONGEST_NAME} is the most"),
            name if name.len() > LONGEST_NAME => {
                let long = name.len();
                format!(
                    "the label `{called}` has a name of {long} bytes, and {LONGEST_NAME} is the most"
                )
            }
            _ => format!("the label `{called}` has {long} bytes, and {LONGEST_VALUE} is the most"),
        });
    }
    let bytes: usize = labels.iter().map(|label| label.name.len() + label.value.len()).sum();
    (bytes > MOST_BYTES)
        .then(|| format!("its labels have {bytes} bytes together, and {MOST_BYTES} is the most"))
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_bounded() {
        let check = |pairs: &[(&str, &str)], expected: Option<&str>| {
            let labels: Labels = pairs.iter().copied().chain([(METRIC_NAME, "a")]).collect();
            assert_eq!(fault(&labels).as_deref(), expected);
        };
        let (name, value) = ("n".repeat(LONGEST_NAME), "v".repeat(LONGEST_VALUE));
        check(&[(&name, &value)], None);
        check(&[(METRIC_NAME, "tripline.runs")], None);
        let long = format!("{value}v");
        check(&[("b", &long)], Some("the label `b` has 4097 bytes, and 4096 is the most"));
        let called = format!("{name}n");
        let said = fault(&[(called.as_str(), "x")].into_iter().collect()).expect("too long");
        assert!(said.ends_with("has a name of 501 bytes, and 500 is the most"), "{said}");
        let said = fault(&[(METRIC_NAME, called.as_str())].into_iter().collect());
        assert_eq!(said.as_deref(), Some("its name has 501 bytes, and 500 is the most"));
        let names: Vec<String> = (0..66).map(|number| format!("n{number}")).collect();
        let pairs = |count: usize, value| names[..count].iter().map(move |it| (it.as_str(), value));
        check(&pairs(64, "x").collect::<Vec<_>>(), None);
        check(&pairs(65, "x").collect::<Vec<_>>(), Some("it has 65 labels, and 64 is the most"));
        let all: Vec<_> = pairs(4, value.as_str()).collect();
        check(&all, Some("its labels have 16401 bytes together, and 16384 is the most"));
        let own: Labels = [(METRIC_NAME, "tripline_check_up")].into_iter().collect();
        assert!(fault(&own).is_some_and(|said| said.contains("give it another")));
    }
}
