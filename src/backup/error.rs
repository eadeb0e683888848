//! Why a backup cannot be made or restored.

use std::io;

use crate::store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{path}: {error}")]
    Io { path: String, error: io::Error },
    #[error("{path} is no backup of Daymark: {problem}")]
    NoBackup { path: String, problem: String },
    #[error("{path} is damaged: {problem}; take another backup")]
    Damaged { path: String, problem: String },
    #[error("{path} is a copy of format {of}, and the store is of format {wanted}")]
    OtherFormat { path: String, of: String, wanted: String },
    #[error("{path} was made by Daymark {made_by}, which is newer than this one: update this binary")]
    Newer { path: String, made_by: String },
    #[error("what was restored differs from the backup: {0}; do not use it")]
    Differs(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}
