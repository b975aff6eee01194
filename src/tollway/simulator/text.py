"""Words of the simulated models: filler sentences, their pieces, and how they are counted."""

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import cycle, islice

SENTENCES = (
    "A request arrives with a question and leaves with an answer, and somebody has to count the words in between.",
    "The harbour was quiet in the morning, and the pilots drank their coffee before the first ship came in.",
    "Most routes look alike on a map; they differ in what they cost and in how often they are closed.",
    "An old rule says that a bridge should carry twice what anybody has asked of it.",
    "The keeper writes down every crossing in a book, and the book has to agree with the box of coins.",
    "When one road is flooded, the driver takes the next one and tells nobody that there was a choice.",
    "In the afternoon the wind turned, which the weather report had not mentioned.",
    "It helps to measure first, then to change one thing, and then to measure again.",
    "The library keeps its catalogue on cards, and each card says where a book stands and who has it now.",
    "Three of the clocks in the hall show the same time, so it is the fourth that gets repaired.",
    "A good timetable admits that trains are late and says what happens then.",
    "The apprentice asked why the scales are checked every evening, and was told to wait for the first error.",
    "Nothing in this paragraph is true or false; it only has to be long enough.",
    "By the end of the week every lamp along the quay had been replaced, and the ferries came in on time.",
    "Small numbers, added without rounding, become large numbers that still agree.",
    "The last traveller of the day paid exactly, said good night, and the barrier came down behind her.",
)
REASONING = (
    "The user has asked something, and a simulated model should look as if it were thinking about it. "
    "First the question is read again, then two ways of answering are compared, and the shorter one is taken. "
)
REFUSAL = "I'm sorry, but this simulated model has been told to refuse that request."

_PIECE = re.compile(r"\s?\w{1,12}|\s?[^\w\s]{1,4}|\s")


def pieces(text: str) -> tuple[str, ...]:
    """Text -> its tokens as the simulator counts them: a word (up to 12 letters) or a mark, with its space."""
    return tuple(_PIECE.findall(text))


_FILLER = tuple(pieces(" " + sentence) for sentence in SENTENCES)
_REASONING = pieces(REASONING)


@lru_cache(maxsize=1024)
def opening(model: str) -> tuple[str, ...]:
    """The first words of every made-up answer: it says what it is."""
    return pieces(f"This is a simulated answer from Tollway's simulator for model {model}:")


def made_up(model: str, tokens: int, start: int) -> tuple[str, ...]:
    """An answer of exactly `tokens` pieces, its filler beginning at sentence `start`."""
    return (_remembered if tokens <= _REMEMBERED_TOKENS else _written)(model, tokens, start)


def _written(model: str, tokens: int, start: int) -> tuple[str, ...]:
    first = opening(model)
    if len(first) >= tokens:
        return first[:tokens]
    return first + tuple(islice(forever(start), tokens - len(first)))


_REMEMBERED_TOKENS = 2048
_remembered = lru_cache(maxsize=1024)(_written)


def forever(start: int) -> Iterable[str]:
    """Filler without end."""
    turn = start % len(_FILLER)
    for sentence in cycle(_FILLER[turn:] + _FILLER[:turn]):
        yield from sentence


def thoughts(tokens: int) -> tuple[str, ...]:
    """Reasoning of exactly `tokens` pieces."""
    return tuple(islice(cycle(_REASONING), tokens))


def prompt_tokens(characters: int, messages: int) -> int:
    """How many tokens a prompt has here: a quarter of its characters, and 3 for each message.

    Counted are the texts of all messages, with the arguments of tool calls; not names, tools or schemas. A part that is
    not text counts as 340 characters (85 tokens).
    """
    return characters // 4 + 3 * messages


PART_CHARACTERS = 340
