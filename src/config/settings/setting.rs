//! The description of a setting, from which the path in the file, the environment variable, the flag and the reference
//! in `docs/settings.md` are derived.

/// The type of a setting's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingKind {
    /// A name of lower-case letters, digits and underscores.
    Name,
    /// The IANA name of a time zone.
    TimeZone,
    /// The URL of a database: `postgres://…` or `sqlite:path`.
    Url,
    Integer {
        min: i64,
        max: i64,
    },
    Choice(&'static [&'static str]),
    /// Free text.
    Text,
    /// Free text that is never shown, and that has no flag: flags can be seen by other users of the machine.
    Secret,
    Boolean,
    /// Texts without commas; in flags and in the environment, separated by commas.
    List,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The path in the file: `platform.url`.
    pub key: &'static str,
    pub kind: SettingKind,
    pub default: Option<&'static str>,
    /// The unit of an integer, such as `minutes` or `seconds`.
    pub unit: Option<&'static str>,
    /// The documentation, one paragraph. Its first sentence is the help text of the flag.
    pub doc: &'static str,
}

impl Setting {
    /// The name of the environment variable, such as `DAYMARK_PLATFORM_URL`.
    pub fn env(&self) -> String {
        format!("DAYMARK_{}", self.key.replace('.', "_").to_uppercase())
    }

    /// The long flag without its dashes, such as `platform-url`.
    pub fn flag(&self) -> String {
        self.key.replace(['.', '_'], "-")
    }

    pub fn has_flag(&self) -> bool {
        self.kind != SettingKind::Secret
    }

    /// The first sentence of the documentation, without its full stop.
    pub fn summary(&self) -> &'static str {
        self.doc.split_once(". ").map_or(self.doc.trim_end_matches('.'), |(first, _)| first)
    }

    /// The allowed values, for documentation and messages.
    pub fn values(&self) -> String {
        match self.kind {
            SettingKind::Name => "lower-case letters, digits and underscores".to_owned(),
            SettingKind::TimeZone => "an IANA time zone".to_owned(),
            SettingKind::Url => "`postgres://…` or `sqlite:path`".to_owned(),
            SettingKind::Integer { min, max } => {
                format!("from {min} to {max} {}", self.unit.unwrap_or_default())
            }
            SettingKind::Text | SettingKind::Secret => "text".to_owned(),
            SettingKind::Boolean => "`true` or `false`".to_owned(),
            SettingKind::List => {
                "a list of strings; separated by commas in the environment and in a flag".to_owned()
            }
            SettingKind::Choice(choices) => {
                choices.iter().map(|choice| format!("`{choice}`")).collect::<Vec<_>>().join(", ")
            }
        }
    }
}
