//! Parses PostgreSQL's connection strings into parameters: URIs and keyword/value pairs, as documented in
//! <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING>.

/// Names and values, in the order of the text.
pub(super) type ConnectionParameters = Vec<(String, String)>;

/// Why a text cannot be parsed. The messages never quote the text, because the part that cannot be parsed may be a
/// password.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConnectionStringError {
    #[error(
        "there is an unexpected `#` or `@`: in a user's name, a password or a value, `/` must be written as `%2F`, \
         `#` as `%23`, `?` as `%3F`, `@` as `%40` and `%` as `%25`"
    )]
    Unencoded,
    #[error("a `%` is not followed by two hexadecimal digits of UTF-8: a `%` itself is written as `%25`")]
    Percent,
    #[error(
        "the host's `[` has no `]`: an IPv6 address is written as in `postgres://user@[::1]:5432/database`"
    )]
    Bracket,
    #[error(
        "there is more than one `:` after the host: an IPv6 address is written in brackets, as in \
         `postgres://user@[::1]:5432/database`"
    )]
    Colons,
    #[error(
        "a parameter after the `?` has no `=`: they are written as in `?sslmode=require&application_name=daymark`"
    )]
    NoValue,
    #[error(
        "a keyword is followed by no `=` and value: they are written as in `host=db.example user=me dbname=app`"
    )]
    NoKeywordValue,
    #[error("a `'` is never closed: in a quoted value, `'` is written as `\\'` and `\\` as `\\\\`")]
    Quote,
}

/// Returns the part after `postgres://` or `postgresql://`.
pub(super) fn without_scheme(text: &str) -> Option<&str> {
    text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"))
}

/// Whether the text begins like `keyword = value`.
pub(super) fn is_keywords(text: &str) -> bool {
    let keyword = text.trim_start().split('=').next().unwrap_or_default().trim_end();
    text.contains('=')
        && !keyword.is_empty()
        && keyword.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// Parses `[user[:password]@][host][:port][/database][?name=value[&…]]`.
pub(super) fn from_uri(rest: &str) -> Result<ConnectionParameters, ConnectionStringError> {
    let (hierarchy, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = hierarchy.split_once('/').unwrap_or((hierarchy, ""));
    // An `@` after the authority means that the password contains a `/` or `?` that is not encoded.
    if rest.contains('#') || database.contains('@') || query.contains('@') {
        return Err(ConnectionStringError::Unencoded);
    }
    let (user, address) = authority.rsplit_once('@').unwrap_or(("", authority));
    if user.contains('@') {
        return Err(ConnectionStringError::Unencoded);
    }
    let mut parameters = ConnectionParameters::new();
    let mut add = |name: &str, value: &str| -> Result<(), ConnectionStringError> {
        parameters.push((name.to_owned(), decoded(value)?));
        Ok(())
    };
    let (user, password) =
        user.split_once(':').map_or((user, None), |(user, password)| (user, Some(password)));
    let (host, port) = host_and_port(address)?;
    for (name, value) in [("user", user), ("host", host), ("port", port), ("dbname", database)] {
        if !value.is_empty() {
            add(name, value)?;
        }
    }
    if let Some(password) = password {
        add("password", password)?;
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or(ConnectionStringError::NoValue)?;
        add(&decoded(name)?, value)?;
    }
    Ok(parameters)
}

/// Returns the host and the port; an IPv6 address without its brackets.
fn host_and_port(address: &str) -> Result<(&str, &str), ConnectionStringError> {
    if let Some(rest) = address.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(ConnectionStringError::Bracket)?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, port)),
            None if rest.is_empty() => Ok((host, "")),
            None => Err(ConnectionStringError::Bracket),
        };
    }
    match address.split_once(':') {
        // Several hosts, each with a port, are refused by `parameters::options`.
        Some((_, port)) if port.contains(':') && !port.contains(',') => Err(ConnectionStringError::Colons),
        Some(_) if address.contains(',') => Ok((address, "")),
        Some((host, port)) => Ok((host, port)),
        None => Ok((address, "")),
    }
}

fn decoded(text: &str) -> Result<String, ConnectionStringError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        bytes.push(match byte {
            b'%' => match (digit(), digit()) {
                (Some(high), Some(low)) => (high * 16 + low) as u8,
                _ => return Err(ConnectionStringError::Percent),
            },
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| ConnectionStringError::Percent)
}

/// Parses `keyword = value …`, separated by white space. A value that contains white space or is empty is quoted with
/// `'`.
pub(super) fn from_keywords(text: &str) -> Result<ConnectionParameters, ConnectionStringError> {
    let mut parameters = ConnectionParameters::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (keyword, after) = rest.split_once('=').ok_or(ConnectionStringError::NoKeywordValue)?;
        let keyword = keyword.trim_end();
        if keyword.is_empty() || keyword.contains(char::is_whitespace) {
            return Err(ConnectionStringError::NoKeywordValue);
        }
        let (value, after) = keyword_value(after.trim_start())?;
        parameters.push((keyword.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(parameters)
}

/// Returns the value at the start of `text`, and the rest.
fn keyword_value(text: &str) -> Result<(String, &str), ConnectionStringError> {
    let (is_quoted, text) = text.strip_prefix('\'').map_or((false, text), |text| (true, text));
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '\'' if is_quoted => return Ok((value, &text[index + 1..])),
            _ if character.is_whitespace() && !is_quoted => return Ok((value, &text[index..])),
            _ => value.push(character),
        }
    }
    if is_quoted { Err(ConnectionStringError::Quote) } else { Ok((value, "")) }
}
