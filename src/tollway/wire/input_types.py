"""What embeddings are for, in each company's words: a caller's word is understood whichever company it is of."""

from typing import Literal

Company = Literal["cohere", "voyage", "google", "nova"]

_WORDS: tuple[tuple[tuple[str, ...], dict[Company, str]], ...] = (
    # our callers' words, in lower case; what each company calls it (Cohere "input_type", Voyage "input_type",
    # Google "TaskType", Amazon Nova "embeddingPurpose")
    (
        ("query", "search_query", "retrieval_query", "generic_retrieval"),
        {"cohere": "search_query", "voyage": "query", "google": "RETRIEVAL_QUERY", "nova": "GENERIC_RETRIEVAL"},
    ),
    (
        ("document", "passage", "search_document", "retrieval_document", "generic_index"),
        {"cohere": "search_document", "voyage": "document", "google": "RETRIEVAL_DOCUMENT", "nova": "GENERIC_INDEX"},
    ),
    (
        ("classification",),
        {"cohere": "classification", "google": "CLASSIFICATION", "nova": "CLASSIFICATION"},
    ),
    (("clustering",), {"cohere": "clustering", "google": "CLUSTERING", "nova": "CLUSTERING"}),
    (("image",), {"cohere": "image"}),
    (("semantic_similarity",), {"google": "SEMANTIC_SIMILARITY"}),
    (("question_answering",), {"google": "QUESTION_ANSWERING"}),
    (("fact_verification",), {"google": "FACT_VERIFICATION"}),
    (("code_retrieval_query",), {"google": "CODE_RETRIEVAL_QUERY"}),
)
_BY_WORD = {word: companies for words, companies in _WORDS for word in words}


def input_type_for(company: Company, word: str | None) -> str | None:
    """A caller's word -> the company's; None: it has none for that. A word that nobody knows goes as it is."""
    if word is None:
        return None
    known = _BY_WORD.get(word.lower())
    return word if known is None else known.get(company)
