// Node 24: files, watching, fetch to a server of its own, workers, children, WebAssembly, shared memory.
import assert from 'node:assert/strict'
import { execFile, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs/promises'
import http from 'node:http'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'

const self = fileURLToPath(import.meta.url)

if (!isMainThread) {
  Atomics.add(new Int32Array(workerData), 0, 20)
  parentPort.postMessage('worked')
} else if (process.argv[2] === 'forked') {
  process.send('forked')
  process.disconnect()
} else {
  assert.equal(process.versions.node.split('.')[0], '24')

  await fs.mkdir('deep/er', { recursive: true })
  await fs.writeFile('deep/er/file', 'text')
  await fs.cp('deep', 'copied', { recursive: true })
  assert.equal(await fs.readFile('copied/er/file', 'utf8'), 'text')
  await fs.rename('copied/er/file', 'copied/er/other')
  await fs.symlink('other', 'copied/er/link')
  assert.equal(await fs.readFile('copied/er/link', 'utf8'), 'text')

  const watching = new AbortController()
  const events = fs.watch('deep', { signal: watching.signal })
  const first = events.next()
  setTimeout(() => fs.writeFile('deep/seen', ''), 50)
  assert.equal((await first).value.filename, 'seen')
  watching.abort()

  const server = http.createServer((_, answer) => answer.end('fetched')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const page = await fetch(`http://localhost:${server.address().port}/`)
  assert.equal(await page.text(), 'fetched')
  server.closeAllConnections()
  server.close()

  const local = net.createServer((socket) => socket.end('unix')).listen('socket')
  await once(local, 'listening')
  const [chunk] = await once(net.connect('socket'), 'data')
  assert.equal(chunk.toString(), 'unix')
  local.close()

  const shared = new SharedArrayBuffer(4)
  for (let count = 0; count < 2; count++) await once(new Worker(self, { workerData: shared }), 'exit')
  assert.equal(new Int32Array(shared)[0], 40)

  assert.equal((await promisify(execFile)('sh', ['-c', 'echo child'])).stdout, 'child\n')
  const pipe = spawn('cat', { stdio: ['pipe', 'pipe', 'inherit'] })
  pipe.stdin.end('through')
  assert.equal((await once(pipe.stdout, 'data'))[0].toString(), 'through')
  assert.equal((await once(fork(self, ['forked']), 'message'))[0], 'forked')

  const wasm = Uint8Array.from([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 127, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 6, 1, 4, 0, 65, 42, 11])
  assert.equal((await WebAssembly.instantiate(wasm)).instance.exports.f(), 42)
  console.log('works')
}
