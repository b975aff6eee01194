"""OpenAI's Responses, stateless, with OpenRouter's additions."""
