//! Which relations a statement reads, from PostgreSQL's plan of it.

use serde_json::Value;
use sqlx::{Row, postgres::PgRow};

use super::session::PostgresSession;
use crate::{
    database::{Fault, FaultClass},
    platform::planner::dialect::Dialect,
};

impl PostgresSession {
    /// The relations that the plan of `sql` scans, as names in SQL. A plan has no views but materialized ones.
    pub(super) async fn read_by(&mut self, sql: &str) -> Result<Vec<String>, Fault> {
        // The column is of type `json`, which arrives as text.
        let decode = |row: &PgRow| row.try_get_unchecked::<String, _>(0);
        let plans = self.guarded(format!("EXPLAIN (VERBOSE, FORMAT JSON) {sql}"), decode).await?;
        let mut relations = Vec::new();
        for plan in plans {
            let plan = serde_json::from_str(&plan)
                .map_err(|error| Fault::new(FaultClass::Other, format!("unreadable plan: {error}")))?;
            collect(&plan, &mut relations);
        }
        Ok(relations)
    }
}

fn collect(plan: &Value, relations: &mut Vec<String>) {
    match plan {
        Value::Object(node) => {
            if let (Some(Value::String(schema)), Some(Value::String(name))) =
                (node.get("Schema"), node.get("Relation Name"))
            {
                relations.push(Dialect::Postgres.qualified(schema, name));
            }
            node.values().for_each(|value| collect(value, relations));
        }
        Value::Array(nodes) => nodes.iter().for_each(|node| collect(node, relations)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scan_of_a_plan_is_found() {
        let plan = serde_json::json!([{"Plan": {
            "Node Type": "Append",
            "Plans": [
                {"Node Type": "Seq Scan", "Schema": "public", "Relation Name": "posts", "Alias": "p"},
                {"Node Type": "Result", "Plans": [
                    {"Node Type": "Foreign Scan", "Schema": "far", "Relation Name": "a \"b\""},
                ]},
            ],
        }}]);
        let mut relations = Vec::new();
        collect(&plan, &mut relations);
        assert_eq!(relations, [r#""public"."posts""#, r#""far"."a ""b""""#]);
    }
}
