"""google-genai for Python: generateContent, with functions that it calls itself, thoughts, schemas and counting."""

import scene
from google.genai import errors as genai_errors
from google.genai import types
from pydantic import BaseModel
from setup import client

TOOL = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="weather", description=scene.DESCRIPTION, parameters_json_schema=scene.PARAMETERS
        )
    ]
)
WITH_TOOL = types.GenerateContentConfig(
    tools=[TOOL], automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True)
)
THOUGHTS = types.GenerateContentConfig(
    thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_level="low")
)


class Place(BaseModel):
    city: str
    rivers: list[str]


def counted(usage: types.GenerateContentResponseUsageMetadata) -> None:
    """Thoughts are counted beside the answer."""
    completion = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
    scene.counted(usage.prompt_token_count, completion, usage.total_token_count)


def whole(model: str) -> None:
    done = client.models.generate_content(model=model, contents=scene.HELLO)
    scene.hello(model, done.text)
    assert done.candidates[0].finish_reason == "STOP"
    counted(done.usage_metadata)


def streamed(model: str) -> None:
    pieces = list(client.models.generate_content_stream(model=model, contents=scene.HELLO))
    scene.hello(model, "".join(piece.text or "" for piece in pieces))
    assert pieces[-1].candidates[0].finish_reason == "STOP"
    counted(pieces[-1].usage_metadata)


def tools(model: str) -> None:
    asked = client.models.generate_content(model=model, contents=scene.WEATHER, config=WITH_TOOL)
    [call] = asked.function_calls
    assert call.name == "weather"
    scene.weather(call.args)
    result = types.FunctionResponse(id=call.id, name=call.name, response={"result": scene.RAIN})
    back = [
        types.UserContent(scene.WEATHER),
        asked.candidates[0].content,
        types.UserContent([types.Part(function_response=result)]),
    ]
    assert client.models.generate_content(model=model, contents=back, config=WITH_TOOL).text


def tools_streamed(model: str) -> None:
    pieces = client.models.generate_content_stream(model=model, contents=scene.WEATHER, config=WITH_TOOL)
    [call] = [call for piece in pieces for call in piece.function_calls or ()]
    scene.weather(call.args)


def automatic_functions(model: str) -> None:
    """The SDK's own loop: it calls the function and sends back what it returns, until the model is done."""
    seen = []

    def weather(city: str, days: int) -> str:
        """The weather of a city."""
        seen.append((city, days))
        return scene.RAIN

    config = types.GenerateContentConfig(tools=[weather])
    done = client.chats.create(model=model, config=config).send_message(scene.WEATHER)
    assert len(seen) == 1
    assert done.text


def structured(model: str) -> None:
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Place)
    done = client.models.generate_content(model=model, contents=scene.WEATHER, config=config)
    assert isinstance(done.parsed, Place)


def thinking(model: str) -> None:
    """Thoughts come as parts that say so, whole and streamed, and are taken back as they came."""
    done = client.models.generate_content(model=model, contents=scene.WEATHER, config=THOUGHTS)
    assert any(part.thought and part.text for part in done.candidates[0].content.parts)
    back = [types.UserContent(scene.WEATHER), done.candidates[0].content, types.UserContent("Why?")]
    pieces = list(client.models.generate_content_stream(model=model, contents=back, config=THOUGHTS))
    parts = [part for piece in pieces for part in (piece.candidates[0].content.parts or ()) if piece.candidates]
    assert any(part.thought and part.text for part in parts)


def count_tokens(model: str) -> None:
    assert client.models.count_tokens(model=model, contents=scene.HELLO).total_tokens


def embeddings(model: str) -> None:
    done = client.models.embed_content(model=model, contents=[scene.HELLO, scene.WEATHER])
    scene.embedded([each.values for each in done.embeddings])


def errors(model: str) -> None:
    try:
        client.models.generate_content(model=f"{model}-no-such", contents=scene.HELLO)
    except genai_errors.ClientError as error:
        assert f"{model}-no-such" in str(error), error
    else:
        raise AssertionError("a model that does not exist was accepted")


embeddings.models = scene.EMBEDDERS
scene.report(
    "google-genai", "Gemini",
    whole, streamed, tools, tools_streamed, automatic_functions, structured, thinking, count_tokens, embeddings, errors,
)  # fmt: skip
