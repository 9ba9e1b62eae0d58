//! Which classes a contract has.

use super::labels::{FIELDS, Field, LEVEL_1, LEVEL_2, USER_LICENSE};
use super::random::Random;

/// A field and its class; `None` = the contract has none.
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

/// Fields hang together: the second level follows from the first, a secrecy agreement has no price, users are counted
/// for software.
pub(crate) fn draw_classes(random: &mut Random) -> Vec<DrawnClass> {
    let mut classes: Vec<DrawnClass> = FIELDS.iter().map(|field| DrawnClass { field, index: draw_class(field, random) }).collect();
    let at = |name: &str| FIELDS.iter().position(|field| field.name == name).expect("a field of the table");
    let (level_1, level_2, license) = (at(LEVEL_1.name), at(LEVEL_2.name), at(USER_LICENSE.name));
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
            classes[at(unpriced)].index = None;
        }
    }
    classes
}

/// One class by its weight, or none.
pub(crate) fn draw_class(field: &'static Field, random: &mut Random) -> Option<usize> {
    let none = random.below(100) < u64::from(field.none);
    (!none).then(|| random.weighted(field.classes.iter().map(|class| class.weight)))
}
