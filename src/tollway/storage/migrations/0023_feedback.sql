-- What people say of answers: the last word of each of them, by category.
CREATE TABLE generation_feedback (
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    generation_id TEXT NOT NULL,
    category TEXT NOT NULL,
    actor TEXT NOT NULL,
    comment TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, generation_id, category, actor)
);
CREATE INDEX generation_feedback_by_time ON generation_feedback (created_ms, generation_id);
