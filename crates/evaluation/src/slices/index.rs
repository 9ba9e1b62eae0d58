//! Which example belongs to which slice, without the examples themselves.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::example::ScoredExample;
use crate::slices::attributes::OTHER_SLICES;
use crate::slices::slice::{FieldSlices, MAX_SLICES_PER_DIMENSION, Slice, SliceDimension};

/// The slices of the examples of all fields. Every distinct value is in memory once.
#[derive(Debug)]
pub struct SliceIndex {
    dimensions: Vec<Values>,
    /// By field, in the order of its examples: the number of the value of every dimension.
    fields: BTreeMap<String, Vec<Box<[u32]>>>,
}

/// The values of one dimension.
#[derive(Debug)]
struct Values {
    dimension: String,
    values: Vec<String>,
    numbers: HashMap<String, u32>,
    /// Examples of all fields, by number of the value.
    examples: Vec<u64>,
}

impl SliceIndex {
    /// An index without examples.
    #[must_use]
    pub fn new(dimensions: Vec<String>) -> Self {
        let values = |dimension| Values { dimension, values: Vec::new(), numbers: HashMap::new(), examples: Vec::new() };
        Self { dimensions: dimensions.into_iter().map(values).collect(), fields: BTreeMap::new() }
    }

    /// Adds the next example of a field, with the value of every dimension.
    ///
    /// # Panics
    /// The number of values is not the number of dimensions.
    pub fn push(&mut self, field: &str, values: &[String]) {
        assert_eq!(values.len(), self.dimensions.len(), "one value per dimension");
        let row = self.dimensions.iter_mut().zip(values).map(|(dimension, value)| dimension.count(value)).collect();
        self.fields.entry(field.to_owned()).or_default().push(row);
    }

    /// The metrics of a field by slice. `examples` are those that were added, in the same order.
    ///
    /// # Panics
    /// The number of examples is not the number of those that were added.
    #[must_use]
    pub fn slice(&self, field: &str, examples: &[ScoredExample], threshold: Option<f64>) -> FieldSlices {
        let rows = self.fields.get(field).map_or(&[][..], Vec::as_slice);
        assert_eq!(rows.len(), examples.len(), "the examples that were added");
        let dimensions = self.dimensions.iter().enumerate().map(|(dimension, values)| {
            let named = values.most_frequent();
            let mut members: BTreeMap<&str, Vec<&ScoredExample>> = BTreeMap::new();
            for (row, example) in rows.iter().zip(examples) {
                let number = row[dimension];
                let value = if named.contains(&number) { values.values[number as usize].as_str() } else { OTHER_SLICES };
                members.entry(value).or_default().push(example);
            }
            let slices = members.iter().map(|(value, examples)| Slice::from_examples(value, examples, threshold)).collect();
            SliceDimension::new(values.dimension.clone(), values.values.len() as u64, slices)
        });
        FieldSlices { field: field.to_owned(), dimensions: dimensions.collect() }
    }
}

impl Values {
    /// Counts an example, and returns the number of its value.
    fn count(&mut self, value: &str) -> u32 {
        if let Some(number) = self.numbers.get(value) {
            self.examples[*number as usize] += 1;
            return *number;
        }
        let number = u32::try_from(self.values.len()).expect("fewer than 2^32 documents in a split");
        self.values.push(value.to_owned());
        self.numbers.insert(value.to_owned(), number);
        self.examples.push(1);
        number
    }

    /// Numbers of the values with a slice of their own: those with the most examples over all fields, then in the order of their bytes.
    fn most_frequent(&self) -> HashSet<u32> {
        let mut numbers: Vec<u32> = self.numbers.values().copied().collect();
        numbers.sort_by_key(|number| (std::cmp::Reverse(self.examples[*number as usize]), &self.values[*number as usize]));
        numbers.into_iter().take(MAX_SLICES_PER_DIMENSION).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::testing::scored;

    #[test]
    fn examples_are_divided_by_every_dimension() {
        let mut index = SliceIndex::new(vec!["source".to_owned(), "reviewer".to_owned()]);
        let rows = [("law", "x", "ana"), ("law", "y", "ana"), ("kind", "x", "bob"), ("law", "x", "bob")];
        for (field, source, reviewer) in rows {
            index.push(field, &[source.to_owned(), reviewer.to_owned()]);
        }
        let examples = [scored("a", "a", 0.9), scored("a", "b", 0.9), scored("b", "a", 0.9)];
        let law = index.slice("law", &examples, Some(0.5));
        let rows = |dimension: usize| -> Vec<(&str, u64, Option<f64>)> {
            law.dimensions[dimension].slices.iter().map(|slice| (slice.value.as_str(), slice.n, slice.accuracy)).collect()
        };
        assert_eq!(rows(0), [("x", 2, Some(0.5)), ("y", 1, Some(0.0))]);
        assert_eq!(rows(1), [("ana", 2, Some(0.5)), ("bob", 1, Some(0.0))]);
        assert!(index.slice("never", &[], None).dimensions.iter().all(|dimension| dimension.slices.is_empty()));
    }

    #[test]
    fn the_rarest_values_are_combined_in_every_field() {
        let mut index = SliceIndex::new(vec!["customer".to_owned()]);
        let values = MAX_SLICES_PER_DIMENSION + 2;
        // every value has one example of `law`; all but two have another one of `kind`
        for number in 0..values {
            index.push("law", &[format!("{number:02}")]);
            if number != 0 && number != 7 {
                index.push("kind", &[format!("{number:02}")]);
            }
        }
        let examples = vec![scored("a", "a", 0.9); values];
        let law = &index.slice("law", &examples, None).dimensions[0];
        assert_eq!((law.values, law.combined, law.slices.len()), (22, 2, 21));
        let other = law.slices.last().unwrap();
        assert_eq!((other.value.as_str(), other.n), (OTHER_SLICES, 2));
        let kind = &index.slice("kind", &examples[..values - 2], None).dimensions[0];
        assert!(kind.slices.len() == 20 && kind.slices.iter().all(|slice| slice.value != OTHER_SLICES));
    }
}
