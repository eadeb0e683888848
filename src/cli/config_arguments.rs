//! The command line's part of the configuration.

use std::path::PathBuf;

use crate::config::GivenFlags;

/// The settings that were set by flags, and the file that `--config` names.
pub struct ConfigArguments {
    pub flags: GivenFlags,
    pub file: Option<PathBuf>,
}
