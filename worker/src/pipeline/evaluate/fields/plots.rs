//! The plots of a linear model.

use std::collections::BTreeMap;

use aprendiz_evaluation::{FieldReport, ReliabilityBin};

use crate::pipeline::evaluate::card::champion::ChampionComparison;
use crate::pipeline::evaluate::card::learning::LearningCurve;
use crate::pipeline::evaluate::fields::target_tables::TargetTables;
use crate::pipeline::evaluate::plots::confusion::confusion_plot;
use crate::pipeline::evaluate::plots::coverage::{Operating, coverage_plot};
use crate::pipeline::evaluate::plots::difference::difference_plot;
use crate::pipeline::evaluate::plots::learning_curve::learning_curve_plot;
use crate::pipeline::evaluate::plots::loss::{LossPoint, loss_plot};
use crate::pipeline::evaluate::plots::plot::{Plot, field_file};
use crate::pipeline::evaluate::plots::reliability::reliability_plot;

/// Fields with plots of their own: more would make the card too large for a browser.
pub(in crate::pipeline::evaluate) const MAX_PLOTTED_FIELDS: usize = 16;

/// What the card shows about a model.
pub(in crate::pipeline::evaluate) struct Evidence<'a> {
    pub(in crate::pipeline::evaluate) test: &'a [FieldReport],
    pub(in crate::pipeline::evaluate) reliability: &'a BTreeMap<String, Vec<ReliabilityBin>>,
    pub(in crate::pipeline::evaluate) tables: &'a TargetTables,
    pub(in crate::pipeline::evaluate) losses: &'a [LossPoint],
    pub(in crate::pipeline::evaluate) learning_curves: Vec<LearningCurve>,
    pub(in crate::pipeline::evaluate) champion: Option<ChampionComparison>,
}

impl Evidence<'_> {
    /// All plots that have data: the comparison first, then field by field, the training last.
    pub(in crate::pipeline::evaluate) fn plots(&self) -> Vec<Plot> {
        let champion = self.champion.as_ref().and_then(|champion| {
            let other = format!("the champion, version {}", champion.number);
            difference_plot("plots/champion.svg".to_owned(), &other, &champion.differences())
        });
        let fields = self.test.iter().take(MAX_PLOTTED_FIELDS).enumerate().flat_map(|(index, report)| self.field_plots(index + 1, report));
        champion.into_iter().chain(fields).chain(loss_plot("plots/loss.svg".to_owned(), self.losses)).collect()
    }

    fn field_plots(&self, number: usize, report: &FieldReport) -> Vec<Plot> {
        let field = report.field.as_str();
        let file = |plot: &str| field_file(plot, number, field);
        let operating = Operating {
            target: self.tables.target(),
            threshold: report.threshold,
            coverage: report.coverage,
            selective_accuracy: report.selective_accuracy,
            others: self.tables.other_thresholds(field),
        };
        let bins = self.reliability.get(field).map_or(&[][..], Vec::as_slice);
        let learning = self.learning_curves.iter().find(|curve| curve.field.as_deref() == Some(field));
        let plots = [
            report.confusion.as_ref().and_then(|confusion| confusion_plot(file("confusion"), field, confusion)),
            coverage_plot(file("coverage"), field, &report.coverage_curve, &operating),
            reliability_plot(file("reliability"), field, bins, report.ece),
            learning.and_then(|curve| learning_curve_plot(file("learning-curve"), field, &curve.points)),
        ];
        plots.into_iter().flatten().collect()
    }
}
