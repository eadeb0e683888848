//! Generates the reference of all settings, `docs/settings.md`, from the table of settings.

use std::fmt::Write;

use crate::config::settings::table::SETTINGS;

const HEAD: &str = "# Settings

<!-- Generated from src/config/settings/table.rs. To write it anew: UPDATE_DOCS=1 cargo test --lib config::settings::reference -->

A setting is looked up in four places. The first one that contains it is used:

1. a flag on the command line: `--platform-url …`;
2. an environment variable: `DAYMARK_PLATFORM_URL=…` (an empty one counts as not set);
3. the file `daymark.toml`: `url = \"…\"` under `[platform]`;
4. its default.

The file is the one that `--config` names, else the one that `DAYMARK_CONFIG` names, else `daymark.toml` in the working
directory. If there is no file, flags, environment and defaults are used. A relative SQLite path in the file starts at
the file's directory, and so does the default one when there is a file; a relative path in a flag or in the environment
starts at the working directory. A password belongs in the environment: flags can be seen by other users of the machine,
and files get committed.

Sources and metrics are declared in the file only; `daymark init` writes one to start from.
";

/// Returns the text of `docs/settings.md`.
pub fn settings_reference() -> String {
    let mut text = HEAD.to_owned();
    for setting in SETTINGS {
        let default = setting.default.map_or("none".to_owned(), |default| format!("`{default}`"));
        let flag = match setting.has_flag() {
            true => format!("`--{}`", setting.flag()),
            false => "none: others can see flags".to_owned(),
        };
        // Writing to a `String` cannot fail.
        let _ = write!(
            text,
            "\n## `{}`\n\n{}\n\n| | |\n|---|---|\n| Values | {} |\n| Default | {default} |\n| Environment | `{}` |\n\
             | Flag | {flag} |\n",
            setting.key,
            setting.doc,
            setting.values(),
            setting.env(),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::setting::Setting;

    #[test]
    fn the_reference_in_docs_is_up_to_date() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, settings_reference()).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == settings_reference(),
            "docs/settings.md differs from the table of settings; write it anew with \
             `UPDATE_DOCS=1 cargo test --lib config::settings::reference`"
        );
    }

    #[test]
    fn keys_flags_and_variables_are_each_used_once() {
        for name in [Setting::flag, Setting::env, |setting: &Setting| setting.key.to_owned()] {
            let mut names: Vec<_> = SETTINGS.iter().map(name).collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), SETTINGS.len());
        }
    }
}
