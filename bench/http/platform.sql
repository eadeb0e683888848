-- A small platform with rows of the last 400 days, so that queries about the last year have values.

CREATE TABLE profiles (id uuid PRIMARY KEY, username text NOT NULL, created_at timestamptz NOT NULL);
CREATE TABLE posts (id uuid PRIMARY KEY, author_id uuid NOT NULL, title text NOT NULL, created_at timestamptz NOT NULL);
CREATE TABLE comments (
    id uuid PRIMARY KEY, post_id uuid NOT NULL, author_id uuid NOT NULL, body text NOT NULL,
    created_at timestamptz NOT NULL);

-- Row n was created n times a fixed number of minutes ago, a little earlier or later; 400 days have 576,000 minutes. The author
-- of a row was created before the row.
INSERT INTO profiles
SELECT md5('profile' || n)::uuid, 'member ' || n, now() - n * interval '240 minutes' FROM generate_series(1, 2400) AS n;
INSERT INTO posts
SELECT md5('post' || n)::uuid, md5('profile' || 1 + n * 29 / 240 + n % (2399 - n * 29 / 240))::uuid, 'post ' || n,
       now() - (n * 29 + n * (n % 13) % 1441) * interval '1 minute'
FROM generate_series(1, 19000) AS n;
INSERT INTO comments
SELECT md5('comment' || n)::uuid, md5('post' || 1 + n * 9 / 29)::uuid,
       md5('profile' || 1 + n * 9 / 240 + n % (2399 - n * 9 / 240))::uuid, 'comment',
       now() - (n * 9 + n * (n % 11) % 1441) * interval '1 minute'
FROM generate_series(1, 63000) AS n;

CREATE INDEX profiles_created_at ON profiles (created_at);
CREATE INDEX posts_created_at ON posts (created_at);
CREATE INDEX comments_created_at ON comments (created_at);
