//! `/rest/v1` in the OpenAPI document. Its tables are one route, which takes a request apart as PostgREST does; here they
//! are written out, from the same lists of tables, columns and functions.

use strum::IntoEnumIterator;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ArrayBuilder, Content, KnownFormat, ObjectBuilder, OpenApi, Ref, RefOr, Required, ResponseBuilder,
        Schema, SchemaFormat, Type,
        path::{HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathItem},
        request_body::{RequestBody, RequestBodyBuilder},
        schema::SchemaType,
        tag::TagBuilder,
    },
};

use super::{
    error::RestError,
    function::{AS_OF, BACKFILL, COLLECT, Function},
    range::{MAX_OFFSET, MAX_ROWS},
    rpc::{Backfilled, Collected},
};
use crate::store::table::{ColumnKind, StoreColumn, StoreTable};

const TAG: &str = "rest";
const ARRAY: &str = "application/json";
const OBJECT: &str = "application/vnd.pgrst.object+json";

const REFUSALS: [(&str, &str); 10] = [
    ("400", "The request is wrong; `message` and `hint` describe the mistake"),
    ("401", "Credentials are missing or not valid"),
    ("403", "The role does not permit this"),
    ("404", "No table or function has this name"),
    (
        "406",
        "One object was requested but the result has not exactly one row, or the requested media type is not available",
    ),
    ("414", "The URI is too long"),
    ("429", "Too many requests; `Retry-After` is the wait in seconds"),
    ("431", "The headers are too large"),
    ("500", "The server failed; its log has the details"),
    (
        "503",
        "The server is overloaded or too slow, or cannot reach its store or the platform; `Retry-After` is the wait in seconds",
    ),
];

const OF_TABLES: [(&str, &str); 2] = [
    ("413", "The request asks for more rows or bytes than one answer can have, or the body is too large"),
    ("416", "The range has no rows"),
];
const OF_FUNCTIONS: [(&str, &str); 3] = [
    ("408", "The body did not arrive in time"),
    ("409", "Another run holds the lock, or no definitions are applied"),
    ("413", "The body is too large"),
];

/// Adds the tables and functions to the document.
pub fn describe(document: &mut OpenApi) {
    let about = "The tables and functions with PostgREST's query syntax, for supabase-js";
    document.tags.get_or_insert_default().push(TagBuilder::new().name(TAG).description(Some(about)).build());
    let schemas = &mut document.components.get_or_insert_default().schemas;
    schemas.insert(RestError::name().into_owned(), RestError::schema());
    schemas.insert(Collected::name().into_owned(), Collected::schema());
    schemas.insert(Backfilled::name().into_owned(), Backfilled::schema());
    for table in StoreTable::iter() {
        schemas.insert(table.name().to_owned(), row(table));
    }
    let paths = &mut document.paths.paths;
    for table in StoreTable::iter() {
        let path = format!("/rest/v1/{}", table.name());
        paths.insert(path, PathItem::new(HttpMethod::Get, read(table)));
    }
    for (function, answer) in [(COLLECT, Collected::name()), (BACKFILL, Backfilled::name())] {
        let path = format!("/rest/v1/rpc/{}", function.name);
        paths.insert(path, PathItem::new(HttpMethod::Post, call(function, &answer)));
    }
    let path = format!("/rest/v1/rpc/{}", AS_OF.name);
    let mut known = PathItem::new(HttpMethod::Get, known_by(HttpMethod::Get));
    known.post = Some(known_by(HttpMethod::Post));
    paths.insert(path, known);
}

/// The rows of the records as they were known at an instant, which is in the query string of a GET and in the body of a POST.
fn known_by(method: HttpMethod) -> Operation {
    let mut operation = read(StoreTable::DailyMetrics);
    operation.summary = Some(AS_OF.summary.to_owned());
    let instant = || {
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format))
    };
    match method {
        HttpMethod::Post => {
            operation.operation_id = Some(AS_OF.name.to_owned());
            let object = ObjectBuilder::new().property("as_of", instant()).required("as_of");
            let body = RequestBodyBuilder::new().content(ARRAY, Content::new(Some(object)));
            operation.request_body = Some(body.required(Some(Required::True)).build().into());
            let late = ResponseBuilder::new().description("The body did not arrive in time");
            let late = late.content(ARRAY, Content::new(Some(schema(&RestError::name()))));
            operation.responses.responses.insert("408".to_owned(), late.build().into());
        }
        _ => {
            operation.operation_id = Some(format!("read_{}", AS_OF.name));
            let about = "The instant, as in `2025-01-31T12:00:00Z`";
            let mut as_of = parameter(ParameterIn::Query, "as_of", about);
            as_of.required = Required::True;
            as_of.schema = Some(instant().into());
            operation.parameters.get_or_insert_default().push(as_of.into());
        }
    }
    operation
}

/// Adds the error responses; `own` has those of this operation only.
fn operation(own: &[(&str, &str)]) -> OperationBuilder {
    let error = || Content::new(Some(schema(&RestError::name())));
    let refusals = REFUSALS.iter().chain(own);
    refusals.fold(OperationBuilder::new().tag(TAG), |operation, (status, meaning)| {
        let refusal = ResponseBuilder::new().description(*meaning).content(ARRAY, error());
        operation.response(*status, refusal)
    })
}

fn read(table: StoreTable) -> Operation {
    let own = [
        query(
            "select",
            "Columns, separated by commas: `value`; `day:metric_date` to rename; `value::text` to cast",
        ),
        query("order", "The columns to sort by, as in `metric_date.desc,value.asc.nullslast`"),
        query("limit", &format!("The maximum number of rows, up to {MAX_ROWS}")),
        query("offset", &format!("The number of rows to skip, up to {MAX_OFFSET}")),
        query("or", "`(value.gt.5,value.is.null)`"),
        query("and", "`(value.gt.5,value.lt.9)`"),
        parameter(
            ParameterIn::Header,
            "Range",
            "The numbers of the first and the last row, counted from 0, as in `0-24`",
        ),
        parameter(
            ParameterIn::Header,
            "Prefer",
            "`count=exact` adds the number of all rows to `Content-Range`",
        ),
    ];
    let filters = table.columns().iter().map(|column| query(column.name, &filter(column)));
    let rows = |meaning| {
        let array = ArrayBuilder::new().items(schema(table.name()));
        ResponseBuilder::new()
            .description(meaning)
            .content(ARRAY, Content::new(Some(array)))
            .content(OBJECT, Content::new(Some(schema(table.name()))))
    };
    operation(&OF_TABLES)
        .summary(Some(format!("Rows of {}", table.name())))
        .operation_id(Some(format!("read_{}", table.name())))
        .parameters(Some(own.into_iter().chain(filters)))
        .response(
            "200",
            rows("The rows; with `Accept: application/vnd.pgrst.object+json`, the only row as an object"),
        )
        .response("206", rows("Some of the matching rows"))
        .build()
}

fn call(function: Function, answer: &str) -> Operation {
    let rows = ArrayBuilder::new().items(schema(answer));
    let done = ResponseBuilder::new()
        .description("The result of the run, as one row")
        .content(ARRAY, Content::new(Some(rows)))
        .content(OBJECT, Content::new(Some(schema(answer))));
    operation(&OF_FUNCTIONS)
        .summary(Some(function.summary))
        .operation_id(Some(function.name))
        .request_body(Some(arguments(function)))
        .response("200", done)
        .build()
}

fn arguments(function: Function) -> RequestBody {
    let date = |types: SchemaType| {
        ObjectBuilder::new().schema_type(types).format(Some(SchemaFormat::KnownFormat(KnownFormat::Date)))
    };
    let object = function.required.iter().fold(ObjectBuilder::new(), |object, name| {
        object.property(*name, date(Type::String.into())).required(*name)
    });
    let object = function.optional.iter().fold(object, |object, name| {
        object.property(*name, date([Type::String, Type::Null].into_iter().collect()))
    });
    let required = if function.required.is_empty() { Required::False } else { Required::True };
    RequestBodyBuilder::new().content(ARRAY, Content::new(Some(object))).required(Some(required)).build()
}

/// A row with all columns; `select` chooses and renames them.
fn row(table: StoreTable) -> RefOr<Schema> {
    let object = table.columns().iter().fold(ObjectBuilder::new(), |object, column| {
        let (known, format) = shape(column.kind);
        let types = if column.nullable { [known, Type::Null].into_iter().collect() } else { known.into() };
        object.property(column.name, ObjectBuilder::new().schema_type::<SchemaType>(types).format(format))
    });
    object.into()
}

fn shape(kind: ColumnKind) -> (Type, Option<SchemaFormat>) {
    let known = |format| Some(SchemaFormat::KnownFormat(format));
    match kind {
        ColumnKind::Text => (Type::String, None),
        ColumnKind::Date => (Type::String, known(KnownFormat::Date)),
        ColumnKind::Instant => (Type::String, known(KnownFormat::DateTime)),
        ColumnKind::Decimal => (Type::Number, None),
        ColumnKind::Integer => (Type::Integer, None),
        ColumnKind::Boolean => (Type::Boolean, None),
        ColumnKind::Uuid => (Type::String, known(KnownFormat::Uuid)),
        ColumnKind::Object => (Type::Object, None),
    }
}

fn filter(column: &StoreColumn) -> String {
    match column.kind {
        ColumnKind::Object => "`is.null` or `not.is.null`".to_owned(),
        ColumnKind::Boolean => "`eq.true`, `is.false`, and so on".to_owned(),
        ColumnKind::Date => "`eq.2025-01-31`, `gte.2025-01-01`, `in.(2025-01-01,2025-01-02)`, and so on".to_owned(),
        _ => "`eq.…`, `neq.…`, `gt.…`, `gte.…`, `lt.…`, `lte.…`, `in.(…,…)`, `is.null`, or `not.` before any of them".to_owned(),
    }
}

fn query(name: &str, description: &str) -> Parameter {
    parameter(ParameterIn::Query, name, description)
}

fn parameter(place: ParameterIn, name: &str, description: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}

fn schema(name: &str) -> Ref {
    Ref::from_schema_name(name)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        collect::{CollectError, run_limit},
        database::{Fault, FaultClass},
        http::rest::rpc,
        jobs::JobStartError,
        store::StoreError,
    };

    #[test]
    fn every_table_and_function_is_described() {
        let mut document = OpenApi::default();
        describe(&mut document);
        let document = serde_json::to_value(&document).unwrap();
        let metrics = &document["paths"]["/rest/v1/daily_metrics"]["get"]["parameters"];
        let names: Vec<_> = metrics.as_array().unwrap().iter().map(|parameter| &parameter["name"]).collect();
        assert!(
            StoreTable::DailyMetrics
                .columns()
                .iter()
                .all(|column| names.iter().any(|name| **name == column.name))
        );
        assert_eq!(document["paths"].as_object().unwrap().len(), 6);
        assert_eq!(
            document["components"]["schemas"]["daily_metrics"]["properties"]["value"]["type"],
            "number"
        );
    }

    /// Answers to calls that the tests over HTTP do not get are here; those that they get are compared in `tests/rest`.
    #[test]
    fn every_end_of_a_call_is_described() {
        let day = jiff::civil::date(2025, 1, 1);
        let fault = |class| Fault::new(class, "out of luck");
        let store = |class| StoreError::Fault { location: String::new(), fault: fault(class) };
        let errors = [
            CollectError::Unfinished { date: day, ready_at: String::new(), last_finished: day },
            CollectError::NeverHappened { date: day, zone: String::new() },
            CollectError::TooEarly { date: day, first: day },
            CollectError::EmptyRange { from: day, to: day },
            CollectError::Busy { what: String::new(), holder: String::new() },
            CollectError::NoDefinitions,
            CollectError::OtherTimeZone { stored: String::new(), configured: String::new() },
            CollectError::DuplicateDefinition(String::new()),
            CollectError::NoRows,
            CollectError::NoSources,
            CollectError::BeforeFirstRow { to: day, source_name: String::new(), first: day },
            CollectError::TooLong { source_name: String::new(), first: day, days: 2, limit: 1 },
            CollectError::DeadlineReached { limit: run_limit(Duration::ZERO), kept: String::new() },
            CollectError::Interrupted { kept: String::new() },
            CollectError::Store(store(FaultClass::Unreachable)),
            CollectError::Store(store(FaultClass::Other)),
            CollectError::Platform { location: String::new(), fault: fault(FaultClass::Unreachable) },
        ];
        let others = [
            JobStartError::TooManyRunning.into(),
            RestError::of_failures(&[]),
            rpc::body_too_slow(Duration::ZERO),
        ];
        let mut document = OpenApi::default();
        describe(&mut document);
        let document = serde_json::to_value(&document).unwrap();
        let responses = &document["paths"]["/rest/v1/rpc/collect_daily_metrics"]["post"]["responses"];
        let guide = include_str!("../../../docs/supabase-js.md");
        for error in errors.iter().map(RestError::of_run).chain(others) {
            assert!(responses[error.status.as_str()].is_object(), "{error:?}");
            let code = format!("`{}`", error.code);
            let row = guide.lines().find(|line| line.starts_with('|') && line.contains(&code));
            assert!(row.is_some_and(|row| row.contains(error.status.as_str())), "{error:?}");
        }
    }
}
