"""What the page says of a model: one sentence made of facts, and the family of its tokenizer."""

import re
from typing import Any

from tollway.domain.catalog import Model

_TOKENIZERS = (
    (r"openai/", "GPT"),
    (r"anthropic/", "Claude"),
    (r"google/gemma|.*/gemma", "Gemma"),
    (r"google/palm", "PaLM"),
    (r"google/", "Gemini"),
    (r"x-ai/", "Grok"),
    (r"cohere/", "Cohere"),
    (r"amazon/nova", "Nova"),
    (r"qwen/(qwen-?3|qwen3)", "Qwen3"),
    (r"qwen/", "Qwen"),
    (r"01-ai/", "Yi"),
    (r"deepseek/", "DeepSeek"),
    (r"mistralai/", "Mistral"),
    (r".*llama-?2", "Llama2"),
    (r".*llama-?3", "Llama3"),
    (r".*llama-?4", "Llama4"),
    (r".*rwkv", "RWKV"),
)
"""First match wins. The words are OpenRouter's (`architecture.tokenizer`)."""

_ARTICLE = {"a": "an", "e": "an", "i": "an", "o": "an", "u": "an"}


def tokenizer_of(model_id: str, made: tuple[str, ...]) -> str:
    """OpenRouter's word for the tokenizer's family; `Media` for what makes no text, `Other` where nothing is known."""
    if "text" not in made and not {"embeddings", "rerank"} & set(made):
        return "Media"
    return next((word for pattern, word in _TOKENIZERS if re.match(pattern, model_id)), "Other")


def describe(model: Model, facts: dict[str, Any]) -> str:
    """What goes in and out, how long, what it can do, what it knows. Nothing that the facts do not say."""
    kind = _kind(model)
    text = f"{model.name} is {_ARTICLE.get(kind[0], 'a')} {kind} by {model.author}."
    does = []
    given = [_PLURAL[word] for word in model.input_modalities if word != "text"]
    if given and "transcription" not in model.output_modalities:
        does.append(f"reads {_list(given)}" + (" as well as text" if "text" in model.input_modalities else ""))
    if model.context_tokens:
        does.append(f"has a context of {model.context_tokens:,} tokens")
    if facts.get("tool_call"):
        does.append("calls tools")
    if facts.get("structured_output"):
        does.append("answers in a given JSON schema")
    if facts.get("reasoning"):
        does.append("reasons before it answers")
    if does:
        text += f" It {_list(does)}."
    if model.open_weights:
        text += " Its weights are open."
    if model.knowledge_cutoff:
        text += f" Its knowledge ends in {model.knowledge_cutoff}."
    return text


def _kind(model: Model) -> str:
    special = {
        "embeddings": "embedding model",
        "rerank": "reranking model",
        "moderation": "moderation model",
        "transcription": "transcription model",
        "speech": "speech model",
    }
    for word in model.output_modalities:
        if word in special:
            return special[word]
    if model.output_modalities == ("text",):
        return "language model"
    return f"model that makes {_list([_PLURAL[word] for word in model.output_modalities])}"


_PLURAL = {"text": "text", "image": "images", "file": "files", "audio": "audio", "video": "video"}


def _list(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
