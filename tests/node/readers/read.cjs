// Reads env files with the real packages. One JSON line in, one out:
// {"files": {".env": base64, ...}, "expand": bool} -> {reader: {key: value, ...}, ...}
// The dotenv readers get the file ".env" only; without "expand" @next/env is left out.
'use strict'
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const readline = require('node:readline')
const { createRequire } = require('node:module')

const load = createRequire(path.join(process.argv[2], 'package.json'))
const parsers = Object.fromEntries(['dotenv16', 'dotenv17', 'dotenv18'].map((name) => [name, load(name)]))
const next = Object.fromEntries(['next-env-16.0', 'next-env-16.4'].map((name) => [name, load(name)]))
const silent = { info() {}, warn() {}, error() {}, log() {} }
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dbswitch-readers-'))
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }))

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const { files, expand } = JSON.parse(line)
  for (const [name, content] of Object.entries(files)) {
    fs.writeFileSync(path.join(folder, name), Buffer.from(content, 'base64'))
  }
  const read = {}
  for (const [name, parser] of Object.entries(parsers)) {
    read[name] = files['.env'] === undefined ? {} : parser.parse(fs.readFileSync(path.join(folder, '.env')))
  }
  for (const [name, reader] of Object.entries(next)) {
    if (!expand) break
    // `true` as in a reload: the environment is put back to what the process began with, then every file is read again.
    reader.loadEnvConfig(folder, true, silent, true)
    read[name] = { ...process.env }
    reader.resetEnv()
  }
  for (const name of Object.keys(files)) fs.unlinkSync(path.join(folder, name))
  process.stdout.write(JSON.stringify(read) + '\n')
})
