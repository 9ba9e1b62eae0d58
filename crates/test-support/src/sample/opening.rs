//! Writes the opening of a contract: heading, order number, parties and dates.

use chrono::{Datelike, NaiveDate};

use super::random::Random;

const MONTHS: &[&str] =
    &["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const MESES: &[&str] =
    &["janeiro", "fevereiro", "março", "abril", "maio", "junho", "julho", "agosto", "setembro", "outubro", "novembro", "dezembro"];
const FIRST: &[&str] =
    &["North", "Blue", "Alto", "Vera", "Kestrel", "Lume", "Granite", "Ipê", "Solar", "Harbour", "Tejo", "Quartz", "Mistral", "Delta"];
const SECOND: &[&str] = &["wind", "field", "bridge", "mar", "stone", "works", "line", "data", "logic", "nova", "path", "grid"];
const LEGAL_FORMS: &[&str] = &["B.V.", "GmbH", "Ltd.", "Ltda.", "S.A.", "Inc.", "AG"];

/// The content of the opening.
pub(crate) struct Opening<'a> {
    pub(crate) name: &'a str,
    pub(crate) client: &'a str,
    pub(crate) supplier: &'a str,
    pub(crate) pwo: Option<&'a str>,
    pub(crate) start: NaiveDate,
    pub(crate) end: Option<NaiveDate>,
    pub(crate) portuguese: bool,
}

impl Opening<'_> {
    /// The opening, without a trailing line break.
    pub(crate) fn write(&self, random: &mut Random) -> String {
        let Self { name, client, supplier, pwo, start, end, portuguese } = *self;
        let mut text = format!("{}\n", name.to_uppercase());
        if let Some(pwo) = pwo {
            let label = if portuguese { "Pedido" } else { random.pick(&["PWO", "Our reference", "Order number"]) };
            text.push_str(&format!("{label}: {pwo}\n"));
        }
        let (from, to) = (date(start, portuguese, random), end.map(|end| date(end, portuguese, random)));
        text.push_str(&match (portuguese, to) {
            (true, Some(to)) => format!("\nEntre {client} (contratante) e {supplier} (fornecedora). Vigência de {from} a {to}."),
            (true, None) => format!("\nEntre {client} (contratante) e {supplier} (fornecedora), por prazo indeterminado desde {from}."),
            (false, Some(to)) => format!("\nBetween {client} (the \"client\") and {supplier} (the \"supplier\"), from {from} to {to}."),
            (false, None) => {
                format!("\nBetween {client} (the \"client\") and {supplier} (the \"supplier\"), from {from} until terminated.")
            }
        });
        text
    }
}

/// Draws the name of a fictional company.
pub(crate) fn company(random: &mut Random) -> String {
    format!("{}{} {}", random.pick(FIRST), random.pick(SECOND), random.pick(LEGAL_FORMS))
}

fn date(day: NaiveDate, portuguese: bool, random: &mut Random) -> String {
    let month = day.month0() as usize;
    match (portuguese, random.below(3)) {
        (_, 0) => day.to_string(),
        (true, _) => format!("{} de {} de {}", day.day(), MESES[month], day.year()),
        (false, 1) => format!("{} {}, {}", MONTHS[month], day.day(), day.year()),
        (false, _) => day.format("%d.%m.%Y").to_string(),
    }
}
