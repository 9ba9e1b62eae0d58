//! Ids and times as spreadsheets and data frames write them.

use crate::reading::read;

#[test]
fn ids_are_restored_or_refused_and_never_guessed() {
    for (written, id) in [
        ("1402", "1402"),
        ("1402.0", "1402"),
        ("'1402", "1402"),
        ("=\"1402\"", "1402"),
        ("\"1,402E+03\"", "1402"),
        ("1.402e3", "1402"),
        ("\u{feff}1402", "1402"),
        ("1402\u{200b}", "1402"),
        ("\u{a0}1402 ", "1402"),
        ("0001402", "0001402"),
        ("1402.5", "1402.5"),
        ("12e5", "12e5"),
        ("CT-1402/2024", "CT-1402/2024"),
        ("\"1,402\"", "1,402"),
    ] {
        let found = read(format!("task_id,Law_gold\n{written},Malta\n")).unwrap();
        assert_eq!(found.rows[0].task_id.as_deref(), Some(id), "{written}");
        let is_changed = written.trim_matches(['"', ' ', '\u{a0}']) != id;
        assert_eq!(found.summary.restored_ids, u64::from(is_changed), "{written}");
    }
    for written in ["\"1,4E+05\"", "2.02503E+12", "9007199254740993.0", "1E+05"] {
        let found = read(format!("task_id,Law_gold\n{written},Malta\n")).unwrap();
        assert_eq!((found.rows.len(), found.summary.quarantined), (0, 1), "{written}");
        assert!(found.summary.quarantined_rows[0].reason.contains("has lost its last digits"), "{written}");
    }
}

#[test]
fn an_id_with_a_line_break_costs_its_row() {
    for cell in ["\"14\n02\"", "\"1402\r\nMalta\"", "14\u{2028}02", "\"1402\n\n1403\""] {
        for header in ["task_id,Law_gold", "document_id,Law_gold"] {
            let found = read(format!("{header}\n{cell},Malta\n7,Malta\n")).unwrap();
            assert_eq!(found.rows.iter().map(|row| row.task_id.as_deref()).collect::<Vec<_>>(), [Some("7")], "{cell}");
            assert!(found.summary.quarantined_rows[0].reason.contains("line break"), "{:?}", found.summary.quarantined_rows);
        }
    }
    // white space around an id does not belong to it
    let found = read("task_id,project,Law_gold\n\"1402\n\",\"a\nb\",Malta\n\"1403\n\",a,Malta\n").unwrap();
    assert_eq!(found.rows.iter().map(|row| row.task_id.as_deref()).collect::<Vec<_>>(), [Some("1403")]);
    assert_eq!(found.summary.quarantined, 1);
}

#[test]
fn times_are_read_or_refused_and_never_guessed() {
    for time in [
        "2025-03-02 10:00:00",
        "2025-03-02T10:00Z",
        "2025-03-02 10:00:00+00:00",
        "1740909600",
        "1740909600000",
        "2025-03-02 10:00:00.000000",
    ] {
        let found = read(format!("task_id,Law_gold,reviewed_at\n1,Malta,{time}\n")).unwrap();
        assert_eq!(found.rows[0].reviewed_at.unwrap().timestamp(), 1_740_909_600, "{time}");
    }
    for time in ["NaT", "nan", "", "#VALOR!"] {
        let found = read(format!("task_id,Law_gold,reviewed_at\n1,Malta,{time}\n")).unwrap();
        assert_eq!((found.rows.len(), found.rows[0].reviewed_at), (1, None), "{time}");
    }
    for time in ["02/03/2025 10:00", "45718.4166666667", "ontem", "10:00"] {
        let found = read(format!("task_id,Law_gold,reviewed_at\n1,Malta,{time}\n2,Malta,2025-03-02\n")).unwrap();
        assert_eq!((found.rows.len(), found.summary.quarantined), (1, 1), "{time}");
        assert!(found.summary.quarantined_rows[0].reason.contains("is not a time"), "{time}");
    }
}
