//! Draws the classes of a contract.

use super::labels::{FIELDS, Field, LEVEL_1, LEVEL_2, USER_LICENSE};
use super::random::Random;

/// A field and the index of its class; `None` if the contract has no value.
pub(crate) struct DrawnClass {
    pub(crate) field: &'static Field,
    pub(crate) index: Option<usize>,
}

impl DrawnClass {
    pub(crate) fn name(&self) -> Option<String> {
        self.index.map(|index| self.field.classes[index].name.to_owned())
    }

    fn is(&self, name: &str) -> bool {
        self.index.is_some_and(|index| self.field.classes[index].name == name)
    }
}

/// Draws a class for each field. Fields depend on each other: the second level refines the first, a non-disclosure agreement has no
/// price, and user licences occur mostly for software.
pub(crate) fn draw_classes(random: &mut Random) -> Vec<DrawnClass> {
    let mut classes: Vec<DrawnClass> = FIELDS.iter().map(|field| DrawnClass { field, index: draw_class(field, random) }).collect();
    let index_of = |name: &str| FIELDS.iter().position(|field| field.name == name).expect("the field is in the table");
    let (level_1, level_2, license) = (index_of(LEVEL_1.name), index_of(LEVEL_2.name), index_of(USER_LICENSE.name));
    if let Some(first) = classes[level_1].index
        && classes[level_2].index.is_some()
    {
        let pair = &LEVEL_2.classes[first * 2..first * 2 + 2];
        classes[level_2].index = Some(first * 2 + random.weighted(pair.iter().map(|class| class.weight)));
    }
    if !classes[level_1].is("Software") && random.chance(0.7) {
        classes[license].index = None;
    }
    if classes[0].is("Non-Disclosure Agreement") {
        for unpriced in ["sow_currency", "commercial_model", "user_based_license"] {
            classes[index_of(unpriced)].index = None;
        }
    }
    classes
}

/// Draws one class by its weight, or none.
pub(crate) fn draw_class(field: &'static Field, random: &mut Random) -> Option<usize> {
    let none = random.below(100) < u64::from(field.none);
    (!none).then(|| random.weighted(field.classes.iter().map(|class| class.weight)))
}
