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

export default defineConfig({
  plugins: [announcerWithoutInlineStyle, sveltekit()],
  build: { target: "es2022", reportCompressedSize: false },
  server: { proxy: { "/api": server, "/openapi.json": server, "/docs": server }, fs: { allow: [".."] } },
});
