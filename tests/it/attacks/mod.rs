//! What hostile clients try. Tokens that others sign are tried where they are read (`src/keys/issuers_tests.rs`), hostile sources in `hostile_feeds`.

mod bodies;
mod connections;
mod doors;
mod removed;
mod shares;

use quadrille::api::openapi_document;
use serde_json::Value;

/// An operation of the OpenAPI document.
#[derive(Clone, Debug)]
pub struct Operation {
    pub method: String,
    /// As the document names it, with `{id}` in it.
    pub path: String,
    /// Whether it may be asked without a key.
    pub is_open: bool,
    /// The media type of its body.
    pub body: Option<String>,
}

impl Operation {
    pub fn is_operators(&self) -> bool {
        self.path.starts_with("/v1/operator/")
    }
}

/// All that the document has.
pub fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(openapi_document()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let schemes = operation["security"].as_array();
            let is_open =
                schemes.is_none_or(|schemes| schemes.iter().any(|s| s.as_object().is_some_and(|s| s.is_empty())));
            let body =
                operation["requestBody"]["content"].as_object().and_then(|content| content.keys().next().cloned());
            operations.push(Operation { method: method.to_uppercase(), path: path.clone(), is_open, body });
        }
    }
    assert!(operations.len() > 60, "the document told next to nothing");
    operations
}

/// A body that the document gives as an example for an operation; else an empty object.
pub fn example(operation: &Operation) -> Value {
    let document = serde_json::to_value(openapi_document()).unwrap();
    let method = operation.method.to_lowercase();
    let content = &document["paths"][&operation.path][&method]["requestBody"]["content"]["application/json"];
    let schema = content["schema"]["$ref"].as_str().and_then(|name| name.rsplit('/').next());
    let schema = schema.map(|name| &document["components"]["schemas"][name]);
    let examples = [&content["example"], &content["examples"][0]].into_iter().chain(schema.map(|s| &s["examples"][0]));
    examples.into_iter().find(|example| example.is_object()).cloned().unwrap_or_else(|| serde_json::json!({}))
}
