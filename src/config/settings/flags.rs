//! Settings as flags of the command line.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use clap::{Arg, ArgMatches, Command, value_parser};

use crate::config::{
    finding::Finding,
    settings::{
        setting::{Setting, SettingKind},
        table::SETTINGS,
    },
};

/// The name of the flag with the path of the file.
const CONFIG: &str = "config";
const HEADING: &str = "Settings";

/// The texts of the settings that were set on the command line, by key.
pub type GivenFlags = BTreeMap<&'static str, String>;

// clap requires names with the lifetime of the program.
static FLAGS: LazyLock<Vec<String>> = LazyLock::new(|| SETTINGS.iter().map(Setting::flag).collect());

/// Adds `--config` and a flag for every setting that is not a secret to `command` and all its subcommands.
pub fn add_setting_flags(command: Command) -> Command {
    let config = Arg::new(CONFIG)
        .long(CONFIG)
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .global(true)
        .help_heading(HEADING)
        .help("The configuration file [default: daymark.toml, if there is one] [env: DAYMARK_CONFIG]");
    SETTINGS
        .iter()
        .zip(FLAGS.iter())
        .filter(|(setting, _)| setting.has_flag())
        .fold(command.arg(config), |command, (setting, flag)| command.arg(flag_of(setting, flag)))
}

fn flag_of(setting: &'static Setting, flag: &'static str) -> Arg {
    let default = setting.default.map(|default| format!(" [default: {default}]")).unwrap_or_default();
    Arg::new(setting.key)
        .long(flag)
        .value_name(match setting.kind {
            SettingKind::Name => "NAME",
            SettingKind::TimeZone => "ZONE",
            SettingKind::Url => "URL",
            SettingKind::Integer { .. } => "N",
            SettingKind::Choice(_) => "CHOICE",
            SettingKind::Text | SettingKind::Secret => "TEXT",
            SettingKind::Boolean => "BOOLEAN",
            SettingKind::List => "LIST",
        })
        // Negative numbers are accepted here, because the message of the setting's own check is better than clap's.
        .allow_negative_numbers(true)
        .global(true)
        .hide_short_help(true)
        .help_heading(HEADING)
        .help(format!("{}{default} [env: {}]", setting.summary(), setting.env()))
}

/// Returns the settings that were set by flags.
pub fn given_flags(matches: &ArgMatches) -> GivenFlags {
    let flag = |setting: &Setting| matches.try_get_one::<String>(setting.key).ok().flatten().cloned();
    SETTINGS.iter().filter_map(|setting| Some((setting.key, flag(setting)?))).collect()
}

/// Returns an error for each flag that was set, and for `--config`, for a command to which no setting applies.
pub fn without_effect(flags: &GivenFlags, file: Option<&Path>, reason: &str) -> Vec<Finding> {
    let set_flags = SETTINGS.iter().filter(|setting| flags.contains_key(setting.key)).map(Setting::flag);
    let all = file.map(|_| CONFIG.to_owned()).into_iter().chain(set_flags);
    all.map(|flag| Finding::error(format!("--{flag}"), reason).hint("leave it out")).collect()
}

/// Returns the file that `--config` names.
pub fn given_config_file(matches: &ArgMatches) -> Option<PathBuf> {
    matches.try_get_one::<PathBuf>(CONFIG).ok().flatten().cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        add_setting_flags(Command::new("daymark").subcommand(Command::new("collect")))
    }

    #[test]
    fn flags_are_read_before_and_after_the_subcommand() {
        command().debug_assert();
        let matches = command().get_matches_from([
            "daymark",
            "--tenant",
            "acme",
            "collect",
            "--settle-minutes",
            "-5",
            "--platform-statement-timeout-seconds=7",
            "--config",
            "x.toml",
        ]);
        let expected: GivenFlags = [
            ("tenant", "acme".to_owned()),
            ("settle_minutes", "-5".to_owned()),
            ("platform.statement_timeout_seconds", "7".to_owned()),
        ]
        .into();
        assert_eq!(given_flags(&matches), expected);
        assert_eq!(given_config_file(&matches), Some(PathBuf::from("x.toml")));
    }

    #[test]
    fn the_short_help_is_not_flooded_with_settings() {
        let short = command().render_help().to_string();
        assert!(short.contains("--config") && !short.contains("--retry-attempts"), "{short}");
        let long = command().render_long_help().to_string();
        assert!(long.contains("--retry-attempts") && long.contains("DAYMARK_RETRY_ATTEMPTS"), "{long}");
    }
}
