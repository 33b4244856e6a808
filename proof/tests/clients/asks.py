"""Asks by Python's `httpx`: one after the other, at once, by the proxy, and for what no rule allows."""

import asyncio
import sys

import httpx

URL = sys.argv[1]
BOGUS = {"Authorization": "Bearer bogus", "X-Api-Key": "bogus"}


async def at_once():
    async with httpx.AsyncClient(headers=BOGUS) as client:
        answers = await asyncio.gather(*(client.get(f"{URL}/in/httpx/at-once") for _ in range(6)))
        print([answer.status_code for answer in answers])


with httpx.Client(headers=BOGUS) as client:
    first = client.get(f"{URL}/in/httpx", params={"a": "b c"})
    print(first.http_version, first.status_code, first.text)
    print(client.post(f"{URL}/in/httpx/json", json={"a": 1}).text)
    print(client.post(f"{URL}/in/httpx/chunks", content=iter([b"in ", b"parts"])).text)
    with client.stream("GET", f"{URL}/in/httpx/stream") as answer:
        print("".join(answer.iter_text()))
    refused = client.delete(f"{URL}/in/httpx")
    print(refused.status_code, refused.text.splitlines()[0])
    print(client.get(f"{URL}/out").status_code)
with httpx.Client(auth=("bogus", "bogus"), proxy="http://proxy.bastide:3128") as client:
    print(client.get(f"{URL}/in/httpx/proxy").text)
asyncio.run(at_once())
