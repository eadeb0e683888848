// The code of a user of supabase-js against PostgREST on the database itself, which tests/sql/postgrest.rs starts after `daymark sql
// install --api-schema public`. The platform has rows of the last 400 days. The tests build on each other in the order of this file.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from '@supabase/supabase-js';
import { analytics } from './analytics.ts';

const given = (name: string) => process.env[`DAYMARK_TEST_${name}`]!;
/** PostgREST has its tables at the root, and Supabase's gateway has them below /rest/v1. */
const fetchAtRoot: typeof fetch = (input, init) => fetch(String(input).replace('/rest/v1/', '/'), init);
const connect = (key: string, token?: string) =>
  createClient(given('URL'), key, {
    global: { fetch: fetchAtRoot },
    ...(token ? { accessToken: async () => token } : { auth: { persistSession: false } }),
  });
const service = analytics(connect(given('SERVICE_ROLE_KEY')));
const isoDay = (daysAgo: number) => new Date(Date.now() - daysAgo * 24 * 60 * 60 * 1000).toISOString().split('T')[0];

test('triggerMetricCollection, which names today, records the last finished day', async () => {
  const [first] = await service.triggerMetricCollection();
  assert.deepEqual([first.metrics_collected, first.status], [12, 'completed']);
  assert.equal(typeof first.execution_time_ms, 'number');
  const [again] = await service.triggerMetricCollection(isoDay(1));
  assert.deepEqual([again.metrics_collected, again.status], [0, 'completed']);
});

test('the backfill script records the days before', async () => {
  const { data, error } = await connect(given('SERVICE_ROLE_KEY')).rpc('backfill_daily_metrics', {
    start_date: isoDay(31),
    end_date: isoDay(0),
  });
  assert.equal(error, null);
  assert.equal(data[0].dates_processed, 31);
  assert.equal(data[0].total_metrics, 30 * 12);
});

test('everyone reads what was known at an instant', async () => {
  for (const get of [false, true]) {
    const known = (as_of: string) =>
      connect(given('ANON_KEY')).rpc('daily_metrics_as_of', { as_of }, { get }).select('metric_category, metric_date, value').eq('metric_category', 'posts_created').order('metric_date');
    const before = await known('2025-01-01T00:00:00Z');
    assert.deepEqual([before.error, before.data], [null, []]);
    const now = await known(new Date().toISOString());
    const table = await connect(given('ANON_KEY')).from('daily_metrics').select('metric_category, metric_date, value').eq('metric_category', 'posts_created').order('metric_date');
    assert.deepEqual([now.error, now.data], [null, table.data]);
    assert.ok(table.data!.length > 0);
  }
});

test('everyone reads the metrics', async () => {
  const anonymous = analytics(connect(given('ANON_KEY')));
  const metrics = await anonymous.fetchMetrics({ startDate: isoDay(31), endDate: isoDay(0), categories: ['posts_created'] });
  assert.equal(metrics.length, 31);
  assert.equal(typeof metrics[0].value, 'number');
  const current = await anonymous.fetchCurrentMetrics();
  assert.ok(current.totalUsers > 0 && current.totalPosts > 0 && current.totalComments > 0);
  const activity = await anonymous.fetchActivityData();
  assert.equal(activity.length, 30);
  const { data } = await connect(given('ANON_KEY')).from('metric_definitions').select('metric_category, display_name, is_active');
  assert.equal(data!.length, 12);
});

test('the log is for admins and the service role', async () => {
  assert.equal((await service.getCollectionStatus()).status, 'completed');
  const admin = analytics(connect(given('ANON_KEY'), given('ADMIN_TOKEN')));
  assert.equal((await admin.getCollectionStatus()).metricsCollected, 360);
  const { data, error } = await connect(given('ANON_KEY'), given('USER_TOKEN')).from('metric_collection_log').select('*');
  assert.deepEqual([data, error], [[], null]);
});

test('an admin collects', async () => {
  const [row] = await analytics(connect(given('ANON_KEY'), given('ADMIN_TOKEN'))).triggerMetricCollection();
  assert.equal(row.status, 'completed');
});

test('an unfinished day is refused', async () => {
  const { error } = await connect(given('SERVICE_ROLE_KEY')).rpc('collect_daily_metrics', { target_date: '9999-01-01' });
  assert.equal(error!.code, '22023');
  assert.match(error!.message, /9999-01-01 is not finished/);
});

test('a user who is no admin is refused', async () => {
  for (const client of [connect(given('ANON_KEY'), given('USER_TOKEN')), connect(given('ANON_KEY'))]) {
    const { data, error } = await client.rpc('collect_daily_metrics', { target_date: isoDay(1) });
    assert.equal(data, null);
    assert.equal(error!.code, '42501');
  }
  // The view joins corrections and judgements, so it takes no writes from any role.
  const { error } = await connect(given('SERVICE_ROLE_KEY')).from('daily_metrics').delete().neq('value', -1);
  assert.equal(error!.code, '55000');
});
