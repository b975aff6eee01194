-- A receipt for each purchase that was paid, numbered without gaps, with seller and tax as they were then.
CREATE TABLE receipts (
    order_id TEXT PRIMARY KEY REFERENCES orders (id),
    number BIGINT NOT NULL UNIQUE,
    seller TEXT NOT NULL,
    buyer TEXT NOT NULL,
    tax_name TEXT NOT NULL,
    tax_percent TEXT NOT NULL,
    created_ms BIGINT NOT NULL
);
INSERT INTO receipts (order_id, number, seller, buyer, tax_name, tax_percent, created_ms)
SELECT id, ROW_NUMBER() OVER (ORDER BY paid_ms, id), '', '', '', '0', paid_ms FROM orders WHERE status = 'paid';

-- Who buys, as receipts say it: what a workspace wants there.
CREATE TABLE buyers (
    workspace_id TEXT PRIMARY KEY REFERENCES workspaces (id),
    details TEXT NOT NULL,
    updated_ms BIGINT NOT NULL
);
