//! Tests of all plots: valid XML, hostile texts, and data that gives no plot.

use aprendiz_evaluation::{Confusion, CurvePoint, Interval, ReliabilityBin};

use crate::pipeline::evaluate::plots::confusion::confusion_plot;
use crate::pipeline::evaluate::plots::coverage::{Operating, coverage_plot};
use crate::pipeline::evaluate::plots::difference::{Difference, difference_plot};
use crate::pipeline::evaluate::plots::learning_curve::{LearningPoint, learning_curve_plot};
use crate::pipeline::evaluate::plots::loss::{LossPoint, loss_plot};
use crate::pipeline::evaluate::plots::plot::{Plot, field_file};
use crate::pipeline::evaluate::plots::reliability::reliability_plot;

const HOSTILE: &str = "<script>alert(\"1\")</script> & 'x' \u{202E}\u{0}עברית";

fn confusion_of(classes: usize) -> Confusion {
    let mut labels: Vec<Option<String>> = (1..classes).map(|class| Some(format!("class {class}"))).collect();
    labels.push(None);
    let counts =
        (0..classes).map(|gold| (0..classes).map(|predicted| if gold == predicted { 40 } else { u64::from(gold % 3 == 1) }).collect());
    Confusion { labels, counts: counts.collect() }
}

fn curve() -> Vec<CurvePoint> {
    let point = |rank: u32| CurvePoint {
        threshold: 1.0 - f64::from(rank) / 120.0,
        coverage: f64::from(rank) / 100.0,
        accuracy: 1.0 - 0.15 * (f64::from(rank) / 100.0).powi(2),
    };
    (1..=100).map(point).collect()
}

fn operating() -> Operating {
    let others = vec![(0.99, 0.93), (0.9, 0.3)];
    Operating { target: 0.95, threshold: Some(0.6), coverage: Some(0.48), selective_accuracy: Some(0.965), others }
}

fn bins() -> Vec<ReliabilityBin> {
    let bin = |number: u32| {
        let low = f64::from(number) / 10.0;
        let accuracy = (low + 0.02).min(1.0);
        let examples = u64::from(number * number + 1);
        let interval = Some(Interval { low: (accuracy - 0.1).max(0.0), high: (accuracy + 0.08).min(1.0) });
        ReliabilityBin { low, high: low + 0.1, examples, confidence: low + 0.05, accuracy: Some(accuracy), interval }
    };
    (0..10).map(bin).collect()
}

fn losses() -> Vec<LossPoint> {
    let fields = ["contract_type", "governing_law"];
    let points = fields.iter().enumerate().flat_map(|(field, name)| {
        (0..40_u64).map(move |step| LossPoint {
            step: field as u64 * 40 + step,
            loss: 0.1 + 1.4 / (1.0 + (step % 20) as f64),
            field: Some((*name).to_owned()),
            fit: format!("fold {}", step / 20),
        })
    });
    points.collect()
}

fn learning() -> Vec<LearningPoint> {
    let point = |(n, value): (u64, f64)| LearningPoint { n, value, lower: value - 0.06, upper: value + 0.05 };
    [(40, 0.71), (80, 0.8), (160, 0.87), (320, 0.9)].map(point).to_vec()
}

fn differences() -> Vec<Difference> {
    let row = |field: &str, difference: f64, low: f64, high: f64| Difference {
        field: field.to_owned(),
        n: 212,
        difference,
        interval: Some(Interval { low, high }),
    };
    let unknown = Difference { field: "term_months".to_owned(), n: 1, difference: 0.0, interval: None };
    vec![row("contract_type", 0.031, 0.004, 0.058), row("governing_law", -0.04, -0.07, -0.011), row(HOSTILE, 0.004, -0.02, 0.028), unknown]
}

fn all_plots(field: &str) -> Vec<Plot> {
    let mut labelled = confusion_of(6);
    labelled.labels[0] = Some(HOSTILE.to_owned());
    labelled.labels[1] = Some("long ".repeat(60));
    let file = |name: &str| field_file(name, 1, field);
    [
        confusion_plot(file("confusion"), field, &labelled),
        coverage_plot(file("coverage"), field, &curve(), &operating()),
        reliability_plot(file("reliability"), field, &bins(), Some(0.031)),
        loss_plot("plots/loss.svg".to_owned(), &losses()),
        learning_curve_plot(file("learning-curve"), field, &learning()),
        difference_plot("plots/difference.svg".to_owned(), "version 3", &differences()),
    ]
    .into_iter()
    .map(|plot| plot.expect("there are data"))
    .collect()
}

/// Reads the image to its end, and returns its texts.
fn texts(svg: &str) -> String {
    let mut reader = quick_xml::Reader::from_str(svg);
    reader.config_mut().check_end_names = true;
    let mut text = String::new();
    let mut open = 0;
    loop {
        match reader.read_event().expect("the image is valid XML") {
            quick_xml::events::Event::Start(tag) => {
                open += 1;
                let name = String::from_utf8_lossy(tag.name().as_ref()).into_owned();
                assert!(["svg", "title", "desc", "text"].contains(&name.as_str()), "unexpected element {name}");
            }
            quick_xml::events::Event::Empty(tag) => {
                let attributes: Vec<_> = tag.attributes().collect::<Result<_, _>>().expect("valid attributes");
                assert!(attributes.iter().all(|attribute| !attribute.key.as_ref().ends_with(b"href")), "an external resource");
            }
            quick_xml::events::Event::End(_) => open -= 1,
            quick_xml::events::Event::Text(part) => text.push_str(&String::from_utf8_lossy(&part)),
            quick_xml::events::Event::GeneralRef(part) => text.push_str(&format!("&{};", String::from_utf8_lossy(&part))),
            quick_xml::events::Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(open, 0, "an element is not closed");
    text
}

/// Writes the plots into the folder that `APRENDIZ_PLOTS_DIR` names, to look at them after a change.
fn keep(plots: &[Plot]) {
    let Some(folder) = std::env::var_os("APRENDIZ_PLOTS_DIR") else { return };
    for plot in plots {
        let path = std::path::Path::new(&folder).join(&plot.file);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, &plot.svg).expect("a file");
    }
}

#[test]
fn every_plot_is_valid_xml_with_a_title_and_a_description() {
    let plots = all_plots("contract_type");
    keep(&plots);
    for plot in plots {
        let text = texts(&plot.svg);
        assert!(plot.svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1200 "), "{}", plot.svg);
        assert!(plot.svg.contains("<title>") && plot.svg.contains("<desc>") && !plot.description.is_empty());
        assert!(text.contains(&plot.title), "{}: {text}", plot.file);
        assert!(!text.contains("NaN") && !plot.svg.contains("inf,"), "{}", plot.file);
    }
}

#[test]
fn hostile_texts_are_escaped_and_shortened() {
    for plot in all_plots(HOSTILE) {
        texts(&plot.svg);
        assert!(!plot.svg.contains("<script") && !plot.svg.contains('\u{202E}') && !plot.svg.contains('\u{0}'), "{}", plot.file);
        assert!(!plot.svg.contains(&"long ".repeat(10)), "{}", plot.file);
        assert!(plot.file.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c)), "{}", plot.file);
    }
}

#[test]
fn without_data_there_is_no_plot() {
    let file = || "plots/x.svg".to_owned();
    let empty = Confusion { labels: Vec::new(), counts: Vec::new() };
    assert_eq!(confusion_plot(file(), "law", &empty), None);
    assert_eq!(confusion_plot(file(), "law", &Confusion { labels: vec![None], counts: vec![vec![0]] }), None);
    assert_eq!(coverage_plot(file(), "law", &[], &operating()), None);
    assert_eq!(reliability_plot(file(), "law", &[], None), None);
    assert_eq!(loss_plot(file(), &[]), None);
    assert_eq!(loss_plot(file(), &losses()[..1]), None);
    assert_eq!(learning_curve_plot(file(), "law", &learning()[..1]), None);
    assert_eq!(difference_plot(file(), "version 1", &[]), None);
}

#[test]
fn many_classes_share_a_row() {
    let plot = confusion_plot("plots/many-classes.svg".to_owned(), "law", &confusion_of(150)).expect("there are data");
    keep(std::slice::from_ref(&plot));
    let text = texts(&plot.svg);
    assert!(text.contains("other (138 classes)"), "{text}");
    assert!(plot.svg.len() < 100_000, "{} bytes", plot.svg.len());
    // a matrix of few classes has no such row
    let plot = confusion_plot("plots/x.svg".to_owned(), "law", &confusion_of(13)).expect("there are data");
    assert!(!texts(&plot.svg).contains("other ("));
}

#[test]
fn single_points_and_equal_values_are_drawn() {
    let point = CurvePoint { threshold: 1.0, coverage: 1.0, accuracy: 1.0 };
    let operating = Operating { target: 0.95, threshold: None, coverage: Some(0.0), selective_accuracy: None, others: Vec::new() };
    let plot = coverage_plot("plots/x.svg".to_owned(), "law", &[point], &operating).expect("there are data");
    assert!(plot.description.contains("Nothing is answered"), "{}", plot.description);
    let same = Difference { field: "law".to_owned(), n: 3, difference: 0.0, interval: Some(Interval { low: 0.0, high: 0.0 }) };
    assert!(difference_plot("plots/x.svg".to_owned(), "version 1", &[same]).is_some());
    assert!(confusion_plot("plots/x.svg".to_owned(), "law", &confusion_of(1)).is_some());
}
