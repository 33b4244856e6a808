"""The program in the cell: takes requests for a model from its standard input, one JSON object a line, asks them at
`inference.bastide` as any agent does, and writes each answer to its standard output as one line. It ends with its input."""

import http.client
import json
import sys


def ask(body):
    asked = http.client.HTTPConnection("inference.bastide", 80, timeout=600)
    try:
        asked.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        answer = asked.getresponse()
        return {"status": answer.status, "body": answer.read().decode("utf-8", "replace")}
    except OSError as why:
        return {"status": 502, "body": json.dumps({"error": {"message": f"the door does not answer: {why}"}})}
    finally:
        asked.close()


def main():
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(ask(json.loads(line))), flush=True)


main()
