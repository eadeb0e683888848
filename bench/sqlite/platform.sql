-- The same platform as bench/postgres/platform.sql at a fifth of the size: 20,000 profiles, 400,000 posts and 2,000,000
-- comments over 730 days from 2024-01-01 UTC, growing linearly from zero rows a day. Times are text, 'YYYY-MM-DD HH:MM:SS'.
--
-- Every value is computed from the row's number, so the data is the same on every machine. (Multiplied by a large prime, modulo
-- 2^32, the number is random enough here.) SQLite may be built without sqrt, so each day gets its share of the rows instead: those
-- from rows × (day / 730)² on.

PRAGMA foreign_keys = off;

CREATE TABLE profiles (
    id         INTEGER PRIMARY KEY,
    username   TEXT NOT NULL,
    bio        TEXT,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE posts (
    id               INTEGER PRIMARY KEY,
    author_id        INTEGER NOT NULL REFERENCES profiles (id) ON DELETE CASCADE,
    title            TEXT,
    content          TEXT NOT NULL,
    genre            TEXT,
    language         TEXT NOT NULL,
    is_audio         BOOLEAN NOT NULL,
    duration_seconds INTEGER,
    created_at       TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE comments (
    id         INTEGER PRIMARY KEY,
    post_id    INTEGER NOT NULL REFERENCES posts (id) ON DELETE CASCADE,
    author_id  INTEGER NOT NULL REFERENCES profiles (id) ON DELETE CASCADE,
    body       TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TEMP TABLE size AS SELECT 20000 AS profiles, 400000 AS posts, 2000000 AS comments;
CREATE TEMP TABLE day AS
WITH RECURSIVE days (number) AS (VALUES (0) UNION ALL SELECT number + 1 FROM days WHERE number < 729)
SELECT number, unixepoch('2024-01-01') + 86400 * number AS midnight FROM days;

-- Row i of a day with n rows is created at second 86400 × i / n.
CREATE TEMP TABLE moment AS
WITH RECURSIVE
    share (rows_in_all, midnight, first, next) AS (
        SELECT total, midnight, total * number * number / (730 * 730), total * (number + 1) * (number + 1) / (730 * 730)
        FROM day, (SELECT profiles AS total FROM size UNION ALL SELECT posts FROM size UNION ALL SELECT comments FROM size)
    ),
    each (rows_in_all, midnight, first, next, number) AS (
        SELECT rows_in_all, midnight, first, next, first FROM share WHERE first < next
        UNION ALL
        SELECT rows_in_all, midnight, first, next, number + 1 FROM each WHERE number + 1 < next
    )
SELECT rows_in_all, number + 1 AS number, number * 2654435761 % 4294967296 / 4294967296.0 AS share,
       datetime(midnight + 86400 * (number - first) / (next - first), 'unixepoch') AS created_at
FROM each;

INSERT INTO profiles
SELECT number, 'member ' || number, 'about me', created_at FROM moment, size WHERE rows_in_all = profiles ORDER BY number;

INSERT INTO posts
SELECT number, 1 + CAST(share * share * (number * profiles / posts) AS INTEGER), 'post ' || number,
       substr('what I wanted to say about it, at some length and with a few examples of what I mean by it', 1, 40 + number % 50),
       CASE CAST(share * 997 AS INTEGER) % 12 WHEN 0 THEN 'hip-hop' WHEN 1 THEN 'ambient' WHEN 2 THEN 'rock' WHEN 3 THEN 'jazz'
           WHEN 4 THEN 'house' WHEN 5 THEN 'techno' WHEN 6 THEN 'pop' ELSE 'electronic' END,
       CASE CAST(share * 991 AS INTEGER) % 10 WHEN 0 THEN 'es' WHEN 1 THEN 'pt' WHEN 2 THEN 'de' WHEN 3 THEN 'fr' WHEN 4 THEN 'ja'
           ELSE 'en' END,
       number % 3 = 0, CASE WHEN number % 3 = 0 THEN 30 + CAST(share * 983 AS INTEGER) % 570 END,
       created_at
FROM moment, size WHERE rows_in_all = posts ORDER BY number;

INSERT INTO comments
SELECT number, max(1, number * posts / comments - CAST(share * 0.3 * (number * posts / comments) AS INTEGER)),
       1 + CAST(share * share * (number * profiles / comments) AS INTEGER),
       substr('I hear what you mean by that, and would have said it in much the same way myself', 1, 20 + number % 60),
       created_at
FROM moment, size WHERE rows_in_all = comments ORDER BY number;

DROP TABLE temp.moment;
DROP TABLE temp.day;
DROP TABLE temp.size;

CREATE INDEX posts_author_id ON posts (author_id);
CREATE INDEX comments_post_id ON comments (post_id);
CREATE INDEX comments_author_id ON comments (author_id);
CREATE INDEX profiles_created_at ON profiles (created_at);
CREATE INDEX posts_created_at ON posts (created_at);
CREATE INDEX comments_created_at ON comments (created_at);
ANALYZE;
