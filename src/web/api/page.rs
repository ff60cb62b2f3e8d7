//! The document as a page for people: made on the server from the very document that programs read, so both say the same.

use std::sync::Arc;

use askama::Template;
use axum::{
    http::StatusCode,
    response::{Html, IntoResponse as _, Response},
};
use serde_json::Value;

use super::problem::{Kind, Problem};
use crate::{api_keys::Scope, words};

#[derive(Template)]
#[template(path = "api.html")]
struct ApiPage {
    version: String,
    introduction: Vec<String>,
    scopes: Vec<(&'static str, &'static str)>,
    sections: Vec<Section>,
    problems: Vec<(&'static str, u16, &'static str)>,
    schemas: Vec<Schema>,
}

struct Section {
    anchor: String,
    name: String,
    description: String,
    operations: Vec<Operation>,
}

struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    scope: Option<String>,
    fields: Vec<Field>,
    body: Option<Kinded>,
    replies: Vec<Reply>,
    /// Statuses that mean here what they mean everywhere.
    usual: Vec<String>,
}

struct Reply {
    status: String,
    description: String,
    kind: Option<Kinded>,
}

/// A schema by name, with a link where it has one.
struct Kinded {
    words: String,
    link: Option<String>,
}

struct Field {
    name: String,
    kind: Kinded,
    required: bool,
    description: String,
}

struct Schema {
    name: String,
    description: String,
    fields: Vec<Field>,
    choices: Vec<String>,
    example: Option<String>,
}

/// Renders the page; it never changes while the process lives.
pub(super) fn render(document: &Value) -> Result<String, askama::Error> {
    let page = ApiPage {
        version: text(&document["info"]["version"]),
        introduction: text(&document["info"]["description"]).split("\n\n").map(plain).collect(),
        scopes: Scope::ALL.iter().map(|scope| (scope.as_str(), scope.allows())).collect(),
        sections: each(&document["tags"]).map(|tag| section(document, tag)).collect(),
        problems: Kind::ALL.iter().map(|kind| (kind.slug(), kind.status().as_u16(), kind.title())).collect(),
        schemas: pairs(&document["components"]["schemas"]).map(|(name, schema)| schema_of(name, schema)).collect(),
    };
    page.render()
}

/// Serves it.
pub(super) async fn serve(page: Arc<Result<String, askama::Error>>) -> Response {
    match page.as_ref() {
        Ok(page) => (StatusCode::OK, Html(page.clone())).into_response(),
        Err(cause) => Problem::internal(&cause.to_string()).into_response(),
    }
}

fn section(document: &Value, tag: &Value) -> Section {
    let name = text(&tag["name"]);
    let mut operations = Vec::new();
    for (path, item) in pairs(&document["paths"]) {
        let of_tag = pairs(item).filter(|(_, operation)| each(&operation["tags"]).any(|one| *one == name));
        operations.extend(of_tag.map(|(method, operation)| operation_of(method, path, operation)));
    }
    Section { anchor: name.replace(' ', "-"), description: text(&tag["description"]), name, operations }
}

fn operation_of(method: &str, path: &str, operation: &Value) -> Operation {
    let words = [text(&operation["summary"]), text(&operation["description"])];
    let (usual, own): (Vec<_>, Vec<_>) = pairs(&operation["responses"]).partition(|(status, reply)| {
        Kind::ALL.iter().any(|kind| kind.status().as_str() == *status && reply["description"] == kind.title())
    });
    Operation {
        id: text(&operation["operationId"]),
        method: method.to_ascii_uppercase(),
        path: path.to_owned(),
        summary: plain(words.iter().filter(|words| !words.is_empty()).cloned().collect::<Vec<_>>().join(" ").as_str()),
        scope: operation["security"][0]["key"][0].as_str().map(str::to_owned),
        fields: each(&operation["parameters"])
            .map(|one| Field {
                name: text(&one["name"]),
                kind: kinded(&one["schema"]),
                required: one["required"] == true,
                description: plain(&text(&one["description"])),
            })
            .collect(),
        body: operation.get("requestBody").map(|body| kinded(&body["content"]["application/json"]["schema"])),
        usual: usual.into_iter().map(|(status, _)| status.to_owned()).collect(),
        replies: own
            .into_iter()
            .map(|(status, reply)| Reply {
                status: status.to_owned(),
                description: plain(&text(&reply["description"])),
                kind: pairs(&reply["content"]).next().map(|(_, content)| kinded(&content["schema"])),
            })
            .collect(),
    }
}

fn schema_of(name: &str, schema: &Value) -> Schema {
    let required: Vec<_> = each(&schema["required"]).filter_map(Value::as_str).collect();
    let choices = each(&schema["enum"]).chain(each(&schema["oneOf"]).flat_map(|one| each(&one["enum"])));
    Schema {
        name: name.to_owned(),
        description: plain(&text(&schema["description"])),
        fields: pairs(&schema["properties"])
            .map(|(name, field)| Field {
                name: name.to_owned(),
                kind: kinded(field),
                required: required.contains(&name),
                description: plain(&text(&field["description"])),
            })
            .collect(),
        choices: choices.map(text).collect(),
        example: schema.get("example").and_then(|example| serde_json::to_string_pretty(example).ok()),
    }
}

fn kinded(schema: &Value) -> Kinded {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return Kinded { words: name.to_owned(), link: Some(format!("#schema-{name}")) };
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        let all: Vec<_> = each(&schema[choice]).map(kinded).filter(|one| one.words != "null").collect();
        if !all.is_empty() {
            let link = all.iter().find_map(|one| one.link.clone());
            return Kinded { words: all.into_iter().map(|one| one.words).collect::<Vec<_>>().join(" or "), link };
        }
    }
    let names: Vec<_> = match &schema["type"] {
        Value::Array(all) => all.iter().map(text).filter(|one| one != "null").collect(),
        one => vec![text(one)],
    };
    let kind = names.join(" or ");
    if kind == "array" {
        let of = kinded(&schema["items"]);
        return Kinded { words: format!("list of {}", of.words), link: of.link };
    }
    let choices: Vec<_> = each(&schema["enum"]).map(text).collect();
    let words = match (choices.is_empty(), schema["format"].as_str()) {
        (false, _) => choices.join(", "),
        (true, Some(format)) if kind == "string" => format.to_owned(),
        (true, _) if kind.is_empty() => "any".to_owned(),
        (true, _) => kind,
    };
    Kinded { words, link: None }
}

/// Words without the line breaks of their source.
fn plain(words: &str) -> String {
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn text(value: &Value) -> String {
    value.as_str().map(str::to_owned).unwrap_or_default()
}

fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn pairs(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}
