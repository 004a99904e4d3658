//! What webhooks are sent, as the description's `webhooks` (OpenAPI 3.1, 4.8.1).

use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, Paths};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{Schema, SchemaFormat};
use utoipa::openapi::{
    Content, KnownFormat, ObjectBuilder, OpenApi, PathItem, Ref, RefOr, Required, ResponseBuilder, Type,
};
use utoipa::{Modify, ToSchema};

use crate::events::{
    BreakTold, CapReachedTold, CapacityLow, EventKind, GameRestricted, GameTold, SessionEnded, SessionStarted,
    ThresholdPassed,
};

/// Schemas on their way into the document.
type Schemas = Vec<(String, RefOr<Schema>)>;

pub struct Told;

impl Modify for Told {
    fn modify(&self, document: &mut OpenApi) {
        let (mut schemas, mut told) = (Schemas::new(), Paths::new());
        for kind in EventKind::ALL {
            let data = data_of(kind, &mut schemas);
            told.paths.insert(kind.name().to_owned(), PathItem::new(HttpMethod::Post, operation(kind, data)));
        }
        document.webhooks = Some(told);
        document.components.get_or_insert_default().schemas.extend(schemas);
    }
}

/// What an event of `kind` says.
fn data_of(kind: EventKind, schemas: &mut Schemas) -> Ref {
    match kind {
        EventKind::SessionStarted => named::<SessionStarted>(schemas),
        EventKind::SessionEnded => named::<SessionEnded>(schemas),
        EventKind::GameLive | EventKind::GameSlate => named::<GameTold>(schemas),
        EventKind::GameRestricted => named::<GameRestricted>(schemas),
        EventKind::BreakStarted | EventKind::BreakEnded => named::<BreakTold>(schemas),
        EventKind::UsageThreshold => named::<ThresholdPassed>(schemas),
        EventKind::UsageCap => named::<CapReachedTold>(schemas),
        EventKind::CapacityLow => named::<CapacityLow>(schemas),
    }
}

fn named<T: ToSchema>(schemas: &mut Schemas) -> Ref {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
    Ref::from_schema_name(T::name())
}

const fn summary(kind: EventKind) -> &'static str {
    match kind {
        EventKind::SessionStarted => "A viewer's session was made.",
        EventKind::SessionEnded => "A viewer's session is over.",
        EventKind::GameLive => "A game has pictures.",
        EventKind::GameSlate => "A game has no pictures, and its slot shows a slate.",
        EventKind::GameRestricted => "A game may not be shown to some viewers any more.",
        EventKind::BreakStarted => "A game is in a break.",
        EventKind::BreakEnded => "A game is out of its break.",
        EventKind::UsageThreshold => "The tenant's month has come to an amount of the configuration.",
        EventKind::UsageCap => "The tenant's month has come to a cap, and it gets no new sessions.",
        EventKind::CapacityLow => "The machine has little room for more.",
    }
}

fn operation(kind: EventKind, data: Ref) -> Operation {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let at = text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
    let event = ObjectBuilder::new()
        .property("type", text().enum_values(Some([kind.name()])))
        .property("timestamp", at.description(Some("When it happened.")))
        .property("data", data);
    let event = ["type", "timestamp", "data"].into_iter().fold(event, ObjectBuilder::required);
    let body = RequestBodyBuilder::new()
        .content("application/json", Content::new(Some(event.build())))
        .required(Some(Required::True));
    let answer = |about: &str| ResponseBuilder::new().description(about).build();
    OperationBuilder::new()
        .operation_id(Some(format!("tell_{}", kind.name().replace('.', "_"))))
        .tag("operators")
        .summary(Some(summary(kind)))
        .parameters(Some(headers()))
        .request_body(Some(body.build()))
        .response("2XX", answer("Taken: it is not sent again"))
        .response("410", answer("The webhook is gone: it is disabled"))
        .response("default", answer("Not taken: it is sent again, with the same `webhook-id`, for three days"))
        .build()
}

/// As Standard Webhooks has them.
fn headers() -> Vec<Parameter> {
    let header = |name: &str, about: &str| {
        let text = ObjectBuilder::new().schema_type(Type::String).build();
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header);
        parameter.required(Required::True).description(Some(about)).schema(Some(text)).build()
    };
    vec![
        header("webhook-id", "Of the event: the same each time it is sent"),
        header("webhook-timestamp", "When it is sent, in seconds of Unix time"),
        header("webhook-signature", "Signatures, `v1,` and base64 each, with spaces between them"),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::events::EventKind;

    #[test]
    fn every_event_is_described_with_what_it_says() {
        let document = serde_json::to_value(super::super::openapi_document()).unwrap();
        let told = document["webhooks"].as_object().unwrap();
        let names: BTreeSet<&str> = told.keys().map(String::as_str).collect();
        assert_eq!(names, EventKind::ALL.into_iter().map(EventKind::name).collect());
        for (name, item) in told {
            let event = &item["post"]["requestBody"]["content"]["application/json"]["schema"];
            assert_eq!(event["properties"]["type"]["enum"], serde_json::json!([name]));
            let data = event["properties"]["data"]["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
            let schema = &document["components"]["schemas"][data];
            assert!(schema["properties"].is_object(), "{name}: {data}");
        }
        let required = document["components"]["schemas"]["SessionStarted"]["required"].to_string();
        assert!(required.contains("\"market\""), "what can be null is always there: {required}");
        assert_eq!(document["components"]["schemas"]["UsageAmount"]["required"], serde_json::Value::Null);
    }
}
