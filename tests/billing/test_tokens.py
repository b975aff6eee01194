"""Counting tokens: the same numbers as tiktoken's own encoding, and no text of a request that is not counted."""

# ruff: noqa: RUF001 - letters that look like others are what is counted here

import base64
import gzip
import time
from functools import cache
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw
from tiktoken import Encoding
from tiktoken_ext import openai_public  # type: ignore[import-untyped]  # tiktoken types its core only

from tollway.billing import tokens as counting
from tollway.billing.tokens import (
    MEDIA_TOKENS,
    MESSAGE_TOKENS,
    Tokenizer,
    count_prompt,
    inline_characters,
    media_tokens,
)
from tollway.domain import chat

CORPUS = (
    "", " ", "\n", "Hello, world!", "The quick brown fox jumps over the lazy dog. It's the 1st of 1,234,567 tries.",
    "I'll've said they're O'Brien's, HE'S SAID; don’t \t\t mind   the    spaces  \n\n\n  and lines\r\n",
    "Grüße aus Köln: Straße, Ärger, Öl, Übermut – „so“, sagte er, kostet’s 12,50 €.",
    "Où est passé l'œuvre de l'été ? Ça coûte cher, mais c'est très bien ; voilà.",
    "El niño pidió jalapeños en la piñata: ¿cuánto cuestan? ¡Muchísimo!",
    "Příliš žluťoučký kůň úpěl ďábelské ódy. Zażółć gęślą jaźń.",
    "Съешь же ещё этих мягких французских булок, да выпей чаю. 12345678901234567890",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. Θέλω 3,14 ευρώ.",
    "敏捷的棕色狐狸跳过了懒狗。今天天气很好,我们去公园吧!",
    "いろはにほへと ちりぬるを。東京タワーは高さ333メートルです。カタカナも。",
    "다람쥐 헌 쳇바퀴에 타고파. 안녕하세요, 반갑습니다.",
    "नमस्ते दुनिया। यह एक परीक्षण वाक्य है। क्षत्रिय ज्ञान",
    "এই বাক্যটি বাংলায় লেখা। সংখ্যা ১২৩৪৫।",
    "نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر ومغلف بجلد أزرق. ١٢٣",
    "דג סקרן שט בים מאוכזב ולפתע מצא חברה. שלום!",
    "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า กว่าบรรดาฝูงสัตว์เดรัจฉาน",
    "யாமறிந்த மொழிகளிலே தமிழ்மொழி போல் இனிதாவது எங்கும் காணோம்",
    "Chữ Việt có nhiều dấu: nghiêng, ngả, nặng. Ấn Độ.",
    "👩‍👩‍👧‍👦 family, 🇩🇪 flag, 👍🏽 thumb, ☕️ coffee, 🤷🏻‍♀️; \u200b zero width, \ufeff BOM, \u0301 combining",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𓂀 𐍈 \U0010ffff \u0000 \x1b[31m",
    "def f(x: int) -> list[str]:\n    return [f'{i:03}' for i in range(x)]  # comment\n\n\nclass A:\n\tpass\n",
    '{"a":[1,2.5e-7,null,true],"b":{"c":"\\u00e9\\n"}}', "<html><body class='x'>&amp;</body></html>",
    "SELECT * FROM t WHERE a <> 'b' -- end", "https://example.com/path?q=1&r=%20#frag", "a@b.co",
    "0123456789abcdef" * 20, "aGVsbG8gd29ybGQ=" * 10, "CamelCaseAndSNAKE_CASE and kebab-case iOS McDonald's",
    "<|endoftext|>", "text <|endofprompt|> more <|im_start|>user<|im_end|>", "/////\n\n////\r\n",
)  # fmt: skip


@cache
def ours() -> Tokenizer:
    """One tokenizer for all tests: loading takes a third of a second."""
    return Tokenizer()


def published(ranks: dict[bytes, int]) -> dict[str, Any]:
    """tiktoken's own parameters of o200k_base, with these ranks in place of those that it would download."""
    original = openai_public.load_tiktoken_bpe
    openai_public.load_tiktoken_bpe = lambda *args, **kwargs: ranks
    try:
        parameters: dict[str, Any] = openai_public.o200k_base()
    finally:
        openai_public.load_tiktoken_bpe = original
    return parameters


@cache
def tiktokens() -> Encoding:
    """tiktoken's own class over the ranks in the package."""
    packed = (files("tollway.billing") / "data" / "o200k_base.tiktoken.gz").read_bytes()
    lines = (line.split() for line in gzip.decompress(packed).splitlines())
    return Encoding(**published({base64.b64decode(token): int(rank) for token, rank in lines}))


def test_the_ranks_are_whole() -> None:
    """Every rank of o200k_base is there once, and every byte is a token, so that any text can be counted."""
    reference = tiktokens()
    assert reference.n_vocab == 200_019
    assert all(reference.encode_single_token(bytes([byte])) < 200_000 for byte in range(256))


@pytest.mark.parametrize("text", CORPUS)
def test_counts_are_tiktokens(text: str) -> None:
    """Twenty languages, code and marks count as tiktoken counts them; special tokens are plain text."""
    assert ours().count(text) == len(tiktokens().encode(text, disallowed_special=()))
    assert ours().count(text) <= len(text.encode())


def test_special_tokens_are_not_one_token() -> None:
    """A caller's `<|endoftext|>` is text: it can neither end a prompt nor be cheap."""
    assert ours().count("<|endoftext|>") > 1


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_any_text_counts_as_tiktokens(text: str) -> None:
    """Any characters at all: the same count, and never more tokens than bytes (MONEY.md's bound of a prompt)."""
    assert ours().count(text) == len(tiktokens().encode(text, disallowed_special=()))
    assert ours().count(text) <= len(text.encode())


@pytest.mark.parametrize("text", ["a", " ", "\n", "^", "0", "あ", "👍", "a "])
def test_repetition_takes_no_minutes(text: str) -> None:
    """A hundred thousand times the same: tokenizers have been made to hang, or to overflow their stack, with it."""
    began_s = time.process_time()
    count = ours().count(text * 100_000)
    assert 0 < count <= 100_000 * len(text.encode())
    assert time.process_time() - began_s < 10.0


@pytest.mark.parametrize("text", [" ", "\t", "\u3000", "a", " \n"])
def test_a_million_of_one_thing_does_not_panic(text: str) -> None:
    """The engine's own limit of a million steps, met by white space, raises what is no `Exception`: holds stayed."""
    assert 0 < ours().count(text * 1_100_000) <= 1_100_000 * len(text.encode())


def request(*messages: chat.Message, **fields: object) -> chat.ChatRequest:
    """A request of these messages and fields."""
    return chat.ChatRequest(messages=messages, **fields)  # type: ignore[arg-type]  # fields of ChatRequest, by name


TEXT = "seventeen purple elephants"
PARTS: tuple[chat.AnyPart, ...] = (chat.TextPart(TEXT),)
CALL = chat.FunctionCall("f", TEXT)
SAYING: dict[str, chat.ChatRequest] = {
    "prompt": request(prompt=TEXT),
    "system": request(chat.SystemMessage(TEXT)),
    "developer": request(chat.DeveloperMessage(TEXT)),
    "user": request(chat.UserMessage(TEXT)),
    "user's parts": request(chat.UserMessage(PARTS)),
    "user's name": request(chat.UserMessage("", name=TEXT)),
    "tool": request(chat.ToolMessage(TEXT, "call-1")),
    "tool's parts": request(chat.ToolMessage(PARTS, "call-1")),
    "function": request(chat.FunctionMessage(TEXT, "f")),
    "assistant": request(chat.AssistantMessage(TEXT)),
    "assistant's parts": request(chat.AssistantMessage(PARTS)),
    "refusal": request(chat.AssistantMessage(refusal=TEXT)),
    "refusal part": request(chat.AssistantMessage((chat.RefusalPart(TEXT),))),
    "reasoning": request(chat.AssistantMessage(reasoning=TEXT)),
    "reasoning_content": request(chat.AssistantMessage(reasoning_content=TEXT)),
    "reasoning_details": request(chat.AssistantMessage(reasoning_details=(Raw(f'{{"text":"{TEXT}"}}'.encode()),))),
    "tool call": request(chat.AssistantMessage(tool_calls=(chat.MessageToolCall("call-1", CALL),))),
    "function call": request(chat.AssistantMessage(function_call=CALL)),
    "tool's description": request(tools=(chat.Tool(function=chat.ToolFunction("f", description=TEXT)),)),
    "tool's schema": request(tools=(chat.Tool(function=chat.ToolFunction("f", parameters={"description": TEXT})),)),
    "custom tool": request(tools=(chat.Tool(type="custom", custom={"description": TEXT}),)),
    "functions": request(functions=(chat.ToolFunction("f", description=TEXT),)),
    "schema": request(
        response_format=chat.ResponseFormat("json_schema", chat.JsonSchema("s", schema={"description": TEXT}))
    ),
    "prediction": request(prediction=chat.Prediction("content", TEXT)),
}


@pytest.mark.parametrize("where", SAYING)
def test_every_text_is_counted(where: str) -> None:
    """Wherever in a request a text stands that a model reads, it counts."""
    assert count_prompt(ours(), SAYING[where]) >= ours().count(TEXT) + MESSAGE_TOKENS


def test_a_prompt_beside_messages_is_not_counted() -> None:
    """It is not sent: the messages are."""
    both = request(chat.UserMessage(TEXT), prompt=TEXT)
    assert count_prompt(ours(), both) == count_prompt(ours(), request(chat.UserMessage(TEXT)))


def test_each_message_costs_its_frame() -> None:
    """Roles and separators: four tokens a message, and four where there are only a prompt's words."""
    assert count_prompt(ours(), request(*[chat.UserMessage("")] * 5)) == 5 * MESSAGE_TOKENS
    assert count_prompt(ours(), request()) == MESSAGE_TOKENS


def test_an_unpaired_surrogate_is_no_text_of_ours() -> None:
    """Decoding refuses them (FAULTS.md C-5), so that the tokenizer never meets one."""
    with pytest.raises(UnicodeEncodeError):
        ours().count("\ud800")


IMAGE = chat.ImagePart(chat.ImageUrl("data:image/png;base64,AAAA"))
AUDIO = chat.AudioPart(chat.InputAudio("AAAA", "wav"))
VIDEO = chat.VideoPart(chat.VideoUrl("https://example.com/v"))
OLD_VIDEO = chat.LegacyVideoPart(chat.VideoUrl("https://example.com/v"))
FILE = chat.FilePart(chat.FileData("a.pdf"))
DOCUMENT = chat.DocumentPart("https://example.com/d.pdf")


@pytest.mark.parametrize(
    ("parts", "tokens"),
    [
        ((), 0),
        ((chat.TextPart("x"), chat.RefusalPart("x")), 0),
        ((IMAGE, IMAGE), 2 * MEDIA_TOKENS["image"]),
        ((AUDIO,), MEDIA_TOKENS["audio"]),
        ((VIDEO, OLD_VIDEO), 2 * MEDIA_TOKENS["video"]),
        ((FILE, DOCUMENT), 2 * MEDIA_TOKENS["file"]),
        ((IMAGE, AUDIO, VIDEO, FILE, chat.TextPart("x")), sum(MEDIA_TOKENS.values())),
    ],
)
def test_media_have_their_caps(parts: tuple[chat.AnyPart, ...], tokens: int) -> None:
    """Each piece of media counts with its upper bound, in whatever message it stands."""
    assert media_tokens(request(chat.UserMessage(parts))) == tokens
    assert media_tokens(request(chat.UserMessage("x"), chat.ToolMessage(parts, "call-1"))) == tokens


@pytest.mark.parametrize(
    ("parts", "characters"),
    [
        ((chat.TextPart("x" * 99),), 0),
        ((IMAGE,), len(IMAGE.image_url.url)),
        ((AUDIO, chat.TextPart("x")), len(AUDIO.input_audio.data)),
        ((VIDEO, OLD_VIDEO), 2 * len(VIDEO.video_url.url)),
        ((chat.FilePart(chat.FileData(file_data="AAAA")), FILE, DOCUMENT), 4 + len(DOCUMENT.document_url)),
    ],
)
def test_what_of_a_body_is_media(parts: tuple[chat.AnyPart, ...], characters: int) -> None:
    """URLs, and what is in base64: not the text beside it."""
    assert inline_characters(request(chat.UserMessage("text"), chat.UserMessage(parts))) == characters


def test_the_pattern_is_tiktokens() -> None:
    """The pattern and the special tokens, which we keep so as not to load a second copy, are tiktoken's own."""
    facts = published({})
    assert facts["pat_str"] == counting._PATTERN
    assert facts["special_tokens"] == counting._SPECIAL
