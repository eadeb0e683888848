//! The applications whose shapes the tests use.

use super::shape::Shape;

/// A forum without foreign keys, where moderators hide posts and authors delete their own.
pub const FORUM: Shape = Shape {
    tables: &[
        "users 50: id id, username text, created_at time, admin flag 5%, active flag 95%, suspended_at time 5%",
        "topics 120: id id, user_id link users, title text, created_at time, bumped_at time, deleted_at time 8%, archived \
         flag 4%",
        "posts 400: id id, user_id link users, topic_id link topics, raw text, created_at time, updated_at time, deleted_at \
         time 6%, hidden flag 4%, user_deleted flag 5%",
        "drafts 0: id id, user_id link users, created_at time",
        "schema_migrations 3: version text, created_at time",
    ],
    totals: &[
        (
            "users_total",
            "SELECT count(*) FROM users WHERE created_at < {end} AND active AND suspended_at IS NULL",
        ),
        (
            "posts_total",
            "SELECT count(*) FROM posts WHERE created_at < {end} AND (deleted_at IS NULL OR deleted_at >= {end}) AND NOT \
             hidden AND NOT user_deleted",
        ),
        (
            "posts_created",
            "SELECT count(*) FROM posts WHERE created_at >= {start} AND created_at < {end} AND NOT hidden AND NOT user_deleted",
        ),
        (
            "topics_total",
            "SELECT count(*) FROM topics WHERE created_at < {end} AND (deleted_at IS NULL OR deleted_at >= {end}) AND NOT \
             archived",
        ),
    ],
    flags: &[
        "posts: hidden",
        "posts: user_deleted",
        "users: active",
        "users: suspended_at",
        "topics: archived",
    ],
};

/// A federated link aggregator: users are in `person`, table names are singular, and one of the two tables of followers has
/// no rows.
pub const FEDERATED: Shape = Shape {
    tables: &[
        "person 60: id id, name text, display_name text, published time, updated time 30%, banned flag 4%, deleted flag 5%",
        "local_user 25: id id, person_id ref person, email text, accepted_application flag 90%",
        "community 10: id id, name text, title text, published time, removed flag 10%, hidden flag 5%",
        "post 250: id id, creator_id ref person, community_id ref community, name text, published time, updated time 20%, \
         deleted flag 7%, removed flag 3%",
        "comment 300: id id, creator_id ref person, post_id ref post, content text, published time, updated time 20%, deleted \
         flag 7%, removed flag 3%",
        "post_like 200: id id, person_id ref person, post_id ref post, score number, published time",
        "comment_like 200: id id, person_id ref person, comment_id ref comment, score number, published time",
        "community_follower 90: id id, person_id ref person, community_id ref community, published time",
        "person_follower 0: id id, person_id ref person, follower_id ref person, published time",
    ],
    totals: &[
        ("users_total", "SELECT count(*) FROM person WHERE published < {end} AND NOT banned AND NOT deleted"),
        ("posts_total", "SELECT count(*) FROM post WHERE published < {end} AND NOT deleted AND NOT removed"),
        (
            "comments_total",
            "SELECT count(*) FROM comment WHERE published < {end} AND NOT deleted AND NOT removed",
        ),
        ("follows_total", "SELECT count(*) FROM community_follower WHERE published < {end}"),
        ("post_like_total", "SELECT count(*) FROM post_like WHERE published < {end}"),
    ],
    flags: &["users: banned", "users: deleted", "posts: deleted", "posts: removed", "comments: removed"],
};

/// A microblog: `accounts` has local and remote accounts, `users` only those that log in here.
pub const MICROBLOG: Shape = Shape {
    tables: &[
        "accounts 80: id id, username text, domain text, created_at time, updated_at time, suspended_at time 6%",
        "users 40: id id, account_id ref accounts, email text, created_at time, updated_at time, disabled flag 5%",
        "statuses 300: id id, account_id ref accounts, content text, created_at time, updated_at time, deleted_at time 8%, \
         visibility one of public|unlisted|private",
        "follows 150: id id, account_id ref accounts, target_account_id ref accounts, created_at time, updated_at time",
        "favourites 200: id id, account_id ref accounts, status_id ref statuses, created_at time, updated_at time",
        "follow_requests 0: id id, account_id ref accounts, created_at time",
        "ar_internal_metadata 1: value text, created_at time",
    ],
    totals: &[
        ("users_total", "SELECT count(*) FROM accounts WHERE created_at < {end} AND suspended_at IS NULL"),
        (
            "posts_total",
            "SELECT count(*) FROM statuses WHERE created_at < {end} AND (deleted_at IS NULL OR deleted_at >= {end})",
        ),
        ("follows_total", "SELECT count(*) FROM follows WHERE created_at < {end}"),
        ("likes_total", "SELECT count(*) FROM favourites WHERE created_at < {end}"),
    ],
    flags: &["users: suspended_at"],
};

/// A shop: orders have a status, and the flag of a review is NULL until the review was moderated.
pub const SHOP: Shape = Shape {
    tables: &[
        "customers 70: id id, email text, first_name text, created_at time",
        "products 30: id id, name text, created_at time, is_archived flag 10%",
        "orders 200: id id, customer_id ref customers, placed_at time 100%, paid_at time 80%, shipped_at time 60%, status one \
         of paid|shipped|cancelled",
        "order_items 400: id id, order_id ref orders, product_id ref products, quantity number",
        "reviews 120: id id, customer_id ref customers, product_id ref products, rating number, submitted_at time, is_spam \
         flag? 10%",
        "gift_cards 0: id id, customer_id ref customers, created_at time",
    ],
    totals: &[
        ("customers_total", "SELECT count(*) FROM customers WHERE created_at < {end}"),
        ("orders_total", "SELECT count(*) FROM orders WHERE placed_at < {end} AND status <> 'cancelled'"),
        (
            "orders_created",
            "SELECT count(*) FROM orders WHERE placed_at >= {start} AND placed_at < {end} AND status <> 'cancelled'",
        ),
        ("reviews_total", "SELECT count(*) FROM reviews WHERE submitted_at < {end} AND is_spam IS NOT TRUE"),
        ("products_total", "SELECT count(*) FROM products WHERE created_at < {end} AND NOT is_archived"),
    ],
    flags: &["orders: status", "reviews: is_spam", "products: is_archived"],
};

/// A help desk: no table is called `users`, and a ticket has a time for each of its stages, all of which may be NULL.
pub const HELP_DESK: Shape = Shape {
    tables: &[
        "contacts 60: id id, full_name text, email text, created_at time",
        "agents 8: id id, email text, created_at time, deactivated_at time 10%",
        "tickets 200: id id, requester_id ref contacts, assignee_id ref agents, subject text, opened_at time 100%, \
         first_response_at time 80%, resolved_at time 60%, closed_at time 50%, state one of open|pending|solved, spam flag 6%",
        "messages 300: id id, ticket_id ref tickets, contact_id ref contacts, body text, sent_at time",
        "audit_events 0: id id, agent_id ref agents, occurred_at time",
    ],
    totals: &[
        ("users_total", "SELECT count(*) FROM contacts WHERE created_at < {end}"),
        ("tickets_total", "SELECT count(*) FROM tickets WHERE opened_at < {end} AND NOT spam"),
        ("messages_total", "SELECT count(*) FROM messages WHERE sent_at < {end}"),
    ],
    flags: &["tickets: spam"],
};

/// A learning platform: every submission has a start, and some of them have an end.
pub const LEARNING: Shape = Shape {
    tables: &[
        "students 90: id id, email text, joined_at time",
        "courses 12: id id, title text, created_at time, draft flag 20%",
        "lessons 60: id id, course_id ref courses, title text, created_at time, published_at time 70%",
        "enrollments 200: id id, student_id ref students, course_id ref courses, enrolled_at time 100%, started_at time 70%, \
         completed_at time 30%",
        "submissions 250: id id, student_id ref students, lesson_id ref lessons, started_at time, submitted_at time 60%",
        "certificates 0: id id, student_id ref students, created_at time",
    ],
    totals: &[
        ("users_total", "SELECT count(*) FROM students WHERE joined_at < {end}"),
        ("courses_total", "SELECT count(*) FROM courses WHERE created_at < {end} AND NOT draft"),
        ("enrollments_total", "SELECT count(*) FROM enrollments WHERE enrolled_at < {end}"),
        ("submissions_total", "SELECT count(*) FROM submissions WHERE started_at < {end}"),
        ("lessons_total", "SELECT count(*) FROM lessons WHERE created_at < {end}"),
    ],
    flags: &["courses: draft"],
};

/// An application that was moved from a database without booleans, where flags are letters, digits and words.
pub const MOVED: Shape = Shape {
    tables: &[
        "users 80: id id, email text, created_at time, active mark char(1) Y|N 90%, banned mark? char(3) yes|no 10%",
        "posts 200: id id, user_id ref users, created_at time, deleted mark bit(1) 1|0 10%, hidden mark? bit(1) 1|0 10%",
        "comments 200: id id, user_id ref users, created_at time, removed mark text t|f 10%, spam mark? text 1|0 10%",
        "photos 90: id id, user_id ref users, created_at time, is_archived mark boolean t|f 10%, is_hidden mark? boolean t|f \
         10%",
        "orders 90: id id, user_id ref users, created_at time, cancelled mark numeric(1) 1|0 10%, void mark? varchar(5) \
         True|False 10%",
        "reviews 60: id id, user_id ref users, created_at time, removed_by mark text y|n 10%, discarded mark? text Y|N 100%",
    ],
    totals: &[
        (
            "users_total",
            "SELECT count(*) FROM users WHERE created_at < {end} AND active = 'Y' AND coalesce(banned, 'no') = 'no'",
        ),
        (
            "posts_total",
            "SELECT count(*) FROM posts WHERE created_at < {end} AND deleted = '0' AND (hidden IS NULL OR hidden = '0')",
        ),
        (
            "comments_total",
            "SELECT count(*) FROM comments WHERE created_at < {end} AND removed = 'f' AND coalesce(spam, '0') = '0'",
        ),
        (
            "photos_total",
            "SELECT count(*) FROM photos WHERE created_at < {end} AND is_archived = 'f' AND (is_hidden IS NULL OR is_hidden = 'f')",
        ),
        (
            "orders_total",
            "SELECT count(*) FROM orders WHERE created_at < {end} AND cancelled = 0 AND coalesce(void, 'False') = 'False'",
        ),
        ("reviews_total", "SELECT count(*) FROM reviews WHERE created_at < {end} AND discarded IS NULL"),
    ],
    flags: &[
        "users: active",
        "users: banned",
        "posts: deleted",
        "posts: hidden",
        "comments: removed",
        "comments: spam",
        "photos: is_archived",
        "photos: is_hidden",
        "orders: cancelled",
        "orders: void",
        "reviews: discarded",
    ],
};

/// A code host whose times are seconds since 1970 and whose tables have singular names.
pub const CODE_HOST: Shape = Shape {
    tables: &[
        "users 60: id id, name text, email text, created_unix unix, is_admin flag 5%",
        "repository 80: id id, owner_id ref users, name text, created_unix unix, is_private flag 20%, is_archived flag 8%",
        "issue 250: id id, repo_id ref repository, poster_id ref users, name text, is_closed flag 40%, is_pull flag 30%, created_unix \
         unix, closed_unix unix 40%",
        "comment 300: id id, poster_id ref users, issue_id ref issue, kind one of text|close|label, created_unix unix",
        "star 150: id id, user_id ref users, repo_id ref repository, created_unix unix",
        "commit_status 200: id id, repo_id ref repository, state one of pending|success|failure, commit_created unix",
        "deploy_key 0: id id, repo_id ref repository, created_unix unix",
    ],
    totals: &[
        ("users_total", "SELECT count(*) FROM users WHERE created_unix < {end_seconds}"),
        ("comment_total", "SELECT count(*) FROM comment WHERE created_unix < {end_seconds}"),
        (
            "repository_total",
            "SELECT count(*) FROM repository WHERE created_unix < {end_seconds} AND NOT is_archived",
        ),
        (
            "issue_created",
            "SELECT count(*) FROM issue WHERE created_unix >= {start_seconds} AND created_unix < {end_seconds}",
        ),
        ("commit_status_total", "SELECT count(*) FROM commit_status WHERE commit_created < {end_seconds}"),
        (
            "daily_active_users",
            "SELECT count(*) FROM (SELECT owner_id FROM repository WHERE created_unix >= {start_seconds} AND created_unix < \
             {end_seconds} AND NOT is_archived UNION SELECT poster_id FROM issue WHERE created_unix >= {start_seconds} AND \
             created_unix < {end_seconds} UNION SELECT poster_id FROM comment WHERE created_unix >= {start_seconds} AND created_unix < \
             {end_seconds} UNION SELECT user_id FROM star WHERE created_unix >= {start_seconds} AND created_unix < {end_seconds}) AS \
             actors",
        ),
    ],
    flags: &["repository: is_archived"],
};

/// A chat whose times are milliseconds since 1970; a time of deletion is 0 until a row is deleted.
pub const CHAT: Shape = Shape {
    tables: &[
        "users 50: id id, username text, email text, createat millis, updateat millis, deleteat millis 10%",
        "teams 4: id id, displayname text, createat millis, deleteat millis 0%",
        "channels 20: id id, teamid ref teams, creatorid ref users, name text, kind one of open|private|direct, createat millis, \
         deleteat millis 10%",
        "posts 400: id id, channelid ref channels, userid ref users, message text, createat millis, deleteat millis 5%",
        "reactions 150: id id, userid ref users, postid ref posts, emojiname text, createat millis",
        "channelmembers 90: id id, channelid ref channels, userid ref users, lastviewedat millis",
    ],
    totals: &[
        (
            "users_total",
            "SELECT count(*) FROM users WHERE createat < {end_seconds}000 AND (deleteat = 0 OR deleteat >= {end_seconds}000)",
        ),
        (
            "posts_total",
            "SELECT count(*) FROM posts WHERE createat < {end_seconds}000 AND (deleteat = 0 OR deleteat >= {end_seconds}000)",
        ),
        (
            "posts_created",
            "SELECT count(*) FROM posts WHERE createat >= {start_seconds}000 AND createat < {end_seconds}000",
        ),
        ("likes_total", "SELECT count(*) FROM reactions WHERE createat < {end_seconds}000"),
        (
            "channels_total",
            "SELECT count(*) FROM channels WHERE createat < {end_seconds}000 AND (deleteat = 0 OR deleteat >= {end_seconds}000)",
        ),
    ],
    flags: &[],
};
