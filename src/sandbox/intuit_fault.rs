//! QuickBooks' two fault envelopes: the service's in capitals, the gateway's in lower case.

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{books::written, grants::Closed, weather::Reply};

/// A refusal by the accounting service.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) status: StatusCode,
    pub(super) kind: &'static str,
    pub(super) code: &'static str,
    pub(super) message: &'static str,
    pub(super) detail: String,
    pub(super) element: &'static str,
}

impl Fault {
    /// 400 with a `ValidationFault`: the usual one.
    pub(super) fn new(code: &'static str, message: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "ValidationFault",
            code,
            message,
            detail: detail.into(),
            element: "",
        }
    }

    /// Names the element at fault.
    pub(super) fn at(self, element: &'static str) -> Self {
        Self { element, ..self }
    }

    pub(super) fn missing(what: &'static str) -> Self {
        let detail = format!("Required parameter {what} is missing in the request");
        Self::new("2020", "Required param missing, need to supply the required value for the API", detail).at(what)
    }

    pub(super) fn too_long(what: &'static str, most: usize, length: usize) -> Self {
        let detail = format!(
            "String length specified does not match the supported length. Min:0 Max:{most} supported. \
             Supplied length:{length}"
        );
        Self::new("2050", "String length is either shorter or longer than supported by specification", detail).at(what)
    }

    pub(super) fn bad_reference(what: &'static str, id: &str) -> Self {
        let detail = format!(
            "Invalid Reference Id : Something you're trying to use has been made inactive. Check the fields with \
             accounts, customers, items, vendors or employees. {what} id {id} not found"
        );
        Self::new("2500", "Invalid Reference Id", detail).at(what)
    }

    pub(super) fn duplicate_name() -> Self {
        let detail = "The name supplied already exists. : Another customer, vendor or employee is already using this \
                      name. Please use a different name.";
        Self::new("6240", "Duplicate Name Exists Error", detail)
    }

    pub(super) fn not_found() -> Self {
        let detail = "Object Not Found : Something you're trying to use has been made inactive. Check the fields with \
                      accounts, customers, items, vendors or employees.";
        Self::new("610", "Object Not Found", detail)
    }

    pub(super) fn business(detail: &str) -> Self {
        let message = "A business validation error has occurred while processing your request";
        Self::new("6000", message, format!("Business Validation Error: {detail}"))
    }

    pub(super) fn unsupported(what: &str) -> Self {
        Self::new("500", "Unsupported Operation", format!("Operation {what} is not supported."))
    }

    pub(super) fn unreadable(why: &str) -> Self {
        let detail = format!("Property Name:{why} specified is unsupported or invalid");
        Self::new("2010", "Request has invalid or unsupported property", detail)
    }

    /// The company stopped paying Intuit.
    pub(super) fn lapsed() -> Self {
        let detail = "Subscription period has ended or canceled or there was a billing problem : You can't add data \
                      to QuickBooks Online Plus because your trial or subscription period ended.";
        Self::new("6190", "Invalid Company Status", detail)
    }

    /// The person who connected may no longer use the company.
    pub(super) fn no_permission() -> Self {
        let detail = "AuthorizationFailure: -11014-You do not have access to use QuickBooks Online Plus.";
        let fault = Self::new("120", "Authorization Failure", detail);
        Self { status: StatusCode::FORBIDDEN, kind: "AuthorizationFault", ..fault }
    }

    /// The company was called too often.
    pub(super) fn throttled() -> Self {
        let message = "message=ThrottleExceeded; errorCode=003001; statusCode=429";
        let fault = Self::new("3001", message, "The request limit was reached. Try again later");
        Self { status: StatusCode::TOO_MANY_REQUESTS, kind: "SERVICE", ..fault }
    }

    /// Something broke at Intuit.
    pub(super) fn system() -> Self {
        let message = "An application error has occurred while processing your request";
        let fault = Self::new("10000", message, "System Failure Error");
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, kind: "SystemFault", ..fault }
    }

    /// The document changed since the token that the call names.
    pub(super) fn stale() -> Self {
        let detail = "Stale Object Error : You and another user were working on this at the same time.";
        Self::new("5010", "Stale Object Error", detail)
    }

    /// The document's money was deposited.
    pub(super) fn deposited() -> Self {
        let detail = "Deposited Transaction cannot be changed : This transaction has been deposited. If you want to \
                      change or delete it, you must edit the deposit it appears on and remove it first.";
        Self::new("6540", "Deposited Transaction cannot be changed", detail)
    }

    /// What stands under `Fault`.
    pub(super) fn body(&self) -> Value {
        let error = json!({
            "Message": self.message, "Detail": self.detail, "code": self.code, "element": self.element,
        });
        json!({"Error": [error], "type": self.kind})
    }

    pub(super) fn into_reply(self, now: DateTime<Utc>) -> Reply {
        (self.status, json!({"Fault": self.body(), "time": written(now)}))
    }
}

/// The gateway did not accept the access token.
pub(super) fn not_authenticated(why: Closed, now: DateTime<Utc>) -> Reply {
    let detail = match why {
        Closed::Unknown => "Malformed bearer token: too short or too long",
        Closed::Expired(_) => "Token expired",
        Closed::Revoked => "Token revoked",
    };
    let message = "message=AuthenticationFailed; errorCode=003200; statusCode=401";
    (StatusCode::UNAUTHORIZED, gateway(message, json!(detail), "3200", "AUTHENTICATION", now))
}

/// The token is good, but for another company.
pub(super) fn not_authorized(now: DateTime<Utc>) -> Reply {
    let message = "message=ApplicationAuthorizationFailed; errorCode=003100; statusCode=403";
    (StatusCode::FORBIDDEN, gateway(message, Value::Null, "3100", "SERVICE", now))
}

fn gateway(message: &str, detail: Value, code: &str, kind: &str, now: DateTime<Utc>) -> Value {
    let error = json!({"message": message, "detail": detail, "code": code, "element": null});
    json!({
        "warnings": null, "intuitObject": null,
        "fault": {"error": [error], "type": kind},
        "report": null, "queryResponse": null, "batchItemResponse": [], "attachableResponse": [],
        "syncErrorResponse": null, "requestId": null, "time": now.timestamp_millis(), "status": null,
        "cdcresponse": [],
    })
}
