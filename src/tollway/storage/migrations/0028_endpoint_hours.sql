-- Endpoints by hour (hours since 1970), for the charts of models: what became of requests, and how fast answers were.
CREATE TABLE endpoint_hours (
    endpoint_id TEXT NOT NULL,
    hour BIGINT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (endpoint_id, hour)
);
CREATE INDEX endpoint_hours_by_hour ON endpoint_hours (hour);
