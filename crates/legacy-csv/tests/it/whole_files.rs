//! Files of other tools: delimiters, quotes, encodings, repeated headers and empty rows.

use aprendiz_legacy_csv::score;

use crate::reading::read;

/// Task ids and accepted values.
fn rows(file: impl AsRef<[u8]>) -> Vec<(String, String)> {
    let found = read(file).unwrap();
    let accepted = |cells: &[(String, aprendiz_legacy_csv::Cell)]| {
        cells.first().and_then(|(_, cell)| cell.accepted.as_ref()).map(|value| value.join("|")).unwrap_or_default()
    };
    found.rows.iter().map(|row| (row.task_id.clone().unwrap_or_default(), accepted(&row.cells))).collect()
}

fn expected(rows: &[(&str, &str)]) -> Vec<(String, String)> {
    rows.iter().map(|(id, value)| ((*id).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn rows_are_the_same_whatever_wrote_them() {
    let malta = expected(&[("1", "Malta"), ("2", "São Tomé")]);
    for file in [
        "task_id,Law_gold\n1,Malta\n2,São Tomé\n",
        "task_id;Law_gold\r\n1;Malta\r\n2;São Tomé\r\n",
        "task_id\tLaw_gold\r1\tMalta\r2\tSão Tomé",
        "\u{feff}sep=;\r\ntask_id;Law_gold\r\n1;Malta\r\n2;São Tomé\r\n",
        "\"task_id\";\"Law_gold\"\n\"1\";\"Malta\"\n\"2\";\"São Tomé\"\n",
        "task_id|Law_gold\n1|Malta\n\n\n2|São Tomé\n|\n  | \n",
        "task_id,Law_gold\n1,Malta\n,\n2,Sa\u{303}o Tome\u{301}\n,\n,\n",
        "\u{200b}task_id, Law_gold \n1,Malta\n2,São Tomé\n",
        "Task ID,Law_GOLD\n1,Malta\n2,São Tomé\n",
        "task_id,Law_gold\n1,\"Malta\"\n2,\"São Tomé\"",
    ] {
        assert_eq!(rows(file), malta, "{file:?}");
    }
    assert_eq!(
        rows("task_id,Law_gold\n1,\"Acme, \"\"Sons\"\"\nand others\"\n2,5\" pipe\n"),
        expected(&[("1", "Acme, \"Sons\"\nand others"), ("2", "5\" pipe")])
    );
}

#[test]
fn a_bad_row_costs_only_itself() {
    for (row, reason) in [
        ("2,Malta,x", "it has 3 columns instead of 2"),
        ("2", "it has 1 columns instead of 2"),
        (",Malta", "does not say which document"),
        ("#REF!,Malta", "does not say which document"),
        ("nan,Malta", "does not say which document"),
        ("2,a\u{0}b", "NUL"),
        ("task_id,Law_gold", "it repeats the header"),
        ("\u{feff}task_id,Law_gold", "it repeats the header"),
        ("2.02503E+12,Malta", "has lost its last digits"),
        (format!("{},Malta", "9".repeat(201)).as_str(), "more than 200 characters"),
        (format!("2,{}", "x".repeat(10_001)).as_str(), "more than 10000 characters"),
    ] {
        let found = read(format!("task_id,Law_gold\n1,Oslo\n{row}\n3,Rome\n")).unwrap();
        let ids: Vec<_> = found.rows.iter().map(|row| row.task_id.as_deref().unwrap()).collect();
        assert_eq!(ids, ["1", "3"], "{row:?}");
        let quarantined = &found.summary.quarantined_rows[0];
        assert!(quarantined.task_index == 2 && quarantined.reason.contains(reason), "{row:?} {quarantined:?}");
    }
    let found = read([&b"task_id,Law_gold\n1,S\xc3\xa3o\n2,a\xff\xfe\n3,Rome\n"[..]].concat()).unwrap();
    assert_eq!((found.rows.len(), found.summary.quarantined), (2, 1));
}

#[test]
fn a_file_in_another_encoding_is_refused_and_a_wrong_one_is_named() {
    let windows = |text: &str| text.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect::<Vec<u8>>();
    for file in [
        windows("task_id,Law_gold\n1,Malta\n2,São Tomé\n"),
        windows("task_id,Legislação_gold\n1,Malta\n"),
        b"task_id,Law_gold\n1,the \x93quay\x94\n".to_vec(),
    ] {
        let error = read(&file).err().unwrap();
        assert!(error.code() == "not_text" && error.to_string().contains("Windows-1252"), "{error}");
    }
    let found = read("task_id,Law_gold\n1,SÃ£o TomÃ©\n2,Malta\n").unwrap();
    assert!(found.rows.len() == 2 && found.has_warning("1 row has characters such as `Ã£`"), "{:?}", found.summary);
}

#[test]
fn rows_are_numbered_as_a_spreadsheet_shows_them() {
    let found = read("task_id,Law_gold\n1,Malta\n,\n,Oslo\n").unwrap();
    assert_eq!((found.summary.rows, found.summary.quarantined_rows[0].task_index), (2, 3));
    let scored =
        score(&b"task_id,Law_pred,Law_gold\n1,Malta,Malta\n,,\ntask_id,Law_pred,Law_gold\n2,Oslo,Rome\n,,\n"[..], 1 << 20).unwrap();
    assert_eq!((scored.rows, scored.unreadable, scored.fields["Law"].rows, scored.fields["Law"].correct), (3, 1, 2, 1));
}

#[test]
fn columns_that_are_no_columns_of_a_field_are_named() {
    let found = read("task_id,Law_gold,Party gold,合同_gold\n1,Malta,Acme,x\n").unwrap();
    assert!(
        found.has_warning("`Party gold` were kept as metadata") && found.has_warning("`合同_gold` were left out"),
        "{:?}",
        found.summary
    );
}
