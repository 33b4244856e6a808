"""A gateway in front of a bench's model, whose every conversation is a session of bastide's: the agent's requests go into a cell, out
of it by the gate, and there its policy judges what the model answers.

    gateway.py --bastide PATH --policy FILE --upstream http://127.0.0.1:9100 --port 9200

Any bearer token that was not seen begins a session. One that nobody used for a while is ended, and asked again refused. Questions of the
sessions stand at `/approvals`, and are answered there.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time

from aiohttp import web

from questions import Questions

HERE = os.path.dirname(os.path.abspath(__file__))
# The system's own programs, which a cell has.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Seconds that a session waits for its next request, and sessions there may be.
IDLE = 20
MOST = 16
# Longest line that a relay answers.
LINE = 64 << 20


def policy_of(text, port, grounding):
    """A policy with the bench's model as the one that serves all, and with what becomes of a call that nothing speaks for."""
    text = text.replace("grounding: deny", f"grounding: {grounding}")
    route = f"""
inference:
  providers: {{bench: {{wire: openai, url: "http://host.bastide:{port}"}}}}
  routes: [{{models: ["**"], provider: bench}}]
"""
    return text + route


class Session:
    """A cell with the relay in it, asked one request after the other."""

    def __init__(self, name, run):
        self.name, self.run = name, run
        self.used = time.monotonic()
        self.turn = asyncio.Lock()
        self.model = ""

    @classmethod
    async def begin(cls, name, command, environment, place):
        run = await asyncio.create_subprocess_exec(
            *command, cwd=place, env=environment, limit=LINE, start_new_session=True,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        session = cls(name, run)
        if b"ready" not in await run.stdout.readline():
            said = (await run.stderr.read()).decode("utf-8", "replace")
            raise RuntimeError(f"no session began: {said[-2000:]}")
        session.reader = asyncio.create_task(run.stderr.read())
        return session

    async def ask(self, body):
        async with self.turn:
            self.used, self.model = time.monotonic(), body.get("model", "")
            self.run.stdin.write(json.dumps(body).encode() + b"\n")
            await self.run.stdin.drain()
            line = await self.run.stdout.readline()
            self.used = time.monotonic()
        if not line:
            raise RuntimeError("the session ended")
        return json.loads(line)

    async def end(self):
        """Its input ends, and so does it; what stays beyond ten seconds is stopped, as its own process group."""
        with contextlib.suppress(OSError):
            self.run.stdin.close()
        try:
            await asyncio.wait_for(self.run.wait(), 10)
        except asyncio.TimeoutError:
            os.killpg(self.run.pid, signal.SIGTERM)
            await self.run.wait()
        await self.reader


class Gateway:
    """The sessions, by the token that they serve."""

    def __init__(self, options):
        self.options = options
        self.base = tempfile.mkdtemp(prefix="bastide-meaning.")
        os.chmod(self.base, 0o755)
        self.place = os.path.join(self.base, "work")
        os.mkdir(self.place)
        shutil.copy(os.path.join(HERE, "relay.py"), self.place)
        port = int(options.upstream.rsplit(":", 1)[1].split("/")[0])
        self.policy = os.path.join(self.base, "policy.yaml")
        with open(options.policy, encoding="utf-8") as read, open(self.policy, "w", encoding="utf-8") as written:
            written.write(policy_of(read.read(), port, options.grounding))
        self.environment = {
            "PATH": PATH, "HOME": self.base, "XDG_STATE_HOME": os.path.join(self.base, "state"),
            "BASTIDE_DAEMON": "off",
        }
        self.sessions, self.beginning, self.ended = {}, {}, set()
        self.begun = self.failed = 0
        self.questions = Questions(options.bastide, self.environment, self.sessions, options.grant)

    def command(self, name):
        asked = [self.options.bastide, "run", "--policy", self.policy, "--mode", "read-only", "--name", name]
        if self.options.grounding == "ask":
            asked += ["--patience", self.options.patience]
        return [*asked, "--", "python3", "relay.py"]

    async def session(self, token):
        """The session of a token; two requests of a new one begin one session."""
        if token in self.sessions:
            return self.sessions[token]
        if token in self.ended:
            raise RuntimeError("its session has ended")
        if token not in self.beginning:
            self.beginning[token] = asyncio.create_task(self.begin(token))
        try:
            return await asyncio.shield(self.beginning[token])
        finally:
            self.beginning.pop(token, None)

    async def begin(self, token):
        while len(self.sessions) + len(self.beginning) > MOST:
            await self.sweep(2)
            await asyncio.sleep(0.1)
        self.begun += 1
        name = f"m{self.begun}"
        self.sessions[token] = await Session.begin(name, self.command(name), self.environment, self.place)
        return self.sessions[token]

    async def sweep(self, idle):
        now = time.monotonic()
        over = [token for token, one in self.sessions.items() if not one.turn.locked() and now - one.used > idle]
        # All of them at once leave the table: who sweeps at the same time finds none twice.
        ending = [self.sessions.pop(token) for token in over]
        self.ended.update(over)
        await asyncio.gather(*(one.end() for one in ending))

    async def keep(self, _):
        async def sweeping():
            while True:
                await asyncio.sleep(2)
                await self.sweep(IDLE)
        task = asyncio.create_task(sweeping())
        yield
        task.cancel()
        for one in [self.sessions.pop(token) for token in list(self.sessions)]:
            await one.end()
        if self.options.asked:
            with open(self.options.asked, "w", encoding="utf-8") as out:
                out.writelines(json.dumps(one) + "\n" for one in self.questions.answers)
        if self.options.keep:
            print(f"kept: XDG_STATE_HOME={self.environment['XDG_STATE_HOME']}", file=sys.stderr)
        else:
            shutil.rmtree(self.base, ignore_errors=True)
        print(f"{self.begun} sessions, {self.failed} requests without an answer", file=sys.stderr)

    async def chat(self, request):
        token = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if not token:
            return web.json_response({"error": {"message": "a bearer token names the conversation"}}, status=401)
        try:
            session = await self.session(token)
            answer = await session.ask(await request.json())
        except (RuntimeError, OSError) as why:
            self.failed += 1
            print(f"{token}: {why}", file=sys.stderr)
            return web.json_response({"error": {"message": str(why)}}, status=503)
        streamed = answer["body"].startswith("data:")
        kind = "text/event-stream" if streamed else "application/json"
        return web.Response(text=answer["body"], status=answer["status"], content_type=kind)

    async def pending(self, _):
        return web.json_response(await self.questions.pending())

    async def decide(self, request):
        approve = (await request.json())["approve"] is True
        done = await self.questions.answer(request.match_info["ident"], approve)
        return web.json_response({"ok": done}, status=200 if done else 409)

    def application(self):
        app = web.Application(client_max_size=64 << 20)
        app.cleanup_ctx.append(self.keep)
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_get("/approvals", self.pending)
        app.router.add_post("/approvals/{ident}", self.decide)
        return app


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bastide", required=True, help="the client; the other programs lie beside it")
    parser.add_argument("--policy", required=True, help="the policy of the sessions, without its routes")
    parser.add_argument("--upstream", default="http://127.0.0.1:9100", help="the model, on this host")
    parser.add_argument("--port", type=int, default=9200)
    parser.add_argument("--grounding", choices=["deny", "ask"], default="deny", help="what becomes of a call that nothing speaks for")
    parser.add_argument("--patience", default="50s", help="how long a question waits")
    parser.add_argument("--grant", choices=["once", "source"], default="once", help="how a yes is given where a card offers more")
    parser.add_argument("--asked", help="write each question with its answer to this file, a line each")
    parser.add_argument("--keep", action="store_true", help="keep the sessions' records")
    options = parser.parse_args()
    options.bastide = os.path.abspath(options.bastide)
    web.run_app(Gateway(options).application(), host="127.0.0.1", port=options.port, access_log=None, print=None)


if __name__ == "__main__":
    main()
