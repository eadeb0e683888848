//! Gauges whose values are found when they are scraped, in the text format of Prometheus. A gauge without a sample is left out:
//! an absent value is not known, and 0 would be a value.

use std::fmt::Write as _;

/// The text of some gauges.
#[derive(Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// Adds a gauge without labels, if it has a value.
    pub fn gauge(&mut self, name: &str, help: &str, value: Option<f64>) {
        let samples = value.map(|value| (Vec::new(), value));
        self.labelled(name, help, samples.as_slice());
    }

    /// Adds a gauge with one sample for each set of labels. Names are written as they are; values of labels are escaped.
    pub fn labelled(&mut self, name: &str, help: &str, samples: &[(Vec<(&str, &str)>, f64)]) {
        if samples.is_empty() {
            return;
        }
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (labels, value) in samples {
            let labels: Vec<_> =
                labels.iter().map(|(label, text)| format!("{label}=\"{}\"", escaped(text))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(self.0, "{name}{labels} {value}");
        }
    }

    pub fn into_text(self) -> String {
        self.0
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauges_are_written_in_the_format_of_prometheus() {
        let mut page = Exposition::default();
        page.gauge("lag_seconds", "How old it is.", Some(0.5));
        page.gauge("unknown", "Not known.", None);
        page.labelled("missing", "By cause.", &[(vec![("cause", "a\"b\\\n"), ("of", "x")], 1_762_000_000.0)]);
        assert_eq!(
            page.into_text(),
            "# HELP lag_seconds How old it is.\n# TYPE lag_seconds gauge\nlag_seconds 0.5\n\
             # HELP missing By cause.\n# TYPE missing gauge\nmissing{cause=\"a\\\"b\\\\\\n\",of=\"x\"} 1762000000\n"
        );
    }
}
