// Speaks on WebSockets by the one that Node has built in: what may leave, and what may not.
import { readFileSync } from "node:fs";

const plan = readFileSync("plan.txt", "utf8");

const speak = (path, ...messages) =>
  new Promise((done) => {
    const socket = new WebSocket(process.argv[2] + path);
    const next = () => (messages.length ? socket.send(messages.shift()) : socket.close(1000));
    let opened = false;
    socket.onopen = () => {
      opened = true;
      next();
    };
    socket.onmessage = ({ data }) => {
      console.log("heard", data.length, data.slice(0, 20));
      next();
    };
    socket.onclose = ({ code, reason }) => {
      console.log(opened ? `closed ${code} ${reason}`.trim() : "refused");
      done();
    };
  });

await speak("/ws/node", "hello", "long ".repeat(10_000));
await speak("/ws/node/plan", "hello", plan);
await speak("/ws/node/hex", JSON.stringify({ note: Buffer.from(plan).toString("hex") }));
await speak("/other/node", "hello");
