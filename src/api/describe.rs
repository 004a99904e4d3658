//! What holds for many operations and schemas at once, and so is said once: refusals that any route of a kind may give, and which members of answers are
//! always there.

use std::collections::BTreeSet;

use serde_json::Value;
use utoipa::Modify;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::{ArrayBuilder, ArrayItems, Object, Schema, SchemaType};
use utoipa::openapi::{
    Content, ObjectBuilder, OpenApi, Ref, RefOr, ResponseBuilder, ServerBuilder, Type, path::Parameter,
};
use utoipa::{PartialSchema, ToSchema};

use super::problem::{Code, ProblemBody};

/// Where a schema of the document stands.
const SCHEMAS: &str = "#/components/schemas/";

pub struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut OpenApi) {
        let here = ServerBuilder::new().url("/").description(Some("The service that gave this document"));
        document.servers = Some(vec![here.build()]);
        for (path, item) in &mut document.paths.paths {
            for operation in operations(item) {
                add_refusals(path, operation);
                name_parameters(operation);
            }
        }
        tell_what_is_always_there(document);
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}

/// Refusals that have nothing to do with what a route does.
fn add_refusals(path: &str, operation: &mut Operation) {
    if operation.security.is_some() {
        let limited = refusal(Code::RateLimited, ", with `Retry-After`: this key asks too often");
        let limited = limited
            .header("Retry-After", header(Type::Integer, "Seconds until it may ask again"))
            .header("RateLimit", header(Type::String, "What the key has left: `\"key\";r=0;t=1`"))
            .header("RateLimit-Policy", header(Type::String, "What the key may ask: `\"key\";q=2000;w=2`"));
        add(operation, "429", limited);
    }
    if operation.request_body.is_some() {
        add(operation, "408", refusal(Code::BodyTimeout, ""));
    }
    if path.contains('{') {
        add(operation, "404", refusal(Code::NotFound, ""));
    }
    let takes_any = operation.tags.iter().flatten().any(|tag| tag == "playback") || path == "/v1/multiview.m3u8";
    if operation.security.is_some() && !takes_any {
        add(operation, "422", refusal(Code::ParameterInvalid, ": it has no such query parameter"));
        if let Some(RefOr::T(there)) = operation.responses.responses.get_mut("422")
            && !there.description.contains("`parameter_invalid`")
        {
            there.description.push_str("; `parameter_invalid`: it has no such query parameter");
        }
    }
    if path.starts_with("/v1/") {
        add(operation, "500", refusal(Code::Internal, ": the log of the service says why"));
    }
}

fn add(operation: &mut Operation, status: &str, response: ResponseBuilder) {
    operation.responses.responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(response.build()));
}

fn refusal(code: Code, more: &str) -> ResponseBuilder {
    let body = Content::new(Some(Ref::from_schema_name(ProblemBody::name())));
    let description = format!("`{}`{more}", code.name());
    ResponseBuilder::new().description(description).content("application/problem+json", body)
}

fn header(kind: Type, description: &str) -> Header {
    let mut header = Header::new(Object::with_type(kind));
    header.description = Some(description.to_owned());
    header
}

/// What every route calls so is described once.
fn name_parameters(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(Parameter { name, description: description @ None, .. }) = parameter else { continue };
        *description = PARAMETERS.iter().find(|(known, _)| known == name).map(|(_, text)| (*text).to_owned());
    }
}

const PARAMETERS: [(&str, &str); 13] = [
    ("id", "As it was given when it was made, or as lists have it"),
    ("token", "The session's, from its `playback_url`"),
    ("rendition", "As in the multivariant playlist"),
    ("mosaic", "Opaque, as in the session's playlists"),
    ("game", "Id of the game"),
    ("skin", "Id of the skin"),
    ("name", "As in the multivariant playlist"),
    ("kind", "`video`, `keys`, `sound`, `audio` or `text`"),
    ("break", "Id of the break, or of its event"),
    ("layout", "Id of the layout"),
    ("audio", "What is heard first: a game, or one of its sounds beside its main one, as `nyk-bos/deu`"),
    ("engine", "`auto` when absent"),
    ("device_id", "Whatever the operator calls the device; 1 to 200 characters"),
];

/// In answers `null` stands for what there is none of: a member that can be `null` is always there, and one that may be absent is never `null`. What is sent
/// may leave out either.
fn tell_what_is_always_there(document: &mut OpenApi) {
    let sent = schemas_sent(document);
    for (name, schema) in document.components.iter_mut().flat_map(|components| &mut components.schemas) {
        if sent.contains(name) { allow_repeats(schema) } else { require_nullable(schema) }
    }
}

/// What is a set may be sent with one thing twice: it is taken once.
fn allow_repeats(schema: &mut RefOr<Schema>) {
    let RefOr::T(schema) = schema else { return };
    match schema {
        Schema::Array(array) => {
            array.unique_items = false;
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                allow_repeats(items);
            }
        }
        Schema::Object(object) => object.properties.values_mut().for_each(allow_repeats),
        Schema::OneOf(one) => one.items.iter_mut().for_each(allow_repeats),
        Schema::AllOf(all) => all.items.iter_mut().for_each(allow_repeats),
        Schema::AnyOf(any) => any.items.iter_mut().for_each(allow_repeats),
        _ => {}
    }
}

fn require_nullable(schema: &mut RefOr<Schema>) {
    match schema {
        RefOr::T(Schema::Object(object)) => {
            let nullable = object.properties.iter().filter(|(_, property)| is_nullable(property));
            for (name, _) in nullable {
                if !object.required.contains(name) {
                    object.required.push(name.clone());
                }
            }
        }
        RefOr::T(Schema::AllOf(all)) => all.items.iter_mut().for_each(require_nullable),
        _ => {}
    }
}

fn is_nullable(schema: &RefOr<Schema>) -> bool {
    let has_null = |kind: &SchemaType| match kind {
        SchemaType::Type(one) => *one == Type::Null,
        SchemaType::Array(several) => several.contains(&Type::Null),
        SchemaType::AnyValue => false,
    };
    match schema {
        RefOr::T(Schema::Object(object)) => has_null(&object.schema_type),
        RefOr::T(Schema::Array(array)) => has_null(&array.schema_type),
        RefOr::T(Schema::OneOf(one)) => one.items.iter().any(is_nullable),
        RefOr::T(_) | RefOr::Ref(_) => false,
    }
}

/// The schemas that bodies of requests are made of, to the last.
fn schemas_sent(document: &mut OpenApi) -> BTreeSet<String> {
    let mut waiting = BTreeSet::new();
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            referred(&serde_json::to_value(&operation.request_body).unwrap_or_default(), &mut waiting);
        }
    }
    let components = serde_json::to_value(&document.components).unwrap_or_default();
    let mut sent = BTreeSet::new();
    while let Some(name) = waiting.pop_first() {
        if sent.insert(name.clone()) {
            let mut more = BTreeSet::new();
            referred(&components["schemas"][&name], &mut more);
            waiting.extend(more.into_iter().filter(|name| !sent.contains(name)));
        }
    }
    sent
}

fn referred(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            found.extend(
                members.get("$ref").and_then(Value::as_str).and_then(|at| at.strip_prefix(SCHEMAS)).map(str::to_owned),
            );
            members.values().for_each(|member| referred(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| referred(item, found)),
        _ => {}
    }
}

// By hand: which members a refusal has beside the five depends on its code.
impl PartialSchema for ProblemBody {
    fn schema() -> RefOr<Schema> {
        let text = |about: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(about));
        let number = |about: &str| ObjectBuilder::new().schema_type(Type::Integer).description(Some(about));
        let names = ArrayBuilder::new().items(RefOr::<Schema>::from(Object::with_type(Type::String)));
        let example = serde_json::json!({
            "type": "about:blank", "title": "There is no such layout", "status": 404, "code": "layout_unknown",
            "detail": "There is no layout \"5X\" for 2 games; there are 2EH, 2PL, pip.", "field": "layout", "allowed": ["2EH", "2PL", "pip"],
        });
        let body = ObjectBuilder::new()
            .property("type", text("`about:blank`: `code` says what `type` would."))
            .property("title", text("The same for every refusal of this code."))
            .property("status", number("The HTTP status."))
            .property("code", Ref::from_schema_name(<Code as ToSchema>::name()))
            .property("detail", text("What happened, in a sentence, for people."))
            .property("field", text("Path of the body's field that is meant: `games[2]`; empty for the body itself."))
            .property("parameter", text("The query parameter or header that is meant."))
            .property("allowed", names.description(Some("Values or names that would do.")))
            .property("reason", text("Of `game_restricted`: why."))
            .property("retry_after_s", number("When to ask again, in seconds, as `Retry-After`."));
        let body = ["type", "title", "status", "code", "detail"].into_iter().fold(body, ObjectBuilder::required);
        let about = "A refusal (RFC 9457). Some codes come with more members than are listed here.";
        body.description(Some(about)).examples([example]).build().into()
    }
}

impl ToSchema for ProblemBody {
    fn name() -> std::borrow::Cow<'static, str> {
        "Problem".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((<Code as ToSchema>::name().into_owned(), Code::schema()));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    fn document() -> Value {
        serde_json::to_value(super::super::openapi_document()).unwrap()
    }

    fn operations(document: &Value) -> Vec<(String, Value)> {
        let items = document["paths"].as_object().unwrap();
        let of_item = |(path, item): (&String, &Value)| {
            let each = item.as_object().unwrap().iter();
            each.map(|(method, operation)| (format!("{method} {path}"), operation.clone())).collect::<Vec<_>>()
        };
        items.iter().flat_map(of_item).collect()
    }

    #[test]
    fn every_operation_has_a_name_of_its_own_that_is_a_name_in_any_language() {
        let document = document();
        let mut names = BTreeSet::new();
        for (at, operation) in operations(&document) {
            let name = operation["operationId"].as_str().unwrap().to_owned();
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') && name.contains('_'), "{at}: {name}");
            assert!(names.insert(name.clone()), "{at}: {name} is there twice");
        }
        assert!(names.len() > 60);
        assert_eq!(document["servers"][0]["url"], "/");
    }

    #[test]
    fn whoever_needs_a_key_may_be_told_to_wait() {
        for (at, operation) in operations(&document()) {
            let responses = operation["responses"].as_object().unwrap();
            assert_eq!(responses.contains_key("429"), operation.get("security").is_some(), "{at}");
            assert_eq!(responses.contains_key("408"), operation.get("requestBody").is_some(), "{at}");
            assert!(responses.contains_key("500") || !at.contains("/v1/"), "{at}");
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            for parameter in parameters {
                assert!(parameter["description"].is_string(), "{at}: {parameter}");
            }
        }
    }

    #[test]
    fn what_answers_always_have_is_required_and_what_is_sent_may_be_left_out() {
        let document = document();
        let required = |schema: &str| document["components"]["schemas"][schema]["required"].to_string();
        assert!(required("Session").contains("\"max_height\"") && required("GameHealth").contains("\"video\""));
        assert_eq!(required("SessionRequest"), "[\"games\"]");
        assert!(!required("Tier").contains("max_height"), "markets are made with it");
        // What is left out where it is nothing is never null.
        assert!(!required("UsageRow").contains("\"cost\"") && !required("UsageRow").contains("\"session_id\""));
    }

    #[test]
    fn a_set_may_be_sent_with_one_thing_twice_and_is_told_with_each_once() {
        let mut openapi = super::super::openapi_document();
        let sent = super::schemas_sent(&mut openapi);
        let document = document();
        let said =
            |schema: &str| document["components"]["schemas"][schema].to_string().contains("\"uniqueItems\":true");
        assert!(sent.contains("WebhookRequest") && sent.contains("Tier"), "{sent:?}");
        let wrong: Vec<_> = sent.iter().filter(|schema| said(schema)).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        assert!(said("Key") && said("Session"));
        let twice = br#"{ "url": "https://ops.example/", "events": ["game.live", "game.live"] }"#;
        let body: crate::api::operator::webhooks::WebhookBody = serde_json::from_slice(twice).unwrap();
        assert_eq!(body.events.map(|events| events.len()), Some(1));
    }
}
