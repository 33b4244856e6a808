"""The agents: how each is told of a model, kept quiet and given one task. Nothing here knows whether there is a cell.

Each takes the model's address, the directory that its configuration may be read from, and the words of the task.
"""

import json
import os


class Task:
    """What an agent is to do, and where its model is."""

    def __init__(self, url, config, words):
        self.url, self.config, self.words = url, config, words


def claude(task):
    env = {
        "ANTHROPIC_BASE_URL": task.url,
        "ANTHROPIC_API_KEY": "unused",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "IS_SANDBOX": "1",
    }
    return ["claude", "-p", task.words, "--allowedTools", "Bash", "--output-format", "text"], env, {}


def codex(task):
    provider = f'{{name="local", base_url="{task.url}/v1", wire_api="responses"}}'
    settings = {
        "model": '"m"',
        "model_provider": '"local"',
        "model_providers.local": provider,
        "analytics.enabled": "false",
        "check_for_update_on_startup": "false",
    }
    overrides = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
    flags = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "--disable", "plugins", "--disable", "apps"]
    return ["codex", "exec", *overrides, *flags, task.words], {}, {}


def pi(task):
    model = {"id": "m", "name": "m", "reasoning": False, "input": ["text"], "contextWindow": 32000, "maxTokens": 4000,
             "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0}}
    provider = {"baseUrl": f"{task.url}/v1", "apiKey": "unused", "api": "openai-completions", "models": [model]}
    files = {os.path.join(task.config, "models.json"): json.dumps({"providers": {"local": provider}})}
    env = {"PI_CODING_AGENT_DIR": task.config, "PI_OFFLINE": "1"}
    return ["pi", "-p", "--no-session", "--provider", "local", "--model", "m", task.words], env, files


AGENTS = {"claude": claude, "codex": codex, "pi": pi}
