// The code of a user of supabase-js against a server that tests/rest/supabase.rs starts. Its clock stands at noon of
// 11 January 2025. Its platform has one post on 1 January, two on 2 January and so on until the tenth, and one comment on each
// of these days. Nothing is recorded at first. The tests build on each other in the order of this file.

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { createClient } from '@supabase/supabase-js';
import { analytics } from './analytics.ts';

mock.timers.enable({ apis: ['Date'], now: Date.parse('2025-01-11T12:00:00Z') });

const given = (name: string) => process.env[`DAYMARK_TEST_${name}`]!;
const connect = (key: string, url = given('URL')) => createClient(url, key, { auth: { persistSession: false } });
/** A signed-in client sends the project's key in one header and the user's token in the other. */
const signedIn = (token: string) => createClient(given('URL'), given('ANON_KEY'), { accessToken: async () => token });
const supabase = connect(given('SERVICE_ROLE_KEY'));
const user = analytics(supabase);

/** The error of a promise that must be rejected. */
async function failure(promise: PromiseLike<unknown>) {
  try {
    await promise;
  } catch (error) {
    return error as { code: string; message: string; details: string | null; hint: string | null };
  }
  assert.fail('there was no error');
}

test('queries before the first record return nothing', async () => {
  assert.deepEqual(await user.fetchMetrics({ startDate: '2025-01-01', endDate: '2025-01-31' }), []);
  assert.deepEqual(await user.fetchCurrentMetrics(), { totalUsers: 0, totalPosts: 0, totalComments: 0 });
  assert.deepEqual(await user.fetchActivityData(), []);
  const never = await failure(user.getCollectionStatus());
  assert.equal(never.code, 'PGRST116');
});

test('an unfinished day is refused with the time from which it can be recorded', async () => {
  const error = await failure(user.triggerMetricCollection());
  assert.equal(error.code, '22023');
  assert.match(error.message, /2025-01-11 is not finished: it can be recorded from 2025-01-12 00:15 UTC/);
  assert.match(error.hint!, /2025-01-10/);
  assert.equal((await failure(user.getCollectionStatus())).code, 'PGRST116', 'no run was started');
});

test('a finished day is recorded once', async () => {
  const [first] = await user.triggerMetricCollection('2025-01-10');
  assert.equal(first.metrics_collected, 6);
  assert.equal(first.status, 'completed');
  assert.equal(typeof first.execution_time_ms, 'number');
  const [again] = await user.triggerMetricCollection('2025-01-10');
  assert.equal(again.metrics_collected, 0);
  assert.equal(again.metrics_already_recorded, 6);
  const { count, data, error } = await supabase
    .from('daily_metrics')
    .select('*', { count: 'exact', head: true })
    .eq('metric_date', '2025-01-10');
  assert.deepEqual([count, data, error], [6, null, null]);
  const { data: byDefault } = await supabase.rpc('collect_daily_metrics').single<{ collection_date: string }>();
  assert.equal(byDefault!.collection_date, '2025-01-10');
});

test('the backfill script records everything up to yesterday', async () => {
  const { error } = await supabase.from('posts').select('created_at').limit(1);
  assert.equal(error!.code, 'PGRST205');
  const { startDate, endDate, data } = await user.backfillMetrics();
  assert.deepEqual([startDate, endDate], ['2024-01-01', '2025-01-11']);
  assert.equal(data[0].dates_processed, 366 + 10);
  assert.equal(data[0].end_date, '2025-01-10');
  // The platform begins on 1 January 2025, and a day before its first row gets no records.
  assert.equal(data[0].total_metrics, 6 * 10 - 6);
  assert.equal(typeof data[0].execution_time_ms, 'number');
});

test('metrics of a range are filtered by category and type', async () => {
  const january = { startDate: '2025-01-01', endDate: '2025-01-31' };
  const all = await user.fetchMetrics(january);
  assert.equal(all.length, 60);
  assert.deepEqual(all.map((metric) => metric.metric_date), all.map((metric) => metric.metric_date).sort());
  const categories = ['posts_total', 'comments_created'];
  const some = await user.fetchMetrics({ ...january, categories, types: ['count'] });
  assert.equal(some.length, 20);
  assert.ok(some.every((metric) => categories.includes(metric.metric_category)));
  assert.deepEqual(await user.fetchMetrics({ ...january, types: ['average'] }), []);
  const total = some.find((metric) => metric.metric_category === 'posts_total' && metric.metric_date === '2025-01-10');
  assert.equal(total!.value, 55);
  assert.match(total!.collection_timestamp, /^2025-01-11T12:00:00(\.\d+)?\+00:00$/);
  assert.match(total!.id, /^[0-9a-f-]{36}$/);
  assert.equal(typeof total!.metadata, 'object');
});

test('the current totals and the activity of the last 30 days are read', async () => {
  assert.deepEqual(await user.fetchCurrentMetrics(), { totalUsers: 2, totalPosts: 55, totalComments: 10 });
  const activity = await user.fetchActivityData();
  assert.equal(activity.length, 10, 'days before the first row of the platform have no records');
  assert.deepEqual(activity.at(-1), { date: '2025-01-10', posts: 10, comments: 1 });
  assert.deepEqual(activity[0], { date: '2025-01-01', posts: 1, comments: 1 });
});

test('the log has the last run', async () => {
  const status = await user.getCollectionStatus();
  // The server's clock stands still, so all runs began at the same instant and any of them may be the last.
  assert.ok([0, 6, 6 * 10 - 6].includes(status.metricsCollected), `${status.metricsCollected}`);
  assert.deepEqual({ ...status, metricsCollected: 0 }, {
    lastRun: '2025-01-11T12:00:00+00:00', status: 'completed', metricsCollected: 0, durationMs: 0, errorMessage: null,
  });
  const { data } = await supabase.from('metric_collection_log').select('kind').eq('kind', 'backfill').single();
  assert.deepEqual(data, { kind: 'backfill' });
});

test('filters, ranges and counts work as in PostgREST', async () => {
  const metrics = () => supabase.from('daily_metrics').select('metric_date,value', { count: 'exact' });
  const values = async (query: PromiseLike<{ data: { value: number }[] | null; error: unknown }>) => {
    const { data, error } = await query;
    assert.equal(error, null);
    return data!.map((row) => row.value);
  };
  const created = () => metrics().eq('metric_category', 'posts_created').gte('metric_date', '2025-01-01');
  assert.deepEqual(await values(created().gt('value', 8).order('value')), [9, 10]);
  assert.deepEqual(await values(created().lt('value', 3).neq('value', 1)), [2]);
  assert.deepEqual(await values(created().in('value', [10, 9, 77]).order('value', { ascending: false })), [10, 9]);
  assert.deepEqual(await values(created().not('value', 'in', '(1,2,3,4,5,6,7)').order('value')), [8, 9, 10]);
  assert.deepEqual(await values(created().or('value.eq.1,and(value.gt.9,metric_date.eq.2025-01-10)').order('value')), [1, 10]);
  assert.deepEqual(await values(created().match({ metric_date: '2025-01-04' })), [4]);
  assert.deepEqual(await values(created().is('metadata', null)), []);
  const page = await created().order('metric_date').range(2, 4);
  assert.deepEqual(page.data!.map((row) => row.value), [3, 4, 5]);
  assert.deepEqual([page.count, page.status], [10, 206]);
  const beyond = await created().range(20, 29);
  assert.deepEqual([beyond.error!.code, beyond.status], ['PGRST103', 416]);
  const { data } = await supabase.from('metric_definitions').select('name:metric_category,is_active').is('is_active', true);
  assert.deepEqual(data!.map((row) => row.name), [
    'authors', 'comments_created', 'comments_total', 'posts_created', 'posts_total', 'users_total',
  ]);
  const { data: text } = await created().select('value::text').limit(1);
  assert.deepEqual(text, [{ value: '1' }]);
});

test('single() and maybeSingle() return one row or none', async () => {
  const total = (date: string) =>
    supabase.from('daily_metrics').select('value').eq('metric_date', date).eq('metric_category', 'posts_total');
  assert.deepEqual((await total('2025-01-03').single()).data, { value: 6 });
  const none = await total('2025-01-11').single();
  assert.deepEqual([none.data, none.error!.code, none.status], [null, 'PGRST116', 406]);
  const maybe = await total('2025-01-11').maybeSingle();
  assert.deepEqual([maybe.data, maybe.error], [null, null]);
  const many = await supabase.from('daily_metrics').select('value').maybeSingle();
  assert.equal(many.error!.code, 'PGRST116');
});

test('errors have the codes of PostgREST', async () => {
  const { error: column } = await supabase.from('daily_metrics').select('metric_dat');
  assert.deepEqual([column!.code, column!.message], ['42703', 'column daily_metrics.metric_dat does not exist']);
  const { error: date } = await supabase.from('daily_metrics').select().eq('metric_date', '2025-02-30');
  assert.equal(date!.code, '22008');
  const { error: embedded } = await supabase.from('daily_metrics').select('*,posts(*)');
  assert.equal(embedded!.code, 'PGRST200');
  const { error: unknown } = await supabase.rpc('collect_daily_metric', {});
  assert.equal(unknown!.code, 'PGRST202');
  const { error: insert, status } = await supabase.from('daily_metrics').insert({ value: 1 });
  assert.deepEqual([insert!.code, status], ['42501', 403]);
});

const readers = {
  'a user who is signed in': signedIn(given('USER_TOKEN')),
  'a key of a reader': connect(given('READER_KEY')),
};
for (const [who, reader] of Object.entries(readers)) {
  test(`${who} may read only`, async () => {
    assert.equal((await analytics(reader).fetchActivityData()).length, 10);
    assert.deepEqual(await analytics(reader).fetchCurrentMetrics(), { totalUsers: 2, totalPosts: 55, totalComments: 10 });
    const log = await reader.from('metric_collection_log').select();
    assert.equal(log.status, 403);
    assert.deepEqual({ ...log.error }, {
      code: '42501', details: null, hint: null, message: 'permission denied for table metric_collection_log',
    });
    for (const [name, parameters] of [
      ['collect_daily_metrics', { target_date: '2025-01-10' }],
      ['backfill_daily_metrics', { start_date: '2025-01-01' }],
    ] as const) {
      const run = await reader.rpc(name, parameters);
      assert.deepEqual([run.status, run.data], [403, null]);
      assert.deepEqual({ ...run.error }, {
        code: '42501', details: null, hint: null, message: `permission denied for function ${name}`,
      });
    }
  });
}

test('the rows that were known at an instant are those of the table then', async () => {
  const known = (as_of: string, get = false) =>
    supabase.rpc('daily_metrics_as_of', { as_of }, { get }).select('metric_category, metric_date, value').eq('metric_category', 'posts_total').order('metric_date');
  const before = await known('2025-01-11T11:00:00Z');
  assert.deepEqual([before.error, before.data], [null, []]);
  const table = await supabase.from('daily_metrics').select('metric_category, metric_date, value').eq('metric_category', 'posts_total').order('metric_date');
  for (const get of [false, true]) {
    const now = await known('2025-01-11T12:00:00Z', get);
    assert.equal(now.error, null);
    assert.ok((now.data as unknown[]).length > 0);
    assert.deepEqual(now.data, table.data);
  }
  const wrong = await known('yesterday');
  assert.equal(wrong.error!.code, '22007');
});

test('an invalid token is refused even beside a valid key', async () => {
  for (const [token, message] of [
    ['FORGED_TOKEN', "the token's signature is not valid"],
    ['EXPIRED_TOKEN', 'the token has expired'],
  ] as const) {
    const { error, status } = await signedIn(given(token)).from('daily_metrics').select();
    assert.equal(status, 401);
    assert.deepEqual({ ...error }, { code: 'PGRST301', details: null, hint: null, message });
  }
  const wrongKey = await connect('an unknown key').from('daily_metrics').select();
  assert.deepEqual([wrongKey.status, wrongKey.error!.code], [401, 'PGRST301']);
});

test('anonymous users read where reading is public', async () => {
  const closed = await connect(given('ANON_KEY')).from('daily_metrics').select();
  assert.deepEqual([closed.status, closed.error!.code], [401, '42501']);
  const anonymous = connect(given('ANON_KEY'), given('PUBLIC_URL'));
  assert.equal((await analytics(anonymous).fetchActivityData()).length, 10);
  for (const refused of [
    await anonymous.from('metric_collection_log').select(),
    await anonymous.rpc('collect_daily_metrics', { target_date: '2025-01-10' }),
  ]) {
    assert.deepEqual([refused.status, refused.error!.code], [401, '42501']);
  }
});
