// Serves the page on this machine: examples/web as /, and the package beside it as /pkg.
//
//   node scripts/serve.mjs [PORT]          8000, or the next free one
//
// Tests and benchmarks import `serve`.

import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

const TYPES = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.mjs': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm', '.json': 'application/json', '.csv': 'text/csv', '.ts': 'text/plain', '.map': 'application/json',
};

/** The file for an address, or null: under the folder of its route, whatever the address tries. */
function fileFor(routes, address) {
  const prefix = Object.keys(routes).sort((a, b) => b.length - a.length).find((p) => address.startsWith(p));
  if (!prefix) return null;
  const folder = path.resolve(routes[prefix]);
  const file = path.resolve(folder, `./${address.slice(prefix.length)}`);
  if (file !== folder && !file.startsWith(folder + path.sep)) return null;
  return fs.existsSync(file) && fs.statSync(file).isDirectory() ? path.join(file, 'index.html') : file;
}

/** Serves folders by the start of the address, {'/': 'examples/web/', ...}; resolves to {url, close}. */
export async function serve(routes = { '/pkg/': path.join(root, 'pkg'), '/': path.join(root, 'examples/web') }, port = 0, tries = 1) {
  const server = http.createServer((request, response) => {
    let address = null;
    try { address = decodeURIComponent(new URL(request.url, 'http://localhost').pathname); } catch { /* 404 below */ }
    const file = address && fileFor(routes, address);
    if (!file || !fs.existsSync(file)) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('not found');
      return;
    }
    response.writeHead(200, { 'content-type': TYPES[path.extname(file)] ?? 'application/octet-stream', 'cache-control': 'no-store' });
    fs.createReadStream(file).pipe(response);
  });
  const listen = (at) => new Promise((resolve, reject) => server.once('error', reject).listen(at, '127.0.0.1', resolve));
  for (let i = 0; ; i++) {
    try { await listen(port && port + i); break; } catch (error) {
      server.removeAllListeners('error');
      if (error.code !== 'EADDRINUSE' || i + 1 >= tries) throw error;
    }
  }
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (!fs.existsSync(path.join(root, 'pkg/wasm/rangefinder.js'))) {
    console.error('there is no pkg/wasm yet: build it with `make web`');
    process.exit(1);
  }
  const { url } = await serve(undefined, Number(process.argv[2] ?? 8000), 20);
  console.log(`${url}    (Ctrl-C ends it)`);
}
