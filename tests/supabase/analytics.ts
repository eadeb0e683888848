// The functions of a front end, written for tables in Supabase. Nothing in this file knows Daymark.

import type { SupabaseClient } from '@supabase/supabase-js';

export interface DailyMetric {
  id: string;
  metric_date: string;
  metric_type: 'count' | 'average' | 'percentage' | 'aggregate';
  metric_category: string;
  value: number;
  metadata: Record<string, unknown>;
  collection_timestamp: string;
  created_at: string;
}

export interface MetricsQueryParams {
  startDate: string;
  endDate: string;
  categories?: string[];
  types?: string[];
}

export interface ActivityDataPoint {
  date: string;
  posts: number;
  comments: number;
}

const DAY = 24 * 60 * 60 * 1000;
const isoDate = (date: Date) => date.toISOString().split('T')[0];

export function analytics(supabase: SupabaseClient) {
  async function fetchMetrics(params: MetricsQueryParams): Promise<DailyMetric[]> {
    let query = supabase
      .from('daily_metrics')
      .select('*')
      .gte('metric_date', params.startDate)
      .lte('metric_date', params.endDate)
      .order('metric_date', { ascending: true });
    if (params.categories && params.categories.length > 0) {
      query = query.in('metric_category', params.categories);
    }
    if (params.types && params.types.length > 0) {
      query = query.in('metric_type', params.types);
    }
    const { data, error } = await query;
    if (error) throw error;
    return data || [];
  }

  async function fetchCurrentMetrics() {
    const { data, error } = await supabase
      .from('daily_metrics')
      .select('metric_category, value')
      .in('metric_category', ['users_total', 'posts_total', 'comments_total'])
      .order('metric_date', { ascending: false })
      .limit(3);
    if (error) throw error;
    const metrics = { totalUsers: 0, totalPosts: 0, totalComments: 0 };
    data?.forEach((metric) => {
      if (metric.metric_category === 'users_total') metrics.totalUsers = metric.value;
      if (metric.metric_category === 'posts_total') metrics.totalPosts = metric.value;
      if (metric.metric_category === 'comments_total') metrics.totalComments = metric.value;
    });
    return metrics;
  }

  async function fetchActivityData(): Promise<ActivityDataPoint[]> {
    const { data, error } = await supabase
      .from('daily_metrics')
      .select('metric_date, metric_category, value')
      .in('metric_category', ['posts_created', 'comments_created'])
      .gte('metric_date', isoDate(new Date(Date.now() - 30 * DAY)))
      .lte('metric_date', isoDate(new Date()))
      .order('metric_date', { ascending: true });
    if (error) throw error;
    const byDate = new Map<string, { posts: number; comments: number }>();
    data?.forEach((metric) => {
      const counts = byDate.get(metric.metric_date) || { posts: 0, comments: 0 };
      if (metric.metric_category === 'posts_created') counts.posts = metric.value;
      else if (metric.metric_category === 'comments_created') counts.comments = metric.value;
      byDate.set(metric.metric_date, counts);
    });
    return Array.from(byDate, ([date, counts]) => ({ date, ...counts }));
  }

  async function triggerMetricCollection(targetDate?: string) {
    const { data, error } = await supabase.rpc('collect_daily_metrics', {
      target_date: targetDate || isoDate(new Date()),
    });
    if (error) throw error;
    return data;
  }

  async function getCollectionStatus() {
    const { data, error } = await supabase
      .from('metric_collection_log')
      .select('*')
      .order('started_at', { ascending: false })
      .limit(1)
      .single();
    if (error) throw error;
    const begun = new Date(data.started_at).getTime();
    return {
      lastRun: data.started_at as string,
      status: data.status as string,
      metricsCollected: data.metrics_collected as number,
      durationMs: data.completed_at ? new Date(data.completed_at).getTime() - begun : null,
      errorMessage: data.error_message as string | null,
    };
  }

  async function backfillMetrics() {
    const { data: earliestPost } = await supabase
      .from('posts')
      .select('created_at')
      .order('created_at', { ascending: true })
      .limit(1);
    const startDate = earliestPost?.[0]?.created_at?.split('T')[0] || '2024-01-01';
    const endDate = isoDate(new Date());
    const { data, error } = await supabase.rpc('backfill_daily_metrics', {
      start_date: startDate,
      end_date: endDate,
    });
    if (error) throw error;
    return { startDate, endDate, data };
  }

  return {
    fetchMetrics,
    fetchCurrentMetrics,
    fetchActivityData,
    triggerMetricCollection,
    getCollectionStatus,
    backfillMetrics,
  };
}
