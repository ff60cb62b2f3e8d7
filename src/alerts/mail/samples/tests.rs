//! The rules that all mails keep, and snapshots of what they say.

mod warnings;

use super::*;

/// Whether a mail asks its reader to reconnect.
fn has_button(name: &str) -> bool {
    name.starts_with("lapsed")
        || name.starts_with("reminder")
        || (name.starts_with("running_out") && !name.ends_with("resolved"))
}

#[test]
fn text_parts_read_as_agreed() {
    for Sample { name, rendered: mail, .. } in all().unwrap() {
        insta::assert_snapshot!(name, mail.text);
    }
}

#[test]
fn subjects_tell_mails_apart() {
    let subjects: Vec<String> = all().unwrap().into_iter().map(|mail| mail.rendered.subject).collect();
    let mut distinct = subjects.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), subjects.len(), "two mails share a subject");
    insta::assert_snapshot!(subjects.join("\n"), @r"
    Action needed: reconnect QuickBooks for Harbor Books
    Action needed: QuickBooks permission for Harbor Books has expired
    Action needed: renew QuickBooks for Harbor Books (time limit reached)
    Action needed: reconnect QuickBooks for Harbor Books (a reply was lost)
    Action needed: reconnect QuickBooks for Harbor Books (connected a second time)
    Action needed: an admin must reconnect QuickBooks for Harbor Books
    Action needed: the QuickBooks subscription of Harbor Books has ended
    Action needed: QuickBooks no longer finds the company of Harbor Books
    Action needed: reconnect HubSpot for Harbor Books
    Action needed: HubSpot permission for Harbor Books has expired
    Action needed: renew HubSpot for Harbor Books (time limit reached)
    Action needed: reconnect HubSpot for Harbor Books (a reply was lost)
    Action needed: reconnect HubSpot for Harbor Books (connected a second time)
    Action needed: an admin must reconnect HubSpot for Harbor Books
    Action needed: the HubSpot subscription of Harbor Books has ended
    Action needed: HubSpot no longer finds the account of Harbor Books
    Reminder after 3 days: reconnect QuickBooks for Harbor Books
    Last reminder after 14 days: the QuickBooks subscription of Harbor Books has ended
    All clear: QuickBooks is connected again for Harbor Books
    Lamplighter setup fault: QuickBooks (invalid_client)
    Lamplighter setup fault resolved: QuickBooks (client_refused)
    Outage at QuickBooks since 21 Nov 2026, 22:30 UTC
    Outage at QuickBooks is over after 5 h 15 min
    Outage at the token endpoint of QuickBooks since 21 Nov 2026, 22:30 UTC
    Lamplighter holds back: its database looks restored or copied
    Lamplighter goes on: the database is accepted
    60 days left: renew the QuickBooks permission for Harbor Books LLC
    Reminder: 30 days left to renew the QuickBooks permission for Harbor Books LLC
    Last call: 7 days left to renew the QuickBooks permission for Harbor Books LLC
    60 days left: renew the HubSpot permission for harborbooks.example
    Reminder: 30 days left to renew the HubSpot permission for harborbooks.example
    Last call: 7 days left to renew the HubSpot permission for harborbooks.example
    20 days left: renew the QuickBooks permission for Harbor Books LLC
    5 days left: renew the QuickBooks permission for Harbor Books LLC
    All clear: the QuickBooks permission for Harbor Books LLC is renewed
    60 days left, and 37 connections at QuickBooks are not being renewed
    Reminder: 30 days left, and 37 connections at QuickBooks are not being renewed
    Last call: 7 days left, and 37 connections at QuickBooks are not being renewed
    All clear: no refresh window at QuickBooks is at risk any more
    Lamplighter: The vault key 1f0e2d3c is missing (7 connections)
    Lamplighter: The vault key 1f0e2d3c is no longer missing
    Lamplighter: Stored tokens are damaged (7 connections)
    Lamplighter: No stored token is damaged any more
    Lamplighter holds 19 mails to owners: 39 connections at QuickBooks lapsed at once
    Lamplighter: no mail to owners at QuickBooks is held any more
    Lamplighter cannot mail the owner of Harbor Books
    Lamplighter reaches the owner of Harbor Books again
    Lamplighter: 7 orders parked for a person
    Lamplighter: 7 orders are parked now, new ones among them
    Lamplighter: no order is parked any more
    Action needed: 2 orders of Harbor Books wait for a change in QuickBooks
    Action needed: 2 orders of Harbor Books wait for a change in QuickBooks, 1 of them new
    All clear: no order of Harbor Books waits for a change in QuickBooks
    Lamplighter: the spool on lamp-1 cannot be written
    Lamplighter: the spool on lamp-1 holds what cannot be read
    Lamplighter: the spool on lamp-1 is not emptied
    Lamplighter: the spool on lamp-1 works again
    Lamplighter: erp.operator.example does not take its webhooks
    Lamplighter: erp.operator.example is gone and was switched off
    Lamplighter: erp.operator.example takes its webhooks again
    Your fresh link for Harbor Books
    Lamplighter test mail from lamp-1
    ");
}

#[test]
fn html_parts_load_nothing_and_say_what_the_text_says() {
    for Sample { name, rendered: mail, .. } in all().unwrap() {
        let html = &mail.html;
        assert!(html.contains("<html lang=\"en\""), "{name}");
        assert!(html.contains("prefers-color-scheme: dark"), "{name}");
        for remote in ["<img", "<script", "<link", "url(", "@import", "src="] {
            assert!(!html.contains(remote), "{name} has {remote}");
        }
        let links = html.matches("href=").count();
        let own = html.matches(&format!("href=\"{LINK}\"")).count();
        let page = html.matches(&format!("href=\"{PAGE_URL}\"")).count();
        assert_eq!(links, own + page, "{name} links somewhere else");
        assert!(own == 0 || page == 1, "{name}: an owner who must act finds their page too");
        assert_eq!(own > 0, has_button(&name), "{name}: a button is for owners who must reconnect");
        let heading = mail.text.lines().next().unwrap();
        assert!(html.contains(heading), "{name}: {heading}");
    }
}

#[test]
fn text_lines_fit_and_the_link_stands_alone() {
    for Sample { name, rendered: mail, .. } in all().unwrap() {
        for line in mail.text.lines() {
            assert!(line == LINK || line.chars().count() <= 76, "{name}: {line}");
        }
        assert_eq!(mail.text.lines().any(|line| line == LINK), has_button(&name), "{name}");
    }
}

#[test]
fn names_cannot_add_tags_headers_or_paragraphs() {
    let hostile = "<script>alert('x')</script>\r\n\r\nBcc: all@example.com & \"co\"";
    let mail = Lapsed {
        account: hostile,
        owner_name: hostile,
        company: hostile,
        support_contact: Some(hostile),
        page: page(),
        correlation_id: Some(hostile),
        ..lapsed(Provider::Quickbooks, Cause::Revoked)
    }
    .render()
    .unwrap();
    assert!(!mail.html.contains("<script"), "{}", mail.html);
    assert!(!mail.html.contains("& \""), "{}", mail.html);
    assert!(mail.html.contains("&#60;script&#62;"), "{}", mail.html);
    assert!(!mail.subject.contains(['\r', '\n']), "{}", mail.subject);
    assert!(!mail.text.lines().any(|line| line.starts_with("Bcc:")), "{}", mail.text);
    let fault = OperatorFault { message: hostile, rule: hostile, code: None, ..operator_fault() };
    let fault = fault.render().unwrap();
    assert!(!fault.html.contains("<script") && !fault.subject.contains('\n'));
    let outage = OutageOpened { evidence: hostile, ..outage_opened() }.render().unwrap();
    assert!(!outage.html.contains("<script"));
    let held = RestoreFence { found: hostile, daemon: hostile, ..restore_fence() }.render().unwrap();
    assert!(!held.html.contains("<script"));
}

#[test]
fn a_lapse_has_one_to_three_steps_and_names_its_deadline() {
    for provider in Provider::ALL {
        for cause in CAUSES {
            let mail = lapsed(provider, cause).render().unwrap();
            let steps = mail
                .text
                .lines()
                .filter(|line| ["  1. ", "  2. ", "  3. ", "  4. "].iter().any(|mark| line.starts_with(mark)));
            let steps = steps.count();
            assert!((1..=3).contains(&steps), "{provider} {cause:?}: {steps}");
            assert!(mail.text.contains("28 Nov 2026, 22:30 UTC"), "{provider} {cause:?}");
            assert!(mail.subject.starts_with("Action needed: "), "{}", mail.subject);
        }
    }
}

#[test]
fn counts_are_said_in_words_that_agree() {
    let said = |waiting_orders| {
        let mail = Lapsed { waiting_orders, ..lapsed(Provider::Quickbooks, Cause::Revoked) };
        mail.render().unwrap().text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(said(0).contains("No order is waiting at this moment."));
    assert!(said(1).contains("1 order is waiting at this moment."));
    assert!(said(12_480).contains("12,480 orders are waiting at this moment."));
    let caught_up = |posted_orders, waiting_orders| {
        let mail = Recovered { posted_orders, waiting_orders, ..recovered() }.render().unwrap();
        mail.text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(caught_up(1, 0).contains("What was missed is caught up: 1 order went into QuickBooks since, each once."));
    assert!(
        caught_up(3, 1).contains("3 orders went into QuickBooks since, and 1 more is on its way; each arrives once.")
    );
    assert!(caught_up(0, 2).contains("The 2 orders that waited are on their way"));
    assert!(caught_up(0, 0).contains("No order had to wait"));
    let short = Recovered { recovered_at: recovered().lapsed_at + TimeDelta::minutes(5), ..recovered() };
    assert!(short.render().unwrap().text.contains("Was out for: 5 min"));
}

#[test]
fn without_a_contact_nothing_is_left_open() {
    let mail = Lapsed {
        support_contact: None,
        page: page(),
        last_good_at: None,
        correlation_id: None,
        ..lapsed(Provider::Hubspot, Cause::ReplyLost)
    };
    let text = mail.render().unwrap().text;
    let read = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(read.contains("After that it offers to mail you a fresh one."), "{text}");
    assert!(!text.contains("Questions?") && !text.contains("Last seen working"), "{text}");
}

#[test]
fn a_deleted_portal_is_not_said_to_keep_its_orders() {
    let said = |cause| {
        let text = lapsed(Provider::Hubspot, cause).render().unwrap().text;
        text.split_whitespace().collect::<Vec<_>>().join(" ").contains("They stay in HubSpot")
    };
    assert!(said(Cause::Revoked));
    assert!(!said(Cause::PortalDeleted));
}
