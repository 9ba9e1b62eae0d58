//! Texts that are no text of a document, and texts that are unusual.

use serde_json::json;

use crate::reading::{read_tasks, reviewed};

#[test]
fn what_is_no_text_is_refused_and_named() {
    for (text, reason) in [
        (json!("s3://contracts/1.txt, s3://contracts/2.txt"), "only an address (a URL)"),
        (json!("[\"gs://a/1.pdf\",\"gs://a/2.pdf\"]"), "only an address (a URL)"),
        (json!("lease_118.pdf; annex_118.pdf"), "only an address (a file name)"),
        (json!("C:\\Users\\Ana\\Documents\\contrato 7.docx"), "only an address (a Windows path)"),
        (json!("\\\\srv-01\\legal\\2024\\7.txt"), "only an address (a Windows path)"),
        (json!("\u{feff}/data/upload/7/ab12-lease.txt"), "only an address (a path)"),
        (json!("![scan](https://example.org/scan.png)"), "only an address (a URL)"),
        (json!("data:application/pdf;base64,JVBERi0xLjQ="), "only an address (a data URI)"),
        (json!(format!("JVBERi0xLjQK{}", "JcOkw7zDtsOf".repeat(20))), "only an address (a file in Base64)"),
        (json!("\u{200b}\u{feff} \n"), "the text is empty"),
        (json!("nan"), "the text is `nan`, a word for a missing value"),
        (json!(" #N/D "), "the text is `#N/D`, a word for a missing value"),
        (json!(null), "`data.text` is null"),
        (json!(12.5), "is not a string"),
        (json!({"text": "Lease"}), "is not a string"),
        (json!([{"author": "a", "text": "b"}]), "a list of turns (1)"),
    ] {
        let mut task = reviewed(1);
        task["data"]["text"] = text.clone();
        let found = read_tasks(&[task, reviewed(2)]);
        assert_eq!(found.ids(), ["2"], "{text}");
        assert!(found.reason(0).contains(reason), "{text}: {}", found.reason(0));
    }
}

#[test]
fn unusual_texts_are_texts() {
    for text in [
        "NA",
        "none",
        "Ver contrato.pdf",
        "Nancy",
        "7",
        "合同",
        "สัญญาเช่า",
        "חוזה שכירות",
        "A lease.\r\nOf the quay.\u{feff}Appended from another file.",
        "\u{feff}A lease of the quay.",
        "😀❤\u{fe0f}👨\u{200d}👩\u{200d}👧",
        "see s3://contracts/1.txt and s3://contracts/2.txt",
        "{\"text\": \"a lease as JSON\"}",
        "\"A quoted lease\"",
    ] {
        let mut task = reviewed(1);
        task["data"]["text"] = json!(text);
        let found = read_tasks(&[task]);
        assert_eq!(found.task("1").text, text);
        assert!(found.notes().is_empty(), "{text}: {:?}", found.notes());
    }
}

#[test]
fn a_wrong_encoding_and_html_are_noted() {
    for (text, note) in [
        ("LocaÃ§Ã£o do cais norte", "as if UTF-8 had been read as Windows-1252"),
        ("the landlordâ€™s quay", "as if UTF-8 had been read as Windows-1252"),
        ("<div>Lease</div>", "the text is HTML"),
        ("&lt;p&gt;Lease <b>of</b> the <i>quay</i> and <u>pier</u><p>", ""),
    ] {
        let mut task = reviewed(1);
        task["data"]["text"] = json!(text);
        let found = read_tasks(&[task]);
        assert_eq!(found.task("1").text, text);
        assert_eq!(found.has_note(&[note, "task 1, its text"]), !note.is_empty(), "{text}: {:?}", found.notes());
    }
}
