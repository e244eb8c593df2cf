import { defineConfig } from "vite";

// `npm run dev` serves the page with a gateway that runs beside it.
const gateway = "http://127.0.0.1:8080";

export default defineConfig({
  build: { target: "es2022", assetsInlineLimit: 0, sourcemap: false },
  server: { host: "127.0.0.1", proxy: { "/api": gateway, "/sse": gateway, "/ws": { target: gateway, ws: true } } },
});
