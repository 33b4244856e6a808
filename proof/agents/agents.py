"""The agents: how each is told of a model, kept quiet and given one task. Nothing here knows whether there is a cell.

Each takes the model's address, none where it is to ask its vendor's, the directory that its configuration may be read
from, and the words of the task. No key is worth anything: codex takes none, the others insist on some word.
"""

import json
import os

UNUSED = "unused-by-anyone"


class Task:
    """What an agent is to do, and where its model is. With `aloud` it tells on its output what it hears, as it hears it;
    `settings` are more of its configuration."""

    def __init__(self, url, config, words, aloud=False, settings=None):
        self.url, self.config, self.words, self.aloud, self.settings = url, config, words, aloud, settings or {}


def claude(task):
    env = {"ANTHROPIC_API_KEY": UNUSED, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "IS_SANDBOX": "1"}
    if task.url:
        env["ANTHROPIC_BASE_URL"] = task.url
    output = ["stream-json", "--include-partial-messages", "--verbose"] if task.aloud else ["text"]
    return ["claude", "-p", task.words, "--allowedTools", "Bash,Read", "--output-format", *output], env, {}


def codex(task):
    settings = {"analytics.enabled": "false", "check_for_update_on_startup": "false"}
    if task.url:
        provider = f'{{name="local", base_url="{task.url}/v1", wire_api="responses"}}'
        settings |= {"model": '"m"', "model_provider": '"local"', "model_providers.local": provider}
        # Of a model that it does not know it asks for a search by the provider, which the gate refuses with all else.
        settings["web_search"] = '"disabled"'
    overrides = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
    flags = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "--disable", "plugins", "--disable", "apps"]
    env = {"RUST_LOG": "codex_api=trace"} if task.aloud else {}
    return ["codex", "exec", *overrides, *flags, task.words], env, {}


def pi(task):
    env, files = {"PI_OFFLINE": "1"}, {}
    if task.url:
        provider, model = "local", "m"
        known = {"id": "m", "name": "m", "reasoning": False, "input": ["text"], "contextWindow": 32000, "maxTokens": 4000,
                 "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0}}
        local = {"baseUrl": f"{task.url}/v1", "apiKey": UNUSED, "api": "openai-completions", "models": [known]}
        files[os.path.join(task.config, "models.json")] = json.dumps({"providers": {"local": local}})
        env["PI_CODING_AGENT_DIR"] = task.config
    else:
        provider, model = "anthropic", "claude-sonnet-4-5"
        env["ANTHROPIC_API_KEY"] = UNUSED
    mode = ["--mode", "json"] if task.aloud else []
    return ["pi", "-p", *mode, "--no-session", "--provider", provider, "--model", model, task.words], env, files


def openclaw(task):
    """One turn without its gateway. What its tools are is said to the model as they are, and not behind a search."""
    path = os.path.join(task.config, "openclaw.json")
    known = {"id": "m", "name": "m", "reasoning": False, "input": ["text"], "contextWindow": 64000, "maxTokens": 4000,
             "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0}}
    local = {"baseUrl": f"{task.url}/v1", "apiKey": UNUSED, "api": "openai-completions", "models": [known]}
    settings = {"models": {"mode": "replace", "providers": {"local": local}}, **task.settings}
    settings["tools"] = {"toolSearch": False, "codeMode": False, **task.settings.get("tools", {})}
    argv = ["openclaw", "agent", "exec", "--config", path, "--model", "local/m", task.words]
    return argv, {}, {path: json.dumps(settings)}


AGENTS = {"claude": claude, "codex": codex, "pi": pi, "openclaw": openclaw}
