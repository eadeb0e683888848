//! The CSV file of `daymark correct --file`.

use std::{
    fs::File,
    io::{self, Read},
};

use crate::{
    config::shown,
    corrections::{RequestedChange, RequestedCorrection},
    query::day,
};
use anyhow::{Context as _, bail};

/// The columns of the file. Only the last two may be missing or empty.
const COLUMNS: [&str; 5] = ["metric_category", "metric_date", "value", "metric_type", "metadata"];
const REQUIRED: usize = 3;
/// Further columns of `daymark export`, so that its file can be changed and read. The first two say which rows are none of a value.
const EXPORTED: [&str; 10] = [
    "interval",
    "state",
    "metric_date_end",
    "provenance",
    "definition_version",
    "days_recorded",
    "days_due",
    "judgement",
    "recorded_value",
    "revision",
];
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

fn parse(mut source: impl Read) -> anyhow::Result<Vec<RequestedCorrection>> {
    let mut text = Vec::new();
    source.read_to_end(&mut text)?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_slice());
    let header = reader.headers().map_err(|error| anyhow::anyhow!(unreadable(&text, &error)))?.clone();
    let is_known = |name: &str| COLUMNS.contains(&name) || EXPORTED.contains(&name);
    if let Some(unknown) = header.iter().find(|name| !is_known(name)) {
        bail!("the column {} is unknown; the columns are {}", shown(unknown), COLUMNS.join(", "));
    }
    let place = |name: &str| header.iter().position(|column| column == name);
    let places = COLUMNS.map(place);
    let [interval, state] = [EXPORTED[0], EXPORTED[1]].map(place);
    if let Some(missing) = COLUMNS[..REQUIRED].iter().zip(places).find(|(_, place)| place.is_none()) {
        bail!("the column {} is missing; the first line names the columns", missing.0);
    }
    let (mut corrections, mut problems, mut others) = (Vec::new(), Vec::new(), 0);
    for row in reader.records() {
        let row = row.map_err(|error| anyhow::anyhow!(unreadable(&text, &error)))?;
        let cell = |place: usize| places[place].and_then(|column| row.get(column)).unwrap_or_default();
        if state.is_some() && cell(2).is_empty() {
            // A gap of the export.
            continue;
        }
        let read = match interval.and_then(|column| row.get(column)).is_some_and(|interval| interval != "day")
        {
            true => Err("interval: only days are corrected".to_owned()),
            false => correction(cell),
        };
        match read {
            Ok(correction) => corrections.push(correction),
            Err(_) if problems.len() == MAX_PROBLEMS => others += 1,
            Err(problem) => problems.push(format!("line {}: {problem}", line(&text, row.position()))),
        }
    }
    if !problems.is_empty() {
        if others > 0 {
            problems.push(format!("and {others} more lines"));
        }
        bail!("{}", problems.join("\n"));
    }
    Ok(corrections)
}

/// The number of the line on which a row begins. Where lines end with CRLF, the CSV reader gives the number of the line before.
fn line(text: &[u8], position: Option<&csv::Position>) -> usize {
    let byte = position.and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or_default();
    let is_end = |byte: &&u8| matches!(byte, b'\r' | b'\n');
    let skipped = text.iter().skip(byte).take_while(is_end).count();
    let before = text.get(..byte + skipped).unwrap_or_default();
    let ends = |(place, byte): &(usize, &u8)| match byte {
        b'\n' => true,
        b'\r' => text.get(place + 1) != Some(&b'\n'),
        _ => false,
    };
    1 + before.iter().enumerate().filter(ends).count()
}

fn unreadable(text: &[u8], error: &csv::Error) -> String {
    let line = line(text, error.position());
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("line {line}: it has {len} cells, and the first line names {expected_len} columns")
        }
        csv::ErrorKind::Utf8 { .. } => format!("line {line}: it is not UTF-8"),
        _ => error.to_string(),
    }
}

fn correction<'a>(cell: impl Fn(usize) -> &'a str) -> Result<RequestedCorrection, String> {
    let date = day::parse(cell(1)).map_err(|problem| format!("metric_date: {problem}"))?;
    let metric_type = match cell(3) {
        "" => None,
        name => Some(name.parse().map_err(|_| format!("metric_type: no type is called {}", shown(name)))?),
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
    let category = cell(0).to_owned();
    Ok(RequestedCorrection { category, metric_type, date, change, after_revision: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::MetricType;

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
    fn a_changed_export_is_read() {
        let text = "metric_date,metric_date_end,interval,metric_type,metric_category,value,state,provenance,definition_version,\
                    days_recorded,days_due,metadata,judgement,recorded_value,revision\n\
                    2025-01-01,2025-01-01,day,count,posts,7,recorded,observed,1,1,1,,,,\n\
                    2025-01-02,2025-01-02,day,count,posts,,not_collected,,,0,1,,,,\n";
        let read = parse(text.as_bytes()).unwrap();
        assert_eq!(read.len(), 1, "a gap has no value to correct");
        assert_eq!((read[0].date.day(), read[0].metric_type), (1, Some(MetricType::Count)));
    }

    #[test]
    fn lines_are_counted_however_they_end() {
        for end in ["\n", "\r\n", "\r"] {
            let of = |lines: &[&str]| parse(lines.join(end).as_bytes()).unwrap_err().to_string();
            let header = "metric_category,metric_date,value,interval";
            let right = "posts,2025-01-01,5,day";
            assert!(of(&[header, "posts,2025-01-01,5,week", right]).contains("line 2: interval"), "{end:?}");
            assert!(
                of(&[header, right, "", "posts,2025-01-02,five,day", ""]).contains("line 4: value"),
                "{end:?}"
            );
            assert!(of(&[header, right, "posts,2025-01-02"]).contains("line 3: it has 2 cells"), "{end:?}");
        }
        let quoted =
            "metric_category,metric_date,value\r\n\"po\r\nsts\",2025-01-01,5\r\nposts,2025-01-02,x\r\n";
        assert!(parse(quoted.as_bytes()).unwrap_err().to_string().contains("line 4: value"));
        let wrong = b"metric_category,metric_date,value\r\nposts,2025-01-01,5\r\n\xff,2025-01-02,5\r\n";
        assert_eq!(parse(&wrong[..]).unwrap_err().to_string(), "line 3: it is not UTF-8");
    }

    #[test]
    fn every_wrong_line_is_named() {
        let text = "metric_category,metric_date,value\nposts,2025-1-1,5\nposts,2025-01-02,five\nposts,2025-01-03,5\n";
        let error = parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("line 2: metric_date") && error.contains("line 3: value"), "{error}");
        for (text, problem) in [
            ("metric_category,value\n", "metric_date is missing"),
            ("metric_category,metric_date,value,why\n", "`why` is unknown"),
            ("metric_category,metric_date,value,interval\nposts,2025-01-01,5,week\n", "line 2: interval"),
            ("metric_category,metric_date,value\nposts,2025-01-01,\n", "line 2: value"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }
}
