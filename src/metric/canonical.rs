//! The canonical bytes of a record: one encoding, whichever store holds it, on which hashes and signatures can be built.
//!
//! Version 1 is a sequence of fields, each as its length in bytes (an unsigned 64-bit integer, big-endian) followed by that
//! many bytes of UTF-8:
//!
//! 1. `daymark-record-v1`
//! 2. the tenant
//! 3. the date, `YYYY-MM-DD`
//! 4. the metric's type: `count`, `average`, `percentage` or `aggregate`
//! 5. the metric's category
//! 6. the value: a decimal without an exponent, without superfluous zeros, `0` never with a sign
//! 7. the metadata: a JSON object without white space, its keys in the order of their bytes at every level, numbers as in 6.,
//!    strings with no escapes but `\"`, `\\`, `\b`, `\f`, `\n`, `\r`, `\t` and `\u00xx` for the other control characters
//! 8. the provenance: `observed`, `reconstructed` or `corrected`
//! 9. the version of the definition, in decimal digits
//! 10. the collection's id, as a UUID with hyphens in lower case
//! 11. the collection's timestamp in UTC, to the microsecond: `YYYY-MM-DDTHH:MM:SS.ffffffZ`
//!
//! A redaction replaces a label in the metadata, and so it changes field 7 and every hash of the record. The hash of the bytes before
//! must not be kept: a reader who knows all other fields could test names against it. So a chain of hashes must not be over these bytes alone. It
//! can be over bytes in which each label is a commitment with a random key of its own, which is deleted with the label; or it accepts a
//! record whose hash differs if the record names a placeholder that the log of redactions has.
//!
//! Metadata follow RFC 8785 (JSON Canonicalization Scheme) except for the numbers, which are exact decimals here and floats
//! there, and the order of keys, which is that of their UTF-8 bytes.

use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::{Decimal, Record};

/// The first field of version 1.
const VERSION: &str = "daymark-record-v1";

impl Record {
    /// The record's canonical bytes as one of `tenant`'s records.
    pub fn canonical_bytes(&self, tenant: &str) -> Vec<u8> {
        let timestamp = TimeZone::UTC.to_datetime(self.collection_timestamp);
        let fields = [
            VERSION,
            tenant,
            &self.metric_date.to_string(),
            self.key.metric_type.name(),
            &self.key.category,
            &self.value.clone().normalized().to_string(),
            &object(&self.metadata),
            self.provenance.name(),
            &self.definition_version.to_string(),
            &self.collection_id.hyphenated().to_string(),
            &timestamp.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(),
        ];
        fields
            .iter()
            .flat_map(|field| [&(field.len() as u64).to_be_bytes(), field.as_bytes()].concat())
            .collect()
    }
}

fn object(members: &Map<String, Value>) -> String {
    let mut members: Vec<_> = members.iter().collect();
    members.sort_by_key(|(name, _)| name.as_bytes());
    let members: Vec<_> =
        members.iter().map(|(name, value)| format!("{}:{}", string(name), json(value))).collect();
    format!("{{{}}}", members.join(","))
}

fn json(value: &Value) -> String {
    match value {
        Value::Object(members) => object(members),
        Value::Array(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(",")),
        // A number of more than 1,000 digits is not a decimal and is written as it is.
        Value::Number(number) => number
            .as_str()
            .parse::<Decimal>()
            .map_or_else(|_| number.to_string(), |number| number.normalized().to_string()),
        Value::String(text) => string(text),
        other => other.to_string(),
    }
}

/// `serde_json` escapes exactly what field 7 lists.
fn string(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::metric::{MetricKey, MetricType, Provenance};

    fn record(value: &str, metadata: Value) -> Record {
        let Value::Object(metadata) = metadata else { panic!("{metadata}") };
        Record {
            metric_date: date(2025, 1, 31),
            key: MetricKey { metric_type: MetricType::Average, category: "post_length".to_owned() },
            value: value.parse().unwrap(),
            metadata,
            provenance: Provenance::Observed,
            definition_version: 3,
            collection_id: Uuid::from_u128(0x0198_F00D_0000_7000_8000_0000_0000_002A),
            collection_timestamp: "2025-02-01T00:15:02.5Z".parse().unwrap(),
        }
    }

    /// The fields of canonical bytes; their length prefixes separate them.
    fn fields(mut bytes: &[u8]) -> Vec<String> {
        let mut fields = Vec::new();
        while let Some((length, rest)) = bytes.split_first_chunk::<8>() {
            let (field, rest) = rest.split_at(u64::from_be_bytes(*length) as usize);
            fields.push(String::from_utf8(field.to_vec()).unwrap());
            bytes = rest;
        }
        assert!(bytes.is_empty());
        fields
    }

    #[test]
    fn a_record_without_metadata_has_these_bytes() {
        let bytes = record("12", json!({})).canonical_bytes("default");
        let expected = b"\0\0\0\0\0\0\0\x11daymark-record-v1\0\0\0\0\0\0\0\x07default\0\0\0\0\0\0\0\x0a2025-01-31\
            \0\0\0\0\0\0\0\x07average\0\0\0\0\0\0\0\x0bpost_length\0\0\0\0\0\0\0\x0212\0\0\0\0\0\0\0\x02{}\
            \0\0\0\0\0\0\0\x08observed\0\0\0\0\0\0\0\x013\
            \0\0\0\0\0\0\0\x240198f00d-0000-7000-8000-00000000002a\0\0\0\0\0\0\0\x1b2025-02-01T00:15:02.500000Z";
        assert_eq!(bytes, expected);
    }

    #[test]
    fn values_and_metadata_are_written_in_one_way() {
        let metadata =
            r#"{"é": [true, null, 1E+2], "z": {"b": 1.50, "a": "\u0001\"\n/ü\ud83d\ude00"}, "Z": -0.0}"#;
        let bytes = record("-1.2500", serde_json::from_str(metadata).unwrap()).canonical_bytes("größe");
        assert_eq!(
            fields(&bytes)[1..7],
            [
                "größe",
                "2025-01-31",
                "average",
                "post_length",
                "-1.25",
                "{\"Z\":0,\"z\":{\"a\":\"\\u0001\\\"\\n/ü😀\",\"b\":1.5},\"é\":[true,null,100]}"
            ]
        );
    }

    #[test]
    fn the_digits_that_a_store_returns_make_no_difference_and_every_field_does() {
        let bytes = |record: &Record| record.canonical_bytes("default");
        let original = record("1.5", json!({"sum": 3}));
        assert_eq!(
            bytes(&record("1.500", serde_json::from_str("{\"sum\": 3.0}").unwrap())),
            bytes(&original)
        );
        let others = [
            record("1.6", json!({"sum": 3})),
            record("1.5", json!({"sum": "3"})),
            Record { provenance: Provenance::Reconstructed, ..original.clone() },
            Record { definition_version: 4, ..original.clone() },
            Record { metric_date: date(2025, 2, 1), ..original.clone() },
            Record { collection_id: Uuid::nil(), ..original.clone() },
            Record {
                collection_timestamp: "2025-02-01T00:15:02.500001Z".parse().unwrap(),
                ..original.clone()
            },
        ];
        for other in &others {
            assert_ne!(bytes(other), bytes(&original), "{other:?}");
        }
        assert_ne!(original.canonical_bytes("other"), bytes(&original));
    }
}
