//! The daemon dies at each step of a document's life, and the next one does what is left of it, once.

use std::{collections::BTreeMap, fs::File, os::unix::process::ExitStatusExt as _};

use lamplighter::{
    provider::quickbooks::DocumentKind::{RefundReceipt, SalesReceipt},
    sandbox::{Deed, Sandbox, Visitor},
};
use nix::sys::signal::Signal;

use super::{Daemon, Installation, number, town, until};
use crate::{
    harness::{HUB, REALM, left_behind, new_database, order},
    orders::DEARER,
};

/// What happens to an order, and where the daemon dies over it.
const STEPS: [(&str, What); 11] = [
    ("create_answered", What::Placed),
    ("create_kept", What::Placed),
    ("change_decided", What::Edited),
    ("change_answered", What::Edited),
    ("change_kept", What::Edited),
    ("void_planned", What::Cancelled),
    ("void_answered", What::Cancelled),
    ("void_kept", What::Cancelled),
    ("refund_planned", What::Refunded),
    ("refund_answered", What::Refunded),
    ("refund_kept", What::Refunded),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Placed,
    Edited,
    Cancelled,
    Refunded,
}

impl What {
    fn befall(self, sandbox: &Sandbox, id: &str) {
        let set = |pairs: &[(&str, &str)]| {
            let pairs: BTreeMap<_, _> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            assert!(sandbox.edit_order(HUB, id, &pairs));
        };
        match self {
            Self::Placed => {}
            Self::Edited => set(&DEARER),
            Self::Cancelled => set(&[("hs_external_order_status", "cancelled")]),
            Self::Refunded => set(&[("hs_payment_status", "refunded")]),
        }
    }

    fn deeds(self) -> &'static [Deed] {
        match self {
            Self::Placed | Self::Refunded => &[Deed::Created],
            Self::Edited => &[Deed::Created, Deed::Changed],
            Self::Cancelled => &[Deed::Created, Deed::Voided],
        }
    }
}

/// A daemon that ends at this place when it comes there.
pub(super) fn dying_at(installation: &Installation, place: &str) -> Daemon {
    let output = installation.home.path().join("output");
    let file = File::options().create(true).append(true).open(&output).unwrap();
    let mut command = installation.command(&["serve"]);
    command.env("LAMPLIGHTER_FAILPOINTS", format!("{place}=1"));
    let child = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
    Daemon { child, output, url: installation.url(), visitor: Visitor::new().unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_dies_at_any_step_of_a_document_leaves_it_to_the_next_one() {
    let (sandbox, database) = (town().await, new_database().await);
    let installation = Installation::on(&sandbox, &database).await;
    let installation = installation.set("orders.lease", "3s").set("providers.timeout", "1s");
    let daemon = installation.up().await;
    installation.connect(&sandbox).await;
    let place = |n: usize| sandbox.place_order(HUB, order(&format!("STEP-{n}"), 1_000));
    let mut ids: Vec<_> =
        STEPS.iter().enumerate().map(|(n, (_, what))| (*what != What::Placed).then(|| place(n))).collect();
    let posted = i64::try_from(ids.iter().flatten().count()).unwrap();
    until("the orders to be posted", async || {
        (number(&database, "select count(*) from orders where status = 'posted'").await == posted).then_some(())
    })
    .await;
    daemon.terminate().await;
    for (n, (step, what)) in STEPS.iter().enumerate() {
        let id = ids[n].get_or_insert_with(|| place(n)).clone();
        what.befall(&sandbox, &id);
        let mut daemon = dying_at(&installation, step);
        assert_eq!(daemon.ended().await.signal(), Some(Signal::SIGKILL as i32), "{step}:\n{}", daemon.output());
    }
    let daemon = installation.up().await;
    until("every order settled", async || {
        let open = number(&database, "select count(*) from orders where status in ('queued', 'parked')").await;
        (open == 0 && left_behind(database.clone()).await == 0).then_some(())
    })
    .await;
    daemon.terminate().await;
    let documents = sandbox.documents(REALM);
    for ((step, what), id) in STEPS.iter().zip(ids.iter().flatten()) {
        let of = |number: String| {
            documents.iter().filter(move |d| d.doc_number.as_ref() == Some(&number)).collect::<Vec<_>>()
        };
        let sales = of(format!("HS-{id}"));
        assert_eq!((sales.len(), sales[0].kind), (1, SalesReceipt), "{step}");
        assert_eq!(sales[0].writes.iter().map(|write| write.deed).collect::<Vec<_>>(), what.deeds(), "{step}");
        let refunds = of(format!("HS-{id}-R1"));
        assert_eq!(refunds.len(), usize::from(*what == What::Refunded), "{step}");
        assert!(refunds.iter().all(|refund| refund.kind == RefundReceipt && refund.total == sales[0].total), "{step}");
    }
    let refunded = STEPS.iter().filter(|(_, what)| *what == What::Refunded).count();
    assert_eq!(documents.len(), STEPS.len() + refunded, "nothing was made twice");
    assert_eq!(number(&database, "select count(*) from documents where document_id is null").await, 0);
    assert_eq!(sandbox.mails().len(), 0, "somebody was mailed about a crash that healed");
}
