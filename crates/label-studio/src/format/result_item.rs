//! An item of a result.

use serde_json::{Map, Value};

use crate::format::object::object;

object! {
    /// The value of one control, or one labelled region. Relations have neither name nor value.
    ResultItem ("an item of a result") {
        /// Shared by the label of a region and the per-region controls of that region.
        "id" => id: Value,
        "type" => control: String,
        "from_name" => from_name: String,
        "value" => value: Map<String, Value>,
        "score" => score: f64,
    } unused {
        "hidden",
        "locked",
        "origin",
        "readonly",
        "to_name",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::object::MAX_UNKNOWN_KEYS;

    #[test]
    fn unknown_keys_are_kept_by_name_up_to_a_limit() {
        let item: ResultItem =
            serde_json::from_str(r#"{"type":"choices","meta":{"text":["n\u006fte"]},"to_name":"text","m\u0065ta2":1}"#).unwrap();
        assert_eq!(item.unknown, ["meta", "meta2"]);
        let many: String = (0..1_000).map(|number| format!("\"k{number}\":1,")).collect();
        let item: ResultItem = serde_json::from_str(&format!("{{{many}\"type\":\"choices\"}}")).unwrap();
        assert_eq!((item.unknown.len(), item.control.as_deref()), (MAX_UNKNOWN_KEYS, Some("choices")));
    }

    #[test]
    fn a_repeated_key_is_left_out_and_a_list_instead_of_an_object_is_rejected() {
        let item: ResultItem = serde_json::from_str(r#"{"type":"choices","type":"labels","from_name":"law","type":"choices"}"#).unwrap();
        assert_eq!((item.control, item.from_name.as_deref(), item.malformed.contains(&"type")), (None, Some("law"), true));
        assert!(serde_json::from_str::<ResultItem>(r#"["1","choices"]"#).is_err());
    }
}
