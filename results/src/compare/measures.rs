//! The numbers in raw rows, with what they are of.

use serde_json::Value;
use std::collections::BTreeMap;

/// Fields whose numbers tell repeats apart and measure nothing.
const NUMBERING: [&str; 7] = ["seed", "visit", "repeat", "run", "index", "generation", "child"];

/// By the words around them and the names of their fields: all values, in the order of the rows.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Measures {
    pub(crate) values: BTreeMap<(String, String), Vec<f64>>,
}

impl Measures {
    pub(crate) fn of(rows: &[Value]) -> Self {
        let mut measures = Self::default();
        for row in rows {
            measures.add(row, &[], &[]);
        }
        measures
    }

    /// `words` are those of all objects around `value`, `path` the names of the fields that lead to it.
    fn add(&mut self, value: &Value, words: &[String], path: &[String]) {
        match value {
            Value::Null | Value::String(_) => {}
            // How often it is so: the mean is a share.
            Value::Bool(is) => self.push(words, path, f64::from(u8::from(*is))),
            Value::Number(number) => {
                if let Some(number) = number.as_f64().filter(|number| number.is_finite()) {
                    self.push(words, path, number);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| self.add(value, words, path)),
            Value::Object(fields) => {
                let mut words = words.to_vec();
                words.extend(fields.values().filter_map(Value::as_str).map(str::to_owned));
                for (name, value) in fields {
                    let numbers = NUMBERING.contains(&name.as_str()) && value.is_number();
                    if !numbers {
                        let mut path = path.to_vec();
                        path.push(name.clone());
                        self.add(value, &words, &path);
                    }
                }
            }
        }
    }

    fn push(&mut self, words: &[String], path: &[String], value: f64) {
        self.values.entry((words.join(", "), path.join("."))).or_default().push(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_say_of_what_and_arrays_are_repeats() {
        let row = json!({
            "fact": "rows",
            "value": [{
                "scheduler": "bfq",
                "default": true,
                "seed": 7,
                "runs": [{ "mean_ns": 1 }, { "mean_ns": 3 }, { "mean_ns": null }],
            }],
        });
        let key = |measure: &str| ("rows, bfq".to_owned(), measure.to_owned());
        let expected = [(key("value.default"), vec![1.0]), (key("value.runs.mean_ns"), vec![1.0, 3.0])];
        assert_eq!(Measures::of(&[row]).values, expected.into());
    }

    #[test]
    fn a_row_that_is_no_object_is_a_measure_without_a_name() {
        let found = Measures::of(&[json!(1.5), json!([2.5]), json!("word")]).values;
        assert_eq!(found, [((String::new(), String::new()), vec![1.5, 2.5])].into());
    }
}
