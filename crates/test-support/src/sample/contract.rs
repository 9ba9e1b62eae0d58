//! Draws a contract: its true values and a text that states them, more or less clearly.

use chrono::{Days, NaiveDate};

use super::class::draw_classes;
use super::money::{euros, money};
use super::opening::{Opening, company};
use super::paragraphs::{fill, shuffle, state};
use super::random::Random;

/// Values of a contract by field, in export order; `None` if the document has no value.
pub(crate) type Values = Vec<(&'static str, Option<String>)>;

/// A document and its true values.
pub(crate) struct Contract {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) values: Values,
}

const SUBJECTS: &[&str] = &[
    "invoice processing",
    "the customer portal",
    "warehouse logistics",
    "workplace devices",
    "campaign analytics",
    "payroll",
    "master data",
    "the data platform",
    "network operations",
    "identity management",
    "spare parts planning",
    "document archives",
];

/// Draws a contract, determined by the state of the generator.
pub(crate) fn draw(random: &mut Random) -> Contract {
    let portuguese = random.chance(0.08);
    let classes = draw_classes(random);
    let client = company(random);
    let supplier = company(random);
    let subject = *random.pick(SUBJECTS);
    let start = NaiveDate::from_ymd_opt(2019, 1, 1).expect("a valid date") + Days::new(random.below(2200));
    let end = (!random.chance(0.12)).then(|| start + Days::new(90 * (1 + random.below(16))));
    let pwo = (!random.chance(0.2)).then(|| format!("PWO-{:06}", random.below(1_000_000)));
    let currency = classes[2].name();
    let price = currency.as_deref().map(|currency| (currency.to_owned(), (1 + random.below(900)) * 500));
    let value = price.as_ref().map(|(currency, amount)| euros(currency, *amount));
    let scope = (!random.chance(0.1)).then(|| format!("Work on {subject} for {client}"));
    let heading = ["Agreement", "Contract", "Order and terms", "Terms"][random.below(4) as usize];
    let name = format!("{heading} on {subject} between {client} and {supplier}");

    let names: [(&str, &str); 2] = if portuguese {
        [("client", "contratante"), ("supplier", "fornecedora")]
    } else {
        [("client", "client"), ("supplier", "supplier")]
    };
    let mut paragraphs: Vec<String> = Vec::new();
    for class in &classes {
        paragraphs.extend(state(class, portuguese, &names, random));
    }
    if let Some((currency, amount)) = &price
        && !random.chance(0.3)
    {
        paragraphs.push(format!("{} {}.", if portuguese { "Valor total:" } else { "Total value:" }, money(currency, *amount)));
    }
    if let Some(scope) = &scope {
        paragraphs.push(format!("{}: {scope}.", if portuguese { "Escopo" } else { "Scope" }));
    }
    fill(&mut paragraphs, portuguese, &names, random);
    shuffle(&mut paragraphs, random);

    let pwo_text = pwo.as_deref();
    let opening = Opening { name: &name, client: &client, supplier: &supplier, pwo: pwo_text, start, end, portuguese };
    let mut text = opening.write(random);
    for (number, paragraph) in paragraphs.iter().enumerate() {
        text.push_str(&format!("\n\n{}. {paragraph}", number + 1));
    }
    let mut values: Values = classes.iter().map(|class| (class.field.name, class.name())).collect();
    values.extend([
        ("contract_name", Some(name.clone())),
        ("pwo_number", pwo),
        ("sow_value_eur", value),
        ("contract_start_date", Some(start.to_string())),
        ("contract_end_date", end.map(|end| end.to_string())),
        ("high_level_scope", scope),
    ]);
    Contract { name, text, values }
}

#[cfg(test)]
mod tests {
    use super::super::labels::FIELDS;
    use super::*;

    #[test]
    fn every_contract_has_every_field_and_a_text_of_sensible_length() {
        for document in 0..300 {
            let contract = draw(&mut Random::new(7, document));
            assert_eq!(contract.values.len(), FIELDS.len() + 6);
            let characters = contract.text.chars().count();
            assert!((500..10_000).contains(&characters), "{characters}");
            assert!(!contract.text.contains(['{', '|', '$']), "{}", contract.text);
        }
    }
}
