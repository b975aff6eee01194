"""OpenAI's embeddings, with OpenRouter's additions."""
