//! What a request is answered that gets nothing else: a status, and `{"error":{"code":...,"message":...}}`.
//!
//! Always holds: the same mistake has the same code over HTTP as over a WebSocket. Does not know: what was asked.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::access::Denied;
use super::limits::Full;
use super::selector::{BadMessage, Forbidden};

/// Why a request gets nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// What it says makes no sense.
    BadRequest(BadMessage),
    /// Who asks may read nothing.
    Unauthorized(Denied),
    /// Who asks may read nothing of something.
    Forbidden(Forbidden),
    /// The page that asks is of another origin.
    Origin,
    /// There is no place.
    Full(Full),
    /// The gateway does not have everything yet.
    CatchingUp,
    /// There is nothing of that name.
    NotFound,
}

impl From<BadMessage> for Refused {
    fn from(error: BadMessage) -> Self {
        Refused::BadRequest(error)
    }
}

impl From<Denied> for Refused {
    fn from(denied: Denied) -> Self {
        Refused::Unauthorized(denied)
    }
}

impl From<Forbidden> for Refused {
    fn from(error: Forbidden) -> Self {
        Refused::Forbidden(error)
    }
}

impl From<Full> for Refused {
    fn from(full: Full) -> Self {
        Refused::Full(full)
    }
}

impl Refused {
    fn status(&self) -> StatusCode {
        match self {
            Refused::BadRequest(_) => StatusCode::BAD_REQUEST,
            Refused::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Refused::Forbidden(_) | Refused::Origin => StatusCode::FORBIDDEN,
            Refused::Full(Full::Address) => StatusCode::TOO_MANY_REQUESTS,
            Refused::Full(Full::Everywhere) | Refused::CatchingUp => StatusCode::SERVICE_UNAVAILABLE,
            Refused::NotFound => StatusCode::NOT_FOUND,
        }
    }

    fn code_and_message(&self) -> (&'static str, String) {
        match self {
            Refused::BadRequest(error) => ("bad_request", error.to_string()),
            Refused::Unauthorized(denied) => (denied.code(), denied.to_string()),
            Refused::Forbidden(error) => ("forbidden", error.to_string()),
            Refused::Origin => {
                ("origin", "pages of this origin may not connect; see `dashboard.allowed_origins`".to_owned())
            }
            Refused::Full(Full::Everywhere) => ("too_many_connections", "try again later".to_owned()),
            Refused::Full(Full::Address) => {
                ("too_many_connections", "this address has too many connections".to_owned())
            }
            Refused::CatchingUp => {
                let message = "the gateway is still reading what was there when it started";
                ("catching_up", message.to_owned())
            }
            Refused::NotFound => ("not_found", "there is nothing at this address".to_owned()),
        }
    }

    /// The header that says how to do better.
    fn advice(&self) -> Option<(header::HeaderName, String)> {
        match self {
            Refused::Unauthorized(Denied::Missing) => {
                Some((header::WWW_AUTHENTICATE, "Bearer realm=\"ovation\"".to_owned()))
            }
            Refused::Unauthorized(denied) => {
                let why = denied.to_string().replace('"', "'");
                let challenge =
                    format!("Bearer realm=\"ovation\", error=\"invalid_token\", error_description=\"{why}\"");
                Some((header::WWW_AUTHENTICATE, challenge))
            }
            Refused::Full(_) => Some((header::RETRY_AFTER, "10".to_owned())),
            Refused::CatchingUp => Some((header::RETRY_AFTER, "2".to_owned())),
            _ => None,
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (code, message) = self.code_and_message();
        let body = json!({ "error": { "code": code, "message": message } }).to_string();
        let mut response =
            (self.status(), [(header::CONTENT_TYPE, "application/json")], body).into_response();
        if let Some((name, value)) = self.advice()
            && let Ok(value) = HeaderValue::from_str(&value)
        {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
