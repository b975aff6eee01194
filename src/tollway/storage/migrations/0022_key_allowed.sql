-- Which models and providers a key may ask for, as JSON lists; null: whichever its workspace and its guardrails allow.
ALTER TABLE keys ADD COLUMN allowed_models TEXT;
ALTER TABLE keys ADD COLUMN allowed_providers TEXT;
