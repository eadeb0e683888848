-- Software that accounts subscribe to. A subscription that is cancelled keeps its row, as does a seat that is given up; deleting an
-- account deletes everything of it. Times are UTC in the format of SQLite's CURRENT_TIMESTAMP, 'YYYY-MM-DD HH:MM:SS'.

CREATE TABLE accounts (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    name         TEXT NOT NULL UNIQUE,
    created_at   TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    activated_at TEXT
);

CREATE TABLE seats (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    email      TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    revoked_at TEXT
);

CREATE TABLE plans (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    name  TEXT NOT NULL UNIQUE,
    price INTEGER NOT NULL
);

CREATE TABLE subscriptions (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id   INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    plan_id      INTEGER NOT NULL REFERENCES plans (id),
    created_at   TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    cancelled_at TEXT
);

CREATE INDEX accounts_created_at ON accounts (created_at);
CREATE INDEX seats_created_at ON seats (created_at);
CREATE INDEX subscriptions_created_at ON subscriptions (created_at);
CREATE INDEX subscriptions_cancelled_at ON subscriptions (cancelled_at);

-- These indexes are for joins and cascading deletes.
CREATE INDEX seats_account_id ON seats (account_id);
CREATE INDEX subscriptions_account_id ON subscriptions (account_id);

INSERT INTO plans (name, price) VALUES ('Starter', 29), ('Team', 99), ('Business', 299);
