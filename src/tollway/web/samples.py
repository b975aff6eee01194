"""First requests to paste: curl, Python and TypeScript, with this server's address and a model that it offers."""

import json
import re
import shlex

from msgspec import Struct

CURL = """\
curl {url} \\
  -H "Authorization: Bearer $TOLLWAY_KEY" \\
  -H "Content-Type: application/json" \\
  -d {body}
"""

CURL_BODY = """\
{{
    "model": {model},
    "messages": [{{"role": "user", "content": "Hello!"}}],
    "stream": true
  }}"""

PYTHON = """\
import os
from openai import OpenAI  # pip install openai

client = OpenAI(base_url={base_url},
                api_key=os.environ["TOLLWAY_KEY"])
stream = client.chat.completions.create(
    model={model},
    messages=[{{"role": "user", "content": "Hello!"}}],
    stream=True,
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
"""

TYPESCRIPT = """\
import OpenAI from "openai"; // npm install openai

const client = new OpenAI({{
  baseURL: {base_url},
  apiKey: process.env.TOLLWAY_KEY,
}});
const stream = await client.chat.completions.create({{
  model: {model},
  messages: [{{ role: "user", content: "Hello!" }}],
  stream: true,
}});
for await (const chunk of stream)
  process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
"""


class Piece(Struct, frozen=True):
    """A part of a sample; `own` parts are those that are this server's own: its address and a model's id."""

    text: str
    own: bool


class Sample(Struct, frozen=True):
    """A program in one language; its pieces joined are its text."""

    id: str
    label: str
    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        """The program, ready to paste."""
        return "".join(piece.text for piece in self.pieces)


def samples(base_url: str, model_id: str) -> tuple[Sample, ...]:
    """A sample for each language. Both arguments may hold anything: they are quoted as each language wants it."""
    # JSON's strings, in ASCII, are strings of Python and of TypeScript too, with the same meaning.
    quoted = {"base_url": json.dumps(base_url), "model": json.dumps(model_id)}
    own = (*quoted.values(), shlex.quote(f"{base_url}/chat/completions"))
    return (
        _sample("curl", "curl", _curl(base_url, model_id), own),
        _sample("python", "Python", PYTHON.format(**quoted), own),
        _sample("typescript", "TypeScript", TYPESCRIPT.format(**quoted), own),
    )


def _curl(base_url: str, model_id: str) -> str:
    body = CURL_BODY.format(model=json.dumps(model_id))
    return CURL.format(url=shlex.quote(f"{base_url}/chat/completions"), body=shlex.quote(body))


def _sample(id_: str, label: str, text: str, own: tuple[str, ...]) -> Sample:
    parts = re.split("(" + "|".join(re.escape(one) for one in own) + ")", text)
    return Sample(id_, label, tuple(Piece(part, index % 2 == 1) for index, part in enumerate(parts) if part))
