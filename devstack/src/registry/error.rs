//! The registry's errors, with Confluent's codes and words, as a client sees them.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

/// The content type of every answer.
pub(super) const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RegistryError {
    #[error("Subject '{0}' not found.")]
    SubjectNotFound(String),
    #[error("Version {0} not found.")]
    VersionNotFound(String),
    #[error("Schema not found")]
    SchemaNotFound,
    #[error("Schema {0} not found")]
    IdNotFound(u32),
    #[error("Subject '{0}' was soft deleted. Set permanent=true to delete permanently")]
    SubjectSoftDeleted(String),
    #[error("Subject '{0}' Version {1} was soft deleted. Set permanent=true to delete permanently")]
    VersionSoftDeleted(String, u32),
    #[error("Subject '{0}' does not have subject-level compatibility configured")]
    NoSubjectLevel(String),
    #[error(
        "Schema being registered is incompatible with an earlier schema for subject \"{0}\", details: [{1}]"
    )]
    Incompatible(String, String),
    #[error("Invalid schema: {0}")]
    InvalidSchema(String),
    #[error(
        "The specified version '{0}' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\""
    )]
    InvalidVersion(String),
    #[error(
        "Invalid compatibility level. Valid values are none, backward, forward, full, backward_transitive, forward_transitive, and full_transitive"
    )]
    InvalidLevel,
    #[error("{0}")]
    Unprocessable(String),
    #[error("Error in the backend data store: {0}")]
    Backend(String),
}

impl RegistryError {
    /// Confluent's code; the status is its first three digits.
    pub(super) fn code(&self) -> u32 {
        match self {
            RegistryError::SubjectNotFound(_) => 40401,
            RegistryError::VersionNotFound(_) => 40402,
            RegistryError::SchemaNotFound | RegistryError::IdNotFound(_) => 40403,
            RegistryError::SubjectSoftDeleted(_) => 40404,
            RegistryError::VersionSoftDeleted(..) => 40406,
            RegistryError::NoSubjectLevel(_) => 40408,
            RegistryError::Incompatible(..) => 409,
            RegistryError::InvalidSchema(_) => 42201,
            RegistryError::InvalidVersion(_) => 42202,
            RegistryError::InvalidLevel => 42203,
            RegistryError::Unprocessable(_) => 422,
            RegistryError::Backend(_) => 50001,
        }
    }

    fn status(&self) -> StatusCode {
        let code = self.code();
        let status = u16::try_from(if code < 1000 { code } else { code / 100 }).unwrap_or(500);
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for RegistryError {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "error_code": self.code(), "message": self.to_string() });
        (self.status(), [(header::CONTENT_TYPE, CONTENT_TYPE)], body.to_string()).into_response()
    }
}
