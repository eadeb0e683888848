-- A shop that sells tea. Orders are deleted when their payment fails, and deleting a customer deletes the customer's orders, their
-- items and refunds. Amounts are in cents; times are UTC in the format of SQLite's CURRENT_TIMESTAMP, 'YYYY-MM-DD HH:MM:SS'.

CREATE TABLE customers (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    email      TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE products (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL UNIQUE,
    price_cents INTEGER NOT NULL
);

CREATE TABLE orders (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    customer_id INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    total_cents INTEGER NOT NULL DEFAULT 0,
    created_at  TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);

-- The items have the time of their order.
CREATE TABLE order_items (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id   INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    product_id INTEGER NOT NULL REFERENCES products (id),
    quantity   INTEGER NOT NULL
);

CREATE TABLE refunds (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id     INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    amount_cents INTEGER NOT NULL,
    created_at   TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE INDEX customers_created_at ON customers (created_at);
CREATE INDEX orders_created_at ON orders (created_at);
CREATE INDEX refunds_created_at ON refunds (created_at);

-- These indexes are for joins and cascading deletes.
CREATE INDEX orders_customer_id ON orders (customer_id);
CREATE INDEX order_items_order_id ON order_items (order_id);
CREATE INDEX refunds_order_id ON refunds (order_id);

INSERT INTO products (name, price_cents) VALUES
    ('Green tea', 650), ('Black tea', 590), ('Teapot', 3900), ('Jasmine tea', 720), ('Cups', 1800), ('Oolong', 980), ('Tea strainer', 750),
    ('White tea', 1450), ('Kettle', 5900), ('Rooibos', 540), ('Matcha', 2200), ('Honey', 890), ('Tea tin', 1100), ('Mint tea', 480);
