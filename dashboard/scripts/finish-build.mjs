// Makes dist/, which the binary embeds, of what Vite built: the bootstrap script becomes a file, because the
// Content-Security-Policy allows no inline scripts, and each file gets a brotli and a gzip variant beside it.
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const BUILT = "build";
const DIST = "dist";
/** Smaller files would not get smaller by more than the header that says so. */
const MIN_COMPRESSED_BYTES = 256;

const names = (await readdir(BUILT, { recursive: true, withFileTypes: true }))
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name).slice(BUILT.length + 1))
  // It tells SvelteKit of a new version, which is not asked for.
  .filter((name) => name !== "_app/version.json");
const files = new Map();
for (const name of names) files.set(name, await readFile(join(BUILT, name)));
externalise(files);

await Promise.all(
  (await readdir(DIST))
    // Hidden files are those of git and of scripts/build-dashboard.
    .filter((name) => !name.startsWith("."))
    .map((name) => rm(join(DIST, name), { recursive: true })),
);
for (const [name, bytes] of files) {
  const path = join(DIST, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
  // The server writes the record into the page before it is sent, and compresses it itself.
  if (bytes.length < MIN_COMPRESSED_BYTES || name === "index.html") continue;
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  await writeFile(`${path}.br`, brotliCompressSync(bytes, { params }));
  await writeFile(`${path}.gz`, gzipSync(bytes, { level: 9 }));
}

/** Moves the one inline script of index.html to a file that is named after its content. */
function externalise(files) {
  const page = files.get("index.html").toString();
  const scripts = [...page.matchAll(/<script>([\s\S]*?)<\/script>/g)];
  if (scripts.length !== 1) throw new Error(`index.html has ${scripts.length} inline scripts instead of one`);
  const [element, text] = scripts[0];
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 12);
  const name = `_app/immutable/start.${hash}.js`;
  files.set(name, Buffer.from(text));
  files.set("index.html", Buffer.from(page.replace(element, () => `<script src="/${name}"></script>`)));
}
