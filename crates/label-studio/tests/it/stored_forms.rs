//! Values have one stored form, whatever wrote them.

use aprendiz_annotation_types::FieldKind;
use serde_json::{Value, json};

use crate::reading::{read, read_tasks, reviewed, values};

/// The value and the kind of the field `x` in an annotation with this item.
fn stored(item: Value) -> (Vec<String>, Option<FieldKind>) {
    let mut task = reviewed(1);
    task["annotations"][0]["result"] = json!([item]);
    let found = read_tasks(&[task]);
    let field = &found.task("1").reviews[0].values["x"];
    (field.value(), field.kind())
}

fn control(control: &str, key: &str, value: Value) -> Value {
    json!({"type": control, "from_name": "x", "to_name": "text", "value": {key: value}})
}

#[test]
fn every_control_has_one_form() {
    let (category, number, date, text) =
        (Some(FieldKind::Categorical), Some(FieldKind::Number), Some(FieldKind::Date), Some(FieldKind::Text));
    for (item, value, kind) in [
        (control("choices", "choices", json!(["  São\u{a0} Paulo "])), "São Paulo", category),
        (control("choices", "choices", json!(["Sa\u{303}o Paulo"])), "São Paulo", category),
        (control("choices", "choices", json!([["Lei", "Contrato", "Locação"]])), "Lei / Contrato / Locação", category),
        (control("choices", "choices", json!("Malta")), "Malta", category),
        (control("choices", "choices", json!([7.0])), "7.0", category),
        (control("taxonomy", "taxonomy", json!([["法律", "合同"]])), "法律 / 合同", category),
        (control("rating", "rating", json!(4.0)), "4", number),
        (control("rating", "rating", json!("4")), "4", number),
        (control("number", "number", json!("1e3")), "1000", number),
        (control("number", "number", json!(-0.0)), "0", number),
        (control("number", "number", json!("1.234,56")), "1.234,56", number),
        (control("textarea", "text", json!(["12.0"])), "12.0", number),
        (control("textarea", "text", json!(["1,234"])), "1,234", text),
        (control("textarea", "text", json!(["0012"])), "0012", text),
        (control("textarea", "text", json!(["2025-03-02"])), "2025-03-02", date),
        (control("textarea", "text", json!(["2025-03-02 00:00:00"])), "2025-03-02 00:00:00", date),
        (control("datetime", "datetime", json!("2025-03-02T00:00")), "2025-03-02T00:00", date),
        (control("datetime", "datetime", json!("2025-03-02T10:30")), "2025-03-02T10:30", text),
        (control("textarea", "text", json!(["02/03/2025"])), "02/03/2025", text),
        (control("textarea", "text", json!(["45718"])), "45718", number),
        (control("textarea", "text", json!(["ส\u{e31}ญญา"])), "ส\u{e31}ญญา", text),
        (control("textarea", "text", json!(["C:\\contratos\\1.pdf"])), "C:\\contratos\\1.pdf", text),
    ] {
        let shown = item.to_string();
        assert_eq!(stored(item), (vec![value.to_owned()], kind), "{shown}");
    }
}

#[test]
fn equal_values_are_listed_once_and_different_ones_are_kept() {
    let list = |values: Value| stored(control("choices", "choices", values)).0.len();
    assert_eq!(list(json!(["Goiás", "Goia\u{301}s", " Goiás", "Goiás\u{a0}"])), 1);
    assert_eq!(list(json!(["New York", "New  York", "New\u{2009}York"])), 1);
    // they look alike, and are reported as such
    assert_eq!(list(json!(["Yes", "yes", "YES"])), 3);
    assert_eq!(list(json!(["❤", "❤\u{fe0f}"])), 2);
    assert_eq!(list(json!(["כן", "\u{200f}כן"])), 2);
    assert_eq!(list(json!(["１", "1"])), 2);
    assert_eq!(list(json!(["a\tb", "a b"])), 2);
}

#[test]
fn ids_have_one_form_and_none_is_guessed() {
    for (id, expected) in [
        (json!(17), "17"),
        (json!(17.0), "17"),
        (json!("17"), "17"),
        (json!("0017"), "0017"),
        (json!("a/b c"), "a/b c"),
        (json!(18_446_744_073_709_551_615_u64), "18446744073709551615"),
        (json!(-3), "-3"),
        (json!("3f2c9a10-0000-4000-8000-000000000000"), "3f2c9a10-0000-4000-8000-000000000000"),
    ] {
        let mut task = reviewed(1);
        task["id"] = id.clone();
        assert_eq!(read_tasks(&[task]).ids(), [expected], "{id}");
    }
    let found =
        read(br#"[{"id":123456789012345678901234,"data":{"text":"a"}},{"id":1.5,"data":{"text":"b"}},{"id":1e20,"data":{"text":"c"}}]"#);
    assert_eq!(found.ids(), ["123456789012345678901234"]);
    assert!(found.reason(1).contains("neither a whole number nor a string"), "{}", found.reason(1));
    assert!(found.reason(2).contains("lost its last digits"), "{}", found.reason(2));
}

#[test]
fn values_of_json_min_are_those_of_json() {
    let element = |value: &str| {
        format!(
            r#"[{{"text":"Supply of pumps","id":1,"law":"Malta","x":{value},"annotator":1,"annotation_id":5,"created_at":"2025-03-02T10:00:00Z",
               "updated_at":"2025-03-02T10:00:00Z","lead_time":NaN}}]"#
        )
    };
    for (value, expected) in [
        (r#""lease""#, values(&["lease"])),
        (r#"{"choices":["lease","loan"]}"#, values(&["lease", "loan"])),
        ("12.0", values(&["12"])),
        ("123456789012345678901234567890", values(&["123456789012345678901234567890"])),
        (r#"[{"rating":3}]"#, values(&["3"])),
        (r#"[{"taxonomy":[["Law","Lease"]]}]"#, values(&["Law / Lease"])),
        (r#""""#, values(&[])),
        ("null", values(&[])),
        ("[]", values(&[])),
        ("true", None),
        (r#"{"choices":[null]}"#, None),
    ] {
        let found = read(element(value).as_bytes());
        assert_eq!(found.summary.quarantined, 0, "{value}: {:?}", found.summary.quarantined_tasks);
        assert_eq!(found.value("1", "x"), expected, "{value}: {:?}", found.notes());
        assert_eq!(found.value("1", "law"), values(&["Malta"]), "{value}");
    }
}
