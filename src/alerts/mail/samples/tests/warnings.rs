//! What the early warnings say in each case.

use super::{super::warnings::*, *};

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
