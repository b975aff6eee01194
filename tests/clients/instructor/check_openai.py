"""instructor over chat completions: with a tool, which is its default, and with a JSON schema."""

import instructor
import scene
from features import ASKED, Place, features
from setup_openai import client, openai_client

with_schema = instructor.from_openai(openai_client, mode=instructor.Mode.JSON_SCHEMA)


def json_schema(model: str) -> None:
    assert isinstance(with_schema.create(model=model, messages=ASKED, response_model=Place), Place)


scene.report("instructor", "chat", *features(client), json_schema)
