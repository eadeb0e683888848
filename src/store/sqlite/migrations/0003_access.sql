-- Keys to Daymark's own API. Only the SHA-256 hash of a key is stored. A key has 256 random bits, so it cannot be guessed from
-- its hash.
CREATE TABLE api_keys (
    id           TEXT NOT NULL,
    tenant_id    TEXT NOT NULL CONSTRAINT tenant_is_a_name
                      CHECK (tenant_id GLOB '[a-z]*' AND tenant_id NOT GLOB '*[^a-z0-9_]*' AND length(tenant_id) <= 63),
    name         TEXT NOT NULL CONSTRAINT name_is_short CHECK (length(name) BETWEEN 1 AND 100),
    role         TEXT NOT NULL CONSTRAINT role_is_known CHECK (role IN ('reader', 'admin', 'service')),
    -- The names of the scopes, separated by spaces.
    scopes       TEXT NOT NULL CONSTRAINT scopes_are_known
                      CHECK (scopes <> '' AND replace(replace(replace(replace(replace(' ' || scopes, ' read', ''), ' log', ''),
                                                              ' collect', ''), ' define', ''), ' correct', '') = ''),
    hash         BLOB NOT NULL CONSTRAINT hash_is_sha256 CHECK (length(hash) = 32),
    created_at   TEXT NOT NULL CONSTRAINT creation_is_an_instant
                      CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(created_at) IS NOT NULL AND created_at >= '1900' AND created_at < '9999'),
    created_by   TEXT NOT NULL CONSTRAINT author_is_short CHECK (length(created_by) BETWEEN 1 AND 200),
    expires_at   TEXT CONSTRAINT expires_later
                      CHECK (expires_at IS NULL OR expires_at > created_at AND (expires_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(expires_at) IS NOT NULL AND expires_at >= '1900' AND expires_at < '9999')),
    revoked_at   TEXT CONSTRAINT revocation_is_an_instant
                      CHECK (revoked_at IS NULL OR (revoked_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(revoked_at) IS NOT NULL AND revoked_at >= '1900' AND revoked_at < '9999')),
    revoked_by   TEXT CONSTRAINT end_is_short CHECK (length(revoked_by) BETWEEN 1 AND 200),
    last_used_at TEXT CONSTRAINT use_is_an_instant
                      CHECK (last_used_at IS NULL OR (last_used_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(last_used_at) IS NOT NULL AND last_used_at >= '1900' AND last_used_at < '9999')),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT revoked_by_an_author CHECK ((revoked_at IS NULL) = (revoked_by IS NULL)),
    CONSTRAINT readers_only_read CHECK (role <> 'reader' OR scopes = 'read'),
    -- A program records; a person answers for a correction.
    CONSTRAINT admins_correct CHECK (role = 'admin' OR instr(scopes, 'correct') = 0)
) STRICT, WITHOUT ROWID;

-- A constraint: only one key that is not revoked has a given name.
CREATE UNIQUE INDEX api_keys_one_of_a_name ON api_keys (tenant_id, name) WHERE revoked_at IS NULL;

-- Only last_used_at of a key can change, and revoked_at with revoked_by once.
CREATE TRIGGER api_keys_refuse_update BEFORE UPDATE ON api_keys
WHEN NOT (
    NEW.id = OLD.id AND NEW.tenant_id = OLD.tenant_id AND NEW.name = OLD.name AND NEW.role = OLD.role
    AND NEW.scopes = OLD.scopes AND NEW.hash = OLD.hash AND NEW.created_at = OLD.created_at
    AND NEW.created_by = OLD.created_by AND NEW.expires_at IS OLD.expires_at
    AND (OLD.revoked_at IS NULL OR NEW.revoked_at IS OLD.revoked_at AND NEW.revoked_by IS OLD.revoked_by)
) BEGIN
    SELECT RAISE(ABORT, 'UPDATE on api_keys is refused: a key cannot be changed, only revoked once; create another key');
END;
CREATE TRIGGER api_keys_refuse_delete BEFORE DELETE ON api_keys BEGIN
    SELECT RAISE(ABORT, 'DELETE on api_keys is refused: keys are kept; revoke a key that is no longer wanted');
END;
CREATE TRIGGER api_keys_refuse_replace BEFORE INSERT ON api_keys
WHEN EXISTS (
    SELECT 1 FROM api_keys
    WHERE tenant_id = NEW.tenant_id AND (id = NEW.id OR name = NEW.name AND revoked_at IS NULL AND NEW.revoked_at IS NULL)
) BEGIN
    SELECT RAISE(ABORT, 'INSERT over a row of api_keys is refused: a key with that id or name exists; create a key with another name');
END;

-- When users last signed out everywhere: sessions of browsers that began until then are over. A session lasts seven days, so older
-- rows mean nothing and are deleted.
CREATE TABLE session_ends (
    tenant_id TEXT NOT NULL CONSTRAINT tenant_is_a_name
                   CHECK (tenant_id GLOB '[a-z]*' AND tenant_id NOT GLOB '*[^a-z0-9_]*' AND length(tenant_id) <= 63),
    -- The user or key whose sessions ended, as in created_by.
    subject   TEXT NOT NULL CONSTRAINT subject_is_short CHECK (length(subject) BETWEEN 1 AND 200),
    ended_at  TEXT NOT NULL CONSTRAINT end_is_an_instant
                   CHECK (ended_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(ended_at) IS NOT NULL AND ended_at >= '1900' AND ended_at < '9999'),
    PRIMARY KEY (tenant_id, subject)
) STRICT, WITHOUT ROWID;
