//! The questions of `daymark init --interactive`, whose answers a database does not contain.

use std::io::{self, BufRead, IsTerminal};

use anyhow::bail;
use jiff::{civil::Date, tz::TimeZone};

use super::{date, output::say};
use crate::config::{FoundTables, StarterOptions, UserTable, suggestion};

/// The answers to the questions.
pub struct InitAnswers {
    pub options: StarterOptions,
    /// The first day to backfill; `None` for all that the platform has.
    pub from: Option<Date>,
}

/// Asks the questions in the terminal. An empty answer takes what stands in brackets.
///
/// # Errors
/// When there is no terminal, or its input ends.
pub fn ask(found: &FoundTables, options: StarterOptions) -> anyhow::Result<InitAnswers> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        bail!("--interactive asks in a terminal, and there is none; without it, `init` asks nothing");
    }
    let mut options = options;
    let set = options.time_zone.clone();
    let zone = format!("1. In which time zone do your days begin? An IANA name [{set}]");
    options.time_zone = asked(&zone, |answer| {
        let name = if answer.is_empty() { &set } else { answer };
        let zone = TimeZone::get(name).map_err(|_| format!("`{name}` is not the name of a time zone"))?;
        Ok(zone.iana_name().unwrap_or(name).to_owned())
    })?;
    let users = found.users.as_deref().unwrap_or("none");
    let question =
        format!("2. Which table has the users, or other people who act? Its name, or `none` [{users}]");
    options.decisions.users = asked(&question, |answer| match answer {
        "" => Ok(UserTable::Recognised),
        "none" => Ok(UserTable::Missing),
        name => known(name, &found.all).map(UserTable::Named),
    })?;
    let content = "3. Which tables matter most? Separate them with commas. [the largest]";
    options.decisions.content = asked(content, |answer| {
        let names = answer.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.map(|name| known(name, &found.tables)).collect()
    })?;
    options.without_flagged = match found.flags.is_empty() {
        true => {
            say(
                "4. No column looks like a flag of rows that are deleted or hidden, so there is nothing to ask.",
            );
            false
        }
        false => asked(
            &format!("4. Should rows be left out that are flagged by {}? y or n [n]", found.flags.join(", ")),
            yes_or_no,
        )?,
    };
    let from = asked(
        "5. From which day on should the past be reconstructed? YYYY-MM-DD [the first row]",
        |answer| match answer {
            "" => Ok(None),
            text => date::parse(text).map(Some),
        },
    )?;
    Ok(InitAnswers { options, from })
}

fn yes_or_no(answer: &str) -> Result<bool, String> {
    match answer.to_lowercase().as_str() {
        "y" | "yes" => Ok(true),
        "" | "n" | "no" => Ok(false),
        _ => Err("answer y or n".to_owned()),
    }
}

fn known(name: &str, tables: &[String]) -> Result<String, String> {
    let is_known = tables.iter().any(|table| table == name);
    let hint = suggestion(name, tables.iter().map(String::as_str)).map(|hint| format!("; {hint}"));
    is_known
        .then(|| name.to_owned())
        .ok_or_else(|| format!("there is no table `{name}`{}", hint.unwrap_or_default()))
}

/// Asks until the answer can be read.
fn asked<T>(question: &str, read: impl Fn(&str) -> Result<T, String>) -> anyhow::Result<T> {
    loop {
        say(question);
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line)? == 0 {
            bail!("the input ended before all questions were answered; no file was written");
        }
        match read(line.trim()) {
            Ok(answer) => return Ok(answer),
            Err(problem) => say(format_args!("   {problem}")),
        }
    }
}
