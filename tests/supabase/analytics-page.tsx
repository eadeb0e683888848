import { createClient } from '@supabase/supabase-js';
import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';

// The client of the application, where users sign in, and the client of the metrics, which sends the user's token to Daymark.
const app = createClient(process.env.NEXT_PUBLIC_SUPABASE_URL!, process.env.NEXT_PUBLIC_SUPABASE_ANON_KEY!);
const metrics = createClient(process.env.NEXT_PUBLIC_METRICS_URL!, process.env.NEXT_PUBLIC_SUPABASE_ANON_KEY!, {
  accessToken: async () => (await app.auth.getSession()).data.session?.access_token ?? null,
});

const DAY_MS = 24 * 60 * 60 * 1000;
const isoDate = (date: Date) => date.toISOString().split('T')[0];

interface DailyMetric {
  metric_date: string;
  metric_category: string;
  value: number;
}

async function fetchMetrics(params: { startDate: string; endDate: string; categories: string[] }) {
  const { data, error } = await metrics
    .from('daily_metrics')
    .select('metric_date, metric_category, value')
    .in('metric_category', params.categories)
    .gte('metric_date', params.startDate)
    .lte('metric_date', params.endDate)
    .order('metric_date', { ascending: true })
    .overrideTypes<DailyMetric[]>();
  if (error) throw error;
  return data;
}

async function fetchCurrentMetrics() {
  const { data, error } = await metrics
    .from('daily_metrics')
    .select('metric_category, value')
    .in('metric_category', ['users_total', 'posts_total', 'comments_total'])
    .order('metric_date', { ascending: false })
    .limit(3);
  if (error) throw error;
  const latest = (category: string): number =>
    data.find((metric) => metric.metric_category === category)?.value ?? 0;
  return {
    totalUsers: latest('users_total'),
    totalPosts: latest('posts_total'),
    totalComments: latest('comments_total'),
  };
}

async function fetchActivityData() {
  const recorded = await fetchMetrics({
    startDate: isoDate(new Date(Date.now() - 30 * DAY_MS)),
    endDate: isoDate(new Date()),
    categories: ['posts_created', 'comments_created'],
  });
  const byDate = new Map<string, { posts: number; comments: number }>();
  for (const metric of recorded) {
    const counts = byDate.get(metric.metric_date) ?? { posts: 0, comments: 0 };
    if (metric.metric_category === 'posts_created') counts.posts = metric.value;
    else counts.comments = metric.value;
    byDate.set(metric.metric_date, counts);
  }
  return Array.from(byDate, ([date, counts]) => ({ date, ...counts }));
}

/** Records the last finished day, if it is not recorded yet. Daymark permits it to admins. */
async function triggerMetricCollection() {
  const { data, error } = await metrics.rpc('collect_daily_metrics').single<{
    collection_date: string;
    metrics_collected: number;
  }>();
  if (error) throw error;
  return data;
}

type Current = Awaited<ReturnType<typeof fetchCurrentMetrics>>;
type Activity = Awaited<ReturnType<typeof fetchActivityData>>;

/** Errors of supabase-js have a message and are no instances of Error. */
const messageOf = (error: unknown) => (error as { message?: string }).message ?? String(error);

function AnalyticsPage() {
  const [current, setCurrent] = useState<Current>();
  const [activity, setActivity] = useState<Activity>([]);
  const [message, setMessage] = useState('Loading …');

  async function load(done = '') {
    try {
      const [totals, days] = await Promise.all([fetchCurrentMetrics(), fetchActivityData()]);
      setCurrent(totals);
      setActivity(days);
      setMessage(done);
    } catch (error) {
      setMessage(`The metrics cannot be read: ${messageOf(error)}`);
    }
  }

  async function collect() {
    try {
      const run = await triggerMetricCollection();
      await load(`${run.metrics_collected} metrics of ${run.collection_date} were recorded.`);
    } catch (error) {
      setMessage(`Nothing was recorded: ${messageOf(error)}`);
    }
  }

  useEffect(() => void load(), []);
  const highest = Math.max(1, ...activity.map((day) => day.posts + day.comments));
  return (
    <main>
      <h1>Analytics</h1>
      <p role="status">{message}</p>
      {current && (
        <dl>
          <dt>Users</dt>
          <dd>{current.totalUsers}</dd>
          <dt>Posts</dt>
          <dd>{current.totalPosts}</dd>
          <dt>Comments</dt>
          <dd>{current.totalComments}</dd>
        </dl>
      )}
      <table>
        <caption>Posts and comments of the last 30 days</caption>
        <tbody>
          {activity.map((day) => (
            <tr key={day.date}>
              <th scope="row">{day.date}</th>
              <td>{day.posts}</td>
              <td>{day.comments}</td>
              <td>
                <meter max={highest} value={day.posts + day.comments} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <button disabled={!current} onClick={() => void collect()}>Collect now</button>
    </main>
  );
}

createRoot(document.getElementById('analytics')!).render(<AnalyticsPage />);
