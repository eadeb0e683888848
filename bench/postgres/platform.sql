-- The platform that the benchmark reads: 100,000 profiles, 2,000,000 posts and 10,000,000 comments over 730 days from
-- 2024-01-01 UTC, growing linearly from zero rows a day. `SET bench.scale = '0.1'` beforehand reduces it
-- to a tenth.
--
-- Every value is a hash of the row's number, so the data is the same on every machine. Run this in one transaction, then
-- VACUUM (ANALYZE): rows are then in the order of time and every page is all-visible, which is the best case for every
-- statement that is compared.

SET LOCAL timezone = 'UTC';
SET LOCAL synchronous_commit = off;
SET LOCAL maintenance_work_mem = '1GB';
SET LOCAL work_mem = '256MB';
SET LOCAL jit = off;

CREATE TEMP TABLE size ON COMMIT DROP AS
SELECT (100000 * scale)::bigint AS profiles, (2000000 * scale)::bigint AS posts, (10000000 * scale)::bigint AS comments
FROM (SELECT coalesce(nullif(current_setting('bench.scale', true), ''), '1')::numeric AS scale) AS wanted;

-- A number in [0, 1) that is always the same for the same row and salt.
CREATE FUNCTION pg_temp.share(number bigint, salt bigint) RETURNS float8 LANGUAGE sql IMMUTABLE AS
$$ SELECT (hashint8extended(number, salt) & 1073741823) / 1073741824.0::float8 $$;

CREATE FUNCTION pg_temp.key(kind text, number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
$$ SELECT md5(kind || number::text)::uuid $$;

-- The time at which row `number` of `total` was created. The square root makes the volume of each day grow linearly.
CREATE FUNCTION pg_temp.moment(number bigint, total bigint, salt bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS
$$ SELECT to_timestamp(1704067200 + 730 * 86400.0::float8 * sqrt((number - pg_temp.share(number, salt)) / total)) $$;

-- The number of a profile or post (of `total` in the end) that already exists when row `number` of `rows` is created. Low
-- numbers are more likely.
CREATE FUNCTION pg_temp.earlier(number bigint, "rows" bigint, total bigint, salt bigint) RETURNS bigint LANGUAGE sql
IMMUTABLE AS $$ SELECT 1 + floor(pg_temp.share(number, salt) ^ 2 * greatest(1, number * total / "rows"))::bigint $$;

-- Like `earlier`, but uniformly from the last third of the rows that exist.
CREATE FUNCTION pg_temp.lately(number bigint, "rows" bigint, total bigint, salt bigint) RETURNS bigint LANGUAGE sql
IMMUTABLE AS $$ SELECT greatest(1, floor(number * total / "rows" * (1 - pg_temp.share(number, salt) / 3))::bigint) $$;

CREATE TABLE profiles (
    id uuid NOT NULL, username text NOT NULL, bio text, is_admin boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE posts (
    id uuid NOT NULL, author_id uuid NOT NULL, title text, content text NOT NULL, genre text, language text NOT NULL,
    is_audio boolean NOT NULL, duration_seconds integer,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz);
CREATE TABLE comments (
    id uuid NOT NULL, post_id uuid NOT NULL, author_id uuid NOT NULL, parent_id uuid, body text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now());

INSERT INTO profiles
SELECT pg_temp.key('profile', n), 'member ' || n, repeat('about me ', (1 + n % 9)::int), n <= 20,
       pg_temp.moment(n, size.profiles, 1)
FROM size, generate_series(1, size.profiles) AS n;

INSERT INTO posts
SELECT pg_temp.key('post', n), pg_temp.key('profile', pg_temp.earlier(n, size.posts, size.profiles, 2)), 'post ' || n,
       left(repeat('what I wanted to say about it ', 8), 40 + floor(pg_temp.share(n, 3) * 200)::int),
       (ARRAY['electronic', 'hip-hop', 'ambient', 'rock', 'jazz', 'house', 'techno', 'pop'])
           [1 + floor(pg_temp.share(n, 4) ^ 2 * 8)::int],
       (ARRAY['en', 'es', 'pt', 'de', 'fr', 'ja'])[1 + floor(pg_temp.share(n, 10) ^ 3 * 6)::int],
       n % 3 = 0, CASE WHEN n % 3 = 0 THEN 30 + floor(pg_temp.share(n, 11) * 570)::int END,
       pg_temp.moment(n, size.posts, 5), NULL
FROM size, generate_series(1, size.posts) AS n;

INSERT INTO comments
SELECT pg_temp.key('comment', n), pg_temp.key('post', pg_temp.lately(n, size.comments, size.posts, 6)),
       pg_temp.key('profile', pg_temp.earlier(n, size.comments, size.profiles, 7)), NULL,
       left(repeat('I hear what you mean by that ', 5), 20 + floor(pg_temp.share(n, 8) * 100)::int),
       pg_temp.moment(n, size.comments, 9)
FROM size, generate_series(1, size.comments) AS n;

ALTER TABLE profiles ADD PRIMARY KEY (id);
ALTER TABLE posts ADD PRIMARY KEY (id), ADD FOREIGN KEY (author_id) REFERENCES profiles ON DELETE CASCADE;
ALTER TABLE comments ADD PRIMARY KEY (id), ADD FOREIGN KEY (post_id) REFERENCES posts ON DELETE CASCADE,
    ADD FOREIGN KEY (author_id) REFERENCES profiles ON DELETE CASCADE;
CREATE INDEX posts_author_id ON posts (author_id);
CREATE INDEX comments_post_id ON comments (post_id);
CREATE INDEX comments_author_id ON comments (author_id);
CREATE INDEX profiles_created_at ON profiles (created_at);
CREATE INDEX posts_created_at ON posts (created_at);
CREATE INDEX comments_created_at ON comments (created_at);
