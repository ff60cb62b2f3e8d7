//! The mails that warn of an end before it comes.

use super::*;

fn running_out(provider: Provider, call: Call) -> RunningOut<'static> {
    let left = TimeDelta::days(match call {
        Call::First => 60,
        Call::Reminder => 30,
        Call::Last => 7,
    });
    RunningOut {
        account: "Harbor Books",
        owner_name: "Mara Lindqvist",
        provider,
        company: match provider {
            Provider::Quickbooks => "Harbor Books LLC",
            Provider::Hubspot => "harborbooks.example",
        },
        call,
        ends_at: at("2027-02-21T22:30:00Z"),
        left: left - TimeDelta::minutes(11),
        reconnect_url: LINK,
        link_expires_at: at("2026-12-30T22:41:00Z"),
        support_contact: Some("support@operator.example"),
    }
}

fn running_out_resolved() -> RunningOutResolved<'static> {
    RunningOutResolved {
        account: "Harbor Books",
        owner_name: "Mara Lindqvist",
        provider: Provider::Quickbooks,
        company: "Harbor Books LLC",
        renewed_at: at("2026-12-28T08:05:00Z"),
        ends_at: Some(at("2031-12-27T08:05:00Z")),
        support_contact: Some("support@operator.example"),
    }
}

fn window_near(call: Call, reason: Reason) -> WindowNear<'static> {
    let running_out = running_out(Provider::Quickbooks, call);
    let evidence = match reason {
        Reason::OurFault => "invalid_client",
        Reason::SetAside => "vault",
        Reason::Outage | Reason::Failing | Reason::NotTried => "http_503",
    };
    WindowNear {
        provider: Provider::Quickbooks,
        call,
        connections: 37,
        earliest: running_out.ends_at,
        left: running_out.left,
        reason,
        with_reason: 37,
        evidence: Some(evidence),
    }
}

fn window_near_resolved() -> WindowNearResolved {
    WindowNearResolved {
        provider: Provider::Quickbooks,
        since: at("2026-12-23T22:30:00Z"),
        until: at("2026-12-28T08:05:00Z"),
        lost: 0,
    }
}

pub(super) fn all() -> Vec<(String, Rendered)> {
    let mut mails = Vec::new();
    for provider in Provider::ALL {
        for call in [Call::First, Call::Reminder, Call::Last] {
            let name = format!("running_out_{provider}_{call:?}").to_lowercase();
            mails.push((name, running_out(provider, call).render().unwrap()));
        }
    }
    mails.push(("running_out_resolved".to_owned(), running_out_resolved().render().unwrap()));
    let near = [(Call::First, Reason::OurFault), (Call::Reminder, Reason::SetAside), (Call::Last, Reason::Outage)];
    for (call, reason) in near {
        let name = format!("window_near_{call:?}").to_lowercase();
        mails.push((name, window_near(call, reason).render().unwrap()));
    }
    mails.push(("window_near_resolved".to_owned(), window_near_resolved().render().unwrap()));
    mails
}

fn read(mail: &Rendered) -> String {
    mail.text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_time_left_is_said_in_round_days() {
    let said = |left| RunningOut { left, ..running_out(Provider::Quickbooks, Call::Last) }.render().unwrap().subject;
    assert!(said(TimeDelta::days(7) - TimeDelta::minutes(29)).contains(" 7 days left"));
    assert!(said(TimeDelta::hours(30)).contains(" 1 day left"));
    assert!(said(TimeDelta::hours(3)).contains(" less than a day left"));
    let late = WindowNear { left: TimeDelta::days(-3), ..window_near(Call::Last, Reason::Failing) }.render().unwrap();
    assert!(late.subject.starts_with("Last call: time is up, and 37 connections"), "{}", late.subject);
    assert!(read(&late).contains("Every further day loses more of them"), "{}", late.text);
}

#[test]
fn each_step_says_what_follows_it() {
    for (call, next) in [(Call::First, "30 and 7 days before"), (Call::Reminder, "once more, 7 days before")] {
        assert!(read(&running_out(Provider::Quickbooks, call).render().unwrap()).contains(next), "{call:?}");
        assert!(read(&window_near(call, Reason::Failing).render().unwrap()).contains(next), "{call:?}");
    }
    let last = read(&running_out(Provider::Quickbooks, Call::Last).render().unwrap());
    assert!(last.contains("our last mail before that day") && !last.contains("remind you"), "{last}");
}

#[test]
fn each_reason_has_its_own_remedy() {
    let reasons = [Reason::OurFault, Reason::SetAside, Reason::Outage, Reason::NotTried];
    let remedies: std::collections::HashSet<_> = reasons
        .into_iter()
        .map(|reason| window_near(Call::First, reason).render().unwrap())
        .map(|mail| mail.text.lines().find(|line| line.starts_with("  1. ")).unwrap().to_owned())
        .collect();
    assert_eq!(remedies.len(), reasons.len());
    let said = |reason| read(&window_near(Call::First, reason).render().unwrap()).contains("The latest tries say:");
    assert!(said(Reason::OurFault) && said(Reason::Failing));
    assert!(!said(Reason::SetAside), "a rule of our own adds nothing");
    let some = WindowNear { with_reason: 12, ..window_near(Call::First, Reason::SetAside) }.render().unwrap();
    assert!(read(&some).contains("That is so for 12 of them."), "{}", some.text);
    let one = WindowNear { connections: 1, with_reason: 1, ..window_near(Call::First, Reason::OurFault) };
    assert!(one.render().unwrap().subject.contains("1 connection at QuickBooks is not"), "one is singular");
    let lost = WindowNearResolved { lost: 3, ..window_near_resolved() }.render().unwrap();
    assert!(read(&lost).contains("3 connections had run out before that"), "{}", lost.text);
}

#[test]
fn names_cannot_add_tags_or_headers_to_a_warning() {
    let hostile = "<script>alert('x')</script>\r\n\r\nBcc: all@example.com & \"co\"";
    let mails = [
        RunningOut {
            account: hostile,
            owner_name: hostile,
            company: hostile,
            support_contact: Some(hostile),
            ..running_out(Provider::Hubspot, Call::First)
        }
        .render(),
        RunningOutResolved {
            account: hostile,
            owner_name: hostile,
            company: hostile,
            support_contact: Some(hostile),
            ..running_out_resolved()
        }
        .render(),
        WindowNear { evidence: Some(hostile), ..window_near(Call::Last, Reason::Failing) }.render(),
    ];
    for mail in mails.map(Result::unwrap) {
        assert!(!mail.html.contains("<script") && mail.html.contains("&#60;script&#62;"), "{}", mail.html);
        assert!(!mail.subject.contains(['\r', '\n']), "{}", mail.subject);
        assert!(!mail.text.contains("\n\nBcc:"), "{}", mail.text);
    }
}
