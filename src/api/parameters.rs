//! Query parameters that a route does not have are refused: one that is mistyped (`?regon=GB`) would be answered as if nothing had been asked for.
//! Playlists and media take any, because players and caches add their own.

use std::collections::HashMap;
use std::sync::OnceLock;

use axum::extract::MatchedPath;
use axum::http::Method;
use axum::http::request::Parts;
use serde_json::Value;
use url::form_urlencoded;

use super::openapi;
use super::problem::Problem;

/// Characters of a parameter's name that a refusal repeats.
const REPEATED: usize = 40;

/// Whether the route that is asked for has every query parameter that is given.
///
/// # Errors
/// `422 parameter_invalid` for the first that it has not, with those that it has.
pub(super) fn check(parts: &Parts) -> Result<(), Problem> {
    let Some(query) = parts.uri.query().filter(|query| !query.is_empty()) else { return Ok(()) };
    let Some(route) = parts.extensions.get::<MatchedPath>() else { return Ok(()) };
    // HEAD is answered as GET is.
    let method = if parts.method == Method::HEAD { "GET" } else { parts.method.as_str() };
    known(method, route.as_str()).map_or(Ok(()), |known| check_query(query, known))
}

fn check_query(query: &str, known: &[String]) -> Result<(), Problem> {
    let mut asked = form_urlencoded::parse(query.as_bytes());
    let Some((name, _)) = asked.find(|(name, _)| !known.iter().any(|known| known == name)) else { return Ok(()) };
    let name: String = name.chars().take(REPEATED).collect();
    let there = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let detail = format!("There is no parameter {name:?}; the parameters are {there}.");
    Err(Problem::parameter(&name, detail).with("allowed", known))
}

/// The query parameters of a route, as the API's description has them; `None` where it has no such route.
fn known(method: &str, route: &str) -> Option<&'static [String]> {
    static OF_ROUTES: OnceLock<HashMap<String, Vec<String>>> = OnceLock::new();
    OF_ROUTES.get_or_init(of_routes).get(&format!("{method} {route}")).map(Vec::as_slice)
}

fn of_routes() -> HashMap<String, Vec<String>> {
    let document = serde_json::to_value(openapi::document()).unwrap_or_default();
    let mut routes = HashMap::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            routes.insert(format!("{} {path}", method.to_ascii_uppercase()), of_operation(operation));
        }
    }
    routes
}

fn of_operation(operation: &Value) -> Vec<String> {
    let all = operation["parameters"].as_array().into_iter().flatten();
    let in_query = all.filter(|parameter| parameter["in"] == "query");
    in_query.filter_map(|parameter| parameter["name"].as_str()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_have_the_parameters_of_their_description() {
        let of = |method: &str, route: &str| known(method, route).map(|names| names.join(" "));
        assert_eq!(of("GET", "/v1/games").as_deref(), Some("market region device_class"));
        assert_eq!(of("POST", "/v1/sessions").as_deref(), Some(""));
        assert_eq!(of("POST", "/v1/sessions/{id}/playback_url").as_deref(), Some("end_players"));
        assert_eq!(of("GET", "/v1/nothing"), None);
    }

    #[test]
    fn one_that_is_mistyped_is_told_beside_those_that_there_are() {
        let known = ["market".to_owned(), "region".to_owned()];
        assert!(check_query("region=GB&&market=de&region=", &known).is_ok());
        let refused = format!("{:?}", check_query("market=de&re%67on=GB", &known).unwrap_err());
        assert!(
            refused.contains("There is no parameter \\\"regon\\\"; the parameters are market, region."),
            "{refused}"
        );
        assert!(refused.contains("\"parameter\": String(\"regon\")") && refused.contains("\"allowed\""), "{refused}");
        let none = format!("{:?}", check_query("x", &[]).unwrap_err());
        assert!(none.contains("the parameters are none."), "{none}");
    }
}
