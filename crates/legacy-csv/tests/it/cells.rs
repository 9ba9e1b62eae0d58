//! Values, words for missing values, and statuses of cells.

use crate::reading::{cell, read, value};

#[test]
fn words_of_programs_for_a_missing_value_are_empty_cells() {
    for word in [
        "nan",
        "NaN",
        "None",
        "<NA>",
        "NaT",
        "NULL",
        "null",
        "\\N",
        "nil",
        "#N/A",
        "#N/D",
        "#REF!",
        "#NOME?",
        "#VALOR!",
        "#DIV/0!",
        "#NÚM!",
        "#BEZUG!",
        "#¿NOMBRE?",
        "#SPILL!",
        "########",
        " nan ",
        "=\"nan\"",
    ] {
        assert_eq!(cell("Malta", word, ""), (value("Malta"), None), "gold {word}");
        assert_eq!(cell(word, "Malta", ""), (value(""), value("Malta")), "pred {word}");
        assert_eq!(cell("Malta", "", word), (value("Malta"), None), "status {word}");
        assert_eq!(cell("Malta", word, "OK"), (value("Malta"), value("Malta")), "OK accepts the prediction beside {word}");
    }
    let found = read("task_id,Law_gold\n1,#REF!\n2,\\N\n3,Malta\n").unwrap();
    assert!(found.has_warning("2 cells hold a word for a missing value") && found.has_warning("`#REF!` 1"), "{:?}", found.summary);
}

#[test]
fn words_of_people_are_values() {
    for word in ["NA", "N/A", "none", "-", "?", "n/d", "(em branco)", "Nancy", "nada", "TRUE", "VERDADEIRO", "#1", "0", "Não se aplica"] {
        assert_eq!(cell("Malta", word, "").1, value(word), "{word}");
    }
}

#[test]
fn statuses_are_read_in_the_words_of_people_and_programs() {
    for status in ["OK", "ok.", "Certo", "TRUE", "VERDADEIRO", "Verdadeiro", "sim", "✔", "✔\u{fe0f}", "\u{a0}OK\u{a0}"] {
        assert_eq!(cell("Malta", "", status).1, value("Malta"), "{status}");
    }
    for status in ["Não consta", "NAO  CONSTA", "N/A", "rejeitado", "false positive"] {
        assert_eq!(cell("Malta", "", status).1, value(""), "{status}");
    }
    for status in ["pendente", "to do", "-", "", "None", "nan", "FALSE", "FALSO", "ask Ana", "12"] {
        assert_eq!(cell("Malta", "", status).1, None, "{status}");
    }
    let found = read("task_id,Law_gold,Law_status\n1,Malta,FALSO\n").unwrap();
    assert_eq!(found.summary.unknown_statuses["FALSO"], 1);
}

#[test]
fn values_have_one_form() {
    for (written, stored) in [
        ("  Malta ", "Malta"),
        ("Malta\u{a0}", "Malta"),
        ("Goia\u{301}s", "Goiás"),
        ("=\"Malta\"", "Malta"),
        ("=\"007\"", "007"),
        ("1.234,56", "1.234,56"),
        ("R$ 1.234,56", "R$ 1.234,56"),
        ("02/03/2025", "02/03/2025"),
        ("45718", "45718"),
        ("❤\u{fe0f}", "❤\u{fe0f}"),
        ("כן\u{200f}", "כן\u{200f}"),
        ("C:\\contratos\\7.pdf", "C:\\contratos\\7.pdf"),
        ("สัญญา", "สัญญา"),
    ] {
        assert_eq!(cell("", written, "").1, value(stored), "{written}");
    }
    // a status of OK beside an equal value in another form contradicts nothing
    for (predicted, gold) in [("12.0", "12"), ("1e3", "1000"), ("Goiás", "Goia\u{301}s"), ("New  York", "New York"), ("-0", "0")] {
        let found = read(format!("task_id\tLaw_pred\tLaw_gold\tLaw_status\n7\t{predicted}\t{gold}\tOK\n")).unwrap();
        assert_eq!(found.summary.contradictions, 0, "{predicted} {gold}");
    }
    for (predicted, gold) in [("12", "012"), ("True", "TRUE"), ("12,5", "12.5"), ("❤", "❤\u{fe0f}")] {
        let found = read(format!("task_id\tLaw_pred\tLaw_gold\tLaw_status\n7\t{predicted}\t{gold}\tOK\n")).unwrap();
        assert_eq!(found.summary.contradictions, 1, "{predicted} {gold}");
    }
}
