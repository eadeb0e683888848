import { sveltekit } from "@sveltejs/kit/vite";
import { defineConfig, type Plugin } from "vite";

// `npm run dev` asks this server, which `daymark serve` starts.
const server = process.env.DAYMARK_URL ?? "http://127.0.0.1:8640";

/**
 * SvelteKit's region that announces navigation has its styles in an attribute, which the Content-Security-Policy forbids. The
 * class of app.css hides it in the same way.
 */
const announcerWithoutInlineStyle: Plugin = {
  name: "announcer-without-inline-style",
  enforce: "pre",
  transform(code, id) {
    if (!id.endsWith("generated/root.svelte")) return undefined;
    const without = code.replace(/(id="svelte-announcer"[^>]*) style="[^"]*"/, '$1 class="hidden"');
    if (without === code) this.error("the announcer of SvelteKit is not where it was");
    return without;
  },
};

/** Folders of src/lib whose pages are loaded when they are opened. */
const LATER = ["explore", "definitions", "define", "operations", "corrections"];

/**
 * The first page is one script and one style sheet, as with SvelteKit's single bundle. Each folder of LATER, whose pages are
 * imported with `import()`, is a script and a style sheet of its own, so that the first page loads without it.
 */
const laterPagesApart: Plugin = {
  name: "later-pages-apart",
  options(options) {
    // The later pages import from the script of the first page, which needs no script before it for that.
    return { ...options, preserveEntrySignatures: "allow-extension" };
  },
  outputOptions(options) {
    if (!options.inlineDynamicImports) return null;
    const manualChunks = (id: string) => LATER.find((folder) => id.includes(`/src/lib/${folder}/`)) ?? "bundle";
    return { ...options, inlineDynamicImports: false, chunkFileNames: options.entryFileNames as string, manualChunks };
  },
};

export default defineConfig({
  plugins: [announcerWithoutInlineStyle, laterPagesApart, sveltekit()],
  build: { target: "es2022", reportCompressedSize: false },
  server: { proxy: { "/api": server, "/openapi.json": server, "/docs": server }, fs: { allow: [".."] } },
});
