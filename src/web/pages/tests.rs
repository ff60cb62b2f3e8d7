//! The rules that every page keeps, and the words of the ones that matter most.

use super::{
    samples::{bad_evening, first_day, now},
    *,
};
use crate::{
    health::State,
    provider::{Cause, Provider, Verdict},
};

const URL: &str = "https://lamplighter.example.com/reconnect/abc";

fn messages() -> Vec<MessagePage> {
    let (quickbooks, hubspot) = (Provider::Quickbooks, Provider::Hubspot);
    let mut pages = vec![
        MessagePage::connected(quickbooks, "Harbor Books LLC", "Harbor Books", 12, None),
        MessagePage::connected(quickbooks, "Harbor Books LLC", "Harbor Books", 1, Some((hubspot, URL))),
        MessagePage::off_to(quickbooks, URL),
        MessagePage::denied(quickbooks, Some(URL)),
        MessagePage::denied(hubspot, None),
        MessagePage::expired(quickbooks, Some(URL)),
        MessagePage::replayed(quickbooks),
        MessagePage::forged(),
        MessagePage::link_expired("/connect/abc"),
        MessagePage::link_asked_for(),
        MessagePage::link_invalid(),
        MessagePage::wrong_company(quickbooks, "Harbor Books LLC", "Tidewater Supply Co.", Some(URL)),
        MessagePage::company_taken(hubspot, "harborbooks.example"),
        MessagePage::different_provider_reply(quickbooks, hubspot),
        MessagePage::not_configured(hubspot),
        MessagePage::not_found(),
        MessagePage::internal("0197-aa"),
        MessagePage::unavailable(),
    ];
    for verdict in [
        Verdict::Transient,
        Verdict::OutcomeUnknown,
        Verdict::OperatorFault,
        Verdict::Lapsed(Cause::Revoked),
        Verdict::TokenRefused,
        Verdict::Rejected,
    ] {
        pages.push(MessagePage::exchange_failed(hubspot, verdict, Some(URL), Some("7f2c-11")));
    }
    pages
}

/// What the policy `default-src 'none'; style-src 'self'; img-src 'self' data:` would refuse.
fn assert_keeps_to_the_policy(html: &str) {
    let own = r#"<script src="/assets/live.js" defer></script>"#;
    assert!(html.matches("<script").count() <= html.matches(own).count(), "only our own script");
    for refused in [" style=", "<style", " onclick=", " onload=", "javascript:", "@import"] {
        assert!(!html.contains(refused), "has {refused}");
    }
    assert_eq!(html.matches("<link ").count(), 2, "the stylesheet and the icon, nothing else");
    assert!(html.contains("<html lang=\"en\""));
    assert!(html.contains("href=\"#main\"") && html.contains("id=\"main\""), "the skip link leads somewhere");
    assert_eq!(html.matches("<h1").count(), 1);
}

#[test]
fn pages_need_neither_script_nor_inline_style() {
    for page in messages() {
        assert_keeps_to_the_policy(&page.render().unwrap());
    }
    assert_keeps_to_the_policy(&bad_evening().render().unwrap());
    assert_keeps_to_the_policy(&first_day().render().unwrap());
    for remote in ["@import", "url(", "http:", "https:"] {
        assert!(!STYLE.contains(remote), "the stylesheet loads nothing: {remote}");
    }
}

#[test]
fn every_class_that_a_page_uses_has_a_rule() {
    let mut pages: Vec<String> = messages().iter().map(|page| page.render().unwrap()).collect();
    pages.push(bad_evening().render().unwrap());
    pages.push(first_day().render().unwrap());
    let structural = ["status", "stand", "none"];
    for html in pages {
        for classes in html.split("class=\"").skip(1) {
            let classes = classes.split('"').next().unwrap();
            for class in classes.split_whitespace().filter(|class| !structural.contains(class)) {
                assert!(STYLE.contains(&format!(".{class}")), "no rule for .{class}");
            }
        }
    }
}

#[test]
fn whatever_did_not_end_well_says_what_to_do() {
    for page in messages() {
        assert!(!page.paragraphs.is_empty(), "{}", page.heading);
        if page.tone != Tone::Good {
            assert!(!page.steps.is_empty(), "{} leaves the reader alone", page.heading);
        }
    }
}

#[test]
fn names_are_escaped_on_pages() {
    let hostile = "<script>alert('x')</script>\"&";
    let page =
        MessagePage::wrong_company(Provider::Quickbooks, hostile, hostile, Some(URL)).with_contact(Some(hostile));
    let html = page.render().unwrap();
    assert!(!html.contains("<script"), "{html}");
    assert!(html.contains("&#60;script&#62;"), "{html}");
    let mut status = bad_evening();
    status.connections.rows[0].company = hostile.to_owned();
    status.orders[0].status = hostile.to_owned();
    status.frame.links = vec![(hostile.to_owned(), "/x\"><b>".to_owned())];
    let html = status.render().unwrap();
    assert!(!html.contains("<script>") && !html.contains("<b>\""), "{html}");
}

#[test]
fn a_repair_of_the_wrong_company_names_both() {
    let page = MessagePage::wrong_company(Provider::Quickbooks, "Harbor Books LLC", "Tidewater", Some(URL));
    let said = page.paragraphs.join(" ");
    assert!(
        said.contains("“Harbor Books LLC”") && said.contains("“Tidewater”") && said.contains("nothing was changed")
    );
}

#[test]
fn a_fault_of_ours_offers_no_second_try() {
    let page = |verdict| MessagePage::exchange_failed(Provider::Quickbooks, verdict, Some(URL), None);
    assert!(page(Verdict::OperatorFault).action.is_none());
    assert!(page(Verdict::Transient).action.is_some());
}

#[test]
fn orders_wait_until_both_providers_are_connected() {
    let half = MessagePage::connected(Provider::Hubspot, "x", "y", 3, Some((Provider::Quickbooks, URL)));
    assert!(half.paragraphs.join(" ").contains("3 orders wait until both are connected"));
    assert_eq!(half.action, Some(("Connect QuickBooks".to_owned(), URL.to_owned())));
    let whole = MessagePage::connected(Provider::Hubspot, "x", "y", 0, None);
    assert!(whole.action.is_none() && whole.paragraphs.join(" ").contains("No order had to wait"));
}

#[test]
fn the_headline_names_the_worst() {
    let title = |page: &StatusPage| {
        let html = page.render().unwrap();
        html.split("<h1>").nth(1).unwrap().split('<').next().unwrap().to_owned()
    };
    let mut page = bad_evening();
    page.checks[0].state = State::Fail;
    assert_eq!(title(&page), "1 check fails");
    page.checks.clear();
    page.needs = Needs { pressing: 2, first: Some("Our own fault: HubSpot".to_owned()), known: 1, held: 30 };
    assert_eq!(title(&page), "2 alerts need you");
    page.needs.pressing = 1;
    assert_eq!(title(&page), "Our own fault: HubSpot");
    page.needs.pressing = 0;
    assert_eq!(title(&page), "30 mails to owners are held until you decide");
    page.needs.held = 0;
    assert_eq!(title(&page), "1 connection waits for its owner");
    page.connection_counts.lapsed = 0;
    assert_eq!(title(&page), "7 orders wait for a person");
    page.parked = Listing::default();
    assert_eq!(title(&page), "Outage of QuickBooks; what needs it waits");
    page.outages.clear();
    assert_eq!(title(&page), "1 connection fails to renew");
    page.connection_counts.failing = 0;
    assert_eq!(title(&page), "1 alert is open, and somebody knows");
    page.needs.known = 0;
    assert_eq!(title(&page), "All 308 lamps are lit");
    assert_eq!(title(&first_day()), "Nothing is connected yet");
}

#[test]
fn the_status_page_says_what_it_leaves_out_and_when_it_looks_again() {
    let html = bad_evening().render().unwrap();
    assert!(html.contains("showing 6 of 312"));
    assert!(html.contains("<meta http-equiv=\"refresh\" content=\"10\">"));
    assert!(html.contains("title=\"21 Nov 2026, 23:12 UTC\">in 42 min</time>"), "{html}");
    let first = first_day().render().unwrap();
    assert!(!first.contains("http-equiv=\"refresh\""));
    assert!(first.contains("lamplighter account add"));
}

#[test]
fn a_clock_shows_what_is_left() {
    let hour = chrono::TimeDelta::hours(1);
    let runs = |from, until| TokenClock::Runs { from, until };
    let fresh = runs(now(), now() + hour);
    assert_eq!((fresh.left(now()), fresh.tone(now())), (100, Tone::Good));
    assert_eq!(fresh.left(now() - hour), 100, "a clock wound in the future is full");
    assert_eq!(fresh.tone(now() + hour * 9 / 10), Tone::Warn);
    assert_eq!((fresh.left(now() + hour), fresh.tone(now() + hour)), (0, Tone::Bad));
    assert_eq!(runs(now(), now()).left(now()), 0, "no length, nothing left");
    let idle = [TokenClock::Endless, TokenClock::Unknown, TokenClock::Void].map(|clock| clock.idle());
    assert_eq!(idle, ["no end", "none", "void"]);
}
