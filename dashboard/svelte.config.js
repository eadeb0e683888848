import adapter from "@sveltejs/adapter-static";
import { vitePreprocess } from "@sveltejs/vite-plugin-svelte";

/** @type {import("@sveltejs/kit").Config} */
export default {
  preprocess: vitePreprocess(),
  kit: {
    // Every page is the same file, which the server sends for the paths of src/http/dashboard.
    adapter: adapter({ pages: "build", assets: "build", fallback: "index.html" }),
    // One script and one style sheet: all pages together are smaller than the overhead of more requests.
    output: { bundleStrategy: "single" },
    alias: {
      "@daymark/client": "../clients/typescript/src/index.ts",
      // The client's sources are compiled here, where its own packages may not be installed.
      "openapi-fetch": "node_modules/openapi-fetch",
    },
    version: { pollInterval: 0 },
  },
};
