//! The mails that warn of an end before it comes.

use super::*;

pub(super) fn running_out(provider: Provider, call: Call) -> RunningOut<'static> {
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
        is_first: call == Call::First,
        ends_at: at("2027-02-21T22:30:00Z"),
        left: left - TimeDelta::minutes(11),
        reconnect_url: LINK,
        link_expires_at: at("2026-12-30T22:41:00Z"),
        support_contact: Some("support@operator.example"),
        page: page(),
    }
}

pub(super) fn running_out_resolved() -> RunningOutResolved<'static> {
    RunningOutResolved {
        account: "Harbor Books",
        owner_name: "Mara Lindqvist",
        provider: Provider::Quickbooks,
        company: "Harbor Books LLC",
        renewed_at: at("2026-12-28T08:05:00Z"),
        ends_at: Some(at("2031-12-27T08:05:00Z")),
        support_contact: Some("support@operator.example"),
        page: page(),
    }
}

pub(super) fn window_near(call: Call, reason: Reason) -> WindowNear<'static> {
    let running_out = running_out(Provider::Quickbooks, call);
    let evidence = match reason {
        Reason::OurFault => "invalid_client",
        Reason::SetAside => "vault",
        Reason::Outage | Reason::Failing | Reason::NotTried => "http_503",
    };
    WindowNear {
        provider: Provider::Quickbooks,
        call,
        is_first: call == Call::First,
        connections: 37,
        earliest: running_out.ends_at,
        left: running_out.left,
        reason,
        with_reason: 37,
        evidence: Some(evidence),
    }
}

pub(super) fn window_near_resolved() -> WindowNearResolved {
    WindowNearResolved {
        provider: Provider::Quickbooks,
        since: at("2026-12-23T22:30:00Z"),
        until: at("2026-12-28T08:05:00Z"),
        lost: 0,
    }
}

pub(super) fn all() -> Result<Vec<Sample>, askama::Error> {
    let mut mails = Vec::new();
    for provider in Provider::ALL {
        for call in [Call::First, Call::Reminder, Call::Last] {
            let name = format!("running_out_{provider}_{call:?}").to_lowercase();
            mails.push(Sample::owner(name, running_out(provider, call).render()?));
        }
    }
    for (name, call, days) in [("late", Call::Reminder, 20), ("very_late", Call::Last, 5)] {
        let late =
            RunningOut { is_first: true, left: TimeDelta::days(days), ..running_out(Provider::Quickbooks, call) };
        mails.push(Sample::owner(format!("running_out_first_told_{name}"), late.render()?));
    }
    mails.push(Sample::owner("running_out_resolved", running_out_resolved().render()?));
    let near = [(Call::First, Reason::OurFault), (Call::Reminder, Reason::SetAside), (Call::Last, Reason::Outage)];
    for (call, reason) in near {
        let name = format!("window_near_{call:?}").to_lowercase();
        mails.push(Sample::operator(name, window_near(call, reason).render()?));
    }
    mails.push(Sample::operator("window_near_resolved", window_near_resolved().render()?));
    Ok(mails)
}
