// A fastify server as a team might write it: PostgreSQL builds the JSON, and the server forwards it.
// It reads PORT, DATABASE_URL and TOKEN from the environment.

import { timingSafeEqual } from "node:crypto";
import fastify from "fastify";
import pg from "pg";

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
const token = Buffer.from(`Bearer ${process.env.TOKEN}`);

const SERIES = {
  // The statement has a name, so each connection prepares it once.
  name: "series",
  text: `SELECT coalesce(json_agg(json_build_object(
             'metric_date', metric_date, 'metric_category', metric_category, 'value', value
         ) ORDER BY metric_date), '[]')::text AS body
         FROM daymark.daily_metrics
         WHERE tenant_id = 'default' AND metric_category = ANY($1) AND metric_date BETWEEN $2 AND $3`,
};

const server = fastify();

server.addHook("onRequest", async (request, reply) => {
  const given = Buffer.from(request.headers.authorization ?? "");
  if (given.length !== token.length || !timingSafeEqual(given, token)) {
    return reply.code(401).send({ message: "a token is needed" });
  }
});

server.get("/metrics", async (request, reply) => {
  const { category, from, to } = request.query;
  const { rows } = await pool.query({ ...SERIES, values: [category.split(","), from, to] });
  return reply.type("application/json").send(rows[0].body);
});

await server.listen({ host: "127.0.0.1", port: Number(process.env.PORT) });
