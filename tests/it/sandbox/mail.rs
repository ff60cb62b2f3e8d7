//! Mail over real SMTP, and the pages that show it.

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::MultiPart,
    transport::smtp::authentication::{Credentials, Mechanism},
};

use super::Town;

fn letter() -> Message {
    let body = MultiPart::alternative_plain_html(
        "Dear Ada,\r\n.\r\n..dots\r\n".to_owned(),
        "<html><head></head><body><p title=\"x\">Dear Ada</p></body></html>".to_owned(),
    );
    let letter = Message::builder().from("Lamplighter <lamp@x.io>".parse().unwrap());
    let letter = letter.to("Ada <ada@x.io>".parse().unwrap()).subject("Café reconnect");
    letter.multipart(body).unwrap()
}

fn post(town: &Town, mechanism: Mechanism) -> AsyncSmtpTransport<Tokio1Executor> {
    let at = town.sandbox.smtp_addr();
    AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(at.ip().to_string())
        .port(at.port())
        .credentials(Credentials::new("lamp".to_owned(), "secret".to_owned()))
        .authentication(vec![mechanism])
        .build()
}

#[tokio::test]
async fn a_mail_is_kept_whole_and_shown() {
    let town = Town::start().await;
    for mechanism in [Mechanism::Plain, Mechanism::Login] {
        post(&town, mechanism).send(letter()).await.unwrap();
    }
    let mails = town.sandbox.mails();
    assert_eq!(mails.len(), 2);
    let mail = &mails[0];
    assert_eq!((mail.subject.as_str(), mail.from.as_str()), ("Café reconnect", "lamp@x.io"));
    assert_eq!(mail.to, ["ada@x.io"]);
    assert_eq!(mail.text.trim_end(), "Dear Ada,\r\n.\r\n..dots");
    let list = town.http.get(town.sandbox.http_url().join("mailbox").unwrap()).send().await.unwrap();
    assert!(list.text().await.unwrap().contains("<a href=/mailbox/1>Café reconnect</a>"));
    let page = town.http.get(town.sandbox.http_url().join("mailbox/1").unwrap()).send().await.unwrap();
    let page = page.text().await.unwrap();
    assert!(page.contains("sandbox=\"allow-popups") && page.contains("src=\"/mailbox/1/html\""));
    let html = town.http.get(town.sandbox.http_url().join("mailbox/1/html").unwrap()).send().await.unwrap();
    let policy = html.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(html.text().await.unwrap().contains("<p title=\"x\">Dear Ada"));
    town.sandbox.forget_mails();
    assert!(town.sandbox.mails().is_empty());
}

#[tokio::test]
async fn a_refusal_reaches_the_sender() {
    let town = Town::start().await;
    let plain = post(&town, Mechanism::Plain);
    town.sandbox.refuse_mail(Some(451));
    assert!(plain.send(letter()).await.unwrap_err().is_transient());
    town.sandbox.refuse_mail(Some(550));
    assert!(plain.send(letter()).await.unwrap_err().is_permanent());
    town.sandbox.refuse_mail(None);
    plain.send(letter()).await.unwrap();
    assert_eq!(town.sandbox.mails().len(), 1);
}
