//! How orders become documents: totals, settings of an account, who is who, and what a preview leaves alone.

use lamplighter::{
    orders::preview::{Outcome, Preview, Previewer},
    provider::Provider::Quickbooks,
    sandbox::{NewContact, NewLine, NewOrder},
    store::{
        mappings,
        order_log::naming,
        orders::Status::{Parked, Posted},
    },
};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::totals;
use crate::harness::{HUB, REALM, TestApp, minutes, order};

impl TestApp {
    pub(super) async fn setting(&self, account_id: uuid::Uuid, key: &str, value: &str) {
        mappings::set(&mut *self.conn().await, account_id, key, value, self.clock.now()).await.unwrap();
    }

    async fn preview(&self, named: &str) -> Preview {
        let mut conn = self.conn().await;
        let found = naming::find(&mut conn, named).await.unwrap();
        let shown = mappings::shown(&mut conn, found[0].id).await.unwrap().unwrap();
        drop(conn);
        let app = &self.app;
        let previewer = Previewer {
            pool: &app.pool,
            keeper: &app.keeper,
            providers: &app.web.providers,
            defaults: &self.config.orders.mapping,
        };
        previewer.run(&shown).await.unwrap()
    }
}

fn names(list: Vec<Value>, key: &str) -> Vec<String> {
    list.iter().map(|one| one[key].as_str().unwrap().to_owned()).collect()
}

/// The `number`th of many orders that differ in everything that counts.
fn varied(number: i64) -> NewOrder {
    let lines: Vec<_> = (0..=number % 5)
        .map(|at| NewLine {
            name: format!("Thing {}", (number + at) % 7),
            quantity: Decimal::new(1 + (number * 7 + at) % 40, u32::try_from(at % 2).unwrap()),
            price: Decimal::new(1 + (number * 131 + at * 17) % 9_999, 2 + u32::try_from(at % 3).unwrap()),
            ..NewLine::default()
        })
        .collect();
    let cents =
        |amount: Decimal| amount.round_dp_with_strategy(2, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
    let sum: Decimal = lines.iter().map(|line| cents(line.quantity * line.price)).sum();
    let lines: Vec<_> =
        lines.into_iter().map(|line| NewLine { amount: Some(cents(line.quantity * line.price)), ..line }).collect();
    let discount = if number % 3 == 0 { cents(sum / Decimal::TEN) } else { Decimal::ZERO };
    let (tax, shipping) = (Decimal::new(number % 97, 2), Decimal::new(number % 511, 2));
    let inclusive = number % 4 == 1 && tax < sum;
    let total = sum - discount + shipping + if inclusive { Decimal::ZERO } else { tax };
    NewOrder {
        name: format!("#{number}"),
        total: Some(total),
        tax: Some(tax),
        shipping: Some(shipping),
        lines,
        contact: Some(NewContact {
            email: format!("buyer{}@post.example", number % 11),
            first: "Rae".to_owned(),
            last: format!("Reader {}", number % 11),
        }),
        properties: [("hs_order_discount".to_owned(), discount.to_string())].into(),
        ..NewOrder::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_orders_come_to_their_totals_in_the_books() {
    let (app, account) = TestApp::connected().await;
    let mut placed = Vec::new();
    for (tax, discount) in [("line", "line"), ("quickbooks", "quickbooks"), ("line", "quickbooks")] {
        app.setting(account.id, "tax", tax).await;
        app.setting(account.id, "discount", discount).await;
        for _ in 0..100 {
            let one = varied(i64::try_from(placed.len()).unwrap());
            placed.push((super::number(&app.sandbox.place_order(HUB, one.clone())), one.total.unwrap()));
        }
        app.later().await;
        app.rounds().await;
    }
    let left = sqlx::query_scalar::<_, String>("select last_message from orders where status <> 'posted'");
    assert_eq!(left.fetch_all(&app.app.pool).await.unwrap(), Vec::<String>::new());
    let mut posted: Vec<_> = app
        .sandbox
        .documents(REALM)
        .into_iter()
        .map(|document| (document.doc_number.unwrap(), document.total.round_dp(2)))
        .collect();
    posted.sort();
    placed.sort();
    assert_eq!(posted, placed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_applies_to_what_is_posted_from_then_on() {
    let (app, account) = TestApp::connected().await;
    let at_night = |name| NewOrder {
        properties: [("hs_external_created_date".to_owned(), "2026-01-09T02:00:00Z".to_owned())].into(),
        ..order(name, 1_000)
    };
    app.place(at_night("A-1"));
    app.rounds().await;
    for (key, value) in [("time_zone", "America/New_York"), ("customer", "Walk-in"), ("deposit_account", "Services")] {
        app.setting(account.id, key, value).await;
    }
    app.place(at_night("A-2"));
    app.later().await;
    let documents = app.sandbox.documents(REALM);
    let dates: Vec<_> = documents.iter().map(|document| document.raw["TxnDate"].clone()).collect();
    assert_eq!(dates, [json!("2026-01-09"), json!("2026-01-08")]);
    let buyers: Vec<_> = documents.iter().map(|document| document.customer_name.as_deref().unwrap()).collect();
    assert_eq!(buyers, ["Rae Reader", "Walk-in"]);
    assert!(documents[1].private_note.as_ref().unwrap().contains("Customer: Rae Reader, reader@post.example"));
    assert_eq!(documents[1].raw["DepositToAccountRef"]["value"], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_item_is_posted_to_the_fallback_and_not_created() {
    let (app, account) = TestApp::connected().await;
    app.setting(account.id, "fallback_item", "Anything").await;
    app.place(order("A-1", 1_000));
    app.rounds().await;
    let row = app.order("A-1").await;
    assert_eq!(row.status, Parked);
    assert!(row.last_message.unwrap().contains(r#"no item "Anything""#));
    app.setting(account.id, "fallback_item", "Hours").await;
    app.place(order("A-2", 2_000));
    app.later().await;
    let before = app.sandbox.api_calls(Quickbooks);
    app.place(order("A-3", 3_000));
    app.later().await;
    assert_eq!(app.sandbox.api_calls(Quickbooks), before + 1, "what is unknown is remembered too");
    assert_eq!(names(app.sandbox.items(REALM), "Name"), ["Hours"]);
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["20.00", "30.00"]);
    let line = &app.sandbox.documents(REALM)[0].raw["Line"][0];
    assert_eq!(line["Description"], "Field guide");
    // A day later the merchant has added it.
    let item = json!({"Name": "Field guide", "Sku": "GUIDE-1", "IncomeAccountRef": {"value": "1"}});
    let made = app.by_hand(REALM, "item", item).await;
    app.execute("update quickbooks_names set remembered_at = now() - interval '25 hours'").await;
    app.place(order("A-4", 4_000));
    app.later().await;
    let line = &app.sandbox.documents(REALM)[2].raw["Line"][0];
    assert_eq!(line["SalesItemLineDetail"]["ItemRef"]["value"], made["Item"]["Id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_of_the_same_name_and_another_address_is_another_person() {
    let (app, _) = TestApp::connected().await;
    let other = json!({"DisplayName": "Rae Reader", "PrimaryEmailAddr": {"Address": "other@post.example"}});
    app.by_hand(REALM, "customer", other).await;
    app.place(order("A-1", 1_000));
    app.rounds().await;
    let expected = ["Rae Reader", "Rae Reader (reader@post.example)"];
    assert_eq!(names(app.sandbox.customers(REALM), "DisplayName"), expected);
    assert_eq!(app.sandbox.documents(REALM)[0].customer_name.as_deref(), Some(expected[1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_of_the_same_name_and_another_sku_is_another_item() {
    let (app, _) = TestApp::connected().await;
    let other = json!({"Name": "Field guide", "Sku": "GUIDE-9", "IncomeAccountRef": {"value": "1"}});
    app.by_hand(REALM, "item", other).await;
    app.place(order("A-1", 1_000));
    app.rounds().await;
    assert_eq!(names(app.sandbox.items(REALM), "Name"), ["Hours", "Field guide", "Field guide (GUIDE-1)"]);
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["10.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_inactive_customers_and_items_lead_to_other_names() {
    let (app, _) = TestApp::connected().await;
    let reader = json!({"DisplayName": "Rae Reader", "Active": false});
    app.by_hand(REALM, "customer", reader).await;
    let guide = json!({"Name": "Field guide", "Active": false, "IncomeAccountRef": {"value": "1"}});
    app.by_hand(REALM, "item", guide).await;
    app.place(order("A-1", 1_000));
    app.rounds().await;
    let row = app.order("A-1").await;
    assert_eq!((row.status, row.attempts), (Posted, 1), "{:?}", row.last_message);
    let document = &app.sandbox.documents(REALM)[0];
    assert_eq!(document.customer_name.as_deref(), Some("Rae Reader (reader@post.example)"));
    assert!(names(app.sandbox.items(REALM), "Name").contains(&"Field guide (GUIDE-1)".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_contact_was_enriched_is_not_a_changed_order() {
    let (app, _) = TestApp::connected().await;
    let id = app.place(order("A-1", 1_000));
    app.rounds().await;
    app.edit(&id, &[("hs_order_name", "A-1, thanks"), ("hs_payment_status", "Paid")]);
    app.later().await;
    assert_eq!(app.statuses(&id).await, [Posted]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_shows_the_document_and_leaves_everything_alone() {
    let (app, account) = TestApp::connected().await;
    app.place(order("A-1", 1_000));
    app.rounds().await;
    app.place(NewOrder { tax: Some(Decimal::ONE), total: Some(Decimal::from(21)), ..order("A-2", 2_000) });
    app.advance(minutes(6));
    app.app.intake.round().await.unwrap();
    let remembered = "select count(*) from quickbooks_names";
    let before = (app.count(remembered).await, app.sandbox.items(REALM).len());
    let preview = app.preview("A-2").await;
    assert!(preview.unasked.is_none());
    let Outcome::Document(sheet) = preview.outcome else { panic!("it would be parked") };
    let states: Vec<_> = sheet.references.iter().map(|one| (one.name.as_str(), json!(one.state))).collect();
    let expected = [("Rae Reader", "remembered"), ("Field guide", "remembered"), ("Sales tax", "new")];
    assert_eq!(states, expected.map(|(name, state)| (name, json!(state))));
    assert_eq!((app.count(remembered).await, app.sandbox.items(REALM).len()), before);
    assert_eq!(app.sandbox.documents(REALM).len(), 1);

    // What was shown is what is sent.
    app.app.dispatch.round().await.unwrap();
    let sent = &app.sandbox.documents(REALM)[1].raw;
    let shown: Value = serde_json::from_str(&serde_json::to_string(&sheet.body).unwrap()).unwrap();
    for key in ["DocNumber", "TxnDate", "PrivateNote", "BillEmail"] {
        assert_eq!(shown[key], sent[key], "{key}");
    }
    assert_eq!(shown["Line"][0]["SalesItemLineDetail"], sent["Line"][0]["SalesItemLineDetail"]);
    assert_eq!(shown["Line"][1]["SalesItemLineDetail"]["ItemRef"]["value"], "new: Sales tax");

    // With a token that ended nothing is renewed, and nobody asked.
    app.advance(minutes(600));
    let spends = app.count("select count(*) from spends").await;
    let calls = app.sandbox.api_calls(Quickbooks);
    assert!(app.preview("A-2").await.unasked.is_some());
    assert_eq!((app.count("select count(*) from spends").await, app.sandbox.api_calls(Quickbooks)), (spends, calls));
    app.setting(account.id, "document", "by_payment").await;
    let Outcome::Parked(wrong) = app.preview("A-2").await.outcome else { panic!("nothing says that it is paid") };
    assert!(wrong.message.contains("whether the order is paid"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_order_is_previewed_as_nothing() {
    let (app, _) = TestApp::connected().await;
    let id = app.place(order("A-1", 1_000));
    app.edit(&id, &[("hs_external_order_status", "cancelled")]);
    app.app.intake.round().await.unwrap();
    assert!(matches!(app.preview("A-1").await.outcome, Outcome::Cancelled));
    app.rounds().await;
}
