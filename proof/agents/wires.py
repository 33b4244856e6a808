"""The wires that coding agents speak, as a server speaks them: Anthropic's messages, OpenAI's responses and OpenAI's chat
completions. Each reads what a request declares and says, and gives an answer as the events of its stream, in pieces as
real servers send them. `HALF` stands where an answer's text is half said.
"""

import json

HALF = object()
TOKENS = {"asked": 1200, "answered": 34}


class Answer:
    """What a model says: some words, and perhaps a call of a tool. Its `number` is that of the answer in its session."""

    def __init__(self, words, call=None, number=0):
        self.words, self.call, self.number = words, call, number
        self.halves = halves(words)

    def arguments(self):
        """The call's arguments: JSON, or the plain text that some tools take."""
        return self.call[1] if isinstance(self.call[1], str) else json.dumps(self.call[1])


def halves(text):
    return text[:len(text) // 2], text[len(text) // 2:]


def text_of(content):
    """All text of a content that is a string, a block or a list of blocks."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(text_of(part) for part in content)
    if isinstance(content, dict):
        return text_of(content.get("text") or content.get("content") or content.get("output") or "")
    return ""


def event(name, **data):
    """One server-sent event; messages and responses name the type in both places, chat in none."""
    if name is None:
        return f"data: {json.dumps(data)}\n\n".encode()
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode()


class Messages:
    """Anthropic's messages."""

    KEY = "x-api-key", ""

    @staticmethod
    def tools(body):
        return [(tool.get("name", ""), tool.get("input_schema")) for tool in body.get("tools") or []]

    @staticmethod
    def system(body):
        system = body.get("system") or ""
        spoken = [message.get("content") for message in body.get("messages") or [] if message.get("role") == "system"]
        return [text_of(block) for block in [*(system if isinstance(system, list) else [system]), *spoken]]

    @staticmethod
    def results(body):
        blocks = [block for message in body.get("messages") or [] if isinstance(message.get("content"), list)
                  for block in message["content"] if isinstance(block, dict)]
        return [text_of(block.get("content")) for block in blocks if block.get("type") == "tool_result"]

    @staticmethod
    def answer(body, answer):
        usage = {"input_tokens": TOKENS["asked"], "output_tokens": 1,
                 "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
        ended = {**usage, "output_tokens": TOKENS["answered"]}
        message = {"id": f"msg_{answer.number}", "type": "message", "role": "assistant", "model": body.get("model", "m"),
                   "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
        blocks = []
        if (body.get("thinking") or {}).get("type") in ("enabled", "adaptive"):
            # What is sealed must come back byte for byte, or a real server refuses the next request.
            thought = [{"type": "thinking_delta", "thinking": "Let me think. "},
                       {"type": "signature_delta", "signature": f"c2lnbmVkIGJ5IHRoZSBzY3JpcHQ{answer.number}="}]
            blocks.append(({"type": "thinking", "thinking": "", "signature": ""}, thought))
        said = [{"type": "text_delta", "text": half} for half in answer.halves]
        blocks.append(({"type": "text", "text": ""}, [said[0], HALF, said[1]]))
        if answer.call:
            call = {"type": "tool_use", "id": f"toolu_{answer.number}", "name": answer.call[0], "input": {}}
            blocks.append((call, [{"type": "input_json_delta", "partial_json": part} for part in halves(answer.arguments())]))
        reason = "tool_use" if answer.call else "end_turn"
        if not body.get("stream"):
            content = [{"type": "text", "text": answer.words}]
            content += [{**call, "input": answer.call[1]}] if answer.call else []
            return {**message, "content": content, "stop_reason": reason, "usage": ended}
        events = [event("message_start", message=message), event("ping")]
        for index, (block, deltas) in enumerate(blocks):
            events.append(event("content_block_start", index=index, content_block=block))
            events += [HALF if delta is HALF else event("content_block_delta", index=index, delta=delta) for delta in deltas]
            events.append(event("content_block_stop", index=index))
        delta = {"stop_reason": reason, "stop_sequence": None}
        return [*events, event("message_delta", delta=delta, usage=ended), event("message_stop")]


class Responses:
    """OpenAI's responses."""

    KEY = "authorization", "Bearer "

    @classmethod
    def declared(cls, body):
        """Tools stand at the request's top, or within the conversation."""
        later = [tool for item in cls.items(body) if item.get("type") == "additional_tools" for tool in item["tools"]]
        return [*(body.get("tools") or []), *later]

    @classmethod
    def tools(cls, body):
        """Some of them in a namespace."""
        declared = cls.declared(body)
        inner = [tool for space in declared if space.get("type") == "namespace" for tool in space["tools"]]
        # A tool that takes plain text has no schema.
        return [(tool.get("name") or tool.get("type", ""), tool.get("parameters")) for tool in [*declared, *inner]]

    @staticmethod
    def items(body):
        return body.get("input") if isinstance(body.get("input"), list) else []

    @classmethod
    def system(cls, body):
        spoken = [item for item in cls.items(body) if item.get("role") in ("system", "developer")]
        return [body.get("instructions") or "", *(text_of(part) for item in spoken for part in item.get("content") or [])]

    @classmethod
    def results(cls, body):
        results = [item for item in cls.items(body) if str(item.get("type", "")).endswith("_call_output")]
        return [text_of(item.get("output")) for item in results]

    @classmethod
    def called(cls, body, answer):
        """The item that calls a tool, and what its events are named after."""
        call = {"call_id": f"call_{answer.number}", "name": answer.call[0], "status": "completed"}
        spaces = [space["name"] for space in cls.declared(body) if space.get("type") == "namespace"
                  and any(tool.get("name") == answer.call[0] for tool in space["tools"])]
        if spaces:
            call["namespace"] = spaces[0]
        if isinstance(answer.call[1], str):
            return {**call, "type": "custom_tool_call", "id": f"ctc_{answer.number}", "input": answer.arguments()}
        return {**call, "type": "function_call", "id": f"fc_{answer.number}", "arguments": answer.arguments()}

    @classmethod
    def answer(cls, body, answer):
        items = []
        if "reasoning.encrypted_content" in (body.get("include") or []):
            items.append({"type": "reasoning", "id": f"rs_{answer.number}", "summary": [],
                          "encrypted_content": f"c2VhbGVkIGJ5IHRoZSBzY3JpcHQ{answer.number}="})
        part = {"type": "output_text", "text": answer.words, "annotations": []}
        items.append({"type": "message", "id": f"msg_{answer.number}", "role": "assistant", "status": "completed",
                      "content": [part]})
        items += [cls.called(body, answer)] if answer.call else []
        asked, answered = TOKENS["asked"], TOKENS["answered"]
        usage = {"input_tokens": asked, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": answered,
                 "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": asked + answered}
        response = {"id": f"resp_{answer.number}", "object": "response", "created_at": 0,
                    "model": body.get("model", "m"), "output": []}
        done = {**response, "status": "completed", "output": items, "usage": usage}
        if not body.get("stream"):
            return done
        events = [event("response.created", response={**response, "status": "in_progress"})]
        for index, item in enumerate(items):
            events += cls.streamed(index, item, answer)
        return [*events, event("response.completed", response=done)]

    @staticmethod
    def streamed(index, item, answer):
        """One item, as its parts come."""
        at = {"output_index": index, "item_id": item["id"]}
        begun, between = {**item, "status": "in_progress"}, []
        if item["type"] == "message":
            begun["content"], part, at = [], item["content"][0], {**at, "content_index": 0}
            said = [event("response.output_text.delta", **at, delta=half) for half in answer.halves]
            between = [event("response.content_part.added", **at, part={**part, "text": ""}), said[0], HALF, said[1],
                       event("response.output_text.done", **at, text=answer.words),
                       event("response.content_part.done", **at, part=part)]
        if "_call" in item["type"]:
            name, key = ("custom_tool_call_input", "input") if "input" in item else ("function_call_arguments", "arguments")
            begun[key] = ""
            between = [event(f"response.{name}.delta", **at, delta=piece) for piece in halves(item[key])]
            between.append(event(f"response.{name}.done", **at, **{key: item[key]}))
        added, done = "response.output_item.added", "response.output_item.done"
        return [event(added, output_index=index, item=begun), *between, event(done, output_index=index, item=item)]


class Chat:
    """OpenAI's chat completions."""

    KEY = "authorization", "Bearer "

    @staticmethod
    def tools(body):
        functions = [tool.get("function", {}) for tool in body.get("tools") or []]
        return [(function.get("name", ""), function.get("parameters")) for function in functions]

    @staticmethod
    def spoken(body, *roles):
        messages = [message for message in body.get("messages") or [] if message.get("role") in roles]
        return [text_of(message.get("content")) for message in messages]

    @classmethod
    def system(cls, body):
        return cls.spoken(body, "system", "developer")

    @classmethod
    def results(cls, body):
        return cls.spoken(body, "tool")

    @staticmethod
    def answer(body, answer):
        deltas = [{"role": "assistant", "content": answer.halves[0]}, HALF, {"content": answer.halves[1]}]
        if answer.call:
            begun, rest = halves(answer.arguments())
            function = {"name": answer.call[0], "arguments": begun}
            call = {"index": 0, "id": f"call_{answer.number}", "type": "function", "function": function}
            deltas.append({"tool_calls": [call]})
            deltas.append({"tool_calls": [{"index": 0, "function": {"arguments": rest}}]})
        reason = "tool_calls" if answer.call else "stop"
        chunk = {"id": f"chat_{answer.number}", "object": "chat.completion.chunk", "created": 0,
                 "model": body.get("model", "m")}
        asked, answered = TOKENS["asked"], TOKENS["answered"]
        usage = {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}

        def choice(delta, ended=None):
            return event(None, **chunk, choices=[{"index": 0, "delta": delta, "finish_reason": ended}])

        events = [HALF if delta is HALF else choice(delta) for delta in deltas]
        return [*events, choice({}, reason), event(None, **chunk, choices=[], usage=usage), b"data: [DONE]\n\n"]


WIRES = {"/v1/messages": Messages, "/v1/responses": Responses, "/v1/chat/completions": Chat}
