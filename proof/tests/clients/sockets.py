"""Speaks on WebSockets by Python's `websockets`: what may leave, in parts and in length, and what may not."""

import asyncio
import base64
import json
import sys

import websockets

PROXY = "http://proxy.bastide:3128"


async def speak(path, *messages, proxy=None):
    bogus = {"Authorization": "Bearer bogus"}
    try:
        async with websockets.connect(sys.argv[1] + path, additional_headers=bogus, proxy=proxy) as socket:
            for message in messages:
                await socket.send(message)
                heard = await socket.recv()
                print("heard", len(heard), heard[:20])
        print("closed", socket.close_code)
    except websockets.ConnectionClosed as closed:
        print("closed", closed.rcvd.code, closed.rcvd.reason)
    except websockets.InvalidStatus as refused:
        print("refused", refused.response.status_code)


async def main():
    with open("plan.txt", encoding="utf-8") as file:
        plan = file.read()
    await speak("/ws/python", "hello", ["in ", "parts"], "long " * 10_000)
    await speak("/ws/python/proxy", "hello", proxy=PROXY)
    await speak("/ws/python/plan", "hello", plan)
    await speak("/ws/python/parts", [plan[:40], plan[40:]])
    await speak("/ws/python/proxy/json", json.dumps({"note": base64.b64encode(plan.encode()).decode()}), proxy=PROXY)
    await speak("/other/python", "hello")


asyncio.run(main())
