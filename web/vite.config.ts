import { defineConfig, type Plugin } from "vite";

// `npm run dev` serves the page with a gateway that runs beside it.
const gateway = "http://127.0.0.1:8080";

/** Nothing is painted before the script has put on the colours that the viewer chose. */
const paintAfterScript: Plugin = {
  name: "paint-after-script",
  transformIndexHtml: { order: "post", handler: (html) => html.replace('<script type="module"', '<script type="module" blocking="render"') },
};

export default defineConfig({
  plugins: [paintAfterScript],
  build: { target: "es2022", assetsInlineLimit: 0, sourcemap: false },
  server: { host: "127.0.0.1", proxy: { "/api": gateway, "/sse": gateway, "/ws": { target: gateway, ws: true } } },
});
