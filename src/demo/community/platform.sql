-- A community of people who make music. Content is hard-deleted, and deleting an account deletes all of its content.
-- Times are UTC in the format of SQLite's CURRENT_TIMESTAMP, 'YYYY-MM-DD HH:MM:SS'.

CREATE TABLE profiles (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    username   TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE posts (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    author_id  INTEGER NOT NULL REFERENCES profiles (id) ON DELETE CASCADE,
    title      TEXT NOT NULL,
    content    TEXT NOT NULL,
    topic      TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE comments (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    post_id    INTEGER NOT NULL REFERENCES posts (id) ON DELETE CASCADE,
    author_id  INTEGER NOT NULL REFERENCES profiles (id) ON DELETE CASCADE,
    body       TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE tracks (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    author_id        INTEGER NOT NULL REFERENCES profiles (id) ON DELETE CASCADE,
    title            TEXT NOT NULL,
    genre            TEXT,
    duration_seconds INTEGER NOT NULL,
    created_at       TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE likes (
    user_id    INTEGER NOT NULL REFERENCES profiles (id) ON DELETE CASCADE,
    post_id    INTEGER NOT NULL REFERENCES posts (id) ON DELETE CASCADE,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (user_id, post_id)
) WITHOUT ROWID;

CREATE TABLE follows (
    follower_id INTEGER NOT NULL REFERENCES profiles (id) ON DELETE CASCADE,
    followee_id INTEGER NOT NULL REFERENCES profiles (id) ON DELETE CASCADE,
    created_at  TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (follower_id, followee_id)
) WITHOUT ROWID;

CREATE INDEX profiles_created_at ON profiles (created_at);
CREATE INDEX posts_created_at ON posts (created_at);
CREATE INDEX comments_created_at ON comments (created_at);
CREATE INDEX tracks_created_at ON tracks (created_at);
CREATE INDEX likes_created_at ON likes (created_at);
CREATE INDEX follows_created_at ON follows (created_at);

-- These indexes are for cascading deletes.
CREATE INDEX posts_author_id ON posts (author_id);
CREATE INDEX comments_post_id ON comments (post_id);
CREATE INDEX comments_author_id ON comments (author_id);
CREATE INDEX tracks_author_id ON tracks (author_id);
CREATE INDEX likes_post_id ON likes (post_id);
CREATE INDEX follows_followee_id ON follows (followee_id);
