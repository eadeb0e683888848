//! The CSV file of `daymark correct --file`.

use std::{
    fs::File,
    io::{self, Read},
};

use anyhow::{Context as _, bail};
use csv::StringRecord;

use crate::{
    config::shown,
    corrections::{RequestedChange, RequestedCorrection},
    metric::MetricType,
    query::day,
};

/// The columns of the file. Only the last two may be missing or empty.
const COLUMNS: [&str; 5] = ["metric_category", "metric_date", "value", "metric_type", "metadata"];
const REQUIRED: usize = 3;
/// The value of a day that is withdrawn.
const WITHDRAWN: &str = "withdrawn";
/// How many wrong rows are named.
const MAX_PROBLEMS: usize = 20;

/// # Errors
/// When the file cannot be read, or rows are wrong: the message names each with its line.
pub fn read(path: &str) -> anyhow::Result<Vec<RequestedCorrection>> {
    let source: Box<dyn Read> = match path {
        "-" => Box::new(io::stdin().lock()),
        path => Box::new(File::open(path).with_context(|| format!("cannot read {path}"))?),
    };
    parse(source).with_context(|| format!("{path} cannot be used"))
}

fn parse(source: impl Read) -> anyhow::Result<Vec<RequestedCorrection>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(source);
    let header = reader.headers()?.clone();
    if let Some(unknown) = header.iter().find(|name| !COLUMNS.contains(name)) {
        bail!("the column {} is unknown; the columns are {}", shown(unknown), COLUMNS.join(", "));
    }
    let places = COLUMNS.map(|name| header.iter().position(|column| column == name));
    if let Some(missing) = COLUMNS[..REQUIRED].iter().zip(places).find(|(_, place)| place.is_none()) {
        bail!("the column {} is missing; the first line names the columns", missing.0);
    }
    let (mut corrections, mut problems) = (Vec::new(), Vec::new());
    for row in reader.records() {
        let row = row?;
        let line = row.position().map_or(0, csv::Position::line);
        let cell = |place: usize| places[place].and_then(|column| row.get(column)).unwrap_or_default();
        match correction(&row, cell) {
            Ok(correction) => corrections.push(correction),
            Err(problem) => problems.push(format!("line {line}: {problem}")),
        }
    }
    if !problems.is_empty() {
        let others = problems.len().saturating_sub(MAX_PROBLEMS);
        problems.truncate(MAX_PROBLEMS);
        if others > 0 {
            problems.push(format!("and {others} more lines"));
        }
        bail!("{}", problems.join("\n"));
    }
    Ok(corrections)
}

fn correction<'a>(_: &StringRecord, cell: impl Fn(usize) -> &'a str) -> Result<RequestedCorrection, String> {
    let date = day::parse(cell(1)).map_err(|problem| format!("metric_date: {problem}"))?;
    let metric_type = match cell(3) {
        "" => None,
        name => Some(
            MetricType::from_name(name)
                .ok_or_else(|| format!("metric_type: no type is called {}", shown(name)))?,
        ),
    };
    let metadata = match cell(4) {
        "" => None,
        text => Some(
            serde_json::from_str(text).map_err(|error| format!("metadata: not a JSON object: {error}"))?,
        ),
    };
    let change = match cell(2) {
        WITHDRAWN if metadata.is_none() => RequestedChange::Withdraw,
        WITHDRAWN => return Err("metadata: a withdrawn value has none".to_owned()),
        text => {
            let value = text
                .parse()
                .map_err(|_| format!("value: {} is not a number, and not `{WITHDRAWN}`", shown(text)))?;
            RequestedChange::Value { value, metadata }
        }
    };
    Ok(RequestedCorrection { category: cell(0).to_owned(), metric_type, date, change })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_correction_a_line() {
        let text = "metric_date,value,metric_category,metadata\n2025-01-01, 5.50 ,posts,\n2025-01-02,withdrawn,posts,\n\
                    2025-01-03,50,rate,\"{\"\"numerator\"\": 1, \"\"denominator\"\": 2}\"\n";
        let read = parse(text.as_bytes()).unwrap();
        assert_eq!(read.len(), 3);
        assert_eq!(read[0].change, RequestedChange::Value { value: "5.50".parse().unwrap(), metadata: None });
        assert_eq!((read[1].change.clone(), read[1].date.day()), (RequestedChange::Withdraw, 2));
        assert!(
            matches!(&read[2].change, RequestedChange::Value { metadata: Some(given), .. } if given.len() == 2)
        );
    }

    #[test]
    fn every_wrong_line_is_named() {
        let text = "metric_category,metric_date,value\nposts,2025-1-1,5\nposts,2025-01-02,five\nposts,2025-01-03,5\n";
        let error = parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("line 2: metric_date") && error.contains("line 3: value"), "{error}");
        for (text, problem) in [
            ("metric_category,value\n", "metric_date is missing"),
            ("metric_category,metric_date,value,state\n", "`state` is unknown"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }
}
