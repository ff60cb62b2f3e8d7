//! The document itself, and a reply held against it.

use jsonschema::validator_for;
use serde_json::{Value, json};

use super::Reply;
use crate::harness::TestApp;

/// The operation that the document has for a path, if it has one.
fn operation<'a>(document: &'a Value, method: &str, path: &str) -> Option<&'a Value> {
    let path = format!("/api/v1{}", path.split('?').next().unwrap());
    let fits = |template: &str| {
        let (asked, told): (Vec<_>, Vec<_>) = (path.split('/').collect(), template.split('/').collect());
        asked.len() == told.len()
            && std::iter::zip(asked, told).all(|(one, other)| one == other || other.starts_with('{'))
    };
    let paths = document["paths"].as_object().unwrap();
    // A path without parameters goes before one with them.
    let found = paths.get(&path).or_else(|| paths.iter().find(|(template, _)| fits(template)).map(|(_, item)| item));
    found.and_then(|item| item.get(method.to_ascii_lowercase()))
}

/// The reply is one that the document names: status, media type, headers and content.
pub(super) fn check(document: &Value, method: &str, path: &str, reply: &Reply) {
    let place = format!("{method} {path} -> {}: {}", reply.status, reply.body);
    let Some(operation) = operation(document, method, path) else {
        assert!(matches!(reply.status, 404 | 405), "not in the document: {place}");
        return;
    };
    let told = &operation["responses"][reply.status.to_string()];
    assert!(told.is_object(), "the document does not know this reply: {place}");
    let media = reply.headers["content-type"].to_str().unwrap();
    let content = &told["content"][media];
    assert!(content.is_object(), "the document does not know {media}: {place}");
    for (name, _) in told["headers"].as_object().into_iter().flatten() {
        assert!(reply.headers.contains_key(name.as_str()), "{name} is missing: {place}");
    }
    assert!(reply.headers.contains_key("cache-control"), "{place}");
    let schema = json!({ "allOf": [content["schema"]], "components": document["components"] });
    let wrong: Vec<_> = validator_for(&schema)
        .unwrap()
        .iter_errors(&reply.body)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}: {place}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_openapi_3_1_and_whole() {
    let app = TestApp::start().await;
    let document = app.document().await;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let (mut ids, mut count) = (std::collections::BTreeSet::new(), 0);
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            count += 1;
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{method} {path}: its id is there twice");
            assert!(operation["summary"].as_str().is_some_and(|words| words.len() > 8), "{method} {path}");
            assert!(operation["security"][0]["key"][0].is_string(), "{method} {path} needs no key");
            for refusal in ["400", "401", "403", "429", "500", "503"] {
                assert!(operation["responses"][refusal].is_object(), "{method} {path}: {refusal}");
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(parameter["description"].is_string(), "{method} {path}: {parameter}");
            }
            if let Some(body) = operation.get("requestBody") {
                let schema = &body["content"]["application/json"];
                assert!(schema["schema"].is_object(), "{method} {path}: {body}");
            }
        }
    }
    assert!(count >= 24, "{count}");
    let text = document.to_string();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name} is not in the document");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_for_people_says_the_same_without_a_script() {
    let app = TestApp::start().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let reply = client.get(app.url("/api/v1")).send().await.unwrap();
    assert_eq!(reply.status(), 200);
    assert!(reply.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    let page = reply.text().await.unwrap();
    assert!(!page.contains("<script") && !page.contains("style="), "no script and no inline style");
    let document = app.document().await;
    for (path, item) in document["paths"].as_object().unwrap() {
        assert!(page.contains(&format!("<code>{path}</code>")), "{path}");
        for operation in item.as_object().unwrap().values() {
            assert!(page.contains(&format!("id=\"{}\"", operation["operationId"].as_str().unwrap())), "{operation}");
        }
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(page.contains(&format!("id=\"schema-{name}\"")), "{name}");
    }
    let ids: Vec<_> = page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let once: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(once.len(), ids.len(), "an anchor is there twice");
    for link in page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(ids.contains(&link), "#{link} leads nowhere");
    }
}
