//! Formats and converts amounts of money.

/// Euros per unit. Fixed, because a sample must not depend on the date.
const RATES: &[(&str, f64)] = &[("EUR", 1.0), ("USD", 0.92), ("BRL", 0.17), ("GBP", 1.17), ("CHF", 1.05)];

/// The amount in euros, in the format of the field `sow_value_eur`.
pub(crate) fn euros(currency: &str, amount: u64) -> String {
    let rate = RATES.iter().find(|(name, _)| *name == currency).expect("every currency has a rate").1;
    format!("{:.2}", amount as f64 * rate)
}

/// Formats an amount like `EUR 12,500.00`.
pub(crate) fn money(currency: &str, amount: u64) -> String {
    let digits = amount.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{currency} {grouped}.00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_grouped_by_thousands() {
        assert_eq!(money("EUR", 500), "EUR 500.00");
        assert_eq!(money("USD", 1_234_500), "USD 1,234,500.00");
        assert_eq!(euros("BRL", 1000), "170.00");
    }
}
