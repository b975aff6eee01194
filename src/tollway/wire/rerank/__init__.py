"""Reranking in Cohere's shape, which OpenRouter, Jina, vLLM and many others took over."""
