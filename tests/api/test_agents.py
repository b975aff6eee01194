"""Coding agents: requests as they send them, written by hand after what they were seen to send, are accepted."""

from typing import Any

import pytest

from tests.support import World, request

CLAUDE_CODE = {
    "User-Agent": "claude-cli/2.1.329 (external, cli)",
    "X-App": "cli",
    "X-Claude-Code-Session-Id": "f2a3056b-9d82-4bc2-b19d-06eb5d141b96",
    "X-Stainless-Helper-Method": "stream",
    "Anthropic-Version": "2023-06-01",
    "Anthropic-Dangerous-Direct-Browser-Access": "true",
    "Anthropic-Beta": "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,"
    "mid-conversation-tool-changes-2026-07-01,thinking-token-count-2026-05-13,effort-2025-11-24",
}
KEPT: Any = {"type": "ephemeral"}
LOOK: Any = {"name": "Read", "description": "Reads a file", "input_schema": {"type": "object", "properties": {}}}
CLAUDE_CODE_ASKS: dict[str, Any] = {
    "max_tokens": 32000,
    "stream": True,
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.329; cc_entrypoint=cli;"},
        {"type": "text", "text": "You are an agent.", "cache_control": KEPT},
        {"type": "text", "text": "Work with the user.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "<system-reminder>"}, {"type": "text", "text": "Hi"}]},
        {"role": "system", "content": [{"type": "text", "text": "# Environment", "cache_control": KEPT}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Let me look.", "signature": "c2ln"},
                {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"file_path": "a.py"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "1\tprint()", "is_error": False},
                {"type": "text", "text": "Go on.", "cache_control": KEPT},
            ],
        },
    ],
    "tools": [
        {**LOOK, "cache_control": KEPT},
        {"name": "Later", "description": "d", "input_schema": {"type": "object"}, "defer_loading": True},
    ],
    "metadata": {"user_id": '{"device_id":"c10f62","session_id":"f2a3056b"}'},
    "thinking": {"type": "adaptive", "display": "omitted"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "output_config": {"effort": "high"},
}

CODEX = {
    "User-Agent": "codex_exec/0.169.0 (Debian 12.0.0; x86_64)",
    "Originator": "codex_exec",
    "Session-Id": "01a1fd63-11d6-7890-a41f-bd1f4e88180b",
    "X-Codex-Beta-Features": "remote_compaction_v2",
    "X-Codex-Turn-Metadata": '{"session_id":"01a1fd63","sandbox":"seccomp"}',
    "Accept": "text/event-stream",
}
RUN: Any = {"type": "object", "properties": {"cmd": {"type": "string"}}, "required": ["cmd"]}
CODEX_ASKS: dict[str, Any] = {
    "stream": True,
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "reasoning": {"effort": "medium", "summary": "auto"},
    "text": {"verbosity": "low"},
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "prompt_cache_key": "01a1fd63-11d6-7890-a41f-bd1f4e88180b",
    "client_metadata": {"session_id": "01a1fd63", "x-codex-window-id": "01a1fd63:0"},
    "tools": [
        {"type": "function", "name": "exec_command", "description": "d", "strict": False, "parameters": RUN},
        {"type": "custom", "name": "apply_patch", "description": "d", "format": {"type": "text"}},
    ],
    "input": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "developer",
            "content": [{"type": "input_text", "text": "You are a coding agent."}],
        },
        {"type": "message", "id": "msg_2", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Let me look."}]},
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "exec_command", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "exit status 1"},
        {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_2", "name": "apply_patch", "input": "*** End"},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": "done"},
        {"type": "message", "id": "msg_3", "role": "user", "content": [{"type": "input_text", "text": "Go on."}]},
    ],
}


@pytest.mark.parametrize("base", ["", "/api"])
def test_claude_code(well: World, base: str) -> None:
    """System blocks and a system message in the middle, cache marks, beta fields: read, and the answer streams."""
    body = {"model": "test/model", **CLAUDE_CODE_ASKS}
    headers = {**CLAUDE_CODE, **well.key.headers}
    answer = request(well.url, "POST", f"{base}/v1/messages?beta=true", body, headers=headers)
    assert answer.status == 200, answer.body
    said = answer.body.decode()
    assert "event: message_stop" in said
    assert "event: error" not in said
    sent = well.stage.bodies()[-1]
    roles = [message["role"] for message in sent["messages"]]
    assert roles.count("tool") == 1
    assert roles.count("assistant") == 1
    assert sent["tools"][0]["function"]["name"] == "Read"


def test_claude_code_counts(well: World) -> None:
    """It counts with the same blocks, without an answer's fields."""
    body = {"model": "test/model", **{name: CLAUDE_CODE_ASKS[name] for name in ("system", "messages", "tools")}}
    headers = {**CLAUDE_CODE, **well.key.headers}
    answer = request(well.url, "POST", "/v1/messages/count_tokens?beta=true", body, headers=headers)
    assert answer.status == 200, answer.body
    assert answer.json["input_tokens"] > 10


@pytest.mark.parametrize("base", ["", "/api"])
def test_codex(well: World, base: str) -> None:
    """Items of an earlier turn, a custom tool and metadata of its own: read, and the typed events end well."""
    body = {"model": "test/model", **CODEX_ASKS}
    answer = request(well.url, "POST", f"{base}/v1/responses", body, headers={**CODEX, **well.key.headers})
    assert answer.status == 200, answer.body
    said = answer.body.decode()
    assert '"type":"response.completed"' in said
    assert '"type":"error"' not in said
    sent = well.stage.bodies()[-1]
    assert [message["role"] for message in sent["messages"]].count("tool") == 2
    assert "client_metadata" not in sent


@pytest.mark.parametrize("tool", [{"type": "namespace", "name": "agents", "tools": []}, {"type": "web_search"}])
def test_codex_tools_that_are_not_built(well: World, tool: dict[str, Any]) -> None:
    """What docs/clients.md has Codex switch off is refused, and the answer names the tool."""
    body = {"model": "test/model", **CODEX_ASKS, "tools": [tool]}
    answer = request(well.url, "POST", "/v1/responses", body, headers={**CODEX, **well.key.headers})
    assert answer.status == 501
    assert tool["type"] in answer.error["message"]


CLINE: dict[str, Any] = {
    "stream": True,
    "stream_options": {"include_usage": True},
    "temperature": 0,
    "transforms": ["middle-out"],
    "include_reasoning": True,
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "You are an agent.", "cache_control": KEPT}]},
        {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": KEPT}]},
    ],
}


def test_cline(well: World) -> None:
    """An OpenRouter client of an editor: cache marks on parts, and its name in two headers."""
    headers = {"HTTP-Referer": "https://editor.example", "X-Title": "An editor", **well.key.headers}
    body = {"model": "test/model", **CLINE}
    answer = request(well.url, "POST", "/api/v1/chat/completions", body, headers=headers)
    assert answer.status == 200, answer.body
    assert answer.body.rstrip().endswith(b"data: [DONE]")
