//! The sandbox's few pages: what there is, and the mailbox. No script, no outside resource.

use std::sync::Arc;

use axum::{
    extract::{self, Path},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use chrono::{DateTime, Utc};

use super::{control, mailbox::Mail, portal::Shelf, state::World};
use crate::provider::Provider;

const STYLE: &str = "\
:root{color-scheme:light dark;--line:light-dark(#ddd6c8,#3a352c);--soft:light-dark(#6b6455,#a59d8c);\
--card:light-dark(#fff,#24211b);--accent:light-dark(#9a5b00,#f0b35a)}\
*{box-sizing:border-box}body{margin:0 auto;max-width:60rem;padding:2rem 1.25rem 4rem;\
font:16px/1.55 system-ui,sans-serif;background:light-dark(#faf7f1,#1a1814);color:light-dark(#27231b,#eae4d8)}\
a{color:var(--accent)}h1{font-size:1.5rem;margin:.2rem 0 1rem}h2{font-size:1.05rem;margin:2rem 0 .5rem}\
table{border-collapse:collapse;width:100%;background:var(--card);border:1px solid var(--line);border-radius:8px}\
td,th{padding:.5rem .75rem;text-align:left;overflow-wrap:anywhere;border-bottom:1px solid var(--line);vertical-align:top}\
tr:last-child td{border-bottom:0}th{font-weight:600;color:var(--soft);font-size:.85rem}\
small,.quiet{color:var(--soft)}.bad{border-left:3px solid #c0392b;padding-left:.75rem}\
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:1rem;overflow:auto;\
white-space:pre-wrap;overflow-wrap:anywhere;font-size:.85rem}\
iframe{width:100%;height:40rem;border:1px solid var(--line);border-radius:8px;background:#fff}\
.cards{list-style:none;padding:0;display:grid;gap:.6rem}.cards a{display:flex;flex-wrap:wrap;justify-content:space-between;\
gap:0 1rem;overflow-wrap:anywhere;padding:.9rem 1rem;background:var(--card);border:1px solid var(--line);border-radius:8px;\
text-decoration:none;color:inherit}.cards a:hover{border-color:var(--accent)}nav a{margin-right:1rem}";

/// A whole page. The body is HTML already; the title is not.
pub(super) fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!DOCTYPE html><html lang=en><head><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width,initial-scale=1\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><nav><a href=/>Sandbox</a><a href=/mailbox>Mailbox</a></nav>\
         <h1>{title}</h1>{body}</body></html>"
    )
}

/// Text made safe for HTML, in attributes too.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// `GET /`
pub(super) async fn index(extract::State(world): extract::State<Arc<World>>) -> Html<String> {
    let mut body = String::from(
        "<p>A simulated Intuit, HubSpot and mailbox. Nothing here is real and nothing outlives the process.</p>",
    );
    body += &table(
        ["QuickBooks company", "Name", "Documents"],
        world.see(|state| {
            let rows = state.books.iter();
            rows.map(|(realm, books)| [realm.clone(), books.name.clone(), books.documents().len().to_string()])
                .collect()
        }),
    );
    body += "<br>";
    body += &table(
        ["HubSpot portal", "Domain", "Orders"],
        world.see(|state| {
            let rows = state.portals.iter();
            rows.map(|(hub, portal)| {
                let orders = portal.records(Shelf::Orders).count().to_string();
                [hub.clone(), portal.domain.clone(), orders]
            })
            .collect()
        }),
    );
    for provider in Provider::ALL {
        let calls = world.token_calls(provider);
        let last = calls.last().map_or_else(|| "none yet".to_owned(), |call| shown(call.at));
        let connected = world.connected(provider).join(", ");
        let (title, count) = (provider.title(), calls.len());
        body += &format!(
            "<h2>{title}</h2><p>Token calls: {count}, the last {last}. Connected: {}</p>",
            escape(if connected.is_empty() { "nobody" } else { &connected })
        );
    }
    let base = escape(world.http.as_str().trim_end_matches('/'));
    body += &format!(
        "<h2>Make something happen</h2><pre>curl {base}/control -d '{{\"provider\":\"quickbooks\",\
         \"outage\":\"status_503\"}}'\ncurl {base}/control -d '{{\"revoke\":{{\"provider\":\"hubspot\",\
         \"company_id\":\"1234567\"}}}}'</pre><p>Mail goes to <code>{}</code>.</p><h2>Present state</h2><pre>{}</pre>",
        world.smtp,
        escape(&format!("{:#}", control::present(&world)))
    );
    Html(page("Lamplighter sandbox", &body))
}

/// `GET /mailbox`
pub(super) async fn mailbox(extract::State(world): extract::State<Arc<World>>) -> Html<String> {
    let mails = world.mails();
    if mails.is_empty() {
        return Html(page("Mailbox", "<p>No mail has arrived yet.</p>"));
    }
    let mut body = String::from("<table><tr><th>Subject<th>To<th>Arrived</tr>");
    for mail in mails.iter().rev() {
        let (subject, to) = (escape(&mail.subject), escape(&mail.to.join(", ")));
        body += &format!("<tr><td><a href=/mailbox/{}>{subject}</a><td>{to}<td>{}</tr>", mail.id, shown(mail.at));
    }
    Html(page("Mailbox", &(body + "</table>")))
}

/// `GET /mailbox/{id}`
pub(super) async fn mail(extract::State(world): extract::State<Arc<World>>, Path(id): Path<u64>) -> Response {
    match world.mails().into_iter().find(|mail| mail.id == id) {
        Some(mail) => Html(opened(&mail)).into_response(),
        None => {
            let body = "<p>There is no such mail. It may have been forgotten; the mailbox lists those that remain.</p>";
            (StatusCode::NOT_FOUND, Html(page("No such mail", body))).into_response()
        }
    }
}

/// `GET /mailbox/{id}/html`: the HTML part as it is, allowed to run and to fetch nothing.
pub(super) async fn mail_html(extract::State(world): extract::State<Arc<World>>, Path(id): Path<u64>) -> Response {
    let Some(mail) = world.mails().into_iter().find(|mail| mail.id == id) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // Links open beside the page: a frame around this may go nowhere.
    let base = "<base target=\"_blank\">";
    let html = match mail.html.split_once("<head>") {
        Some((before, after)) => format!("{before}<head>{base}{after}"),
        None => format!("{base}{}", mail.html),
    };
    let policy = "default-src 'none'; style-src 'unsafe-inline'";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response()
}

fn opened(mail: &Mail) -> String {
    let mut body = String::from("<table>");
    for (name, value) in &mail.headers {
        body += &format!("<tr><th>{}<td>{}</tr>", escape(name), escape(value));
    }
    body += &format!("<tr><th>Delivered to<td>{}</tr></table>", escape(&mail.to.join(", ")));
    if !mail.html.is_empty() {
        body += &format!(
            "<h2>HTML part</h2><p><a href=/mailbox/{0}/html>as a page of its own</a></p><iframe title=\"HTML part\" \
             sandbox=\"allow-popups allow-popups-to-escape-sandbox\" src=\"/mailbox/{0}/html\"></iframe>",
            mail.id
        );
    }
    page(&mail.subject, &format!("{body}<h2>Text part</h2><pre>{}</pre>", escape(&mail.text)))
}

fn table(heads: [&str; 3], rows: Vec<[String; 3]>) -> String {
    let heads = heads.map(|head| format!("<th>{head}")).concat();
    let rows = rows.iter().map(|row| {
        let cells = row.each_ref().map(|cell| format!("<td>{}", escape(cell))).concat();
        format!("<tr>{cells}</tr>")
    });
    format!("<table><tr>{heads}</tr>{}</table>", rows.collect::<String>())
}

fn shown(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}
