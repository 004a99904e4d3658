//! Ids of what operators name themselves: in a body, in a path, or in both.

use super::problem::Problem;
use crate::config::check_id;

/// The id that a body gives, a path has, or both: then it is the same. It keeps the rule that ids of the configuration keep.
///
/// # Errors
/// `field_invalid` for `id`.
pub(in crate::api) fn id_of(given: Option<String>, in_path: Option<String>) -> Result<String, Problem> {
    let id = match (&given, &in_path) {
        (_, Some(id)) | (Some(id), None) => id,
        (None, None) => return Err(Problem::field("id", "The field \"id\" is missing.")),
    };
    check_id(id).map_err(|error| Problem::field("id", format!("{error}.")))?;
    match given.as_ref().filter(|given| *given != id) {
        Some(given) => {
            let detail = format!("The id in the body ({given:?}) is not the one in the path.");
            Err(Problem::field("id", detail).with("allowed", vec![id.clone()]))
        }
        None => Ok(id.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::problem::Code;

    #[test]
    fn an_id_is_in_the_body_or_in_the_path_and_the_same_in_both() {
        let id = |given: Option<&str>, path: Option<&str>| id_of(given.map(Into::into), path.map(Into::into));
        for (given, path) in [(Some("a"), None), (None, Some("a")), (Some("a"), Some("a"))] {
            assert_eq!(id(given, path).unwrap(), "a");
        }
        for (given, path, says) in [
            (None, None, "is missing"),
            (Some("b"), Some("a"), "is not the one in the path"),
            (Some("a/b"), None, "1 to 64 letters"),
            (None, Some(""), "1 to 64 letters"),
        ] {
            let refused = id(given, path).unwrap_err();
            let told = format!("{refused:?}");
            assert!(refused.code() == Code::FieldInvalid && told.contains(says), "{told}");
        }
    }
}
