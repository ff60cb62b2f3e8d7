//! `POST /api/v1/orders`: orders of any cart. Every order gets its own answer; the good ones are taken whatever the others
//! are. Sending the same again changes nothing.

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tracing::info;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    accounts,
    asked::{self, Query},
    caller::{Caller, Sends},
    problem::{Kind, Problem},
};
use crate::{
    orders::incoming::{self, DEFAULT_SOURCE, Fate, Order, Refused},
    web::Web,
};

/// The most orders of one request.
pub(super) const MOST_ORDERS: usize = 500;
/// The longest body.
const LONGEST_BODY: usize = 8 * 1024 * 1024;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Addressed {
    /// The account that they are for. A key for one account says it already; one for all must name it here.
    account: Option<Uuid>,
}

/// One order, or up to 500 of them.
#[derive(ToSchema)]
#[schema(as = CartOrders)]
#[serde(untagged)]
#[expect(dead_code, reason = "each order is read by itself, so that it gets its own answer")]
pub(super) enum Sent {
    /// One order.
    One(Box<Order>),
    /// Several.
    Several(Vec<Order>),
}

/// What became of one order.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderAnswer)]
struct Answer {
    /// Its place in the request, from 0.
    index: usize,
    /// Its id at its source, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    /// Its source.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// What became of it.
    result: Outcome,
    /// The number that its document will have.
    #[serde(skip_serializing_if = "Option::is_none")]
    document_number: Option<String>,
    /// Where it is wrong, of one that is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// What to do instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// What became of an order.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OrderResult)]
enum Outcome {
    /// It is new.
    Taken,
    /// Another content of it came before.
    Changed,
    /// It is there already, as it is.
    Unchanged,
    /// It cannot be read.
    Refused,
}

/// What became of all of them.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderAnswers)]
pub(super) struct Answers {
    /// How many are new.
    taken: usize,
    /// How many have another content than before.
    changed: usize,
    /// How many were there already.
    unchanged: usize,
    /// How many cannot be read.
    refused: usize,
    /// An answer for each, in its place.
    orders: Vec<Answer>,
}

/// Send orders, one or up to 500 at once, 8 MiB at most. Sending the same again changes nothing: an order is one by account,
/// source and `external_id`.
#[utoipa::path(post, path = "/api/v1/orders", tag = "orders", params(Addressed), request_body = Sent,
    security(("key" = ["orders:write"])), responses(
        (status = 200, description = "An answer for each; some may be refused", body = Answers),
        (status = 422, content(
            (Answers = "application/json"), (super::problem::Said = "application/problem+json")),
            description = "Every order is refused, each with its own words; or the body is no JSON")))]
pub(super) async fn send_orders(
    State(web): State<Web>,
    caller: Caller<Sends>,
    Query(asked): Query<Addressed>,
    request: Request,
) -> Result<Response, Problem> {
    let account_id = caller.confined(asked.account)?.ok_or_else(|| {
        Problem::query(
            "a key for all accounts must say whose orders these are",
            "add ?account=ID, or use a key for one account",
        )
    })?;
    let body = asked::text(request, LONGEST_BODY).await?;
    let pieces = pieces(&body)?;
    if pieces.len() > MOST_ORDERS {
        let remedy = format!("send at most {MOST_ORDERS} orders at once");
        return Err(Problem::new(Kind::TooLarge, "these are too many orders; nothing was taken", remedy));
    }
    if caller.holder.account_id.is_none() {
        accounts::row(&mut *web.pool.acquire().await?, account_id).await?;
    }
    let (mut answers, mut good, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for (index, piece) in pieces.iter().enumerate() {
        match incoming::read(piece, DEFAULT_SOURCE, caller.now) {
            Ok(order) => {
                answers.push(Answer {
                    external_id: Some(order.order.external_id.clone()),
                    source: Some(order.source.clone()),
                    document_number: Some(order.order.document_number.clone()),
                    ..Answer::of(index, None)
                });
                places.push(index);
                good.push(order);
            }
            Err(refused) => {
                answers.push(Answer { external_id: incoming::claimed_id(piece), ..Answer::of(index, Some(refused)) });
            }
        }
    }
    let fates = incoming::take(&mut *web.pool.acquire().await?, account_id, good, caller.now).await?;
    for (place, fate) in places.into_iter().zip(fates) {
        answers[place].result = match fate {
            Fate::Taken => Outcome::Taken,
            Fate::Changed => Outcome::Changed,
            Fate::Unchanged => Outcome::Unchanged,
        };
    }
    Ok(told(&web, account_id, answers))
}

impl Answer {
    fn of(index: usize, refused: Option<Refused>) -> Self {
        let (field, message, remedy) = match refused {
            Some(refused) => (Some(refused.field), Some(refused.message), Some(refused.remedy)),
            None => (None, None, None),
        };
        let result = Outcome::Refused;
        Self { index, external_id: None, source: None, result, document_number: None, field, message, remedy }
    }
}

fn told(web: &Web, account_id: Uuid, orders: Vec<Answer>) -> Response {
    let count = |result: Outcome| orders.iter().filter(|answer| answer.result == result).count();
    let (taken, changed) = (count(Outcome::Taken), count(Outcome::Changed));
    let (unchanged, refused) = (count(Outcome::Unchanged), count(Outcome::Refused));
    if taken + changed + refused > 0 {
        info!(%account_id, taken, changed, unchanged, refused, "orders came in through the API");
    }
    if taken + changed > 0 {
        web.dispatch.wake();
    }
    let all_refused = refused > 0 && refused == orders.len();
    let status = if all_refused { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    (status, Json(Answers { taken, changed, unchanged, refused, orders })).into_response()
}

/// One order, or an array of them; each stays the text that it is, so that its numbers do.
fn pieces(body: &str) -> Result<Vec<&str>, Problem> {
    let mut reader = serde_json::Deserializer::from_str(body);
    let pieces = if body.trim_start().starts_with('[') {
        Vec::<&RawValue>::deserialize(&mut reader)
    } else {
        <&RawValue>::deserialize(&mut reader).map(|one| vec![one])
    };
    let pieces = pieces.and_then(|pieces| reader.end().map(|()| pieces));
    let pieces = pieces.map_err(|error| asked::unreadable(format!("the body is not JSON: {error}")))?;
    Ok(pieces.into_iter().map(RawValue::get).collect())
}
