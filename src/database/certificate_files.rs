//! The files of certificates and keys that a connection names.

use std::fs::File;

use sqlx::{ConnectOptions, postgres::PgConnectOptions};

use super::Fault;

/// The parameters that name a file.
const PARAMETERS: [&str; 3] = ["sslrootcert", "sslcert", "sslkey"];
/// How the driver shows a file, as opposed to the text of a certificate.
const SHOWN_FILE: &str = "file: ";

/// Each parameter of `options` that names a file, with its path.
pub fn certificate_files(options: &PgConnectOptions) -> Vec<(&'static str, String)> {
    // The driver does not encode a user's name, with which the URL might be none.
    let url = options.clone().username("user").to_url_lossy();
    let named = url.query_pairs().filter_map(|(name, value)| {
        let parameter = PARAMETERS.into_iter().find(|parameter| *parameter == name)?;
        Some((parameter, value.strip_prefix(SHOWN_FILE)?.to_owned()))
    });
    named.collect()
}

/// The fault of a connection that could not be made. The error of a file that cannot be read does not say which file it is.
pub fn with_unreadable_file(fault: Fault, options: &PgConnectOptions) -> Fault {
    if fault.sqlstate.is_some() {
        return fault;
    }
    let unreadable = certificate_files(options).into_iter().find_map(|(parameter, path)| {
        let error = File::open(&path).err()?;
        Some(format!("`{parameter}` names the file {path}, which cannot be read: {error}"))
    });
    match unreadable {
        Some(message) => Fault::new(fault.class, message),
        None => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::{DatabaseUrl, FaultClass};

    #[test]
    fn the_parameter_and_the_file_that_cannot_be_read_are_named() {
        for parameter in PARAMETERS {
            let url = format!("postgres://h/d?sslmode=require&{parameter}=/nowhere/file%20of.pem");
            let DatabaseUrl::Postgres { options, .. } = url.parse().unwrap() else {
                panic!("not PostgreSQL")
            };
            assert_eq!(certificate_files(&options), [(parameter, "/nowhere/file of.pem".to_owned())]);
            let fault = Fault::new(FaultClass::Unreachable, "No such file or directory (os error 2)");
            let fault = with_unreadable_file(fault, &options);
            let begin = format!("`{parameter}` names the file /nowhere/file of.pem, which cannot be read: ");
            assert!(fault.message.starts_with(&begin), "{}", fault.message);
            assert_eq!(fault.connection_hint(), Some("correct its path, or let this user read the file"));
        }
    }
}
