//! What is wrong with this deployment itself, or with its mail: no customer did it, and none can help.

use super::{Said, provider, quoted, text};
use crate::{
    explain::{
        alert::{Facts, More},
        connection::rules,
        sentence,
    },
    store::alerts::Alert,
    words,
};

pub(super) fn webhook(alert: &Alert) -> Said {
    let (host, event) = (words::name(text(alert, "webhook_host")), words::name(text(alert, "event")));
    let happened = format!(
        "A message ({event}) for your service at {host} was tried for days and is given up. The last time: {}",
        quoted(alert, "message")
    );
    let means = "Your service does not know what that message told. Tokens, orders and owners are not touched by it.";
    let id = words::name(text(alert, "webhook_id"));
    Said::of(
        [happened, means.to_owned()],
        [
            "Look at the service and at what stands before it: its address, its certificate, its log.".to_owned(),
            format!("Try it until it is taken: `lamplighter webhook test {id}`."),
            "See what was missed: `lamplighter webhook deliveries --open`. Given-up messages are not sent again."
                .to_owned(),
        ],
        "New messages are still tried. When the service takes one, this is over.",
    )
}

pub(super) fn spool(alert: &Alert) -> Said {
    let host = words::name(text(alert, "spool_host"));
    let directory = words::line(text(alert, "spool_directory"), 300);
    let found = format!(
        "Renewed tokens that Postgres cannot take wait on disk, in {directory} on {host}. {}",
        quoted(alert, "message")
    );
    let (means, first, second) = match text(alert, "rule") {
        "spool_stuck" => (
            "These tokens are the newest there are: until they are stored, those in the database may be worthless.",
            "Do not delete the files.".to_owned(),
            "Look into the daemon’s log for why they are not stored: is `database.url` the database they belong to?",
        ),
        "spool_unreadable" => (
            "A reply with a renewed token was damaged on disk. Its connection may need its owner.",
            format!("Keep the files in {directory} that end in .unreadable, and look at the disk."),
            "Each name begins with its connection’s id: `lamplighter connection probe ID` tells whether that grant still \
             works. Then move the files elsewhere.",
        ),
        _ => (
            "Nothing is lost while Postgres answers. If it goes away during a renewal, the renewed token has nowhere to go.",
            format!("Look whether the disk is full or read-only: `df -h {directory}`."),
            "Let the user who runs lamplighter own `data_dir`.",
        ),
    };
    let doctor = "Run `lamplighter doctor` on that host.";
    Said::of([found, means.to_owned()], [first, second.to_owned(), doctor.to_owned()], "")
}

pub(super) fn fault(alert: &Alert) -> Said {
    let (provider, rule) = (provider(alert), text(alert, "rule"));
    let title = provider.title();
    let touched = "No customer was touched: nothing lapsed and no owner was mailed. Orders wait as access tokens run out; \
                   none is lost.";
    let compare = format!(
        "Compare `[providers.{provider}]` with the app’s page at {title}: client id, client secret, redirect address. Look \
         at this machine’s clock, DNS and TLS."
    );
    let mut said = Said::of(
        [format!("{title} refuses this deployment, not a customer: {}", quoted(alert, "message")), touched.to_owned()],
        [compare, "Run `lamplighter doctor` where the daemon runs: it checks each of these.".to_owned()],
        "It is tried again with growing pauses. When it works, every waiting connection is renewed and this is over.",
    );
    if !rule.is_empty() {
        said.happened.insert(1, sentence(&rules::words(provider, "refresh", rule)));
    }
    said
}

pub(super) fn set_aside(facts: &Facts) -> Said {
    let (alert, More::Tokens(resting)) = (&facts.alert, &facts.more) else { return Said::default() };
    let named = resting.companies.iter().map(|name| words::name(name)).collect::<Vec<_>>().join(", ");
    let whose = if named.is_empty() { String::new() } else { format!(" ({named})") };
    let todo = match alert.detail["key_id"].as_str() {
        Some(id) => format!("Put the vault key {} back into `vault.keys_file`.", words::name(id)),
        None => "Look at the disk and at who else writes to this database: the rows are damaged.".to_owned(),
    };
    let count = words::capitalised(&words::count(resting.count, "stored token"));
    Said::of(
        [
            format!("{count} cannot be opened{whose}. {}", quoted(alert, "message")),
            "Nothing was sent, and their owners cannot help.".to_owned(),
        ],
        [todo, "`lamplighter key list` shows which daemon lacks which key.".to_owned()],
        "Each is tried again within the hour.",
    )
}

pub(super) fn fence(alert: &Alert) -> Said {
    Said::of(
        [
            "This database looks restored or copied, so its grants may be in use elsewhere.".to_owned(),
            quoted(alert, "words"),
            "Nothing is spent, posted or mailed until somebody decides.".to_owned(),
        ],
        ["Look at what was found and decide: `lamplighter resume`.".to_owned()],
        "",
    )
}

pub(super) fn recipient(facts: &Facts) -> Said {
    let said = quoted(&facts.alert, "message");
    let (happened, todo) = match &facts.account {
        Some(account) => (
            format!(
                "The mail server does not take mail for {}, the owner of {}. It says: {said}",
                words::line(&account.owner_email, 254),
                words::name(&account.name)
            ),
            "Ask the customer for an address that works and enter it on the account’s page; or make a link there and send it \
             yourself.",
        ),
        None => (
            format!("The mail server does not take mail for the operator’s own address. It says: {said}"),
            "Set `alerts.operator_email` to an address that works, and restart the daemon.",
        ),
    };
    let unknown = "Whoever was to be told does not know yet. The mails wait in the outbox.";
    Said::of(
        [happened, unknown.to_owned()],
        [todo.to_owned()],
        "The mails are tried again with growing pauses; with a new address at once.",
    )
}

pub(super) fn smtp(alert: &Alert) -> Said {
    Said::of(
        [
            format!("Mails cannot be handed over: {}", quoted(alert, "message")),
            "They wait in the outbox; none is lost.".to_owned(),
        ],
        [
            "Correct `[smtp]`, and restart the daemon.".to_owned(),
            "Try it: `lamplighter alert test --to ADDRESS` says what the server answers.".to_owned(),
        ],
        "Every mail is tried again with growing pauses.",
    )
}
