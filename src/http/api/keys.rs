//! `/api/v1/keys`: the API keys, for admins.

use axum::{extract::State, http::StatusCode};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    body::JsonBody,
    enum_schemas,
    error_responses::{BodyErrorResponses, ErrorResponses},
    members::{FromMembers, Members},
    no_query::NoQuery,
    path_text::PathText,
};
use crate::{
    access::{self, ApiKey, CreatedKey, KeyError, KeyRequest, Mode, Principal, Role, Scopes},
    http::{
        middleware::scopes::MayDefine,
        parameters::Parameters,
        problem::{InvalidParameter, Problem},
        service::{Service, Shared},
        uncached::Uncached,
    },
};

/// Every API key, revoked ones included.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeysAnswer {
    /// The oldest first.
    keys: Vec<KeyEntry>,
}

/// An API key without its secret, of which only a hash is stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyEntry {
    id: Uuid,
    name: String,
    #[schema(schema_with = enum_schemas::key_roles)]
    role: &'static str,
    /// What it may do, within the role.
    #[schema(schema_with = enum_schemas::key_scopes)]
    scopes: Vec<&'static str>,
    #[schema(schema_with = enum_schemas::key_states)]
    state: &'static str,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The user or key that made it, or `cli:<system user>`.
    created_by: String,
    /// When it becomes invalid; null: never.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
    revoked_by: Option<String>,
    /// The last use, which a server writes every five minutes.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
}

/// A new key. Its text is not stored and cannot be shown again.
// Without Debug: it holds a credential.
#[derive(Serialize, ToSchema)]
pub struct CreatedKeyAnswer {
    #[serde(flatten)]
    entry: KeyEntry,
    /// The key itself: `dm_…`.
    key: String,
}

/// A key to create.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateKeyRequest {
    /// A name for the purpose of the key; two keys in use cannot have the same name.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// The role of the key's holder.
    #[schema(schema_with = enum_schemas::key_roles)]
    role: String,
    /// Some of the role's scopes; by default all of them.
    #[schema(schema_with = enum_schemas::key_scopes, required = false)]
    scopes: Vec<String>,
    /// When it becomes invalid; by default never.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

impl FromMembers for CreateKeyRequest {
    fn read(members: &mut Members) -> Self {
        Self {
            name: members.text("name"),
            role: members.text("role"),
            scopes: members.names("scopes"),
            expires_at: members.instant("expires_at"),
        }
    }
}

/// API keys
///
/// Every key, without its secret. For admins only.
#[utoipa::path(
    get, path = "/api/v1/keys", tag = "keys",
    responses((status = 200, description = "The keys", body = KeysAnswer), ErrorResponses),
)]
pub async fn list_keys(
    State(service): State<Shared>,
    MayDefine(principal): MayDefine,
    _: Parameters<NoQuery>,
) -> Result<Uncached<KeysAnswer>, Problem> {
    require_admin(&service, &principal).await?;
    let now = service.context.now();
    let keys = service.context.tenant.store.api_keys().await?;
    let answer = KeysAnswer { keys: keys.into_iter().map(|key| KeyEntry::new(key, now)).collect() };
    Ok(Uncached(answer))
}

/// Create an API key
///
/// The answer has the text of the key, which cannot be shown again. For admins only. A server that runs without
/// authentication requires a key from then on.
#[utoipa::path(
    post, path = "/api/v1/keys", tag = "keys", request_body = CreateKeyRequest,
    responses(
        (status = 201, description = "The key, with its text", body = CreatedKeyAnswer),
        (status = 409, description = "A key in use has this name", body = Problem, content_type = "application/problem+json"),
        BodyErrorResponses,
        ErrorResponses,
    ),
)]
pub async fn create_api_key(
    State(service): State<Shared>,
    MayDefine(principal): MayDefine,
    _: Parameters<NoQuery>,
    JsonBody(request): JsonBody<CreateKeyRequest>,
) -> Result<(StatusCode, Uncached<CreatedKeyAnswer>), Problem> {
    require_admin(&service, &principal).await?;
    let now = service.context.now();
    let request = request.checked(&principal)?;
    let CreatedKey { key, text } =
        access::create_key(service.context.tenant.store.as_ref(), now, request).await?;
    tracing::info!(
        subject = &*principal.subject,
        name = key.name,
        role = key.role.name(),
        "a request made an API key"
    );
    let answer = CreatedKeyAnswer { entry: KeyEntry::new(key, now), key: text.reveal().to_owned() };
    Ok((StatusCode::CREATED, Uncached(answer)))
}

/// Revoke an API key
///
/// Permanently. A running server may accept it for up to 10 seconds more. For admins only.
#[utoipa::path(
    delete, path = "/api/v1/keys/{id}", tag = "keys", params(("id" = Uuid, Path, description = "The key")),
    responses(
        (status = 204, description = "It is revoked"),
        (status = 404, description = "No key with this id is in use", body = Problem, content_type = "application/problem+json"),
        ErrorResponses,
    ),
)]
pub async fn revoke_api_key(
    State(service): State<Shared>,
    MayDefine(principal): MayDefine,
    _: Parameters<NoQuery>,
    PathText(id): PathText,
) -> Result<StatusCode, Problem> {
    require_admin(&service, &principal).await?;
    let id: Uuid = id.parse().map_err(|_| unknown_key())?;
    let store = service.context.tenant.store.as_ref();
    let key = access::revoke_key(store, service.context.now(), &id.to_string(), &principal.subject).await?;
    tracing::info!(subject = &*principal.subject, name = key.name, "a request revoked an API key");
    Ok(StatusCode::NO_CONTENT)
}

/// Whether the principal may list, create and revoke keys: an admin with every scope, as a key cannot have more scopes than
/// its author; and every principal of a server that runs open.
pub(super) async fn manages_keys(service: &Service, principal: &Principal) -> Result<bool, Problem> {
    let has_all_scopes = principal.scopes == Scopes::ALL;
    if principal.role == Role::Admin || !has_all_scopes {
        return Ok(has_all_scopes);
    }
    let mode = service.access.mode().await.map_err(|denied| Problem::unavailable(denied.to_string()))?;
    Ok(mode == Mode::Open)
}

async fn require_admin(service: &Service, principal: &Principal) -> Result<(), Problem> {
    match manages_keys(service, principal).await? {
        true => Ok(()),
        false => Err(Problem::forbidden("only an admin with all scopes may see and change API keys")),
    }
}

impl CreateKeyRequest {
    fn checked(self, principal: &Principal) -> Result<KeyRequest, Problem> {
        let mut errors = Vec::new();
        let mut wrong = |parameter: &str, detail: String| {
            errors.push(InvalidParameter { parameter: parameter.to_owned(), detail })
        };
        let role = self.role.parse::<Role>().ok().filter(|role| *role != Role::Anonymous);
        if role.is_none() {
            wrong("role", "the role is one of reader, admin, service".to_owned());
        }
        let scopes: Vec<_> = self.scopes.iter().filter_map(|name| name.parse().ok()).collect();
        if scopes.len() < self.scopes.len() {
            wrong("scopes", format!("the scopes are {}", Scopes::ALL.names().join(", ")));
        }
        let (Some(role), true) = (role, errors.is_empty()) else { return Err(Problem::invalid_body(errors)) };
        Ok(KeyRequest {
            name: self.name,
            role,
            scopes: (!scopes.is_empty()).then(|| Scopes::of(&scopes)),
            expires_at: self.expires_at,
            created_by: principal.subject.to_string(),
        })
    }
}

impl KeyEntry {
    fn new(key: ApiKey, now: Timestamp) -> Self {
        Self {
            id: key.id,
            state: key.state(now),
            name: key.name,
            role: key.role.name(),
            scopes: key.scopes.names(),
            created_at: key.created_at,
            created_by: key.created_by,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            revoked_by: key.revoked_by,
            last_used_at: key.last_used_at,
        }
    }
}

fn unknown_key() -> Problem {
    Problem::not_found("no key with this id is in use; /api/v1/keys lists all keys")
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        let parameter = match &error {
            KeyError::Store(error) if error.is_denied() => {
                tracing::error!(%error, "the store refused a change of API keys");
                return Self::forbidden(
                    "the database role of this server may not change API keys in its store; docs/quickstart-postgresql.md has the grants",
                );
            }
            KeyError::Store(error) => return error.clone().into(),
            KeyError::Unknown(_) | KeyError::Revoked { .. } => return unknown_key(),
            KeyError::Random(_) => return Self::internal(),
            KeyError::NameIsTaken(_) => {
                return Self::new(StatusCode::CONFLICT, "name-is-taken", "A key in use has this name")
                    .detail(error.to_string());
            }
            KeyError::Name => "name",
            KeyError::Anonymous => "role",
            KeyError::NoScope | KeyError::BeyondRole { .. } => "scopes",
            KeyError::ExpiresInThePast(_) => "expires_at",
        };
        let wrong = InvalidParameter { parameter: parameter.to_owned(), detail: error.to_string() };
        Self::invalid_body(vec![wrong])
    }
}
