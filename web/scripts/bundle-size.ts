// Measures the first load: the entry with its static imports, styles and the first page, compressed with Brotli. Fails above the limit.
import { readFileSync } from "node:fs";
import { brotliCompressSync } from "node:zlib";

interface Chunk {
  file: string;
  isEntry?: boolean;
  imports?: string[];
  css?: string[];
}

const LIMIT_BYTES = 350 * 1024;
// what the browser loads before it can show the list of runs
const FIRST_PAGES = ["src/features/run-list/runs-page.tsx", "src/i18n/en/index.ts"];

const manifest = JSON.parse(readFileSync("dist/.vite/manifest.json", "utf8")) as Record<string, Chunk>;
const files = new Set<string>();

function add(name: string): void {
  const chunk = manifest[name];
  if (chunk === undefined) throw new Error(`the build has no chunk ${name}: adapt FIRST_PAGES`);
  if (files.has(chunk.file)) return;
  files.add(chunk.file);
  for (const style of chunk.css ?? []) files.add(style);
  for (const imported of chunk.imports ?? []) add(imported);
}

for (const [name, chunk] of Object.entries(manifest)) if (chunk.isEntry === true) add(name);
for (const name of FIRST_PAGES) add(name);

let total = 0;
for (const file of files) {
  const size = brotliCompressSync(readFileSync(`dist/${file}`)).length;
  total += size;
  console.log(`${(size / 1024).toFixed(1).padStart(8)} KiB  ${file}`);
}
console.log(`${(total / 1024).toFixed(1).padStart(8)} KiB  first load, compressed (limit ${LIMIT_BYTES / 1024} KiB)`);
if (total > LIMIT_BYTES) {
  console.error("error: the first load is above the limit");
  process.exit(1);
}
