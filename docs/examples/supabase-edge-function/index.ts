// A Supabase edge function that asks Daymark's server to record the last finished day, and waits for the result. Call it on a schedule,
// for example with pg_cron and pg_net, or from Supabase's dashboard.
//
// Secrets: DAYMARK_URL (https://metrics.example.com), DAYMARK_KEY (a key of the role service, from `daymark keys create`), and
// CRON_SECRET, which the caller sends as its bearer token.

const POLL_MS = 2_000;
/** Edge functions end after 150 s on Supabase's free plan. */
const LIMIT_MS = 120_000;

type JobStatus = 'queued' | 'running' | 'completed' | 'partial' | 'failed' | 'busy' | 'interrupted';

interface Job {
  id: string;
  status: JobStatus;
}

function setting(name: string): string {
  const value = Deno.env.get(name);
  if (!value) throw new Error(`the secret ${name} is not set`);
  return value;
}

async function askDaymark(path: string, init: RequestInit = {}): Promise<Job> {
  const headers = { authorization: `Bearer ${setting('DAYMARK_KEY')}`, 'content-type': 'application/json' };
  const response = await fetch(`${setting('DAYMARK_URL')}${path}`, { ...init, headers });
  const body: unknown = await response.json();
  if (!response.ok) throw new Error(`Daymark answered ${response.status}: ${JSON.stringify(body)}`);
  return body as Job;
}

async function collect(): Promise<Job> {
  const begun = Date.now();
  let job = await askDaymark('/api/v1/collections', { method: 'POST', body: '{}' });
  while ((job.status === 'queued' || job.status === 'running') && Date.now() - begun < LIMIT_MS) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    job = await askDaymark(`/api/v1/jobs/${job.id}`);
  }
  return job;
}

Deno.serve(async (request: Request): Promise<Response> => {
  if (request.headers.get('authorization') !== `Bearer ${setting('CRON_SECRET')}`) {
    return Response.json({ success: false, error: 'the caller has not sent CRON_SECRET' }, { status: 401 });
  }
  try {
    const job = await collect();
    const success = job.status === 'completed' || job.status === 'running' || job.status === 'queued';
    return Response.json({ success, job }, { status: success ? 200 : 500 });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return Response.json({ success: false, error: message }, { status: 502 });
  }
});
